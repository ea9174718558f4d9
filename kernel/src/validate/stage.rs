//! What checks are made with: pages in states that are asked for, and instructions whose end is recorded.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::fmt;

use arch::attempt::{self, Ended};
use arch::dat::{PAGE_TABLE_ENTRIES, SHORT_SEGMENT_TABLE_ENTRIES};
use arch::fault::Fault;
use arch::interruption::Context;
use arch::table::{PageTables, SegmentTable};
use arch::{
    Absolute, Frame, PAGE_SIZE, Psw, PswMask, control, diagnose, essa, key, program, psw, storage,
};
use cmm::{Content, EssaResult, Orc, PageState, Usage};

use super::{NO_ESSA, NOT_OBSERVED, observed};
use crate::mm::Mm;

/// Most frames that are mapped one to one: by the shortest segment table, less the last segment, which is for a page
/// table that is not there.
const MAPPED: usize = (SHORT_SEGMENT_TABLE_ENTRIES - 1) * PAGE_TABLE_ENTRIES;
/// Most pages that checks use.
const PAGES: usize = 160;
/// Fewest: what checks have in hand at once. With so few, none is left to be paged out for them.
const FEWEST: usize = 32;
/// Part of the free pages that checks take, of which each comes with another one.
const PART: usize = 8;
/// Each comes with one in front of it, for what crosses from there into it: as an order, two.
const ORDER: u32 = 1;
/// What a page holds, in every byte, so that it can be seen whether it still does. No instruction begins so.
pub(super) const FILLING: u8 = 0x03;
/// How much of a page is written at once, in bytes.
const PIECE: usize = 256;
/// Most bytes of a program to attempt, with what ends it.
const LONGEST: usize = 32;

/// Where programs to attempt are put: in the image, so that 24-bit addresses reach them.
#[repr(C, align(64))]
struct Program(UnsafeCell<[u8; LONGEST]>);

// SAFETY: only the one thread that runs the checks uses it.
unsafe impl Sync for Program {}

static PROGRAM: Program = Program(UnsafeCell::new([0; LONGEST]));

/// Pages and address spaces for checks.
pub(super) struct Stage<'a> {
    pub(super) mm: &'a Mm<'a>,
    /// Whether the machine has ESSA.
    pub(super) has_essa: bool,
    pages: Vec<Frame>,
    /// Pages that are stable and that the hypervisor has paged out, as far as it has kept them so.
    pub(super) paged_out: Vec<Frame>,
    /// All storage, one to one.
    identity: (SegmentTable, PageTables),
    /// What programs are executed in instead, if something is: it maps the image as well.
    pub(super) space: Option<u64>,
}

/// How a program ended.
pub(super) struct Seen {
    pub(super) ended: Ended,
    pub(super) psw: Psw,
    pub(super) gprs: [u64; 16],
    /// Where it began and where its last instruction ended.
    program: (u64, u64),
    /// The page that it is about.
    page: Absolute,
}

impl Seen {
    /// Whether its last instruction completed.
    pub(super) fn is_complete(&self) -> bool {
        self.ended.code == program::OPERATION && self.psw.address == self.program.1 + 2
    }

    /// The condition code.
    pub(super) fn cc(&self) -> u64 {
        self.psw.mask >> psw::field::CC_SHIFT & 3
    }
}

/// "done" with the condition code, or the interruption: code, where the PSW was, and what was stored at 0xA8 and 0xA0.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_complete() {
            return write!(f, "done cc{}", self.cc());
        }
        let start = self.program.0;
        let length = u64::from(self.ended.length);
        let place = match self.psw.address {
            at if at == start => "before",
            at if at == start + length => "behind",
            at if at == self.page.0 => "at page",
            at if at.wrapping_sub(self.page.0) < PAGE_SIZE as u64 => "in page",
            _ => "elsewhere",
        };
        write!(
            f,
            "{:04x} {place} ilc{}",
            self.ended.code, self.ended.length
        )?;
        if let Some(at) = self.ended.identification {
            let of_page = at & !0xfff == self.page.0;
            let whose = if of_page { "page" } else { "other" };
            write!(f, " a8={whose}+{:03x}", at & 0xfff)?;
        }
        if let Some(access) = self.ended.access {
            write!(f, " a0={access:02x}")?;
        }
        Ok(())
    }
}

