//! Guests with DAT on: tasks of the kernel, and programs that look closely. What a program finds on
//! the bare emulator it must find inside the host.

mod programs;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use xtask::cli::Console;
use xtask::emulator;
use xtask::machine::Machine;
use xtask::packages::Permission;

use crate::check;
use crate::files;
use crate::runs::{leak, small};
use crate::support::{Run, Verdict, folder, run, trial};

/// How long a program may take on the bare emulator.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        trial("shadow::tasks_of_two_guests", two_guests),
        trial("shadow::more_tables_than_there_is_room_for", recycled),
        trial("shadow::access_register_mode_is_refused", refused),
    ];
    let tasks = [
        ("none", "lru", "1"),
        ("none", "lru", "4"),
        ("unused", "steal", "2"),
        ("full", "lru", "2"),
        ("full", "random:2000", "4"),
        ("full", "steal", "1"),
        ("full", "steal", "2"),
        ("full", "steal", "4"),
    ];
    for (hinting, evict, cpus) in tasks {
        let name = format!("shadow::tasks_{hinting}_{}_{cpus}", evict.replace(':', "_"));
        tests.push(trial(name, move || {
            let run = swapped(&[
                "--guests",
                "1",
                "--hinting",
                hinting,
                "--evict",
                evict,
                "--cpus",
                cpus,
            ])?;
            let faults: u64 = run
                .host()?
                .guests
                .iter()
                .map(|guest| guest.discard_faults)
                .sum();
            check!(
                faults > 50 || evict != "steal" || hinting != "full",
                "{faults}"
            );
            Ok(())
        }));
    }
    for (name, case) in cases() {
        tests.push(trial(format!("shadow::{name}"), move || case.check()));
    }
    tests
}

/// Tasks in address spaces of their own, with more memory than there is; children of them.
fn swapped(more: &[&str]) -> Result<Run, Failed> {
    let common = [
        "--guest-memory",
        "8M",
        "--machine-cpus",
        "2",
        "--work",
        "swap",
        "--passes",
        "1",
    ];
    let files = ["--files", files::directory()];
    let run = run(&[&common[..], &files[..], more].concat())?;
    run.must_be_good()?;
    for guest in run.guests() {
        check!(guest.bytes_verified > 150_000, "{guest:?}");
        check!(
            guest.swapped_in > 100 && guest.copies_on_write > 100,
            "{guest:?}"
        );
        check!(guest.write_errors + guest.mismatches == 0, "{guest:?}");
    }
    Ok(run)
}

fn two_guests() -> Verdict {
    let run = swapped(&["--guests", "2", "--cpus", "2", "--evict", "random:2000"])?;
    check!(run.guests().count() == 2, "{:?}", run.host()?);
    Ok(())
}

/// A PSW with 64-bit addressing and these first three bytes.
fn psw(mask: u32, address: u64) -> [u8; 16] {
    let mask = u64::from(mask) << 40 | 0x0000_0001_8000_0000;
    (u128::from(mask) << 64 | u128::from(address)).to_be_bytes()
}

/// First bytes of a PSW: DAT on.
const DAT: u32 = 0x04_0000;
/// With DAT on in the problem state.
const PROBLEM: u32 = 0x04_0100;
/// With DAT on in the home space.
const HOME: u32 = 0x04_00c0;
/// With DAT on by access registers.
const ACCESS_REGISTERS: u32 = 0x04_0040;

/// Where a program is, by real address, and unless it says otherwise by virtual address.
const CODE: u64 = 0x5000;
/// The address-space-control elements: a segment table, a region-first table, another segment table.
const SEGMENTS: u64 = 0x8000;
const REGIONS: u64 = 0xa00c;
const OTHER_SEGMENTS: u64 = 0xe000;
/// Control register 0: moves between primary and secondary space are allowed.
const SECONDARY: u64 = 0x0400_00e0;
const ENHANCED: u64 = 0x0080_0000;
const LOW_ADDRESS_PROTECTION: u64 = 0x1000_0000;
/// What stands where an identification would be stored.
const NOTHING: u64 = 0x1111_1111_1111_1111;

/// A program, and how its interruption ends it.
#[derive(Clone)]
struct Case {
    code: &'static [u8],
    mask: u32,
    /// Where it is by virtual address.
    start: u64,
    /// Control registers 0, 1, 7, 13.
    control: [u64; 4],
    /// By number: registers that are not as they are for all.
    registers: Vec<(usize, u64)>,
    /// ESSA with this code on a page.
    essa: Option<(u8, u64)>,
    /// Program interruption: code, identification, instruction address. None if it must not come.
    expected: Option<(u16, u64, u64)>,
    /// Table entries that are not as they are for all.
    entries: Vec<(u64, u64)>,
    /// Whether the bare emulator does what the manual says.
    is_bare: bool,
}

