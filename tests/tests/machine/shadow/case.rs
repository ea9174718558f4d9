//! A program with DAT on: its tables, what it begins with, and how its interruption must end it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Failed;
use xtask::emulator;
use xtask::machine::{self, End, Machine, Source};
use xtask::packages::Permission;

use super::programs;
use crate::runs::{leak, small};
use crate::support::{Run, Verdict, folder, run};

/// How long a program may take on the bare emulator.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn put(image: &mut [u8], at: u64, bytes: &[u8]) {
    image[at as usize..][..bytes.len()].copy_from_slice(bytes);
}

/// A PSW with 64-bit addressing and these first three bytes.
pub(super) fn psw(mask: u32, address: u64) -> [u8; 16] {
    let mask = u64::from(mask) << 40 | 0x0000_0001_8000_0000;
    (u128::from(mask) << 64 | u128::from(address)).to_be_bytes()
}

/// First bytes of a PSW: DAT on.
pub(super) const DAT: u32 = 0x04_0000;
/// With DAT on in the problem state.
pub(super) const PROBLEM: u32 = 0x04_0100;
/// With DAT on in the home space.
pub(super) const HOME: u32 = 0x04_00c0;
/// With DAT on by access registers.
pub(super) const ACCESS_REGISTERS: u32 = 0x04_0040;

/// Where a program is, by real address, and unless it says otherwise by virtual address.
pub(super) const CODE: u64 = 0x5000;
/// The address-space-control elements: a segment table, a region-first table, another segment table.
pub(super) const SEGMENTS: u64 = 0x8000;
pub(super) const REGIONS: u64 = 0xa00c;
pub(super) const OTHER_SEGMENTS: u64 = 0xe000;
/// Control register 0: moves between primary and secondary space are allowed.
pub(super) const SECONDARY: u64 = 0x0400_00e0;
pub(super) const ENHANCED: u64 = 0x0080_0000;
pub(super) const LOW_ADDRESS_PROTECTION: u64 = 0x1000_0000;
/// What stands where an identification would be stored.
pub(super) const NOTHING: u64 = 0x1111_1111_1111_1111;

/// A program, and how its interruption ends it.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) code: &'static [u8],
    pub(super) mask: u32,
    /// Where it is by virtual address.
    pub(super) start: u64,
    /// Control registers 0, 1, 7, 13.
    pub(super) control: [u64; 4],
    /// By number: registers that are not as they are for all.
    pub(super) registers: Vec<(usize, u64)>,
    /// ESSA with this code on a page.
    pub(super) essa: Option<(u8, u64)>,
    /// Program interruption: code, identification, instruction address. None if it must not come.
    pub(super) expected: Option<(u16, u64, u64)>,
    /// Table entries that are not as they are for all.
    pub(super) entries: Vec<(u64, u64)>,
    /// Whether the bare emulator does what the manual says.
    pub(super) is_bare: bool,
}

impl Case {
    pub(super) fn new(code: &'static [u8]) -> Self {
        Self {
            code,
            mask: DAT,
            start: CODE,
            control: [SECONDARY, SEGMENTS, OTHER_SEGMENTS, SEGMENTS],
            registers: Vec::new(),
            essa: None,
            expected: None,
            entries: Vec::new(),
            is_bare: true,
        }
    }

    /// A load from an address that ends in an interruption.
    pub(super) fn load(address: u64, code: u16, identification: u64) -> Self {
        Self::new(programs::LOAD)
            .at(address)
            .ends(code, identification, CODE)
    }

    pub(super) fn store(address: u64, code: u16, identification: u64) -> Self {
        Self::new(programs::STORE)
            .at(address)
            .ends(code, identification, CODE + 6)
    }

    pub(super) fn at(mut self, address: u64) -> Self {
        self.registers.push((4, address));
        self
    }

    pub(super) fn ends(mut self, code: u16, identification: u64, address: u64) -> Self {
        self.expected = Some((code, identification, address));
        self
    }

    pub(super) fn control(mut self, number: usize, value: u64) -> Self {
        self.control[number] = value;
        self
    }

    pub(super) fn essa(mut self, code: u8, page: u64) -> Self {
        (self.essa, self.is_bare) = (Some((code, page)), false);
        self
    }

    /// Not done by the emulator as the manual says.
    pub(super) fn not_bare(mut self) -> Self {
        self.is_bare = false;
        self
    }

