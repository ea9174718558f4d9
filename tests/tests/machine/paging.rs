//! Hosts that page: guests with more memory than there are frames, to their end, on devices that work and
//! on devices that do not.

use libtest_mimic::{Failed, Trial};
use xtask::events::{Host, HostGuest, Status};

use crate::check;
use crate::files;
use crate::many;
use crate::support::{Run, Verdict, run, trial};

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        trial(
            "paging::volatile_pages_are_kept_first",
            volatile_pages_are_kept_first,
        ),
        trial("paging::hints_save_writes_of_tasks", || {
            let [full, unused, none] = writes(&["--work", "swap", "--passes", "2"])?;
            // Tasks write to nearly all that they have: only their guest's copies on disk save anything.
            check!(
                full < none / 2 && unused < none + none / 5,
                "{full} pages written with all hints, {unused} with unused ones, {none} without"
            );
            Ok(())
        }),
        trial("paging::to_a_model_of_a_device", || {
            let host = paged(&["--work", "swap", "--paging", "model:32M"])?;
            check!(host.slots == 8192, "{host:?}");
            Ok(())
        }),
        trial("paging::by_way_of_expanded_storage", || {
            by_way_of_expanded_storage(&[]).map(drop)
        }),
        trial("paging::a_page_cannot_be_moved_on", || {
            let host = by_way_of_expanded_storage(&["--fail-write", "0200:1600"])?;
            let retired = host.slots_retired;
            check!(retired > 0 && retired == host.page_write_errors, "{host:?}");
            Ok(())
        }),
        trial("paging::a_page_cannot_be_read", a_page_cannot_be_read),
        trial("paging::a_page_cannot_be_written", || {
            let run = swapped(&["--fail-write", "0200:1600"])?;
            run.must_be_good()?;
            let host = run.host()?;
            let retired = host.slots_retired;
            check!(retired > 0 && retired == host.page_write_errors, "{host:?}");
            everything_is_given_back(host)
        }),
        trial(
            "paging::other_tasks_run_while_a_page_is_brought_in",
            others_run,
        ),
        trial("paging::tasks_wait_on_cpus_that_come_and_go", || {
            let cpus = ["--cpus", "3", "--machine-cpus", "2", "--hotplug"];
            let host = paged(&[&["--work", "swap", "--hinting", "none"], &cpus[..]].concat())?;
            check!(told(&host) > 100, "{host:?}");
            Ok(())
        }),
        trial("paging::a_page_by_another_name_is_awaited_for_ever", || {
            let run = swapped(&[
                "--guests",
                "1",
                "--memory",
                "4M",
                "--control",
                "wrong-token",
            ])?;
            run.must_fail(&["it waits for what cannot come"])
        }),
        trial("paging::hardly_room_enough", || {
            // 4096 pages, as many frames and slots, and the margin.
            paged(&["--work", "swap", "--hinting", "none", "--paging", "8448K"]).map(drop)
        }),
    ];
    for (name, more) in OVERCOMMITTED {
        let name = format!("paging::{name}");
        tests.push(trial(name, move || paged(more).map(drop)));
    }
    for (name, more, words) in REFUSED {
        let name = format!("paging::refused_{name}");
        tests.push(trial(name, move || swapped(more)?.must_fail(&[words])));
    }
    tests
}

/// Work on less memory than it needs.
const OVERCOMMITTED: [(&str, &[&str]); 5] = [
    (
        "tasks_while_all_is_discarded",
        &["--work", "swap", "--evict", "steal"],
    ),
    (
        "tasks_on_2_by_2",
        &["--work", "swap", "--cpus", "2", "--machine-cpus", "2"],
    ),
    (
        "tasks_on_4_by_2_while_pages_are_discarded_at_random",
        &[
            "--work",
            "swap",
            "--evict",
            "random:4000",
            "--cpus",
            "4",
            "--machine-cpus",
            "2",
        ],
    ),
    (
        "everything_at_once",
        &["--work", "churn", "--guests", "1", "--memory", "5M"],
    ),
    (
        "everything_at_once_without_hints_on_2",
        &[
            "--work",
            "churn",
            "--guests",
            "1",
            "--memory",
            "5M",
            "--hinting",
            "none",
            "--cpus",
            "2",
        ],
    ),
];

