//! Several CPUs: of the machine, of guests, and both.

use libtest_mimic::Trial;

use crate::check;
use crate::runs::{all_verified, discards_survived, leak, small};
use crate::support::{Run, Verdict, run, trial};

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        trial("vcpus::more_of_the_machine_than_guests", spare),
        trial("vcpus::one_of_the_machine_for_many", many),
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

/// A flat image for two CPUs: the first one's prefix area is at 0, the second one's at 0x8000, and each
/// has its program and what it compares with there.
fn image() -> Vec<u8> {
    let mut image = vec![0; 0xa000];
    image[..8].copy_from_slice(&[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x02, 0x00]);
    put(&mut image, 0x200, FIRST);
    put(&mut image, 0x300, FIRST_INTERRUPTED);
    put(&mut image, 0x8200, SECOND);
    put(&mut image, 0x8300, SECOND_INTERRUPTED);
    for (area, other) in [(0, 1), (0x8000, 0)] {
        put(&mut image, area + 0x60, &SUCCESS);
        put(&mut image, area + 0x68, &FAILURE);
        put(&mut image, area + 0x1a0, &psw(0, 0x200)); // restart
        put(&mut image, area + 0x1b0, &psw(0, 0x300)); // external
        put(&mut image, area + 0x1d0, &psw(0x0002, 0xbad)); // program: a disabled wait
        put(&mut image, area + 0x408, &[0, 0, 0, 1]); // the address of CPU 1
        put(&mut image, area + 0x406, &[0x60, 0xe0]); // control register 0: both signals
        put(&mut image, area + 0x410, &psw(0x0102, 0xbad)); // a wait, external
        put(&mut image, area + 0x420, &[0, other, 0x12, 0x01]);
        put(&mut image, area + 0x424, &[0, other, 0x12, 0x02]);
        put(&mut image, area + 0x42c, &[0, 0, 0x80, 0]); // the prefix of CPU 1
    }
    image
}

/// Short disabled-wait PSWs.
const SUCCESS: [u8; 8] = [0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0f, 0xff];
const FAILURE: [u8; 8] = [0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0b, 0xad];

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A PSW with 64-bit addressing and these first two bytes.
fn psw(mask: u16, address: u64) -> [u8; 16] {
    let mask = u64::from(mask) << 48 | 0x0000_0001_8000_0000;
    (u128::from(mask) << 64 | u128::from(address)).to_be_bytes()
}

/// Two CPUs of a guest start, signal and stop one another; each checks what arrives and from whom.
fn signals(policy: &'static str, machine: &'static str) -> Verdict {
    let folder = crate::support::folder();
    let path = folder.path().join("guest.img");
    std::fs::write(&path, image()).map_err(|error| error.to_string())?;
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    let mut arguments = small(&["--guest", path, "--cpus", "2", "--evict", policy]);
    arguments.extend(["--machine-cpus", machine]);
    let run = run(&arguments)?;
    run.must_be_good()?;
    check!(run.host()?.guests.len() == 2, "{:?}", run.host()?);
    Ok(())
}

/// CPU 0: resets CPU 1 initially, sets its prefix, finds it stopped and no CPU 2, restarts CPU 1 and
/// waits until it says that it runs; then sends it both signals, and waits for its answers.
#[rustfmt::skip]
const FIRST: &[u8] = &[
    0xa7, 0xc9, 0x20, 0x00,              // 200 lghi  %r12,8192
    0xeb, 0x00, 0x04, 0x00, 0x00, 0x2f,  // 204 lctlg %c0,%c0,0x400
    0xa7, 0x19, 0x00, 0x01,              // 20a lghi  %r1,1
    0xa5, 0x5f, 0x80, 0x00,              // 20e llill %r5,0x8000
    0xae, 0x41, 0x00, 0x0b,              // 212 sigp  %r4,%r1,0xb
    0xa7, 0x74, 0x00, 0x26,              // 216 jne   262
    0xae, 0x41, 0x00, 0x0d,              // 21a sigp  %r4,%r1,0xd
    0xa7, 0x74, 0x00, 0x22,              // 21e jne   262
    0xae, 0x41, 0x00, 0x01,              // 222 sigp  %r4,%r1,0x1
    0xa7, 0xb4, 0x00, 0x1e,              // 226 jnl   262
    0xa7, 0x4e, 0x00, 0x40,              // 22a chi   %r4,64
    0xa7, 0x74, 0x00, 0x1a,              // 22e jne   262
    0xa7, 0x29, 0x00, 0x02,              // 232 lghi  %r2,2
    0xae, 0x42, 0x00, 0x01,              // 236 sigp  %r4,%r2,0x1
    0xa7, 0xe4, 0x00, 0x14,              // 23a jno   262
    0xae, 0x41, 0x00, 0x06,              // 23e sigp  %r4,%r1,0x6
    0xa7, 0x74, 0x00, 0x10,              // 242 jne   262
    0x95, 0x01, 0xc0, 0x00,              // 246 cli   0(%r12),1
    0xa7, 0x74, 0xff, 0xfe,              // 24a jne   246
    0xae, 0x41, 0x00, 0x03,              // 24e sigp  %r4,%r1,0x3
    0xa7, 0x74, 0x00, 0x08,              // 252 jne   262
    0xae, 0x41, 0x00, 0x02,              // 256 sigp  %r4,%r1,0x2
    0xa7, 0x74, 0x00, 0x04,              // 25a jne   262
    0xb2, 0xb2, 0x04, 0x10,              // 25e lpswe 0x410
    0x82, 0x00, 0x00, 0x68,              // 262 lpsw  0x68
];

