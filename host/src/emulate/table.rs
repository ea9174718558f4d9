//! The table of instructions that trap.

use super::decode::Instruction;
use super::instructions::instructions;
use super::machine::{Machine, Trap};
use super::{
    channel, clock, control, diagnose, essa, facility, key, move_spaces, psw, sclp, sigp,
    translation,
};

/// A function that executes one instruction.
type Execute = fn(&mut Machine<'_>, &Instruction) -> Result<(), Trap>;

/// An instruction.
pub(super) struct Entry {
    pub(super) opcode: u16,
    /// Whether the problem state gets a privileged-operation exception before anything else.
    pub(super) privileged: bool,
    pub(super) execute: Execute,
}

const fn privileged(opcode: u16, execute: Execute) -> Entry {
    Entry {
        opcode,
        privileged: true,
        execute,
    }
}

const fn general(opcode: u16, execute: Execute) -> Entry {
    Entry {
        opcode,
        privileged: false,
        execute,
    }
}

/// Makes the table of those that are emulated; the rest is an operation exception, or never comes here.
macro_rules! entries {
    (
        emulated { $($opcode:literal $name:ident $class:ident $($path:ident)::+;)* }
        absent { $($absent:tt)* }
        leak { $($leak:tt)* }
    ) => {
        /// By operation code, ascending.
        static TABLE: &[Entry] = &[$($class($opcode, $($path)::+)),*];
    };
}

instructions!(entries);

const _: () = {
    let mut at = 1;
    while at < TABLE.len() {
        assert!(
            TABLE[at - 1].opcode < TABLE[at].opcode,
            "ascending, each once"
        );
        at += 1;
    }
};

/// The instruction with an operation code, if it is one that this host emulates.
pub(super) fn find(opcode: u16) -> Option<&'static Entry> {
    TABLE
        .binary_search_by_key(&opcode, |entry| entry.opcode)
        .ok()
        .map(|at| &TABLE[at])
}
