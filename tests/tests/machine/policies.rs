//! What policies do, seen by guests of a few instructions.

use libtest_mimic::{Failed, Trial};

use crate::check;
use crate::runs::{leak, small};
use crate::support::{Run, Verdict, folder, run_within, trial};
use crate::vcpus::{FAILURE, PROGRAM, SUCCESS, psw, put};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("policies::steal_lets_nobody_have_two_pages", nobody),
        trial("policies::steal_spare_lets_an_instruction_have_them", spare),
        trial("policies::steal_after_a_delay", delay),
    ]
}

/// Runs a program as two guests, with a handler of program interruptions at 0x300.
fn run_program(
    code: &[u8],
    handler: &[u8],
    timeout: &str,
    policy: &'static str,
) -> Result<Run, Failed> {
    let mut image = vec![0; 0x400];
    image[..8].copy_from_slice(&[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x02, 0x00]);
    put(&mut image, 0x60, &SUCCESS);
    put(&mut image, 0x68, &FAILURE);
    put(&mut image, PROGRAM, &psw(0, 0x300));
    put(&mut image, 0x200, code);
    put(&mut image, 0x300, handler);
    let folder = folder();
    let path = folder.path().join("guest.img");
    std::fs::write(&path, image).map_err(|error| error.to_string())?;
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    let arguments = small(&["--guest", path, "--evict", policy]);
    run_within(timeout, &arguments)
}

/// An instruction that needs two volatile pages gets each of them once for each time that it is executed:
/// afterwards they are taken again.
fn spare() -> Verdict {
    let run = run_program(TWO_PAGES, BRING_BACK, "60", "steal:spare")?;
    run.must_be_good()?;
    for guest in &run.host()?.guests {
        check!(guest.discard_faults == 200, "{guest:?}");
    }
    Ok(())
}

/// Without that, it never has both.
fn nobody() -> Verdict {
    let run = run_program(TWO_PAGES, BRING_BACK, "5", "steal")?;
    let reason = run.outcome.reason.unwrap_or_default();
    check!(reason.contains("after 5 s"), "{reason}");
    Ok(())
}

/// A volatile page is there for 20 ms, and goes then.
fn delay() -> Verdict {
    let run = run_program(WAIT_FOR_FAULT, MEASURE, "60", "steal:20")?;
    run.must_be_good()?;
    for guest in &run.host()?.guests {
        check!(
            (guest.discards, guest.discard_faults) == (1, 1),
            "{guest:?}"
        );
    }
    Ok(())
}

/// Compares two volatile pages 100 times, with an exit after each time, and expects 200 interruptions.
#[rustfmt::skip]
const TWO_PAGES: &[u8] = &[
    0xa5, 0x2e, 0x00, 0x10,               // 200 llilh %r2,16
    0xc0, 0x3f, 0x00, 0x10, 0x10, 0x00,   // 204 llilf %r3,1052672
    0xa7, 0x69, 0x00, 0x64,               // 20a lghi  %r6,100
    0xa7, 0x99, 0x00, 0x00,               // 20e lghi  %r9,0
    0x92, 0x07, 0x20, 0x00,               // 212 mvi   0(%r2),7
    0x92, 0x07, 0x30, 0x00,               // 216 mvi   0(%r3),7
    0xb9, 0xab, 0x30, 0x42,               // 21a essa  %r4,%r2,3
    0xb9, 0xab, 0x30, 0x43,               // 21e essa  %r4,%r3,3
    0xd5, 0x00, 0x20, 0x00, 0x30, 0x00,   // 222 clc   0(1,%r2),0(%r3)
    0xa7, 0x74, 0x00, 0x0c,               // 228 jne   0x240
    0xb2, 0x02, 0x05, 0x00,               // 22c stidp 1280
    0xa7, 0x67, 0xff, 0xf9,               // 230 brctg %r6,0x222
    0xa7, 0x9f, 0x00, 0xc8,               // 234 cghi  %r9,200
    0xa7, 0x74, 0x00, 0x04,               // 238 jne   0x240
    0x82, 0x00, 0x00, 0x60,               // 23c lpsw  96
    0x82, 0x00, 0x00, 0x68,               // 240 lpsw  104
];

/// Discard faults: counts them, and makes the page what it was.
#[rustfmt::skip]
const BRING_BACK: &[u8] = &[
    0x95, 0x1a, 0x00, 0x8f,               // 300 cli   143,26
    0xa7, 0x74, 0xff, 0x9e,               // 304 jne   0x240
    0xe3, 0x50, 0x00, 0xa8, 0x00, 0x04,   // 308 lg    %r5,168
    0xb9, 0xab, 0x10, 0x45,               // 30e essa  %r4,%r5,1
    0x92, 0x07, 0x50, 0x00,               // 312 mvi   0(%r5),7
    0xb9, 0xab, 0x30, 0x45,               // 316 essa  %r4,%r5,3
    0xa7, 0x9b, 0x00, 0x01,               // 31a aghi  %r9,1
    0xb2, 0xb2, 0x01, 0x50,               // 31e lpswe 336
];

/// Makes a page volatile and looks at it, with exits in between, until it is gone.
#[rustfmt::skip]
const WAIT_FOR_FAULT: &[u8] = &[
    0xa5, 0x2e, 0x00, 0x10,               // 200 llilh %r2,16
    0x92, 0x07, 0x20, 0x00,               // 204 mvi   0(%r2),7
    0xb2, 0x05, 0x05, 0x00,               // 208 stck  1280
    0xb9, 0xab, 0x30, 0x42,               // 20c essa  %r4,%r2,3
    0xb2, 0x02, 0x05, 0x08,               // 210 stidp 1288
    0x95, 0x07, 0x20, 0x00,               // 214 cli   0(%r2),7
    0xa7, 0x84, 0xff, 0xfc,               // 218 je    0x210
    0x82, 0x00, 0x00, 0x68,               // 21c lpsw  104
];

/// A discard fault: 20 ms have passed, and not much more.
#[rustfmt::skip]
const MEASURE: &[u8] = &[
    0xb2, 0x05, 0x05, 0x10,               // 300 stck  1296
    0x95, 0x1a, 0x00, 0x8f,               // 304 cli   143,26
    0xa7, 0x74, 0xff, 0x8a,               // 308 jne   0x21c
    0xe3, 0x40, 0x05, 0x10, 0x00, 0x04,   // 30c lg    %r4,1296
    0xe3, 0x40, 0x05, 0x00, 0x00, 0x0b,   // 312 slg   %r4,1280
    0xeb, 0x44, 0x00, 0x0c, 0x00, 0x0c,   // 318 srlg  %r4,%r4,12
    0xc2, 0x4e, 0x00, 0x00, 0x4e, 0x20,   // 31e clgfi %r4,20000
    0xa7, 0x44, 0xff, 0x7c,               // 324 jl    0x21c
    0xc2, 0x4e, 0x00, 0x4c, 0x4b, 0x40,   // 328 clgfi %r4,5000000
    0xa7, 0x24, 0xff, 0x77,               // 32e jh    0x21c
    0x82, 0x00, 0x00, 0x60,               // 332 lpsw  96
];
