//! Several CPUs: of the machine, of guests, and both.

mod pieces;
mod programs;

use libtest_mimic::Trial;

use crate::check;
use crate::runs::{all_verified, discards_survived, leak, small};
use crate::support::{Run, Verdict, run, trial};

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        trial("vcpus::more_of_the_machine_than_guests", spare),
        trial("vcpus::one_of_the_machine_for_many", many),
        trial("vcpus::those_that_yield_take_turns", || yields("1")),
        trial("vcpus::those_that_yield_run_at_the_same_time", || {
            yields("2")
        }),
        trial("vcpus::timers_end_waits", timers),
        trial("vcpus::orders_to_a_cpu_in_the_queue", || orders("1")),
        trial("vcpus::orders_to_a_cpu_that_runs", || orders("2")),
        trial("vcpus::orders_within_a_long_instruction_on_1", || {
            pieces::check("1")
        }),
        trial("vcpus::orders_within_a_long_instruction_on_2", || {
            pieces::check("2")
        }),
    ];
    for policy in ["lru", "random:2000", "steal", "hold"] {
        let name = policy.replace(':', "_");
        tests.push(trial(
            format!("vcpus::two_by_two_evict_{name}"),
            move || two_by_two(policy),
        ));
        for machine in ["1", "2", "3"] {
            let name = format!("vcpus::signals_evict_{name}_on_{machine}");
            tests.push(trial(name, move || signals(policy, machine)));
        }
    }
    for policy in ["steal:spare", "steal:3"] {
        let name = policy.replace(':', "_");
        tests.push(trial(
            format!("vcpus::two_by_two_evict_{name}"),
            move || two_by_two(policy),
        ));
    }
    for policy in ["random:50000", "steal"] {
        for machine in ["1", "2", "4"] {
            let name = format!("vcpus::discards_{}_on_{machine}", policy.replace(':', "_"));
            tests.push(trial(name, move || discards(policy, machine)));
        }
    }
    tests
}

fn has_cpus(run: &Run, machine: u64, guest: u64) -> Verdict {
    let boot = run.host_boot()?;
    check!((boot.cpus, boot.vcpus) == (machine, guest), "{boot:?}");
    Ok(())
}

/// Two guests with two CPUs each, on two CPUs: all the data is right, and both sides count the same.
fn two_by_two(policy: &'static str) -> Verdict {
    let mut arguments = small(&["--evict", policy, "--memory", "8M"]);
    arguments.extend(["--cpus", "2", "--machine-cpus", "2"]);
    let run = run(&arguments)?;
    run.must_be_good()?;
    has_cpus(&run, 2, 2)?;
    all_verified(&run, 2)?;
    discards_survived(&run)
}

/// CPUs that never have anything to do are in nobody's way.
fn spare() -> Verdict {
    let run = run(&small(&["--machine-cpus", "4"]))?;
    run.must_be_good()?;
    has_cpus(&run, 4, 1)?;
    all_verified(&run, 2)
}

fn many() -> Verdict {
    let run = run(&small(&["--guests", "3", "--cpus", "4", "--machine-cpus", "1"])[2..])?;
    run.must_be_good()?;
    has_cpus(&run, 1, 4)?;
    all_verified(&run, 2)
}

