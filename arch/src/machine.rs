//! What executes instructions: one module an idea, each function a thin wrapper.

#[macro_use]
mod guard;
pub mod attempt;
pub mod call;
pub mod channel;
pub mod clock;
pub mod control;
pub mod cpu;
pub mod diagnose;
pub mod essa;
mod exclusion;
pub mod facility;
pub mod float;
pub mod handler;
pub mod interpret;
pub mod key;
pub mod move_spaces;
pub mod sclp;
pub mod sigp;
pub mod storage;
pub mod switch;
pub mod translation;