/// CPU 0's external interruptions: an emergency signal of CPU 1, then an external call of CPU 1; then
/// it waits until CPU 1 has stopped.
#[rustfmt::skip]
const FIRST_INTERRUPTED: &[u8] = &[
    0xd5, 0x03, 0x00, 0x84, 0x04, 0x20,  // 300 clc   0x84(4),0x420
    0xa7, 0x84, 0x00, 0x11,              // 306 je    328
    0xd5, 0x03, 0x00, 0x84, 0x04, 0x24,  // 30a clc   0x84(4),0x424
    0xa7, 0x74, 0xff, 0xa9,              // 310 jne   262
    0xae, 0x41, 0x00, 0x01,              // 314 sigp  %r4,%r1,0x1
    0xa7, 0xb4, 0xff, 0xfe,              // 318 jnl   314
    0xa7, 0x4e, 0x00, 0x40,              // 31c chi   %r4,64
    0xa7, 0x74, 0xff, 0xfa,              // 320 jne   314
    0x82, 0x00, 0x00, 0x60,              // 324 lpsw  96
    0xb2, 0xb2, 0x04, 0x10,              // 328 lpswe 0x410
];

/// CPU 1: finds its address and prefix right, says so, and waits.
#[rustfmt::skip]
const SECOND: &[u8] = &[
    0xa7, 0xc9, 0x20, 0x00,              // 200 lghi  %r12,8192
    0xeb, 0x00, 0x04, 0x00, 0x00, 0x2f,  // 204 lctlg %c0,%c0,0x400
    0xb2, 0x12, 0x05, 0x00,              // 20a stap  0x500
    0xd5, 0x01, 0x05, 0x00, 0x04, 0x0a,  // 20e clc   0x500(2),0x40a
    0xa7, 0x74, 0x00, 0x0d,              // 214 jne   22e
    0xb2, 0x11, 0x05, 0x00,              // 218 stpx  0x500
    0xd5, 0x03, 0x05, 0x00, 0x04, 0x2c,  // 21c clc   0x500(4),0x42c
    0xa7, 0x74, 0x00, 0x06,              // 222 jne   22e
    0x92, 0x01, 0xc0, 0x00,              // 226 mvi   0(%r12),1
    0xb2, 0xb2, 0x04, 0x10,              // 22a lpswe 0x410
    0x82, 0x00, 0x00, 0x68,              // 22e lpsw  0x68
];

/// CPU 1's external interruptions: an emergency signal of CPU 0, then an external call of CPU 0; then
/// it sends both signals in return, and stops itself.
#[rustfmt::skip]
const SECOND_INTERRUPTED: &[u8] = &[
    0xd5, 0x03, 0x00, 0x84, 0x04, 0x20,  // 300 clc   0x84(4),0x420
    0xa7, 0x84, 0x00, 0x17,              // 306 je    334
    0xd5, 0x03, 0x00, 0x84, 0x04, 0x24,  // 30a clc   0x84(4),0x424
    0xa7, 0x74, 0xff, 0x8f,              // 310 jne   22e
    0xa7, 0x19, 0x00, 0x00,              // 314 lghi  %r1,0
    0xae, 0x41, 0x00, 0x03,              // 318 sigp  %r4,%r1,0x3
    0xa7, 0x74, 0xff, 0x89,              // 31c jne   22e
    0xae, 0x41, 0x00, 0x02,              // 320 sigp  %r4,%r1,0x2
    0xa7, 0x74, 0xff, 0x85,              // 324 jne   22e
    0xa7, 0x19, 0x00, 0x01,              // 328 lghi  %r1,1
    0xae, 0x41, 0x00, 0x05,              // 32c sigp  %r4,%r1,0x5
    0xa7, 0xf4, 0xff, 0x7f,              // 330 j     22e
    0xb2, 0xb2, 0x04, 0x10,              // 334 lpswe 0x410
];
