//! Guests that are not our kernel, or not known to be: any image, and programs of a few instructions.

use libtest_mimic::Trial;

use crate::check;
use crate::runs::{leak, small};
use crate::support::{Run, Verdict, run, trial};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("foreign::our_kernel_as_a_foreign_image", foreign),
        trial("foreign::a_flat_image", flat),
        trial("foreign::an_executed_privileged_instruction", executed),
        trial(
            "foreign::an_access_to_an_unused_page_without_content",
            || lost_page(2, 0x05),
        ),
        trial("foreign::an_access_to_a_discarded_page", || {
            lost_page(3, 0x1a)
        }),
        trial("foreign::a_monitor_event", monitor_event),
        trial("foreign::a_guest_that_interrupts_itself_is_ended", endless),
    ]
}

fn foreign() -> Verdict {
    let images = crate::support::xtask(&["build", "--json"]);
    let done = crate::support::finish(images)?;
    let event = done.stdout.lines().next().ok_or("build printed nothing")?;
    let xtask::events::Event::Image(kernel) = xtask::events::parse(event)? else {
        return Err(format!("not an image: {event}").into());
    };
    let run = run(&small(&["--guest", &kernel.path].map(leak)))?;
    run.must_be_good()
}

/// A flat guest image with an IPL PSW that starts `code` at 0x10, short disabled-wait PSWs at 0x60
/// for success and at 0x68 for failure, and a program-new PSW that goes on at 0x22.
fn flat_image(code: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 0x1e0];
    image[..8].copy_from_slice(&[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x00, 0x10]);
    image[0x10..0x10 + code.len()].copy_from_slice(code);
    image[0x60..0x68].copy_from_slice(&[0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0f, 0xff]);
    image[0x68..0x70].copy_from_slice(&[0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0b, 0xad]);
    image[0x1d0..0x1e0].copy_from_slice(&[0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x22]);
    image
}

/// Runs a flat image as two guests.
fn run_flat(code: &[u8]) -> Result<Run, libtest_mimic::Failed> {
    let folder = crate::support::folder();
    let path = folder.path().join("guest.img");
    std::fs::write(&path, flat_image(code)).map_err(|error| error.to_string())?;
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    run(&small(&["--guest", path]))
}

/// The smallest guest: one instruction that loads a disabled wait.
fn flat() -> Verdict {
    let run = run_flat(&[0x82, 0x00, 0x00, 0x60])?; // lpsw 0x60
    run.must_be_good()?;
    check!(run.host()?.guests.len() == 2, "{:?}", run.host()?);
    let bad = run_flat(&[0x82, 0x00, 0x00, 0x68])?; // lpsw 0x68
    bad.must_fail(&["guest 0"])
}

/// The host follows EXECUTE RELATIVE LONG to a privileged target, with the byte or-ed to it.
fn executed() -> Verdict {
    #[rustfmt::skip]
    let code = [
        0xa7, 0x19, 0x00, 0x01,             // 10 lghi  %r1,1
        0xc6, 0x10, 0x00, 0x00, 0x00, 0x0d, // 14 exrl  %r1,2e
        0xad, 0x00, 0x03, 0x01,             // 1a stosm 0x301,0
        0x95, 0x01, 0x03, 0x01,             // 1e cli   0x301,1
        0xa7, 0x74, 0x00, 0x04,             // 22 jne   2a
        0x82, 0x00, 0x00, 0x60,             // 26 lpsw  0x60
        0x82, 0x00, 0x00, 0x68,             // 2a lpsw  0x68
        0xad, 0x00, 0x03, 0x00,             // 2e stosm 0x300,0
    ];
    run_flat(&code)?.must_be_good()
}

/// What a load from a page gets that was never touched and that ESSA with `orc` was executed on: the
/// program interruption with `code`, and for a discard fault the page's address at 0xa8 and the PSW of
/// the load itself.
fn lost_page(orc: u8, code: u8) -> Verdict {
    #[rustfmt::skip]
    let program = [
        0xa5, 0x2e, 0x00, 0x10,             // 10 llilh %r2,0x10
        0xb9, 0xab, orc << 4, 0x32,         // 14 essa  %r3,%r2,orc
        0xe3, 0x40, 0x20, 0x00, 0x00, 0x04, // 18 lg    %r4,0(%r2)
        0x82, 0x00, 0x00, 0x68,             // 1e lpsw  0x68
        0xd5, 0x01, 0x00, 0x8e, 0x00, 0x56, // 22 clc   0x8e(2),0x56
        0xa7, 0x74, 0x00, 0x12,             // 28 jne   4c
        0x95, 0x1a, 0x00, 0x57,             // 2c cli   0x57,0x1a
        0xa7, 0x74, 0x00, 0x0c,             // 30 jne   48
        0xd5, 0x07, 0x00, 0xa8, 0x00, 0x58, // 34 clc   0xa8(8),0x58
        0xa7, 0x74, 0x00, 0x09,             // 3a jne   4c
        0x95, 0x18, 0x01, 0x5f,             // 3e cli   0x15f,0x18
        0xa7, 0x74, 0x00, 0x05,             // 42 jne   4c
        0x07, 0x07,                         // 46 nopr
        0x82, 0x00, 0x00, 0x60,             // 48 lpsw  0x60
        0x82, 0x00, 0x00, 0x68,             // 4c lpsw  0x68
        0, 0, 0, 0, 0, 0,                   // 50
        0x00, code,                         // 56
        0, 0, 0, 0, 0, 0x10, 0, 0,          // 58 the page
    ];
    run_flat(&program)?.must_be_good()
}

/// A guest whose program-interruption handler is missing interrupts itself for ever: it is ended.
fn endless() -> Verdict {
    run_flat(&[0x00, 0x00])?.must_fail(&["interrupts itself"])
}

/// MONITOR CALL of a class that control register 8 names interrupts, with class and code; another one does
/// nothing.
fn monitor_event() -> Verdict {
    #[rustfmt::skip]
    let code = [
        0xeb, 0x88, 0x00, 0x50, 0x00, 0x2f, // 10 lctlg %c8,%c8,0x50
        0xaf, 0x04, 0x00, 0x05,             // 16 mc    5,4
        0xaf, 0x03, 0x00, 0x05,             // 1a mc    5,3
        0x82, 0x00, 0x00, 0x68,             // 1e lpsw  0x68
        0xd5, 0x01, 0x00, 0x8e, 0x00, 0x58, // 22 clc   0x8e(2),0x58
        0xa7, 0x74, 0x00, 0x12,             // 28 jne   4c
        0xd5, 0x01, 0x00, 0x94, 0x00, 0x5a, // 2c clc   0x94(2),0x5a
        0xa7, 0x74, 0x00, 0x0d,             // 32 jne   4c
        0xe3, 0x40, 0x00, 0xb0, 0x00, 0x04, // 36 lg    %r4,0xb0
        0xa7, 0x4f, 0x00, 0x05,             // 3c cghi  %r4,5
        0xa7, 0x74, 0x00, 0x06,             // 40 jne   4c
        0x82, 0x00, 0x00, 0x60,             // 44 lpsw  0x60
        0x07, 0x07, 0x07, 0x07,             // 48 nopr
        0x82, 0x00, 0x00, 0x68,             // 4c lpsw  0x68
        0, 0, 0, 0, 0, 0, 0x10, 0,          // 50 control register 8
        0x00, 0x40, 0x00, 0x03,             // 58 code and class
    ];
    run_flat(&code)?.must_be_good()
}
