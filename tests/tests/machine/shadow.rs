//! Guests with DAT on: tasks of the kernel, and programs that look closely. What a program finds on
//! the bare emulator it must find inside the host.

mod case;
mod programs;
mod random;
mod two_cpus;

use std::fs;

use libtest_mimic::{Failed, Trial};

use crate::check;
use crate::files;
use crate::runs::{leak, small};
use crate::support::{Run, Verdict, folder, run, trial};
pub(crate) use case::bare_lines;
use case::{
    ACCESS_REGISTERS, CODE, Case, ENHANCED, HOME, LOW_ADDRESS_PROTECTION, NOTHING, OTHER_SEGMENTS,
    PROBLEM, REGIONS, SECONDARY, SEGMENTS,
};

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        trial("shadow::tasks_of_two_guests", two_guests),
        trial("shadow::tasks_that_do_anything", churned),
        trial("shadow::tasks_with_little_room", little_room),
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
    for cpus in ["1", "2"] {
        let name = format!("shadow::invalidations_reach_the_other_cpu_on_{cpus}");
        tests.push(trial(name, move || two_cpus::check(cpus)));
    }
    for seed in 1..=3 {
        let name = format!("shadow::arbitrary_steps_{seed}");
        tests.push(trial(name, move || {
            random::check(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed))
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

/// Tasks that map, write, fork, lock, protect and cut files at random, of a host that takes all it may.
fn churned() -> Verdict {
    let run = run(&[
        "--guests",
        "1",
        "--guest-memory",
        "8M",
        "--cpus",
        "2",
        "--machine-cpus",
        "2",
        "--evict",
        "steal",
        "--hinting",
        "full",
        "--work",
        "churn",
        "--passes",
        "1",
        "--files",
        files::directory(),
    ])?;
    run.must_be_good()?;
    for guest in run.guests() {
        check!(
            guest.bytes_verified > 100_000 && guest.mismatches == 0,
            "{guest:?}"
        );
        // Copies from pages that the host had discarded, and to and from pages of tasks that it had.
        check!(
            guest.user_copy_fix_ups > 50 && guest.user_copy_faults > 100,
            "{guest:?}"
        );
    }
    let faults: u64 = run
        .host()?
        .guests
        .iter()
        .map(|guest| guest.discard_faults)
        .sum();
    check!(faults > 1000, "{faults}");
    Ok(())
}

fn two_guests() -> Verdict {
    let run = swapped(&["--guests", "2", "--cpus", "2", "--evict", "random:2000"])?;
    check!(run.guests().count() == 2, "{:?}", run.host()?);
    Ok(())
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
    // What has an exception is an instruction that the host executes; a protection exception suppresses.
    let operand = |program, page, code, bits| {
        let address = if code == 4 { CODE + 6 } else { CODE };
        Case::new(program).at(page).ends(code, page | bits, address)
    };
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
            let segments = (0..0x800).map(|index| (0x1_2000 + 8 * index, 0x20));
            let same = [0, 0x200, 0x600].map(|index| (0x1_2000 + 8 * index, 0x9000));
            let mut case = Case::new(programs::STORES)
                .at(0x2000_6000)
                .control(1, 0xc004);
            case.registers.push((13, 0x6000_7000));
            case.entries = segments.chain(same).chain([(0xc000, 0x1_2007)]).collect();
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
        (
            "operand_of_the_host_not_mapped",
            operand(programs::STORE_CONTROL, 0xf000, 0x11, STORE),
        ),
        (
            "operand_of_the_host_protected",
            operand(programs::STORE_CONTROL, 0xe000, 4, STORE | 4),
        ),
        ("operand_of_the_host_in_two_pages", {
            let mut case = operand(programs::STORE_CONTROL, 0xe000, 4, STORE | 4);
            case.registers = vec![(4, 0xdff8)];
            case
        }),
        (
            "operand_of_the_host_to_load",
            operand(programs::LOAD_CONTROL, 0xf000, 0x11, FETCH),
        ),
        ("operand_of_the_host_beyond_tables", {
            operand(programs::LOAD_CONTROL, 1 << 31, 0x38, FETCH)
        }),
        ("operand_of_the_host_discarded", {
            operand(programs::LOAD_CONTROL, 0x1_1000, 0x1a, 0)
                .ends(0x1a, 0x2_1000, CODE)
                .essa(3, 0x2_1000)
        }),
        ("operand_of_the_host_at_a_low_address", {
            let case = operand(programs::STORE_CONTROL, 0, 4, STORE | 0x80);
            case.at(0x100)
                .control(0, SECONDARY | LOW_ADDRESS_PROTECTION)
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
        ("idte_by_asce", Case::new(programs::CLEAR)),
        ("ptlb", Case::new(programs::CHANGE)),
        ("csp", Case::new(programs::SWAP)),
        ("moves_between_spaces", Case::new(programs::MOVE)),
        ("storage_keys", Case::new(programs::KEYS).not_bare()),
    ]
}

/// CPUs that take one another's shadow tables all the time.
fn little_room() -> Verdict {
    let few = ["--guests", "1", "--cpus", "4", "--append", "shadow=64K"];
    let run = swapped(&few)?;
    for guest in &run.host()?.guests {
        check!(guest.shadow_recycled > 20, "{guest:?}");
    }
    Ok(())
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