impl<'a> Stage<'a> {
    /// Takes the pages and makes the space.
    pub(super) fn new(mm: &'a Mm<'a>) -> Result<Self, String> {
        let count = mm.frame_count().min(MAPPED);
        let no_memory = || "there is no memory for the checks".to_string();
        let tables = PageTables::new(0, count).ok_or_else(no_memory)?;
        for frame in 0..count {
            tables.map(frame, Frame(frame as u32), false);
        }
        let segments = SegmentTable::new([&tables]).ok_or_else(no_memory)?;
        let wanted = (mm.free_page_count() / PART).clamp(FEWEST, PAGES);
        let (mut pages, mut others) = (Vec::with_capacity(wanted), Vec::new());
        while pages.len() < wanted {
            let pair = mm.allocate_pages(ORDER).ok_or_else(no_memory)?;
            let second = Frame(pair.frame.0 + 1);
            let list = if second.index() < count {
                &mut pages
            } else {
                &mut others
            };
            list.push(second);
        }
        give(mm, &others);
        let probe = essa::try_essa(Orc::GetState, pages[0].address());
        Ok(Self {
            mm,
            has_essa: probe.is_ok(),
            pages,
            paged_out: Vec::new(),
            identity: (segments, tables),
            space: None,
        })
    }

    /// Gives all pages back to the kernel.
    pub(super) fn strike(mut self) {
        while let Some(page) = self.paged_out.pop() {
            self.give_back(page);
        }
        give(self.mm, &self.pages);
    }

    /// A stable page that holds the filling, with storage key 0; the one in front of it goes with it.
    ///
    /// # Panics
    /// If a check keeps more pages than there are.
    pub(super) fn take(&mut self) -> Frame {
        let page = self.pages.pop().expect("checks give pages back");
        self.fill(page);
        page
    }

    /// Writes a page and the one in front of it anew, reference and change bits off.
    pub(super) fn fill(&self, page: Frame) {
        let front = Frame(page.0 - 1);
        for at in (0..2 * PAGE_SIZE).step_by(PIECE) {
            // SAFETY: both are the stage's.
            unsafe { storage::copy_in(Absolute(front.address().0 + at as u64), &[FILLING; PIECE]) };
        }
        key::set(page, 0);
    }

    /// Where the page tables of all storage are, one for each MiB.
    pub(super) fn page_tables(&self) -> impl Iterator<Item = Absolute> {
        self.identity.1.origins()
    }

    /// Pages that are left for what is not known beforehand, when checks have what they need at least.
    pub(super) fn spare(&self) -> usize {
        self.pages.len().saturating_sub(FEWEST)
    }

    /// Takes a page back in whatever state it is.
    pub(super) fn give_back(&mut self, page: Frame) {
        // Where there is no ESSA the state is what it was.
        let _ = essa::try_essa(Orc::SetStable, page.address());
        self.pages.push(page);
    }

    /// The state of a page.
    pub(super) fn state(&self, page: Frame) -> State {
        State(essa::try_essa(Orc::GetState, page.address()).ok())
    }

