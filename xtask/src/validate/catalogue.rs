//! The checks by number: name, and the documents that each comes from.

use cmm::Orc;

/// The one case of a check that a machine may not survive.
pub(super) const fn case_of_last(check: u16) -> &'static str {
    match check {
        ..=905 => "prefix",
        _ => "states",
    }
}

/// First of the checks of operation request codes by state.
pub(super) const STATES: u16 = 100;
/// First of the checks of what they do besides.
pub(super) const EFFECTS: u16 = 120;
/// First of the checks of ways to touch a page.
pub(super) const TOUCHES: u16 = 300;
/// A page table that is not there.
pub(super) const TABLE: u16 = 350;

const ESSA: &str = "CP Programming Services, ESSA; 2008 series, patch 6/6; facts 1, 2, 8";
const KVM: &str = "Linux KVM, handle_essa; kvm-unit-tests, cmm.c; facts 3.1, 4";
const OPEN: &str = "facts 11";
const FAULT: &str =
    "2008 series, do_discard_fault; CP Programming Services, block usage states; facts 2, 11";

/// What an instruction does with the page that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It accesses the page's content, at the condition codes given for a paged-out and for a zero page.
    Access(&'static str, &'static str),
    /// It is fetched from there.
    Execution,
    /// It is EX, its target is there.
    Target,
    /// It gives up the content.
    Release,
    /// It uses the storage key, the translation or the state, and no content.
    NoContent,
}

use Kind::{Access, Execution, NoContent, Release, Target};

/// A way to touch a page, as the kernel does in the same order: its name, its length in bytes, and what it does.
pub(super) const WAYS: [(&str, u8, Kind); 26] = [
    ("fetch (LG)", 6, Access("cc0", "cc0")),
    ("store (STG)", 6, Access("cc0", "cc0")),
    ("execution (BR to it)", 2, Execution),
    ("MVC from, across two pages", 6, Access("cc0", "cc0")),
    ("MVC to, across two pages", 6, Access("cc0", "cc0")),
    ("MVCL to, across two pages", 2, Access("cc0", "cc0")),
    ("MVCL from, across two pages", 2, Access("cc0", "cc0")),
    ("MVCLE to, across two pages", 4, Access("cc0", "cc0")),
    ("MVCLE from, across two pages", 4, Access("cc0", "cc0")),
    ("CLCL, across two pages", 2, Access("cc0", "cc1")),
    ("CS", 4, Access("cc1", "cc0")),
    ("EX, its target", 4, Target),
    ("XC", 6, Access("cc0", "cc0")),
    ("MVPG from", 4, Access("cc0", "cc0")),
    ("MVPG to", 4, Access("cc0", "cc0")),
    ("LRA", 4, NoContent),
    ("TPROT", 6, NoContent),
    ("ISKE", 4, NoContent),
    ("SSKE", 4, NoContent),
    ("RRBE", 4, NoContent),
    ("LURA", 4, Access("cc0", "cc0")),
    ("STURA", 4, Access("cc0", "cc0")),
    ("TB", 4, Access("cc0", "cc0")),
    ("DIAGNOSE X'10'", 4, Release),
    ("DIAGNOSE X'250', its block", 4, Access("cc*", "cc*")),
    ("SERVC, its block", 4, Access("cc0", "cc0")),
];

/// The way of a check, if it is one of these.
pub(super) fn way(check: u16) -> Option<&'static (&'static str, u8, Kind)> {
    WAYS.get(usize::from(check.checked_sub(TOUCHES)?))
}

/// The operation request code of a check, if it is one of those from `first` on.
pub(super) fn orc(check: u16, first: u16) -> Option<u8> {
    let code = u8::try_from(check.checked_sub(first)?).ok()?;
    (code < 16).then_some(code)
}

fn orc_name(code: u8) -> String {
    let name = Orc::try_from(code).map_or("no operation request code", Orc::name);
    format!("ESSA {code} {name}")
}

