//! What the host answers to its operator.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

use arch::clock::UNITS_PER_MICROSECOND;
use cmm::{PageState, extended};
use drivers::record::{self, Counts};
use serde::Serialize;

use super::{describe, discards, page_states, word};
use crate::guest::Guest;
use crate::mem::PageEntry;
use crate::vcpu::{Place, Vcpu};

/// The answer for one guest.
#[derive(Serialize)]
pub struct Answer<'a> {
    command: &'a str,
    guest: Option<usize>,
    status: &'static str,
    /// For people.
    pub text: Option<String>,
    /// For programs.
    pub counts: Counts<String>,
}

impl<'a> Answer<'a> {
    /// An answer that says no more than that the command was carried out.
    #[must_use]
    pub fn new(command: &'a str, guest: usize) -> Self {
        Self {
            command,
            guest: Some(guest),
            status: word(true),
            text: None,
            counts: Counts::default(),
        }
    }

    /// Prints it.
    pub fn emit(&self) {
        record::emit("operator", self);
    }
}

/// Says that a command that is for no guest was carried out.
pub fn accepted(command: &str) {
    let answer = Answer {
        guest: None,
        ..Answer::new(command, 0)
    };
    answer.emit();
}

/// Says that a command was not carried out.
pub fn refused(command: &str, reason: &str) {
    let answer = Answer {
        guest: None,
        status: word(false),
        text: Some(reason.to_string()),
        ..Answer::new(command, 0)
    };
    answer.emit();
}

/// What a guest does, in a word or, when it has ended, a few.
#[must_use]
pub fn condition(guest: &Guest) -> String {
    let is_any = |place: fn(Place) -> bool| guest.vcpus.iter().any(|vcpu| place(vcpu.place));
    if guest.end.is_some() {
        return describe(guest.end).1;
    }
    let condition = if guest.is_paused {
        "paused"
    } else if guest.vcpus.iter().any(|vcpu| vcpu.wants.is_some()) {
        "waits for a page"
    } else if is_any(|place| place != Place::Off) {
        "runs"
    } else {
        "waits"
    };
    condition.to_string()
}

/// A guest in a few numbers.
#[must_use]
pub fn summary(guest: &Guest) -> Counts<String> {
    let resident = guest.memory.pages().filter_map(PageEntry::resident);
    let (counters, memory) = (&guest.counters, &guest.memory.counters);
    let essa = &counters.essa;
    counts([
        ("cpus", guest.vcpus.len() as u64),
        ("pages", guest.memory.size() / arch::PAGE_SIZE as u64),
        ("resident", resident.count() as u64),
        ("discards", discards(guest)),
        ("discard_faults", counters.discard_faults),
        ("page_writes", memory.page_writes),
        ("page_reads", memory.page_reads + memory.reads_ahead),
        ("cpu_us", counters.cpu_time / UNITS_PER_MICROSECOND),
        ("essa1", essa[1]),
        ("essa2", essa[2]),
        ("essa3", essa[3]),
        ("essa4", essa[4]),
        ("essa6", essa[6]),
    ])
}

/// Counts by name.
#[must_use]
pub fn counts<const N: usize>(all: [(&str, u64); N]) -> Counts<String> {
    all.iter()
        .map(|(name, count)| (name.to_string(), *count))
        .collect()
}

/// How many pages of a guest are in each state of the model, and in others that there are.
#[must_use]
pub fn states(guest: &Guest) -> Counts<String> {
    page_states(core::slice::from_ref(guest))
        .filter(|(state, count)| *count > 0 || PageState::ALL.contains(state))
        .map(|(state, count)| (state.name().to_string(), count))
        .collect()
}

/// Most letters of a map.
const MAP: usize = 512;
/// The letter of each state: capital if the page is resident, small if it is kept elsewhere; others have no content.
const LETTERS: [(PageState, char); 11] = [
    (PageState::SR, 'S'),
    (PageState::SP, 's'),
    (PageState::SZ, '.'),
    (PageState::UR, 'U'),
    (PageState::UZ, '-'),
    (PageState::VR, 'V'),
    (PageState::VZ, 'x'),
    (PageState::PR, 'P'),
    (extended::VP, 'v'),
    (extended::PP, 'p'),
    (extended::UP, 'u'),
];

/// A letter for each so many pages, that of the state which most of them are in.
#[must_use]
pub fn map(guest: &Guest) -> (String, usize) {
    let pages: Vec<_> = guest.memory.pages().collect();
    let group = pages.len().div_ceil(MAP).max(1);
    let letters = pages.chunks(group).map(|group| {
        let of = |state| group.iter().filter(|page| page.state == state).count();
        let counts = LETTERS.iter().map(|(state, letter)| (of(*state), *letter));
        counts
            .fold(
                (0, '?'),
                |best, next| if next.0 > best.0 { next } else { best },
            )
            .1
    });
    (letters.collect(), group)
}

/// The registers of a CPU, those of its latest exit if it runs elsewhere.
#[must_use]
pub fn registers(address: usize, vcpu: &Vcpu, prefix: u32) -> String {
    let mut text = format!(
        "cpu {address} {}: psw {:016x} {:016x} prefix {prefix:#x}",
        if vcpu.is_operating {
            "operates"
        } else {
            "stopped"
        },
        vcpu.psw.mask,
        vcpu.psw.address,
    );
    for (name, registers) in [("r", &vcpu.context.gprs), ("c", &vcpu.control)] {
        for (number, value) in registers.iter().enumerate() {
            write!(text, " {name}{number} {value:x}").expect("a string takes everything");
        }
    }
    text
}

/// A piece of storage.
#[must_use]
pub fn storage(at: u64, bytes: &[u8]) -> String {
    let mut text = format!("{at:#x}:");
    for (number, byte) in bytes.iter().enumerate() {
        let space = if number % 4 == 0 { " " } else { "" };
        write!(text, "{space}{byte:02x}").expect("a string takes everything");
    }
    text
}