impl Case {
    fn new(code: &'static [u8]) -> Self {
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
    fn load(address: u64, code: u16, identification: u64) -> Self {
        Self::new(programs::LOAD)
            .at(address)
            .ends(code, identification, CODE)
    }

    fn store(address: u64, code: u16, identification: u64) -> Self {
        Self::new(programs::STORE)
            .at(address)
            .ends(code, identification, CODE + 6)
    }

    fn at(mut self, address: u64) -> Self {
        self.registers.push((4, address));
        self
    }

    fn ends(mut self, code: u16, identification: u64, address: u64) -> Self {
        self.expected = Some((code, identification, address));
        self
    }

    fn control(mut self, number: usize, value: u64) -> Self {
        self.control[number] = value;
        self
    }

    fn essa(mut self, code: u8, page: u64) -> Self {
        (self.essa, self.is_bare) = (Some((code, page)), false);
        self
    }

    /// Not done by the emulator as the manual says.
    fn not_bare(mut self) -> Self {
        self.is_bare = false;
        self
    }

    /// With its lowcore, the values that it compares with, its tables and its pages.
    fn image(&self) -> Vec<u8> {
        let mut image = vec![0; 0x1_4000];
        let mut put = |at: u64, bytes: &[u8]| {
            image[at as usize..][..bytes.len()].copy_from_slice(bytes);
        };
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
    fn check(&self) -> Verdict {
        self.run().map(drop)
    }

    fn run(&self) -> Result<Run, Failed> {
        let folder = folder();
        let path = folder.path().join("guest.img");
        fs::write(&path, self.image()).map_err(|error| error.to_string())?;
        if self.is_bare {
            bare(&path)?;
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
fn bare(image: &Path) -> Verdict {
    let machine = Machine {
        qemu: emulator::find(Permission::Tell).map_err(|error| error.to_string())?,
        memory_mib: 16,
        cpus: 1,
        kernel: image.to_path_buf(),
        initrd: None,
        parameters: String::new(),
        disks: Vec::new(),
        balloon: None,
        qmp: None,
        console: Console::Ascii,
        gdb: false,
        icount: false,
    };
    let mut command: Command = machine.command();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            check!(status.success(), "on the bare emulator: {status}");
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    Err("on the bare emulator it does not end".into())
}

fn cases() -> Vec<(&'static str, Case)> {
    const FETCH: u64 = 0x800;
    const STORE: u64 = 0x400;
    /// An operation exception behind the program: it got so far.
    const THROUGH: (u16, u64, u64) = (1, NOTHING, CODE + 14);
    let third = 1 << 31;
    let regions = |address, code| Case::load(address, code, address | FETCH).control(1, REGIONS);
    let suppressed =
        |address: u64, code| Case::load(address, code, NOTHING).ends(code, NOTHING, CODE + 6);
    let through = |case: Case| case.ends(THROUGH.0, THROUGH.1, THROUGH.2);
    vec![
        ("page_translation", Case::load(0xf000, 0x11, 0xf000 | FETCH)),
        (
            "segment_translation",
            Case::load(0x20_0000, 0x10, 0x20_0000 | FETCH),
        ),
        (
            "segment_table_length",
            Case::load(0x2000_0000, 0x10, 0x2000_0000 | FETCH),
        ),
        ("asce_type", Case::load(third, 0x38, third | FETCH)),
        ("region_third_translation", regions(third, 0x3b)),
        ("region_second_translation", regions(1 << 42, 0x3a)),
        ("region_first_translation", regions(1 << 53, 0x39)),
        (
            "all_five_levels",
            through(Case::load(0x6000, 0, 0).control(1, REGIONS)),
        ),
        ("tables_that_begin_late", {
            let base = 0x400 << 42 | 0x200 << 31 | 0x600 << 20;
            let case = Case::new(programs::LOAD)
                .at(base | 0x6000)
                .control(1, REGIONS);
            let late = [(0xa000, 0x908e), (0xb000, 0xb049), (0xc000, 0x50c7)];
            let case = case.ends(THROUGH.0, THROUGH.1, base + THROUGH.2);
            Case {
                start: base | CODE,
                entries: late.to_vec(),
                ..case
            }
        }),
        ("tables_of_several_quarters", {
            let segments = (0..0x800).map(|index| (0x1_0000 + 8 * index, 0x20));
            let same = [0, 0x200, 0x600].map(|index| (0x1_0000 + 8 * index, 0x9000));
            let mut case = Case::new(programs::STORES)
                .at(0x2000_6000)
                .control(1, 0xc004);
            case.registers.push((13, 0x6000_7000));
            case.entries = segments.chain(same).chain([(0xc000, 0x1_0007)]).collect();
            case
        }),
        (
            "page_protection",
            Case::store(0xe000, 4, 0xe000 | STORE | 4),
        ),
        (
            "segment_protection",
            Case::store(0x60_0000, 4, 0x60_0000 | STORE | 4),
        ),
        (
            "translation_specification",
            suppressed(0x1_0000, 0x12).not_bare(),
        ),
        ("table_beyond_memory", suppressed(0x30_0000, 5)),
        (
            "table_discarded",
            Case::load(0x40_0000, 0x1a, 0x2_0000).essa(3, 0x2_0000),
        ),
        ("table_unused", suppressed(0x40_0000, 5).essa(2, 0x2_0000)),
        (
            "page_discarded",
            Case::load(0x1_1000, 0x1a, 0x2_1000).essa(3, 0x2_1000),
        ),
        ("page_unused", suppressed(0x1_1000, 5).essa(2, 0x2_1000)),
        (
            "large_frame",
            through(Case::load(0x50_f000, 0, 0).control(0, SECONDARY | ENHANCED)),
        ),
        (
            "real_space",
            through(Case::load(0xf000, 0, 0).control(1, 0x20)),
        ),
        (
            "low_address",
            Case::store(0x100, 4, STORE | 0x80).control(0, SECONDARY | LOW_ADDRESS_PROTECTION),
        ),
        ("low_address_of_private_space", {
            let case = Case::store(0x100, 0, 0).control(1, SEGMENTS | 0x100);
            through(case.control(0, SECONDARY | LOW_ADDRESS_PROTECTION))
        }),
        ("privileged_operation", {
            let case = Case::new(programs::PURGE).ends(2, NOTHING, CODE + 4);
            Case {
                mask: PROBLEM,
                ..case
            }
        }),
        ("supervisor_call", {
            let case = Case::new(programs::CALL).ends(u16::MAX, 0, CODE + 2);
            Case {
                mask: PROBLEM,
                ..case
            }
        }),
        ("secondary_space", {
            Case::new(programs::SECONDARY)
                .at(0x6000)
                .ends(0x11, 0x6000 | FETCH | 2, CODE + 4)
        }),
        ("home_space", {
            let case = Case::load(0x6000, 0x11, 0x6000 | FETCH | 3).control(3, OTHER_SEGMENTS);
            Case { mask: HOME, ..case }
        }),
        ("ipte", {
            Case::new(programs::INVALIDATE).ends(0x11, 0x7000 | FETCH, CODE + 14)
        }),
        ("idte", {
            let mut case = Case::new(programs::INVALIDATE_SEGMENT);
            case.registers.push((13, 0x10_0000));
            case.ends(0x10, 0x10_0000 | FETCH, CODE + 14)
        }),
        ("lra_and_strag", Case::new(programs::LOOK).not_bare()),
        ("ptlb", Case::new(programs::CHANGE)),
        ("csp", Case::new(programs::SWAP)),
        ("moves_between_spaces", Case::new(programs::MOVE)),
        ("storage_keys", Case::new(programs::KEYS).not_bare()),
    ]
}

/// A guest that uses more segments than shadow tables may take pages: those used longest ago go.
fn recycled() -> Verdict {
    let same = (1..512).map(|segment| (SEGMENTS + 8 * segment, 0x9000));
    let case = Case {
        entries: same.collect(),
        ..Case::new(programs::WANDER)
    };
    let run = case.run()?;
    for guest in &run.host()?.guests {
        check!(guest.shadow_recycled > 1000, "{guest:?}");
    }
    Ok(())
}

/// The emulator would abort.
fn refused() -> Verdict {
    let case = Case {
        mask: ACCESS_REGISTERS,
        ..Case::new(programs::LOAD)
    };
    let folder = folder();
    let path = folder.path().join("guest.img");
    fs::write(&path, case.image()).map_err(|error| error.to_string())?;
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    run(&small(&["--guest", path]))?.must_fail(&["access-register"])
}