/// A program for two CPUs: what each begins with, and what its interruptions do.
struct Program {
    begin: [&'static [u8]; 2],
    interrupted: [&'static [u8]; 2],
    /// Where the PSW for these interruptions is.
    class: usize,
}

const EXTERNAL: usize = 0x1b0;
pub(crate) const PROGRAM: usize = 0x1d0;

/// CPU addresses with the absolute addresses of their prefix areas.
pub(crate) const AREAS: [usize; 2] = [0, 0x8000];

/// A flat image: each CPU has its program, and what it compares with, in its prefix area.
fn image(program: &Program) -> Vec<u8> {
    let mut image = vec![0; 0xa000];
    image[..8].copy_from_slice(&[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x02, 0x00]);
    for (cpu, area) in AREAS.into_iter().enumerate() {
        let other = 1 - cpu as u8;
        put(&mut image, area + 0x200, program.begin[cpu]);
        put(&mut image, area + 0x300, program.interrupted[cpu]);
        put(&mut image, area + 0x60, &SUCCESS);
        put(&mut image, area + 0x68, &FAILURE);
        put(&mut image, area + 0x1a0, &psw(0, 0x200)); // restart
        put(&mut image, area + PROGRAM, &psw(0x0002, 0xbad)); // a disabled wait, if nothing else
        put(&mut image, area + program.class, &psw(0, 0x300));
        put(&mut image, area + 0x400, &[0, 0, 0, 0, 0, 0, 0x60, 0xe0]); // control register 0
        put(&mut image, area + 0x408, &[0, 0x1a, 0, 1]); // a code; the address of CPU 1
        put(&mut image, area + 0x410, &psw(0x0102, 0xbad)); // a wait, external
        put(&mut image, area + 0x420, &[0, other, 0x12, 0x01]);
        put(&mut image, area + 0x424, &[0, other, 0x12, 0x02]);
        put(&mut image, area + 0x42c, &[0, 0, 0x80, 0]); // the prefix of CPU 1
        put(&mut image, area + 0x436, &[0x08, 0xe0]); // control register 0: clock comparator
        put(&mut image, area + 0x43e, &[0x04, 0xe0]); // control register 0: CPU timer
        put(&mut image, area + 0x440, &(20_000_u64 << 12).to_be_bytes()); // 20 ms
        put(&mut image, area + 0x448, &[0x10, 0x04, 0x10, 0x05]);
    }
    image
}

/// Short disabled-wait PSWs.
pub(crate) const SUCCESS: [u8; 8] = [0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0f, 0xff];
pub(crate) const FAILURE: [u8; 8] = [0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0b, 0xad];

pub(crate) fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A PSW with 64-bit addressing and these first two bytes.
pub(crate) fn psw(mask: u16, address: u64) -> [u8; 16] {
    let mask = u64::from(mask) << 48 | 0x0000_0001_8000_0000;
    (u128::from(mask) << 64 | u128::from(address)).to_be_bytes()
}

/// Runs a program as guests with two CPUs.
fn run_program(program: &Program, more: &[&'static str]) -> Result<Run, libtest_mimic::Failed> {
    let folder = crate::support::folder();
    let path = folder.path().join("guest.img");
    std::fs::write(&path, image(program)).map_err(|error| error.to_string())?;
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    let mut arguments = small(&["--guest", path, "--cpus", "2"]);
    if more.contains(&"--guest-memory") {
        arguments.drain(2..4);
    }
    if more.contains(&"--guests") {
        arguments.drain(..2);
    }
    arguments.extend(more);
    run(&arguments)
}

/// Two CPUs of a guest start, signal and stop one another; each checks what arrives and from whom.
fn signals(policy: &'static str, machine: &'static str) -> Verdict {
    let program = Program {
        begin: [programs::FIRST, programs::SECOND],
        interrupted: [programs::FIRST_INTERRUPTED, programs::SECOND_INTERRUPTED],
        class: EXTERNAL,
    };
    let run = run_program(&program, &["--evict", policy, "--machine-cpus", machine])?;
    run.must_be_good()?;
    check!(run.host()?.guests.len() == 2, "{:?}", run.host()?);
    Ok(())
}

/// Pages are taken while both CPUs of a guest use them: no CPU ever sees anything else in a page, and
/// none is taken that one has changed.
fn discards(policy: &'static str, machine: &'static str) -> Verdict {
    let program = Program {
        begin: [programs::DISCARDING_FIRST, programs::DISCARDING_SECOND],
        interrupted: [programs::RECOVERING_FIRST, programs::RECOVERING_SECOND],
        class: PROGRAM,
    };
    let run = run_program(&program, &["--evict", policy, "--machine-cpus", machine])?;
    run.must_be_good()?;
    for guest in &run.host()?.guests {
        check!(guest.discards > 0 && guest.discard_faults > 0, "{guest:?}");
    }
    Ok(())
}

/// Two CPUs that wait for one another need no time slices. With whole ones, this takes minutes.
fn yields(machine: &'static str) -> Verdict {
    let program = Program {
        begin: [programs::ASKING, programs::ANSWERING],
        interrupted: [&[], &[]],
        class: EXTERNAL,
    };
    let run = run_program(&program, &["--guests", "1", "--machine-cpus", machine])?;
    run.must_be_good()?;
    let count = |code: &str| {
        run.host()
            .map(|host| host.guests[0].diagnose.get(code).copied())
    };
    check!(
        count("x44")? > Some(0) && count("x9c")? > Some(0),
        "{:?}",
        run.host()?
    );
    Ok(())
}

/// Clock comparator and CPU timer end a wait when it is time.
fn timers() -> Verdict {
    let program = Program {
        begin: [programs::WAITING, &[]],
        interrupted: [programs::WOKEN, &[]],
        class: EXTERNAL,
    };
    run_program(&program, &["--machine-cpus", "2"])?.must_be_good()
}

/// Orders reach a CPU that never leaves its guest by itself.
fn orders(machine: &'static str) -> Verdict {
    let program = Program {
        begin: [programs::ORDERING, programs::COUNTING],
        interrupted: [&[], &[]],
        class: EXTERNAL,
    };
    run_program(&program, &["--machine-cpus", machine])?.must_be_good()
}
