//! Simulated machine.
/// ESSA.
pub mod essa {}
/// Storage.
pub mod storage {}
