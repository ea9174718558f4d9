//! Registers that the host switches between guests, and between the CPUs of one.

mod programs;

use libtest_mimic::Trial;

use crate::check;
use crate::runs::{leak, small};
use crate::support::{Verdict, run, trial};
use crate::vcpus::{AREAS, FAILURE, PROGRAM, SUCCESS, psw, put};

/// Bits of control register 0: all floating-point registers, and vector registers.
const AFP: u32 = 0x0004_0000;
const VECTOR: u32 = 0x0002_0000;

pub(crate) fn tests() -> Vec<Trial> {
    ["1", "2"]
        .into_iter()
        .flat_map(|machine| {
            [
                trial(format!("registers::floating_on_{machine}"), move || {
                    switched(machine, AFP, &[])
                }),
                trial(format!("registers::vector_on_{machine}"), move || {
                    let patches: [(usize, &[u8]); 2] = [
                        (0x30d0, programs::LOADING_VECTORS),
                        (0x3208, programs::COMPARING_VECTORS),
                    ];
                    switched(machine, AFP | VECTOR, &patches)
                }),
            ]
        })
        .collect()
}

/// Two guests with two CPUs each find in their registers what they have loaded, and nobody else's.
fn switched(machine: &'static str, control: u32, patches: &[(usize, &[u8])]) -> Verdict {
    let folder = crate::support::folder();
    let path = folder.path().join("guest.img");
    std::fs::write(&path, image(control, patches)).map_err(|error| error.to_string())?;
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    let more = ["--guest", path, "--cpus", "2", "--machine-cpus", machine];
    let run = run(&small(&more))?;
    run.must_be_good()?;
    check!(run.host()?.guests.len() == 2, "{:?}", run.host()?);
    Ok(())
}

/// A flat image: both CPUs run the same program, and have prefix areas of their own.
fn image(control: u32, patches: &[(usize, &[u8])]) -> Vec<u8> {
    let mut image = vec![0; 0xa000];
    image[..8].copy_from_slice(&[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x02, 0x00]);
    for area in AREAS {
        let begin = [0xa7, 0x19, 0x30, 0x00, 0x07, 0xf1]; // lghi %r1,0x3000; br %r1
        put(&mut image, area + 0x200, &begin);
        put(&mut image, area + 0x60, &SUCCESS);
        put(&mut image, area + 0x68, &FAILURE);
        put(&mut image, area + 0x1a0, &psw(0, 0x200)); // restart
        put(&mut image, area + PROGRAM, &psw(0, 0x3300));
        let control = u64::from(control | 0xe0).to_be_bytes();
        put(&mut image, area + 0x400, &control);
        put(&mut image, area + 0x408, &[0, 7]); // the code of a data exception
        put(&mut image, area + 0x40c, &[0, 0, 0x80, 0]); // the prefix of CPU 1
    }
    put(&mut image, 0x3000, programs::SWITCHING);
    put(&mut image, 0x32f0, programs::FAILING);
    put(&mut image, 0x3300, programs::INTERRUPTED);
    for (at, bytes) in patches {
        put(&mut image, *at, bytes);
    }
    image
}
