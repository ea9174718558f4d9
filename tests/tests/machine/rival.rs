//! Balloons of guests: the device, the monitor that drives it, and channel I/O on the way there.

use libtest_mimic::{Failed, Trial};
use xtask::events::{Host, HostGuest};

use crate::check;
use crate::files;
use crate::runs::{all_verified, leak, small};
use crate::support::{Run, Verdict, folder, run, trial};
use crate::vcpus::{FAILURE, PROGRAM, SUCCESS, psw, put};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("rival::balloons_save_writes", writes),
        trial("rival::balloons_on_2_by_2", || {
            let guests = ["--guests", "2", "--guest-memory", "12M", "--memory", "12M"];
            inflated(&[&["--work", "swap"], &guests[..]].concat())
        }),
        trial("rival::a_balloon_while_everything_is_done", || {
            let guest = ["--guests", "1", "--guest-memory", "8M", "--memory", "5M"];
            let work = ["--work", "churn", "--append", "g.steps=600"];
            inflated(&[&work[..], &guest].concat())
        }),
        trial("rival::nothing_is_asked_for_that_nobody_needs", plenty),
        trial("rival::what_is_reported_loses_its_content", content),
        trial("rival::free_pages_are_reported", reported),
        trial("rival::a_guest_without_a_driver", foreign),
        trial("rival::channel_instructions", channel),
        trial("rival::parameters_out_of_range", out_of_range),
    ]
}

fn sum(host: &Host, count: fn(&HostGuest) -> u64) -> u64 {
    host.guests.iter().map(count).sum()
}

/// Guests with more files than memory, on a quarter of what they see: their balloons take what is idle, so
/// that little has to be written, and give it back when others have ended.
fn writes() -> Verdict {
    let writes = |hinting: &str| -> Result<Host, Failed> {
        let guests = ["--guests", "4", "--guest-memory", "16M", "--memory", "16M"];
        let work = ["--work", "verify", "--passes", "1", "--paging", "64M"];
        let common = ["--evict", "lru", "--hinting", hinting];
        let run = run(&[&work[..], &guests, &common].concat())?;
        run.must_be_good()?;
        Ok(run.host()?.clone())
    };
    let (none, balloon) = (writes("none")?, writes("balloon")?);
    let written = [&none, &balloon].map(|host| sum(host, |guest| guest.page_writes));
    check!(written[1] < written[0] / 4, "{written:?}");
    check!(sum(&none, |guest| guest.balloon_wake_ups) == 0, "{none:?}");
    for guest in &balloon.guests {
        check!(
            guest.balloon_wake_ups > 0 && guest.balloon_inflated > 1000,
            "{guest:?}"
        );
        check!(
            guest.balloon_reported > 1000 && guest.essa.is_empty(),
            "{guest:?}"
        );
        check!(guest.balloon_available > 0, "{guest:?}");
    }
    check!(
        sum(&balloon, |guest| guest.balloon_deflated) > 1000,
        "{balloon:?}"
    );
    check!(balloon.frames_free == balloon.frames, "{balloon:?}");
    Ok(())
}

