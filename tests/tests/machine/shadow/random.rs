//! Arbitrary steps with tables that change: accesses by virtual address, entries that become others,
//! invalidations, other spaces. What must come of each is worked out here, plainly.

use std::collections::BTreeMap;
use std::fs;

use super::case::{CODE, DAT, bare, psw, put};
use super::programs;
use crate::random::Random;
use crate::runs::{leak, small};
use crate::support::{Verdict, folder, run};

/// Steps of a list.
const STEPS: usize = 1500;
/// Where the list is.
const LIST: u64 = 0x4_0000;

/// A region-third table, and two segment tables of one and two quarters.
const REGIONS: u64 = 0x2_0000;
const SEGMENTS: [u64; 2] = [0x2_1000, 0x2_2000];
/// Page tables.
const PAGES: [u64; 4] = [0x2_4000, 0x2_4800, 0x2_5000, 0x2_5800];
/// Pages to which they lead, so many of them.
const DATA: u64 = 0x3_0000;
const DATA_PAGES: u64 = 8;
/// The spaces.
const SPACES: [u64; 3] = [SEGMENTS[0], SEGMENTS[1] | 1, REGIONS | 4];

/// Indexes that addresses are made of: of regions, segments, pages.
const REGION_INDEXES: [u64; 4] = [0, 1, 2, 0x1ff];
const SEGMENT_INDEXES: [u64; 7] = [0, 1, 2, 0x1ff, 0x200, 0x3ff, 0x400];
const PAGE_INDEXES: [u64; 4] = [0, 1, 6, 0xff];

const INVALID: u64 = 0x20;
const PAGE_INVALID: u64 = 0x400;
const PROTECTED: u64 = 0x200;

/// What steps are made of.
trait Arbitrary {
    fn address(&mut self) -> u64;
    /// An entry with its address; what leads to the program itself stays.
    fn entry(&mut self) -> (u64, u64);
}

impl Arbitrary for Random {
    fn address(&mut self) -> u64 {
        let regions = if self.one_in(2) {
            0
        } else {
            self.of(REGION_INDEXES)
        };
        regions << 31 | self.of(SEGMENT_INDEXES) << 20 | self.of(PAGE_INDEXES) << 12
    }

    fn entry(&mut self) -> (u64, u64) {
        let is_invalid = self.one_in(4);
        let protected = if self.one_in(5) { PROTECTED } else { 0 };
        match self.below(6) {
            0 => {
                let at = REGIONS + 8 * self.of([1, 2, 0x1ff]);
                let tables = [SEGMENTS[0], SEGMENTS[1] | 1, SEGMENTS[1] | 0x41];
                let invalid = if is_invalid { INVALID } else { 0 };
                (at, self.of(tables) | 4 | invalid)
            }
            1 | 2 => {
                let table = self.of(SEGMENTS);
                let end = if table == SEGMENTS[0] { 4 } else { 6 };
                let at = table + 8 * SEGMENT_INDEXES[1 + self.below(end - 1) as usize];
                let invalid = if is_invalid { INVALID } else { 0 };
                (at, self.of(PAGES) | protected | invalid)
            }
            _ => {
                let at = self.of(PAGES) + 8 * self.of(PAGE_INDEXES);
                let page = DATA + (self.below(DATA_PAGES) << 12);
                let invalid = if is_invalid { PAGE_INVALID } else { 0 };
                (at, page | protected | invalid)
            }
        }
    }
}

/// Tables and pages, as they are after the steps so far.
struct Model {
    entries: BTreeMap<u64, u64>,
    pages: BTreeMap<u64, u64>,
    space: u64,
}

impl Model {
    /// Everything is invalid but what leads to the program.
    fn new() -> Self {
        let invalid = |table: u64, count: u64, entry: u64| {
            (0..count).map(move |index| (table + 8 * index, entry))
        };
        let regions = invalid(REGIONS, 0x200, INVALID | 4);
        let segments = invalid(SEGMENTS[0], 0x600, INVALID);
        let pages = PAGES
            .into_iter()
            .flat_map(|table| invalid(table, 0x100, PAGE_INVALID));
        let fixed = [
            (REGIONS, SEGMENTS[0] | 4),
            (SEGMENTS[0], PAGES[0]),
            (SEGMENTS[1], PAGES[0]),
            (PAGES[0] + 8 * (CODE >> 12), CODE),
        ];
        Self {
            entries: regions.chain(segments).chain(pages).chain(fixed).collect(),
            pages: (0..DATA_PAGES)
                .map(|page| (DATA + (page << 12), page))
                .collect(),
            space: SPACES[0],
        }
    }