/// What a host does not begin with, and a word of the reason.
const REFUSED: [(&str, &[&str], &str); 5] = [
    (
        "nowhere_to_keep_volatile_pages",
        &["--hinting", "full+extended"],
        "hinting=full+extended: there is no expanded storage",
    ),
    (
        "too_little_room",
        &["--paging", "1M"],
        "guests have 4096 pages, and there are 2048 frames, 0 expanded ones and 256 slots for paging: that is too little by 1856",
    ),
    (
        "expanded_storage_alone",
        &["--paging", "none", "--expanded", "1M"],
        "expanded=1048576: a part of memory=8388608, in front of a paging device",
    ),
    (
        "no_disk",
        &["--paging", "model:32M", "--append", "paging=disk"],
        "there is no disk 0200 for paging",
    ),
    (
        "read_only",
        &["--read-only-paging"],
        "disk 0200, for paging, is read-only",
    ),
];

/// Two guests of 8 MiB on 8 MiB, unless more is said.
fn overcommitted(more: &[&str]) -> Result<Run, Failed> {
    let common = [
        "--evict",
        "lru",
        "--files",
        files::directory(),
        "--passes",
        "1",
    ];
    let guests = ["--guests", "2", "--guest-memory", "8M", "--memory", "8M"];
    let options = [&common[..], &guests, &["--paging", "32M"], more].concat();
    run(&last_of_each(&options))
}

/// Of options that are given several times, the last one.
pub(crate) fn last_of_each<'a>(options: &[&'a str]) -> Vec<&'a str> {
    let is_name = |word: &&str| word.starts_with("--");
    let mut kept: Vec<&str> = Vec::new();
    let mut rest = options;
    while let Some((name, behind)) = rest.split_first() {
        let values = behind.iter().take_while(|word| !is_name(word)).count();
        let (values, behind) = behind.split_at(values);
        if !behind.contains(name) {
            kept.push(name);
            kept.extend(values);
        }
        rest = behind;
    }
    kept
}

fn swapped(more: &[&str]) -> Result<Run, Failed> {
    overcommitted(&[&["--work", "swap", "--hinting", "none"], more].concat())
}

/// All went well, and pages have gone and come.
fn paged(more: &[&str]) -> Result<Host, Failed> {
    let run = overcommitted(more)?;
    run.must_be_good()?;
    let host = run.host()?.clone();
    for guest in &host.guests {
        check!(guest.page_writes > 50 && guest.page_reads > 20, "{guest:?}");
        check!(guest.paged_out >= guest.page_reads, "{guest:?}");
        check!(guest.page_waits >= guest.page_reads, "{guest:?}");
    }
    check!(
        host.page_read_errors + host.page_write_errors == 0,
        "{host:?}"
    );
    everything_is_given_back(&host)?;
    Ok(host)
}

/// Pages go to expanded storage, on to the device, and come back from both.
fn by_way_of_expanded_storage(more: &[&str]) -> Result<Host, Failed> {
    let run = swapped(&[&["--expanded", "2M"], more].concat())?;
    run.must_be_good()?;
    let host = run.host()?.clone();
    for guest in &host.guests {
        check!(
            guest.expanded_out > 100 && guest.expanded_in > 100,
            "{guest:?}"
        );
        check!(guest.page_writes > 50 && guest.page_reads > 20, "{guest:?}");
    }
    check!(host.expanded == 512, "{host:?}");
    everything_is_given_back(&host)?;
    Ok(host)
}

/// How often guests were told of a page.
fn told(host: &Host) -> u64 {
    host.guests.iter().map(|guest| guest.page_faults_told).sum()
}

