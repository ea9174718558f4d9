//! Emulation of the instructions that trap: one table, one small function each.

pub mod codes;
pub mod decode;

#[cfg(target_os = "none")]
mod channel;
#[cfg(target_os = "none")]
mod clock;
#[cfg(target_os = "none")]
mod control;
#[cfg(target_os = "none")]
mod diagnose;
#[cfg(target_os = "none")]
mod essa;
#[cfg(target_os = "none")]
mod facility;
#[cfg(target_os = "none")]
mod handshake;
mod instructions;
#[cfg(target_os = "none")]
mod key;
#[cfg(not(target_os = "none"))]
pub mod listing;
#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
mod mapped;
#[cfg(target_os = "none")]
mod move_spaces;
#[cfg(target_os = "none")]
mod psw;
#[cfg(target_os = "none")]
mod sclp;
#[cfg(target_os = "none")]
mod sigp;
#[cfg(target_os = "none")]
mod table;
#[cfg(target_os = "none")]
mod translation;

#[cfg(target_os = "none")]
pub use machine::{execute_length, instruction, length_at, opcode_at};
