//! Tests that boot whole machines, as users do: by the command line of `xtask`.
//!
//! Each test runs `cargo xtask …` with `--json` and reads what comes with `xtask::events`, which
//! refuses kinds and fields that `docs/output.md` does not list. So every run here also checks the
//! output's documentation.

mod bad_input;
mod balloon;
mod beside;
mod book;
mod containment;
mod controls;
mod cost;
mod cpus;
mod emulation;
mod fake;
mod farm;
mod files;
mod foreign;
mod guest_disks;
mod hercules;
mod instructions;
mod io_errors;
mod launch;
mod many;
mod matrix;
mod monitor;
mod news;
mod operator;
mod paging;
mod personalities;
mod policies;
mod random;
mod registers;
mod report;
mod requests;
mod rival;
mod runs;
mod shadow;
mod size;
mod soak;
mod streams;
mod support;
mod tasks;
mod toolchains;
mod trace;
mod validate;
mod vcpus;
mod watch;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// Machines that run at the same time: each keeps a CPU of the build machine busy.
const MACHINES_AT_ONCE: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(MACHINES_AT_ONCE);
    let tests = [
        runs::tests(),
        bad_input::tests(),
        balloon::tests(),
        containment::tests(),
        controls::tests(),
        cost::tests(),
        cpus::tests(),
        emulation::tests(),
        fake::tests(),
        farm::tests(),
        foreign::tests(),
        guest_disks::tests(),
        instructions::tests(),
        shadow::tests(),
        size::tests(),
        io_errors::tests(),
        launch::tests(),
        many::tests(),
        matrix::tests(),
        news::tests(),
        operator::tests(),
        paging::tests(),
        personalities::tests(),
        policies::tests(),
        registers::tests(),
        report::tests(),
        requests::tests(),
        rival::tests(),
        soak::tests(),
        streams::tests(),
        tasks::tests(),
        toolchains::tests(),
        trace::tests(),
        validate::tests(),
        vcpus::tests(),
        watch::tests(),
        hercules::tests(),
    ];
    let mut tests: Vec<Trial> = tests.into_iter().flatten().collect();
    let names = tests.iter().map(|test| test.name().to_owned()).collect();
    tests.extend(book::tests(names));
    libtest_mimic::run(&arguments, tests).exit_code()
}
