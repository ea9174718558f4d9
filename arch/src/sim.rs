//! Simulated machine.
pub mod essa {}
pub mod storage {}
