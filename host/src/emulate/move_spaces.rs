//! Moves between address spaces. MVCOS, MVCP and MVCS are special-operation exceptions with DAT off,
//! and guests of this host have DAT off.

use arch::program;

use super::decode::Instruction;
use super::machine::{Machine, Trap};

/// MOVE WITH OPTIONAL SPECIFICATIONS, MOVE TO PRIMARY, MOVE TO SECONDARY.
pub(super) fn special_operation(_: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    Err(Trap::exception(program::SPECIAL_OPERATION))
}
