//! Disks that fail: one clear line, and nothing else is affected.

use libtest_mimic::{Failed, Trial};

use crate::check;
use crate::files;
use crate::support::{Run, run, trial};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("io_errors::a_file_cannot_be_read", || {
            let run = failing(&["--fail-read", "0100:3000"])?;
            run.must_fail(&["disk 0100, block"])
        }),
        trial("io_errors::a_page_cannot_be_swapped_in", || {
            let run = failing(&["--work", "swap", "--passes", "2", "--fail-read", "0102:80"])?;
            run.must_fail(&["the page cannot be read from its device"])?;
            everything_is_given_back(&run)
        }),
        trial("io_errors::a_page_cannot_be_swapped_out", || {
            let run = failing(&["--work", "swap", "--passes", "2", "--fail-write", "0102:80"])?;
            // It stays in memory, and all goes on.
            run.must_be_good()?;
            let errors = run.guests().map(|guest| guest.write_errors).sum::<u64>();
            check!(errors > 0, "no write has failed");
            Ok(())
        }),
        trial("io_errors::the_swap_area_is_full", || {
            let run = failing(&["--work", "swap", "--passes", "2", "--scratch", "1M"])?;
            run.must_fail(&["out of memory, and nothing can go"])?;
            check!(run.guests().all(|guest| guest.swap_full > 0), "it is not");
            everything_is_given_back(&run)
        }),
        trial("io_errors::a_file_that_may_be_written_cannot", || {
            let run = failing(&["--work", "churn", "--fail-write", "0101:80"])?;
            run.must_fail(&["disk 0101, block 80: I/O error"])
        }),
        trial("io_errors::a_disk_has_no_room_for_the_files", || {
            let run = failing(&["--work", "churn", "--scratch", "4K"])?;
            run.must_fail(&["disk 0101 is too small for 2 files"])
        }),
    ]
}

fn failing(more: &[&str]) -> Result<Run, Failed> {
    let common = ["--bare", "--memory", "8M", "--files", files::directory()];
    run(&[&common[..], more].concat())
}

/// Tasks that failed have left nothing behind.
fn everything_is_given_back(run: &Run) -> Result<(), Failed> {
    for guest in run.guests() {
        check!(guest.frames_anonymous == 0, "{guest:?}");
    }
    Ok(())
}
