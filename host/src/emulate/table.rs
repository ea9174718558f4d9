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
    /// Whether the CPU goes on as it was behind it: see [`PLAIN`].
    pub(super) plain: bool,
    pub(super) execute: Execute,
}

/// Instructions that change registers, the PSW, storage and the states of pages, but nothing else that says when
/// and by which tables the CPU goes on: neither control registers, timers and prefix, nor another CPU.
const PLAIN: [u16; 34] = [
    0x8000, 0x8200, 0x9900, 0xac00, 0xad00, 0xb100, 0xb202, 0xb207, 0xb209, 0xb20a, 0xb20b, 0xb211,
    0xb212, 0xb221, 0xb223, 0xb224, 0xb229, 0xb22a, 0xb22b, 0xb22c, 0xb246, 0xb24b, 0xb27d, 0xb2b1,
    0xb2b2, 0xb600, 0xb905, 0xb925, 0xb9ab, 0xe303, 0xe313, 0xe502, 0xeb0f, 0xeb25,
];

const fn is_plain(opcode: u16) -> bool {
    let mut at = 0;
    while at < PLAIN.len() {
        if PLAIN[at] == opcode {
            return true;
        }
        at += 1;
    }
    false
}

const fn privileged(opcode: u16, execute: Execute) -> Entry {
    Entry {
        opcode,
        privileged: true,
        plain: is_plain(opcode),
        execute,
    }
}

const fn general(opcode: u16, execute: Execute) -> Entry {
    Entry {
        opcode,
        privileged: false,
        plain: is_plain(opcode),
        execute,
    }
}

/// Makes the table of those that are emulated; the rest is an operation exception, or never comes here.
macro_rules! entries {
    (
        emulated { $($opcode:literal $name:ident $class:ident $($path:ident)::+;)* }
        absent { $($absent:tt)* }
        leak { $($leak:tt)* }
        left { $($left:literal $left_name:ident $left_class:ident $($left_path:ident)::+;)* }
    ) => {
        /// By operation code, ascending; then those that other machines execute themselves.
        static TABLE: &[Entry] = &[
            $($class($opcode, $($path)::+),)*
            $($left_class($left, $($left_path)::+),)*
        ];
        /// So many are the former.
        const EMULATED: usize = [$($opcode),*].len();
    };
}

instructions!(entries);

const _: () = {
    let mut at = 1;
    while at < EMULATED {
        assert!(
            TABLE[at - 1].opcode < TABLE[at].opcode,
            "ascending, each once"
        );
        at += 1;
    }
};

/// Where in the table the entry of an operation code stands, by a hash of the code: so many places that few
/// codes share one, which take the next that is free.
static PLACES: [u8; 256] = {
    let mut places = [NOWHERE; 256];
    let mut at = 0;
    while at < TABLE.len() {
        let mut place = hash(TABLE[at].opcode);
        while places[place as usize] != NOWHERE {
            place = place.wrapping_add(1);
        }
        places[place as usize] = at as u8;
        at += 1;
    }
    places
};

/// No entry.
const NOWHERE: u8 = u8::MAX;
const _: () = assert!(TABLE.len() < NOWHERE as usize);

/// The middle of a product with the golden ratio.
const fn hash(opcode: u16) -> u8 {
    (opcode.wrapping_mul(0x9e37) >> 8) as u8
}

/// The instruction with an operation code, if it is one that this host emulates.
pub(super) fn find(opcode: u16) -> Option<&'static Entry> {
    let mut place = hash(opcode);
    loop {
        let entry = TABLE.get(usize::from(PLACES[usize::from(place)]))?;
        if entry.opcode == opcode {
            return Some(entry);
        }
        place = place.wrapping_add(1);
    }
}