/// With two CPUs for each guest, and two of the machine, and fewer frames than guests see.
fn inflated(work: &[&'static str]) -> Verdict {
    let cpus = ["--cpus", "2", "--machine-cpus", "2", "--passes", "1"];
    let host = ["--hinting", "balloon", "--evict", "lru", "--paging", "32M"];
    let files = ["--files", files::directory()];
    let run = run(&[work, &cpus, &host, &files].concat())?;
    run.must_be_good()?;
    let host = run.host()?;
    check!(sum(host, |guest| guest.balloon_inflated) > 100, "{host:?}");
    check!(host.frames_free == host.frames, "{host:?}");
    Ok(())
}

fn plenty() -> Verdict {
    let run = run(&small(&["--hinting", "balloon"]))?;
    run.must_be_good()?;
    all_verified(&run, 2)?;
    check!(
        run.host_boot()?.hinting == "balloon",
        "{:?}",
        run.host_boot()?
    );
    for guest in &run.host()?.guests {
        let moved = guest.balloon_wake_ups + guest.balloon_inflated + guest.balloon_deflated;
        check!(moved == 0, "{guest:?}");
    }
    Ok(())
}

/// A guest with the device and without a monitor.
fn offered(more: &[&'static str]) -> Result<Run, Failed> {
    let mut arguments = small(&["--hinting", "none", "--balloon"]);
    arguments.extend(more);
    run(&arguments)
}

/// The kernel writes two blocks, frees one of them, and looks at both when it has been reported.
fn content() -> Verdict {
    offered(&["--work", "reporting"])?.must_be_good()
}

/// As many as the host knows of.
fn reported() -> Verdict {
    let run = offered(&[])?;
    run.must_be_good()?;
    all_verified(&run, 2)?;
    for (guest, host) in run.guests().zip(&run.host()?.guests) {
        check!(guest.reported_pages > guest.frames / 2, "{guest:?}");
        check!(guest.reported_pages == host.balloon_reported, "{host:?}");
        check!(host.balloon_wake_ups == 0, "{host:?}");
    }
    for boot in run.boots() {
        check!(boot.back_end == "reporting", "{boot:?}");
    }
    Ok(())
}

/// Runs a flat image as two guests with the device.
fn run_image(image: &[u8], more: &[&'static str]) -> Result<Run, Failed> {
    let folder = folder();
    let path = folder.path().join("guest.img");
    std::fs::write(&path, image).map_err(|error| error.to_string())?;
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    let mut arguments = small(&["--guest", path]);
    arguments.extend(more);
    run(&arguments)
}

/// Who does not look after its balloon is not asked for anything.
fn foreign() -> Verdict {
    let mut image = vec![0; 0x200];
    image[..8].copy_from_slice(&[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x00, 0x10]);
    put(&mut image, 0x60, &SUCCESS);
    // Touches 4 MiB, each page some thousand times, and ends.
    #[rustfmt::skip]
    put(&mut image, 0x10, &[
        0xa7, 0x49, 0x01, 0x00,             // 10 lghi  %r4,256
        0xa5, 0x2e, 0x00, 0x10,             // 14 llilh %r2,0x10
        0xa7, 0x39, 0x04, 0x00,             // 18 lghi  %r3,1024
        0x92, 0x01, 0x20, 0x00,             // 1c mvi   0(%r2),1
        0xa7, 0x2b, 0x10, 0x00,             // 20 aghi  %r2,4096
        0xa7, 0x37, 0xff, 0xfc,             // 24 brctg %r3,1c
        0xa7, 0x47, 0xff, 0xf6,             // 28 brctg %r4,14
        0x82, 0x00, 0x00, 0x60,             // 2c lpsw  0x60
    ]);
    let more = [
        "--hinting",
        "balloon",
        "--memory",
        "6M",
        "--paging",
        "16M",
        "--evict",
        "lru",
    ];
    let run = run_image(&image, &more)?;
    run.must_be_good()?;
    for guest in &run.host()?.guests {
        check!(
            guest.balloon_target == 0 && guest.balloon_wake_ups == 0,
            "{guest:?}"
        );
    }
    Ok(())
}

/// A program that looks at its only subchannel, enables it, asks what device that is, and gets the
/// answer by an interruption and without one; and that does what is wrong.
fn channel() -> Verdict {
    let mut image = vec![0; 0x1000];
    image[..8].copy_from_slice(&[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x02, 0x00]);
    put(&mut image, 0x60, &SUCCESS);
    put(&mut image, 0x68, &FAILURE);
    put(&mut image, PROGRAM, &psw(0, 0x3c0));
    put(&mut image, 0x1f0, &psw(0, 0x3e0)); // I/O
    put(&mut image, 0x200, CHANNEL);
    put(&mut image, 0x3c0, REFUSED);
    put(&mut image, 0x3e0, &[0x07, 0xf9]); // br %r9
    put(&mut image, 0x430, &[0, 0, 0, 0, 0x10, 0, 0, 0]); // control register 6: subclass 3
    put(
        &mut image,
        0x440,
        &[0x01, 0x10, 0, 0, 0x12, 0x34, 0x56, 0x78],
    ); // device, parameter
    put(
        &mut image,
        0x448,
        &[0x12, 0x34, 0x56, 0x78, 0x18, 0x81, 0x01, 0x10],
    );
    for (at, program) in [(0x450, 0x00), (0x4b0, 0x10), (0x4c0, 0x18)] {
        let orb = [
            0x12, 0x34, 0x56, 0x78, 0, 0x80, 0xff, 0, 0, 0, 0x08, program,
        ];
        put(&mut image, at, &orb);
    }
    put(&mut image, 0x460, &psw(0x0202, 0xbad)); // a wait, I/O
    put(
        &mut image,
        0x470,
        &[0, 1, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x18, 0, 0, 0],
    );
    put(
        &mut image,
        0x480,
        &[0, 0x80, 0x40, 0x07, 0, 0, 0x08, 0x08, 0x0c, 0, 0, 0],
    );
    put(&mut image, 0x490, &[0xff, 0x38, 0x32, 5, 0, 0, 0]);
    put(
        &mut image,
        0x49c,
        &[0, 0, 0x20, 0x01, 0, 0, 0x10, 0x01, 0, 0x15],
    );
    put(&mut image, 0x800, &[0xe4, 0, 0, 7, 0, 0, 0x07, 0]); // SENSE ID
    put(&mut image, 0x810, &[0x33, 0x20, 0, 0, 0, 0, 0x07, 0]); // reset, before a revision
    put(&mut image, 0x818, &[0x08, 0, 0, 0, 0, 0, 0x08, 0x18]); // a circle
    run_image(&image, &["--balloon"])?.must_be_good()
}

fn out_of_range() -> Verdict {
    for (parameter, words) in [
        (
            "monitor=0",
            "monitor=0: the value must be MS[:STEP[:FLOOR]]",
        ),
        ("balloon=half", "balloon=half: the value must be off|on"),
    ] {
        run(&small(&["--append", parameter]))?.must_fail(&[words])?;
    }
    Ok(())
}

/// See [`channel`].
#[rustfmt::skip]
const CHANNEL: &[u8] = &[
    0xeb, 0x66, 0x04, 0x30, 0x00, 0x2f,   // 200 lctlg %c6,%c6,1072
    0xc0, 0x1f, 0x00, 0x01, 0x00, 0x00,   // 206 llilf %r1,65536
    0xb2, 0x34, 0x05, 0x00,               // 20c stsch 1280
    0xa7, 0x74, 0x00, 0xb9,               // 210 jne   0x382
    0xd5, 0x01, 0x05, 0x06, 0x04, 0x40,   // 214 clc   1286(2),1088
    0xa7, 0x74, 0x00, 0xb4,               // 21a jne   0x382
    0x96, 0x18, 0x05, 0x04,               // 21e oi    1284,24
    0x96, 0x80, 0x05, 0x05,               // 222 oi    1285,128
    0xd2, 0x03, 0x05, 0x00, 0x04, 0x44,   // 226 mvc   1280(4),1092
    0xb2, 0x32, 0x05, 0x00,               // 22c msch  1280
    0xa7, 0x74, 0x00, 0xa9,               // 230 jne   0x382
    0xb2, 0x34, 0x06, 0x00,               // 234 stsch 1536
    0xa7, 0x74, 0x00, 0xa5,               // 238 jne   0x382
    0xd5, 0x07, 0x06, 0x00, 0x04, 0x48,   // 23c clc   1536(8),1096
    0xa7, 0x74, 0x00, 0xa0,               // 242 jne   0x382
    0xc0, 0x1f, 0x00, 0x01, 0x00, 0x01,   // 246 llilf %r1,65537
    0xb2, 0x34, 0x06, 0x00,               // 24c stsch 1536
    0xa7, 0xe4, 0x00, 0x99,               // 250 jno   0x382
    0xc0, 0x1f, 0x00, 0x01, 0x00, 0x00,   // 254 llilf %r1,65536
    0xa7, 0x89, 0x03, 0x00,               // 25a lghi  %r8,768
    0xa7, 0x79, 0x00, 0x00,               // 25e lghi  %r7,0
    0xc0, 0x90, 0x00, 0x00, 0x00, 0x09,   // 262 larl  %r9,0x274
    0xb2, 0x33, 0x04, 0x50,               // 268 ssch  1104
    0xa7, 0x74, 0x00, 0x8b,               // 26c jne   0x382
    0xb2, 0xb2, 0x04, 0x60,               // 270 lpswe 1120
    0xd5, 0x0b, 0x00, 0xb8, 0x04, 0x70,   // 274 clc   184(12),1136
    0xa7, 0x74, 0x00, 0x84,               // 27a jne   0x382
    0xb2, 0x35, 0x06, 0x00,               // 27e tsch  1536
    0xa7, 0x74, 0x00, 0x80,               // 282 jne   0x382
    0xd5, 0x0b, 0x06, 0x00, 0x04, 0x80,   // 286 clc   1536(12),1152
    0xa7, 0x74, 0x00, 0x7b,               // 28c jne   0x382
    0xa7, 0x74, 0x00, 0x40,               // 302 jne   0x382
    0xb2, 0x30, 0x00, 0x00,               // 306 csch
    0xa7, 0x74, 0x00, 0x3c,               // 30a jne   0x382
    0xb2, 0x35, 0x06, 0x00,               // 30e tsch  1536
    0xa7, 0x74, 0x00, 0x38,               // 312 jne   0x382
    0xd5, 0x03, 0x06, 0x00, 0x04, 0xa0,   // 316 clc   1536(4),1184
    0xa7, 0x74, 0x00, 0x33,               // 31c jne   0x382
    0xb2, 0x33, 0x04, 0xb0,               // 320 ssch  1200
    0xa7, 0x74, 0x00, 0x2f,               // 324 jne   0x382
    0xb2, 0x35, 0x06, 0x00,               // 328 tsch  1536
    0xa7, 0x74, 0x00, 0x2b,               // 32c jne   0x382
    0x91, 0x02, 0x06, 0x08,               // 330 tm    1544,2
    0xa7, 0x84, 0x00, 0x27,               // 334 je    0x382
    0xb2, 0x33, 0x04, 0xc0,               // 338 ssch  1216
    0xa7, 0x74, 0x00, 0x23,               // 33c jne   0x382
    0xb2, 0x35, 0x06, 0x00,               // 340 tsch  1536
    0xa7, 0x74, 0x00, 0x1f,               // 344 jne   0x382
    0x95, 0x20, 0x06, 0x09,               // 348 cli   1545,32
    0xa7, 0x74, 0x00, 0x1b,               // 34c jne   0x382
    0xc0, 0x90, 0x00, 0x00, 0x00, 0x09,   // 350 larl  %r9,0x362
    0xa7, 0x19, 0x00, 0x00,               // 356 lghi  %r1,0
    0xb2, 0x34, 0x06, 0x00,               // 35a stsch 1536
    0xa7, 0xf4, 0x00, 0x12,               // 35e j     0x382
    0xc0, 0x1f, 0x00, 0x01, 0x00, 0x00,   // 362 llilf %r1,65536
    0xd7, 0x03, 0x05, 0x04, 0x05, 0x04,   // 368 xc    1284(4),1284
    0xb2, 0x32, 0x05, 0x00,               // 36e msch  1280
    0xa7, 0x74, 0x00, 0x08,               // 372 jne   0x382
    0xb2, 0x33, 0x04, 0x50,               // 376 ssch  1104
    0xa7, 0xe4, 0x00, 0x04,               // 37a jno   0x382
    0x82, 0x00, 0x00, 0x60,               // 37e lpsw  96
    0x82, 0x00, 0x00, 0x68,               // 382 lpsw  104
];

/// Program interruptions: an operand exception, which is expected.
#[rustfmt::skip]
const REFUSED: &[u8] = &[
    0xd5, 0x01, 0x00, 0x8e, 0x04, 0xa4,   // 3c0 clc   0x8e(2),0x4a4
    0xa7, 0x74, 0xff, 0xde,               // 3c6 jne   382
    0x07, 0xf9,                           // 3ca br    %r9
];