    /// With its lowcore, the values that it compares with, its tables and its pages.
    pub(super) fn image(&self) -> Vec<u8> {
        let mut image = vec![0; 0x1_6000];
        let mut put = |at, bytes: &[u8]| put(&mut image, at, bytes);
        put(0, &[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x04, 0x00]);
        put(0x60, &[0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0f, 0xff]);
        put(0x68, &[0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0b, 0xad]);
        put(0xa8, &NOTHING.to_be_bytes());
        put(0x1c0, &psw(0, 0x380));
        put(0x1d0, &psw(0, 0x300));
        put(0x300, programs::PROGRAM_INTERRUPTION);
        put(0x380, programs::SUPERVISOR_CALL);
        put(0x400, programs::BEGIN);
        put(CODE, self.code);
        let (code, identification, address) = self.expected.unwrap_or((u16::MAX, 0, 0));
        put(0x800, &code.to_be_bytes());
        put(0x808, &identification.to_be_bytes());
        put(0x810, &address.to_be_bytes());
        put(0x818, &[0, 2, 0, 7]); // SVC 7, two bytes long
        put(0x840, &psw(self.mask, self.start));
        for (register, value) in [0, 1, 7, 13].into_iter().zip(self.control) {
            put(0x900 + 8 * register, &value.to_be_bytes());
        }
        if let Some((code, _)) = self.essa {
            put(0x416, &[0xb9, 0xab, code << 4, 0x32]);
        }
        let page = self.essa.map_or(0, |(_, page)| page);
        let common = [
            (2, page),
            (4, 0x7000),
            (5, 0xf000),
            (6, 0x6000),
            (7, 0x9038),
            (8, 0xd000),
            (9, 0x9000),
            (10, 0x8000),
            (13, 0x20_0000),
        ];
        for (register, value) in common.into_iter().chain(self.registers.iter().copied()) {
            put(0x980 + 8 * (register as u64 - 2), &value.to_be_bytes());
        }
        put(0x6000, &[0x66; 0x1000]);
        put(0xd000, &[0x77; 0x1000]);
        for (at, entry) in tables().into_iter().chain(self.entries.iter().copied()) {
            put(at, &entry.to_be_bytes());
        }
        image
    }

    /// The program finds what it expects, on the bare emulator and inside the host.
    pub(super) fn check(&self) -> Verdict {
        self.run().map(drop)
    }

    pub(super) fn run(&self) -> Result<Run, Failed> {
        let folder = folder();
        let path = folder.path().join("guest.img");
        fs::write(&path, self.image()).map_err(|error| error.to_string())?;
        if self.is_bare {
            bare(&path, 1)?;
        }
        let path = leak(path.to_str().ok_or("a directory name that is no text")?);
        let run = run(&small(&["--guest", path]))?;
        run.must_be_good()?;
        Ok(run)
    }
}

/// Where the entries are, and what they say.
fn tables() -> Vec<(u64, u64)> {
    let invalid = |table: u64, entries: u64, entry: u64| {
        (0..entries).map(move |index| (table + 8 * index, entry))
    };
    let uppers = [0x8000, 0xa000, 0xb000, 0xc000, 0xe000];
    let uppers = uppers
        .into_iter()
        .flat_map(|table| invalid(table, 512, 0x20));
    let pages = [0x9000, 0x9800, 0xf000];
    let pages = pages
        .into_iter()
        .flat_map(|table| invalid(table, 256, 0x400));
    let identity = (0..0xe).map(|page| (0x9000 + 8 * page, page << 12));
    let rest = [
        (0x8000, 0x9000),
        (0x8008, 0x9800),
        (0x8018, 0x7fff_f800), // beyond memory
        (0x8020, 0x2_0000),
        (0x8028, 0x400),  // a large frame, if there are such
        (0x8030, 0x9a00), // protected: the table at 0x9800
        (0x9038, 0x6000),
        (0x9070, 0xd200), // protected
        (0x9080, 0x800),  // reserved bit
        (0x9088, 0x2_1000),
        (0x9800, 0x6000),
        (0xa000, 0xb00c),
        (0xb000, 0xc008),
        (0xc000, 0x8004),
        (0xe000, 0xf000),
        (0xf000, 0),
        (0xf028, CODE),
        (0xf038, 0xd000),
    ];
    uppers.chain(pages).chain(identity).chain(rest).collect()
}

/// Runs an image without a host.
pub(super) fn bare(image: &Path, cpus: u16) -> Verdict {
    without_host(image, cpus).map(drop)
}

/// As [`bare`], with one CPU: what it prints.
pub(crate) fn bare_lines(image: &Path) -> Result<Vec<String>, Failed> {
    without_host(image, 1)
}

fn without_host(image: &Path, cpus: u16) -> Result<Vec<String>, Failed> {
    let qemu = emulator::find(Permission::Tell).map_err(|error| error.to_string())?;
    let machine = Machine::plain(qemu, image.to_path_buf(), cpus, 16);
    let mut lines = Vec::new();
    let end = machine::run(&mut machine.command(), Some(LIMIT), &mut |source, line| {
        if source == Source::Console {
            lines.push(line.to_owned());
        }
        Ok(())
    });
    match end.map_err(|error| error.to_string())? {
        End::Exit(Some(0)) => Ok(lines),
        end => Err(format!("on the bare emulator: {end:?}").into()),
    }
}