    /// Where an address leads to, or the code and the bits of the identification that tell why not.
    fn look(&self, address: u64, store: bool) -> Result<u64, (u64, u64)> {
        let kind = if store { 0x400 } else { 0x800 };
        let (region, segment) = (address >> 31, address >> 20 & 0x7ff);
        let (mut quarters, mut table) = (0..=self.space & 3, self.space & !0xfff);
        if self.space & 4 != 0 {
            let entry = self.entries[&(REGIONS + 8 * region)];
            if entry & INVALID != 0 {
                return Err((0x3b, kind));
            }
            (quarters, table) = (entry >> 6 & 3..=entry & 3, entry & !0xfff);
        } else if region != 0 {
            return Err((0x38, kind));
        }
        if !quarters.contains(&(segment >> 9)) {
            return Err((0x10, kind));
        }
        let upper = self.entries[&(table + 8 * segment)];
        if upper & INVALID != 0 {
            return Err((0x10, kind));
        }
        let lower = self.entries[&((upper & !0x7ff) + 8 * (address >> 12 & 0xff))];
        if lower & PAGE_INVALID != 0 {
            return Err((0x11, kind));
        }
        if store && (upper | lower) & PROTECTED != 0 {
            return Err((0x4, kind | 4));
        }
        Ok(lower & !0xfff)
    }
}

/// A step: address, kind, code, identification, value, real address.
type Step = [u64; 6];

/// A step, and what it does to the model.
fn step(random: &mut Random, model: &mut Model, number: u64) -> Step {
    let address = random.address();
    match random.below(16) {
        0..5 => {
            let (at, entry) = random.entry();
            model.entries.insert(at, entry);
            [at, 2, 0, 0, entry, 0]
        }
        5 => {
            let table = random.of(PAGES);
            let at = table + 8 * (address >> 12 & 0xff);
            *model.entries.get_mut(&at).expect("it is in a table") |= PAGE_INVALID;
            [table, 3, 0, 0, address, 0]
        }
        6 => {
            model.space = random.of(SPACES);
            [0, 4, 0, 0, model.space, 0]
        }
        kind => {
            let store = kind & 1 != 0;
            match model.look(address, store) {
                Err((code, bits)) => [address, store.into(), code, address | bits, 0, 0],
                Ok(page) if store => {
                    model.pages.insert(page, number);
                    [address, 1, 0, 0, number, page]
                }
                Ok(page) => [address, 0, 0, 0, model.pages[&page], page],
            }
        }
    }
}

fn image(seed: u64) -> Vec<u8> {
    let mut image = vec![0; LIST as usize + (STEPS + 1) * size_of::<Step>()];
    let words = |image: &mut [u8], at: u64, value: u64| put(image, at, &value.to_be_bytes());
    put(
        &mut image,
        0,
        &[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x03, 0x50],
    );
    put(
        &mut image,
        0x60,
        &[0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0f, 0xff],
    );
    put(
        &mut image,
        0x68,
        &[0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0b, 0xad],
    );
    put(&mut image, 0x1c0, &psw(0, 0x328));
    put(&mut image, 0x1d0, &psw(0, 0x300));
    put(&mut image, 0x300, programs::STEPS);
    put(&mut image, 0x840, &psw(DAT, CODE));
    put(&mut image, 0x850, &psw(DAT, CODE + 8));
    put(&mut image, CODE, programs::ACCESSES);
    words(&mut image, 0x900, 0xe0);
    words(&mut image, 0x908, SPACES[0]);
    words(&mut image, 0x980, LIST);
    let mut model = Model::new();
    for (at, value) in model.entries.iter().chain(&model.pages) {
        words(&mut image, *at, *value);
    }
    let mut random = Random::new(seed);
    let mut at = LIST;
    let mut add = |image: &mut [u8], step: Step| {
        for value in step {
            words(image, at, value);
            at += 8;
        }
    };
    for number in 0..STEPS as u64 {
        let step = step(&mut random, &mut model, DATA_PAGES + number);
        add(&mut image, step);
    }
    add(&mut image, [0, 5, 0, 0, 0, 0]);
    image
}

/// As it must be, on the bare emulator and inside the host.
pub(super) fn check(seed: u64) -> Verdict {
    let folder = folder();
    let path = folder.path().join("guest.img");
    fs::write(&path, image(seed)).map_err(|error| error.to_string())?;
    bare(&path, 1)?;
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    run(&small(&["--guest", path]))?.must_be_good()
}
