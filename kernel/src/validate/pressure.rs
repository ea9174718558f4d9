//! What only the hypervisor can bring about, provoked by using all other memory for a bounded time.

use alloc::vec::Vec;

use arch::clock::{self, UNITS_PER_MICROSECOND};
use arch::{Frame, PswMask, essa, key, storage};
use cmm::{Content, Usage};

use super::stage::{FILLING, Stage, asking_for};
use super::{NO_ESSA, NOT_OBSERVED, observed};
use crate::mm::{Mm, PageAllocation};

/// First check.
const FIRST: u16 = 401;
/// Longest time for it, in TOD units: five seconds.
const PATIENCE: u64 = 5_000_000 * UNITS_PER_MICROSECOND;
/// Free pages that are left to the kernel.
const LEFT: usize = 256;
/// Pages of each kind.
const EACH: usize = 4;

/// What is done to a page, and its case: usage state, whether it counts as changed, whether somebody goes on
/// storing into it.
struct Kind {
    usage: Usage,
    changed: bool,
    stored: bool,
    name: &'static str,
}

const KINDS: [Kind; 6] = [
    kind(Usage::Unused, true, false, "Ur"),
    kind(Usage::Volatile, true, false, "Vr"),
    kind(Usage::Volatile, true, true, "Vr, stored into"),
    kind(Usage::PotentiallyVolatile, false, false, "Pr, unchanged"),
    kind(Usage::PotentiallyVolatile, true, false, "Pr, changed"),
    kind(Usage::Stable, true, false, "Sr"),
];

const fn kind(usage: Usage, changed: bool, stored: bool, name: &'static str) -> Kind {
    Kind {
        usage,
        changed,
        stored,
        name,
    }
}

/// Reports what became of pages of each kind, and leaves paged-out pages on the stage.
pub(super) fn run(stage: &mut Stage<'_>) {
    if !stage.has_essa {
        for (number, kind) in (FIRST..).zip(&KINDS) {
            observed(number, &kind.name, &NO_ESSA);
        }
        return;
    }
    let mut pages = Vec::with_capacity(KINDS.len() * EACH);
    for kind in &KINDS {
        for _ in 0..EACH {
            pages.push((kind, prepare(stage, kind)));
        }
    }
    let cold: Vec<Frame> = (0..stage.spare()).map(|_| stage.take()).collect();
    press(stage, &pages, &cold);
    for (number, kind) in (FIRST..).zip(&KINDS) {
        let of_kind = || {
            pages
                .iter()
                .filter(|(other, _)| core::ptr::eq(*other, kind))
        };
        let taken = of_kind().find(|(_, page)| is_taken(stage, *page));
        let Some((_, page)) = taken else {
            observed(number, &kind.name, &NOT_OBSERVED);
            continue;
        };
        let state = stage.state(*page);
        // The access-control bits are unpredictable; reference and change bits are zero.
        let bits = key::get(*page) & (key::REFERENCE | key::CHANGE);
        let content = stage.content(*page);
        observed(
            number,
            &kind.name,
            &format_args!(">{state}, key bits {bits:02x}, then {content}"),
        );
    }
    for (_, page) in pages {
        stage.give_back(page);
    }
    stage.paged_out = cold;
}

fn prepare(stage: &mut Stage<'_>, kind: &Kind) -> Frame {
    let page = stage.take();
    let _ = essa::try_essa(asking_for(kind.usage), page.address());
    if kind.changed {
        store(stage, page);
    }
    page
}

/// Stores what is there, unless the page has been discarded.
pub(super) fn store(stage: &Stage<'_>, page: Frame) {
    let stg = [0xe3, 0x40, 0x20, 0x00, 0x00, 0x24];
    let filling = u64::from_ne_bytes([FILLING; 8]);
    let registers = [(2, page.address().0), (4, filling)];
    stage.attempt(PswMask::empty(), &stg, page, &registers);
}

fn is_taken(stage: &Stage<'_>, page: Frame) -> bool {
    let told = stage.state(page).0.and_then(cmm::EssaResult::content);
    told.is_some_and(|content| content != Content::Resident)
}

/// Uses all free pages over and over until all that is prepared has been taken, or the time is over.
fn press(stage: &Stage<'_>, pages: &[(&Kind, Frame)], cold: &[Frame]) {
    let sweep = Sweep::new(stage.mm);
    let end = clock::now() + PATIENCE;
    let all = || pages.iter().map(|(_, page)| page).chain(cold);
    while clock::now() < end && !all().all(|page| is_taken(stage, *page)) {
        sweep.run(&mut || {
            let stored = pages.iter().filter(|(kind, _)| kind.stored);
            stored.for_each(|(_, page)| store(stage, *page));
        });
    }
}

/// All free pages but a few, which are stored into.
pub(super) struct Sweep<'a> {
    mm: &'a Mm<'a>,
    used: Vec<PageAllocation>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(mm: &'a Mm<'a>) -> Self {
        let free = mm.free_page_count().saturating_sub(LEFT);
        let mut used = Vec::with_capacity(free);
        used.extend((0..free).map_while(|_| mm.allocate_pages(0)));
        Self { mm, used }
    }

    /// Stores into each page once, and does something else now and then.
    pub(super) fn run(&self, meanwhile: &mut dyn FnMut()) {
        for (number, page) in self.used.iter().enumerate() {
            // SAFETY: the page is this sweep's.
            unsafe { storage::copy_in(page.frame.address(), &[1; 8]) };
            if number % 64 == 0 {
                meanwhile();
            }
        }
    }
}

impl Drop for Sweep<'_> {
    fn drop(&mut self) {
        for page in &self.used {
            self.mm.free_pages(page.frame, 0);
        }
    }
}
