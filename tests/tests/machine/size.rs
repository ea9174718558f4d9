//! The size profile: all of the kernel, in a small image, in little memory.

use std::fs;

use libtest_mimic::Trial;
use xtask::small::{GUEST, IMAGE, MEMORY};

use crate::check;
use crate::support::{Verdict, finish, folder, run, run_in, trial, xtask};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("size::of_the_image_and_of_memory", verify),
        trial("size::images_unpack_themselves", unpacked),
        trial("size::a_guest_that_is_too_small_is_told", too_small),
    ]
}

/// All files in 2 MiB, by a kernel of 192 KiB, whose pages the host takes meanwhile.
fn verify() -> Verdict {
    let done = finish(xtask(&["build", "--small", "--json"]))?;
    check!(done.status == Some(0), "{done:#?}");
    let mut sizes = Vec::new();
    for line in done.stdout.lines() {
        let xtask::events::Event::Image(image) = xtask::events::parse(line)? else {
            return Err(format!("not an image: {line}").into());
        };
        let path = xtask::workspace::root().join(&image.path);
        let bytes = fs::metadata(path).map_err(|error| error.to_string())?.len();
        check!(bytes == image.bytes, "{image:?} has {bytes} bytes");
        sizes.push((image.name, bytes));
    }
    let kernel = sizes.iter().find(|(name, _)| name == "kernel");
    check!(
        kernel.is_some_and(|(_, bytes)| *bytes <= IMAGE),
        "{sizes:?}"
    );
    let run = run(&GUEST)?;
    run.must_be_good()?;
    for boot in run.boots() {
        check!(boot.memory <= MEMORY, "{} bytes of memory", boot.memory);
        check!(boot.disk == "diag250", "the disk is {}", boot.disk);
        check!(boot.hinting == "full", "hinting is {}", boot.hinting);
    }
    let guest = run.guests().next().ok_or("no guest")?;
    check!(
        guest.bytes_verified > 32 << 20 && guest.reloads > 100,
        "{} bytes verified, {} reloads",
        guest.bytes_verified,
        guest.reloads
    );
    Ok(())
}

/// By QEMU's loader, and by our host's, which is packed as well: the second passes on more than files.
fn unpacked() -> Verdict {
    let bare = ["--bare", "--small", "--passes", "1", "--files", "docs"];
    run(&bare)?.must_be_good()?;
    let swap = [
        "--small",
        "--work",
        "swap",
        "--guests",
        "2",
        "--cpus",
        "2",
        "--passes",
        "1",
        "--guest-memory",
        "8M",
        "--files",
        "docs",
    ];
    run(&swap)?.must_be_good()
}

fn too_small() -> Verdict {
    let folder = folder();
    let guest = ["--small", "--guests", "1", "--guest-memory", "1M"];
    let run = run_in(&folder, &[&guest[..], &["--files", "docs"]].concat())?;
    run.must_fail(&["memory too small", "at least 2048 KiB"])
}