    /// A page in a state, if it can be brought there now.
    ///
    /// # Errors
    /// What to say of a check that needs one.
    pub(super) fn in_state(&mut self, wanted: PageState) -> Result<Frame, &'static str> {
        let needs_essa = !matches!(wanted, PageState::SR | PageState::SZ);
        if needs_essa && !self.has_essa {
            return Err(NO_ESSA);
        }
        let page = if wanted == PageState::SP {
            self.paged_out.pop().ok_or(NOT_OBSERVED)?
        } else {
            self.take()
        };
        if self.bring(page, wanted) {
            return Ok(page);
        }
        self.give_back(page);
        if wanted == PageState::SP {
            // The hypervisor has brought this one in; perhaps not the next one.
            return self.in_state(wanted);
        }
        Err(NOT_OBSERVED)
    }

    /// A page in a state for a case of a check, of which is said why if there is none.
    pub(super) fn prepare(
        &mut self,
        check: u16,
        case: &dyn fmt::Display,
        wanted: PageState,
    ) -> Option<Frame> {
        self.in_state(wanted)
            .inspect_err(|why| observed(check, case, why))
            .ok()
    }

    /// Brings a page into a state; returns whether it is there.
    pub(super) fn bring(&self, page: Frame, wanted: PageState) -> bool {
        let at = page.address();
        if !self.has_essa && !matches!(wanted, PageState::SR | PageState::SZ) {
            return false;
        }
        if wanted.content() == Content::Zero {
            // SAFETY: the page is the stage's, its content is of no worth.
            let released = unsafe { diagnose::release_pages(at, at) };
            if !self.has_essa {
                return released.is_ok();
            }
        }
        if wanted.usage() != Usage::Stable {
            let _ = essa::try_essa(asking_for(wanted.usage()), at);
        }
        !self.has_essa || self.state(page).is(wanted)
    }

    /// What a page holds: the filling, zeroes, something else, or the interruption that reading ends in.
    pub(super) fn content(&self, page: Frame) -> String {
        let mut bytes = [0; PAGE_SIZE];
        // SAFETY: nobody writes the page.
        let read = unsafe { storage::try_copy_out(page.address(), &mut bytes) };
        let all = |byte| bytes.iter().all(|other| *other == byte);
        match read {
            Err(fault) => code_of(fault),
            Ok(()) if all(FILLING) => "kept".to_string(),
            Ok(()) if all(0) => "zero".to_string(),
            Ok(()) => "changed".to_string(),
        }
    }

    /// Executes a program in the supervisor state with 64-bit addresses, plus `mask`, about a page. It sees
    /// the registers `set`, all others are zero.
    pub(super) fn attempt(
        &self,
        mask: PswMask,
        code: &[u8],
        page: Frame,
        set: &[(usize, u64)],
    ) -> Seen {
        self.attempt_by(Psw::new(mask, 0).mask, code, page, set)
    }

    /// Executes a program with all of a PSW's first doubleword.
    // Called from everywhere, and never in a hurry.
    #[inline(never)]
    pub(super) fn attempt_by(
        &self,
        mask: u64,
        code: &[u8],
        page: Frame,
        set: &[(usize, u64)],
    ) -> Seen {
        let mut program = [0; LONGEST];
        program[..code.len()].copy_from_slice(code);
        let at = PROGRAM.0.get();
        // SAFETY: only this thread uses it.
        unsafe { at.write_volatile(program) };
        let start = at.addr() as u64;
        let mut gprs = [0; 16];
        for (register, value) in set {
            gprs[*register] = *value;
        }
        let psw = Psw {
            mask,
            address: start,
        };
        let mut context = Context { gprs, psw };
        let space = control::get::<1>();
        // SAFETY: the space maps all storage to itself; behind the program are zeroes, which are no
        // instruction; what it stores into are the stage's pages.
        let ended = unsafe {
            control::set::<1>(self.space.unwrap_or(self.identity.0.asce()));
            let ended = attempt::attempt(&mut context);
            control::set::<1>(space);
            ended
        };
        Seen {
            ended,
            psw: context.psw,
            gprs: context.gprs,
            program: (start, start + code.len() as u64),
            page: page.address(),
        }
    }

    /// Prints how a program ended, and the state of the page that it was about.
    pub(super) fn tell_end(&self, check: u16, case: &dyn fmt::Display, seen: &Seen) {
        let after = self.state(seen.page.frame());
        observed(check, case, &format_args!("{seen} >{after}"));
    }

    /// Executes ESSA with any operation request code on a page.
    pub(super) fn essa(&self, orc: u8, page: Frame) -> Seen {
        self.attempt(
            PswMask::empty(),
            &essa_code(orc),
            page,
            &[(2, page.address().0)],
        )
    }
}

/// The operation that asks for a usage state.
pub(super) const fn asking_for(usage: Usage) -> Orc {
    match usage {
        Usage::Stable => Orc::SetStable,
        Usage::Unused => Orc::SetUnused,
        Usage::Volatile => Orc::SetVolatile,
        Usage::PotentiallyVolatile => Orc::SetPotentiallyVolatile,
    }
}

/// Gives pages, each with the one in front of it, back to the kernel.
fn give(mm: &Mm<'_>, pages: &[Frame]) {
    for page in pages {
        mm.free_pages(Frame(page.0 - 1), ORDER);
    }
}

/// What is printed of an interruption whose code alone is known.
pub(super) fn code_of(fault: Fault) -> String {
    format!("{:04x}", fault.code)
}

/// ESSA %r3,%r2,orc.
pub(super) const fn essa_code(orc: u8) -> [u8; 4] {
    [0xb9, 0xab, orc << 4, 0x32]
}

/// The state that ESSA told.
#[derive(Clone, Copy)]
pub(super) struct State(pub(super) Option<EssaResult>);

impl State {
    /// Whether it is this one.
    pub(super) fn is(self, wanted: PageState) -> bool {
        self.0.is_some_and(|result| result.state() == Ok(wanted))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.map(EssaResult::state) {
            None => f.write_str("none"),
            Some(Ok(state)) => f.write_str(state.name()),
            // Not a state, but all that was told.
            Some(Err(_)) => write!(f, "{:02x}", u64::from(self.0.unwrap_or_default()) & 0xff),
        }
    }
}