/// A guest that is told of its pages waits for them as the other one does, but the CPU of the machine does
/// not stand still as long.
fn others_run() -> Verdict {
    let idle = |pfault: &str| -> Result<f64, Failed> {
        let machine = [
            "--guests",
            "1",
            "--memory",
            "4M",
            "--paging",
            "model:32M:1000",
        ];
        let run = swapped(&[&machine[..], &["--append", pfault]].concat())?;
        run.must_be_good()?;
        let host = run.host()?;
        let waited = run
            .guests()
            .map(|guest| guest.page_faults_waited + guest.page_faults_late);
        check!(waited.sum::<u64>() == told(host), "{host:?}");
        check!((told(host) > 100) == (pfault == "g.pfault=on"), "{host:?}");
        Ok(host.idle_us as f64 / host.guests[0].page_wait_us as f64)
    };
    let (with, without) = (idle("g.pfault=on")?, idle("g.pfault=off")?);
    let is_less = with < without - 0.1;
    check!(
        is_less,
        "idle {with} of the time that pages take, and {without} without"
    );
    Ok(())
}

/// Guests that have ended have neither frames nor slots.
pub(crate) fn everything_is_given_back(host: &Host) -> Verdict {
    check!(host.frames_free == host.frames, "{host:?}");
    check!(host.expanded_free == host.expanded, "{host:?}");
    check!(
        host.slots_free + host.slots_retired == host.slots,
        "{host:?}"
    );
    Ok(())
}

/// How many pages the host writes that knows of all hints, of unused pages, and of none.
fn writes(work: &[&str]) -> Result<[u64; 3], Failed> {
    let writes = |hinting: &str| -> Result<u64, Failed> {
        let run = overcommitted(&[work, &["--hinting", hinting]].concat())?;
        run.must_be_good()?;
        let host = run.host()?;
        everything_is_given_back(host)?;
        // Three quarters of a guest's pages and more are in use.
        for (guest, boot) in host.guests.iter().zip(run.boots()) {
            let pages = boot.memory / 4096;
            check!(guest.zero_fills >= pages * 3 / 4, "{guest:?}");
        }
        Ok(host.guests.iter().map(|guest| guest.page_writes).sum())
    };
    Ok([writes("full")?, writes("unused")?, writes("none")?])
}

/// In the extended mode volatile pages come back from expanded storage, or are discarded there, and nothing is
/// written that would not be without.
fn volatile_pages_are_kept_first() -> Verdict {
    let run = many::four(&many::VERIFY, &["--hinting", "full+extended"])?;
    run.must_be_good()?;
    let host = run.host()?;
    for guest in &host.guests {
        let evicted = |state| guest.evicted.get(state).copied().unwrap_or_default();
        check!(
            guest.expanded_volatile > 1000 && evicted("Vp") > 100 && guest.expanded_in > 100,
            "{guest:?}"
        );
        check!(
            guest.discards == evicted("Vr") + evicted("Pr") + evicted("Vp"),
            "{guest:?}"
        );
    }
    let all = |count: fn(&HostGuest) -> u64| host.guests.iter().map(count).sum::<u64>();
    let (writes, kept) = (
        all(|guest| guest.page_writes),
        all(|guest| guest.expanded_volatile),
    );
    check!(writes < kept / 10, "{writes} written, {kept} kept");
    everything_is_given_back(host)
}

/// The guest whose page it is ends, and the other one goes on.
///
/// Where nobody reads the page again, as when a disk overwrites it, nobody misses it: another block shows it.
fn a_page_cannot_be_read() -> Verdict {
    // Little more room than is needed, so that every slot is used and read again and again.
    let room = ["--paging", "9M", "--passes", "2"];
    for block in ["0200:1600", "0200:800", "0200:2400", "0200:3200"] {
        let run = swapped(&[&room[..], &["--fail-read", block]].concat())?;
        if run.outcome.status == Status::Failed {
            return ends_its_guest_alone(&run);
        }
        run.must_be_good()?;
        check!(run.host()?.slots_retired <= 1, "{:?}", run.host());
    }
    Err("no page that cannot be read is missed".into())
}

fn ends_its_guest_alone(run: &Run) -> Verdict {
    run.must_fail(&["the paging device cannot read a page of it"])?;
    let host = run.host()?;
    let good = host
        .guests
        .iter()
        .filter(|guest| guest.status == Status::Ok);
    check!(
        good.count() == 1 && host.page_read_errors >= 2 && host.slots_retired == 1,
        "{host:?}"
    );
    everything_is_given_back(host)
}
