//! Guests that see four times as much memory as there is, together: four small ones in the suite, and
//! sixteen on two CPUs with `MATRIX=all` in the environment.

use libtest_mimic::{Failed, Trial};

use crate::check;
use crate::files;
use crate::hercules::both_ways;
use crate::paging::{everything_is_given_back, last_of_each};
use crate::support::{Run, Verdict, run_within, trial};

/// What a host knows of its guests: all hints, unused pages, nothing.
const HINTS: [&str; 3] = ["full", "unused", "none"];
/// Longest time of a run, in seconds: machines that are busy otherwise take long.
const LONGEST: &str = "900";

/// Four guests on the memory of one, a part of it expanded storage.
const FOUR: [&str; 13] = [
    "--guests",
    "4",
    "--guest-memory",
    "16M",
    "--memory",
    "16M",
    "--expanded",
    "2M",
    "--paging",
    "64M",
    "--evict",
    "lru",
    "--work",
];

/// Sixteen guests on the memory of four.
const SIXTEEN: [&str; 15] = [
    "--guests",
    "16",
    "--guest-memory",
    "64M",
    "--memory",
    "256M",
    "--expanded",
    "32M",
    "--paging",
    "1G",
    "--machine-cpus",
    "2",
    "--evict",
    "lru",
    "--work",
];

/// Reads all files: more than a guest has memory, so that pages become free and are used again.
pub(crate) const VERIFY: [&str; 3] = ["verify", "--passes", "1"];
/// Reads all files twice, and all of them from the disk: in between the guest frees all pages of them.
const COLD: [&str; 5] = ["verify", "--passes", "2", "--append", "g.cold=on"];
/// Everything at once, a little of it.
const CHURN: [&str; 3] = ["churn", "--append", "g.steps=60"];

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        trial("many::four_that_read_files", || {
            let work = [&with_files(&COLD)[..], counted()].concat();
            let [full, unused, none] = writes(&FOUR, &work, mostly_files)?;
            check!(
                full < unused / 10 && unused < none,
                "{full} pages written with all hints, {unused} with unused ones, {none} without"
            );
            Ok(())
        }),
        trial("many::four_that_do_everything", || {
            everything_at_once(&FOUR, &with_files(&CHURN))
        }),
        trial("many::sixteen_whose_images_do_not_fit", images_do_not_fit),
    ];
    if std::env::var("MATRIX").is_ok_and(|value| value == "all") {
        tests.push(trial("many::sixteen_that_read_files", || {
            let work = [&COLD[..], &["--files", files::many_directory()]].concat();
            let [full, unused, none] = writes(&SIXTEEN, &work, mostly_files)?;
            check!(
                full < unused / 10 && unused < none - none / 10,
                "{full} pages written with all hints, {unused} with unused ones, {none} without"
            );
            Ok(())
        }));
        tests.push(trial("many::sixteen_that_do_everything", || {
            everything_at_once(&SIXTEEN, &CHURN)
        }));
    }
    tests
}

/// Four guests that do `work`, and more.
pub(crate) fn four<'a>(work: &[&'a str], more: &[&'a str]) -> Result<Run, Failed> {
    run_within(LONGEST, &[&FOUR[..], work, more].concat())
}

/// Work with files that one of the four has no room for. Said, for where nothing is they are fewer on some machines.
fn with_files<'a>(work: &[&'a str]) -> Vec<&'a str> {
    [work, &["--files", files::some_directory()]].concat()
}

/// Makes instructions the clock of all that takes time: a page in twenty is what unused pages save, and by another
/// clock the same run differs from itself by more. Hercules has its own.
fn counted() -> &'static [&'static str] {
    if both_ways::is_on() {
        return &[];
    }
    &["--icount", "--memory-disk", "--paging", "model:64M"]
}

/// Hints save much, but of what tasks have in use to the end next to nothing is unused.
fn everything_at_once(guests: &[&str], work: &[&str]) -> Verdict {
    let [full, unused, none] = writes(guests, work, mostly_used)?;
    // On Hercules, where time passes, the last two differ by more.
    let difference = none / if both_ways::is_on() { 5 } else { 10 };
    check!(
        full < unused * 2 / 3 && unused < none + difference,
        "{full} pages written with all hints, {unused} with unused ones, {none} without"
    );
    Ok(())
}

/// Images of 16 times 64 pages and more are loaded into 512 frames, and run.
fn images_do_not_fit() -> Verdict {
    let run = run_within(
        LONGEST,
        &[
            "--guests",
            "16",
            "--guest-memory",
            "4M",
            "--memory",
            "2M",
            "--paging",
            "128M",
            "--evict",
            "lru",
            "--files",
            files::directory(),
            "--work",
            "idle",
        ],
    )?;
    run.must_be_good()?;
    check!(run.guests().count() == 16, "{:?}", run.outcome);
    let host = run.host()?;
    for guest in &host.guests {
        check!(guest.page_writes > 64 && guest.page_reads > 64, "{guest:?}");
    }
    everything_is_given_back(host)
}

/// How many pages the host writes with each kind of hints. All guests come to a good end, and are what
/// `look` wants of them.
fn writes(
    guests: &[&str],
    work: &[&str],
    look: fn(&xtask::events::Guest, u64) -> Verdict,
) -> Result<[u64; 3], Failed> {
    let mut written = [0; 3];
    for (hinting, written) in HINTS.into_iter().zip(&mut written) {
        let words = [guests, work, &["--hinting", hinting]].concat();
        let run = run_within(LONGEST, &last_of_each(&words))?;
        run.must_be_good()?;
        let host = run.host()?;
        everything_is_given_back(host)?;
        for (guest, boot) in run.guests().zip(run.boots()) {
            let pages = boot.memory / 4096;
            look(guest, pages)?;
        }
        *written = host.guests.iter().map(|guest| guest.page_writes).sum();
    }
    Ok(written)
}

/// Pages of a guest that are no file's, and so are changed.
fn own(guest: &xtask::events::Guest) -> u64 {
    guest.frames_anonymous + guest.frames_kernel + guest.frames_reserved
}

/// Three quarters of a guest are in use even when its tasks have ended; on Hercules, where they do less, half of it.
fn mostly_used(guest: &xtask::events::Guest, pages: u64) -> Verdict {
    let least = pages * if both_ways::is_on() { 2 } else { 3 } / 4;
    check!(own(guest) + guest.frames_cached >= least, "{guest:?}");
    Ok(())
}

/// Three quarters of a guest are in use, and at most an eighth is not what its disk has, too.
fn mostly_files(guest: &xtask::events::Guest, pages: u64) -> Verdict {
    check!(
        own(guest) + guest.frames_cached >= pages * 3 / 4,
        "{guest:?}"
    );
    check!(own(guest) <= pages / 8, "{guest:?}");
    check!(guest.pages_written == 0, "{guest:?}");
    Ok(())
}
