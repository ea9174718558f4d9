//! The table of instructions that trap.

use super::decode::Instruction;
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

/// By operation code, ascending.
static TABLE: &[Entry] = &[
    privileged(0x0107, clock::sckpf),
    privileged(0x8000, psw::ssm),
    privileged(0x8200, psw::lpsw),
    privileged(0x8300, diagnose::diag),
    privileged(0xac00, psw::stnsm),
    privileged(0xad00, psw::stosm),
    privileged(0xae00, sigp::sigp),
    privileged(0xb100, translation::lra),
    privileged(0xb202, facility::stidp),
    privileged(0xb204, clock::sck),
    privileged(0xb206, clock::sckc),
    privileged(0xb207, clock::stckc),
    privileged(0xb208, clock::spt),
    privileged(0xb209, clock::stpt),
    privileged(0xb20a, psw::spka),
    privileged(0xb20d, translation::ptlb),
    privileged(0xb210, control::spx),
    privileged(0xb211, control::stpx),
    privileged(0xb212, control::stap),
    general(0xb219, psw::sac),
    privileged(0xb220, sclp::servc),
    privileged(0xb221, translation::ipte),
    general(0xb223, key::ivsk),
    privileged(0xb229, key::iske),
    privileged(0xb22a, key::rrbe),
    privileged(0xb22b, key::sske),
    privileged(0xb22c, control::tb),
    privileged(0xb230, channel::not_operational),
    privileged(0xb231, channel::not_operational),
    privileged(0xb232, channel::not_operational),
    privileged(0xb233, channel::not_operational),
    privileged(0xb234, channel::not_operational),
    privileged(0xb235, channel::not_operational),
    privileged(0xb236, channel::tpi),
    privileged(0xb238, channel::not_operational),
    privileged(0xb239, channel::stcrw),
    privileged(0xb23b, channel::not_operational),
    privileged(0xb246, control::stura),
    privileged(0xb24b, control::lura),
    privileged(0xb250, translation::csp),
    general(0xb279, psw::sac),
    privileged(0xb27d, facility::stsi),
    privileged(0xb2b1, facility::stfl),
    privileged(0xb2b2, psw::lpswe),
    privileged(0xb600, control::stctl),
    privileged(0xb700, control::lctl),
    privileged(0xb905, control::lurag),
    privileged(0xb925, control::sturg),
    privileged(0xb98a, translation::cspg),
    privileged(0xb98e, translation::idte),
    general(0xb9ab, essa::essa),
    general(0xc800, move_spaces::mvcos),
    general(0xda00, move_spaces::mvcp),
    general(0xdb00, move_spaces::mvcs),
    privileged(0xe303, translation::lrag),
    privileged(0xe313, translation::lray),
    privileged(0xe502, translation::strag),
    privileged(0xeb25, control::stctg),
    privileged(0xeb2f, control::lctlg),
];

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