/// The name of a check.
pub(super) fn name(check: u16) -> String {
    if let Some(code) = orc(check, STATES) {
        return orc_name(code);
    }
    if let Some(code) = orc(check, EFFECTS) {
        return format!("{}: content, key", orc_name(code));
    }
    if let Some((name, ..)) = way(check) {
        return (*name).to_owned();
    }
    let name = match check {
        201 => "problem state",
        202 => "problem state beside another exception",
        203 => "operation request code before address",
        204 => "address where no storage is",
        205 => "address inside a page",
        206 => "address beyond the addressing mode",
        207 => "with DAT on",
        208 => "bits 20-23 of the instruction",
        209 => "result register, all of it",
        210 => "one register for address and result",
        211 => "condition code",
        212 => "page 0",
        213 => "operand, with a prefix area elsewhere",
        214 => "fetch from a prefix area elsewhere",
        326 => "DIAGNOSE X'250', its list",
        327 => "DIAGNOSE X'250', buffer that is read into",
        328 => "DIAGNOSE X'250', buffer that is written from",
        329 => "channel program",
        330 => "channel program, its data",
        331 => "virtio, buffer that is read into",
        332 => "virtio, buffer that is written from",
        333 => "virtio, the queue",
        350 => "page table not there",
        401..=406 => "under pressure",
        501 => "serialising",
        502 => "changes of state are atomic",
        503 => "volatile, then set stable if not discarded, under pressure",
        504 => "volatile, then set stable make resident, under pressure",
        505 => "potentially volatile and changed, under pressure",
        506 => "storage key of a page that is discarded meanwhile",
        601 => "CPU reset",
        602 => "initial CPU reset",
        901 => "prefix area potentially volatile",
        902 => "prefix area volatile",
        903 => "prefix area unused",
        904 => "restart of a CPU whose prefix area is discarded",
        905 => "restart of a CPU whose prefix area is unused and zero",
        906 => "DIAGNOSE X'308', subcode 1: load normal reset",
        907 => "DIAGNOSE X'308', subcode 0: modified clear reset",
        _ => "unknown check",
    };
    name.to_owned()
}

/// The documents that a check comes from; "facts 11" with a number is a question that no document answers.
pub(super) const fn sources(check: u16) -> &'static str {
    match check {
        100..=115 => ESSA,
        120..=135 => "CP Programming Services, block usage states; facts 2, 11.5, 11.7",
        201..=203 | 208 => KVM,
        204 => "Linux KVM, pgste_perform_essa; facts 3.4, 9.5, 11.4",
        205..=207 => "facts 1, 11.2",
        213 => "Linux KVM, handle_essa; facts 1, 11.2",
        214 => "2008 series, do_discard_fault; facts 2, 11.1",
        209 | 211 => "facts 1, 11.4",
        210 => "facts 1",
        212 => "facts 1, 11.9",
        315 | 316 => "Principles of Operation; facts 5.8, 11.7",
        317..=319 => "Principles of Operation; facts 5.3, 11.7",
        323 => "Linux, cmm.c; facts 7",
        324 | 326..=328 => "Linux, dasd_diag.c; facts 7, 11.8",
        329 | 330 => "Principles of Operation, basic I/O functions; facts 11.8",
        331..=333 => "Virtual I/O Device specification, over channel I/O; facts 11.8",
        325 => "facts 5.5, 11.8",
        300..=325 => FAULT,
        350 => "facts 11.9",
        401..=406 => "2008 series, patch 6/6; facts 2, 11.7, 11.12",
        501 | 502 => "facts 11.10",
        503..=505 => "2008 series, page_make_stable; facts 2, 11.10",
        506 => "Principles of Operation; facts 11.7, 11.10",
        601 | 602 => "Principles of Operation, resets; facts 11.11",
        901..=903 => "facts 11.9, 11.13",
        904 | 905 => "Principles of Operation, restart; facts 11.9, 11.13",
        906 | 907 => {
            "Linux KVM, KVM_S390_VM_MEM_CLR_CMMA; kvm-unit-tests, cmm.c; facts 3.5, 4, 11.11"
        }
        _ => OPEN,
    }
}

/// Whether a check is about an instruction that a trap-and-emulate host does not get to see on QEMU, so that what
/// is observed is QEMU's own answer: see `docs/leaks.md`.
pub(super) fn leaks(check: u16) -> bool {
    way(check).is_some_and(|(name, ..)| *name == "TPROT")
}
