//! The subcommand `image`: the same two images in the form that each machine boots.
//!
//! ```text
//! kernel.stripped ─┬─► as it is ───────────────► qemu, kvm
//! host.stripped ───┴─► flat, with its bundle's place and its parameter line
//!                       ├─► load list ─────────► lpar, hercules
//!                       └─► deck of cards ─────► zvm, hercules
//! ```
//!
//! Nothing is built for one machine: what differs is how bytes get to their addresses.

mod deck;
mod flat;
mod loader;
mod write;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cli::{ImageOptions, QemuOptions, SetupOptions};
use crate::images::{self, Images, Variant};
use crate::record::Folder;
use crate::run::scenario::{self, Scenario};
use crate::{failure, files, process, toolchain, workspace};
use flat::Flat;
pub use write::Target;

/// What the kernel alone is told, as a user of `qemu` would: read the files in memory.
const KERNEL: [&str; 6] = [
    "--bare",
    "--passes=1",
    "--machine-cpus=4",
    "--memory=64M",
    "--append",
    "disk=memory",
];
/// What the host is told.
const HOST: [&str; 2] = ["--passes=1", "--console=line"];

/// An image with all that belongs to it.
#[derive(Debug)]
struct Load {
    /// `kernel` or `host`.
    name: &'static str,
    /// The ELF file.
    elf: Vec<u8>,
    /// The same as it lies in memory.
    flat: Flat,
    /// What it finds in memory beside itself.
    bundle: Vec<u8>,
    /// Its parameter line.
    line: String,
    /// Memory that the machine should have, in MiB.
    memory_mib: u64,
    /// CPUs that it should have.
    cpus: u16,
}

/// Builds, packs and writes, and says where.
pub(crate) fn command(options: &ImageOptions, json: bool) -> Result<()> {
    for folder in write_all(options, json)? {
        process::say(&folder.display().to_string())?;
    }
    Ok(())
}

/// Builds, packs and writes; returns the folder of each machine.
pub(crate) fn write_all(options: &ImageOptions, json: bool) -> Result<Vec<PathBuf>> {
    let chosen = options
        .machine
        .map_or(Target::ALL.to_vec(), |one| vec![one]);
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| workspace::target().join("image"));
    // Found out before anything is built.
    let folders = chosen.iter().map(|target| make(&out.join(target.name())));
    let folders = folders.collect::<Result<Vec<_>>>()?;
    let [kernel, host] = told(&options.passed_on, &options.setup)?;
    let told = [("kernel", kernel), ("host", host)];
    let toolchain = toolchain::find(options.setup.toolchain, options.setup.permission())?;
    let book = workspace::root().join("docs");
    let packed = files::packed(options.files.as_deref().unwrap_or(&book))?;
    let variant = Variant {
        quiet: json,
        ..Variant::default()
    };
    let images = images::build(&toolchain, variant)?;
    let loads = told.map(|(name, options)| load(name, &options, &images, &packed));
    let loads = loads.into_iter().collect::<Result<Vec<_>>>()?;
    for (target, folder) in chosen.iter().zip(&folders) {
        write::write(*target, folder, &loads).map_err(failure::as_unusable)?;
    }
    Ok(folders)
}

fn make(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make {}", folder.display()))
        .map_err(failure::as_unusable)?;
    Ok(folder.to_path_buf())
}

/// The options that describe what the kernel alone is to do, and the host: what the user has passed on is for the one
/// that it names, and counts more than what that one is told otherwise.
fn told(passed_on: &[String], setup: &SetupOptions) -> Result<[QemuOptions; 2]> {
    let given: Vec<&str> = passed_on.iter().map(String::as_str).collect();
    let typed = |words: &[&[&str]]| QemuOptions::typed(&words.concat(), setup);
    let (for_kernel, for_host): (&[&str], &[&str]) = if typed(&[&given])?.bare {
        (&given, &[])
    } else {
        (&[], &given)
    };
    Ok([
        typed(&[&["--memory-disk"], &KERNEL, for_kernel])?,
        typed(&[&["--memory-disk"], &HOST, for_host])?,
    ])
}

fn load(name: &'static str, options: &QemuOptions, images: &Images, packed: &Path) -> Result<Load> {
    let scenario = Scenario {
        options,
        images,
        guest: scenario::foreign_guest(options)?,
        script: scenario::script(options)?,
        packed,
    };
    let scratch = tempfile::tempdir()?;
    let mut folder = Folder::create(scratch.path())?;
    let machine = scenario.machine(Path::new("qemu-system-s390x"), &mut folder)?;
    if machine.parameters.contains("paging=disk") {
        return Err(failure::unusable(
            "an image has no disk to page to: give --paging none or --paging model:SIZE",
        ));
    }
    let bundle = machine.initrd.context("files in memory make a bundle")?;
    let bundle = std::fs::read(bundle)?;
    let elf = std::fs::read(&machine.kernel)?;
    let mut line = machine.parameters;
    if options.bare && options.cpus == 1 {
        // On every CPU, whose number only the machine knows.
        line = line.replace(" cpus=1", "");
    }
    let flat = Flat::of(&elf, &line, bundle.len() as u64)?;
    Ok(Load {
        name,
        elf,
        flat,
        bundle,
        line,
        memory_mib: machine.memory_mib,
        cpus: machine.cpus,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &[&str]) -> Result<[QemuOptions; 2]> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let setup = SetupOptions {
            no_install: true,
            toolchain: toolchain::Choice::default(),
        };
        super::told(&words, &setup)
    }

    #[test]
    fn what_is_passed_on_is_for_the_one_that_it_names() {
        let [kernel, host] = told(&["--guests", "3"]).unwrap();
        assert!((host.guests, host.passes, host.memory_disk, host.bare) == (3, 1, true, false));
        assert!(kernel.bare && kernel.guests == 2);

        let [kernel, host] = told(&["--bare", "--passes", "7"]).unwrap();
        assert!((kernel.passes, kernel.machine_cpus, kernel.bare) == (7, Some(4), true));
        assert_eq!(host.passes, 1);
        assert_eq!(kernel.append, "disk=memory");
        let [kernel, _] = told(&["--bare", "--append", "steps=7"]).unwrap();
        assert_eq!(kernel.append, "steps=7");
    }

    #[test]
    fn what_is_no_option_is_named() {
        let error = told(&["--gusts"]).unwrap_err();
        assert_eq!(failure::status_of(&error), failure::UNUSABLE);
        let line = failure::one_line(&error);
        assert!(line.contains("--gusts") && !line.contains('\n'), "{line}");
    }
}
