//! Disks that the host offers its guests as virtio devices.

use std::path::Path;

use libtest_mimic::Trial;

use crate::check;
use crate::runs::{all_verified, disk_has, leak, small};
use crate::support::{Verdict, folder, run, run_in, trial};

/// The guests' disks are virtio devices, and their kernels find that by themselves or are told.
const VIRTIO: [&str; 2] = ["--append", "disks=virtio g.disk=virtio"];

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("guest_disks::files_by_virtio", || verified(&[])),
        // Buffers have to be waited for.
        trial("guest_disks::files_by_virtio_while_pages_go", || {
            verified(&["--hinting", "none", "--paging", "model:64M"])
        }),
        trial("guest_disks::each_guest_writes_its_part", || {
            written(&["--guests", "2"])
        }),
        trial("guest_disks::each_guest_writes_its_part_of_all", || {
            written(&["--guests", "2", "--append", "disks=virtio"])
        }),
        trial("guest_disks::one_to_read_is_not_written", read_only),
        trial("guest_disks::one_that_is_not_there", missing),
    ]
}

fn verified(more: &[&'static str]) -> Verdict {
    let run = run(&small(&[&VIRTIO, more].concat()))?;
    run.must_be_good()?;
    check!(run.boots().all(|boot| boot.disk == "virtio"), "another way");
    all_verified(&run, 1)
}

const SIZE: usize = 1 << 20;

/// Runs guests that write all their disks, and have one more; what stands there then.
fn with_disk(suffix: &str, more: &[&str]) -> Result<Vec<u8>, libtest_mimic::Failed> {
    let folder = folder();
    let path = folder.path().join("more.img");
    std::fs::write(&path, vec![0x5a; SIZE])?;
    let name = format!("{}{suffix}", text(&path)?);
    let mut arguments = vec!["--work", "disks", "--seed", "70", "--files"];
    arguments.extend([crate::files::directory(), "--guest-disk", leak(&name)]);
    arguments.extend(more);
    run_in(&folder, &arguments)?.must_be_good()?;
    Ok(std::fs::read(&path)?)
}

fn text(path: &Path) -> Result<&str, &'static str> {
    path.to_str().ok_or("a directory name that is no text")
}

fn written(more: &[&str]) -> Verdict {
    let image = with_disk("", more)?;
    disk_has(&image, "0103", 2)?;
    // Behind what the first guest has written of its half.
    let rest = &image[19 * 512..SIZE / 2 - 512];
    check!(rest.iter().all(|byte| *byte == 0x5a), "more was written");
    Ok(())
}

fn read_only() -> Verdict {
    let image = with_disk(":ro", &["--guests", "2"])?;
    check!(image == vec![0x5a; SIZE], "it was written");
    Ok(())
}

fn missing() -> Verdict {
    run(&small(&["--guest-disk", "/nowhere/disk.img"]))?.must_fail(&["/nowhere/disk.img"])
}
