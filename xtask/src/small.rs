//! The size profile: how large its images are, and with how little memory its kernel verifies files.

use anyhow::{Context as _, Result};

use crate::cli::{QemuOptions, SetupOptions};
use crate::events::Status;
use crate::images::{self, Image, Variant};
use crate::run::{self, Show};
use crate::setup::{self, Setup};
use crate::{failure, workspace};

/// Bytes of the kernel's image, at most.
pub const IMAGE: u64 = 192 << 10;
/// Memory of a guest in which it verifies all files, at most.
pub const MEMORY: u64 = 2 << 20;
/// Such a guest: it has its files on a disk by DIAGNOSE X'250', and a host that takes pages all the time.
pub const GUEST: [&str; 9] = [
    "--small",
    "--guests",
    "1",
    "--guest-memory",
    "2M",
    "--passes",
    "1",
    "--append",
    "g.disk=diag250",
];

/// What is known of it.
#[derive(Clone, Debug)]
pub struct Small {
    /// The kernel.
    pub kernel: Image,
    /// The hypervisor.
    pub host: Image,
    /// Memory of the guest that has verified all files, in bytes, as it has found it.
    pub memory: u64,
}

/// Builds the images and verifies all files in such a guest.
///
/// # Errors
/// The images do not build, or the run fails.
pub fn measure(options: &SetupOptions) -> Result<Small> {
    let Setup { toolchain, .. } = setup::set_up(options)?;
    let variant = Variant {
        small: true,
        quiet: true,
        ..Variant::default()
    };
    let images = images::build(&toolchain, variant)?;
    let out = workspace::target().join("small");
    let out = out.to_string_lossy();
    let options = QemuOptions::typed(&[&GUEST[..], &["--out", &out]].concat(), options)?;
    let finished = run::execute(&options, Show::Nothing)?;
    if finished.outcome.status != Status::Ok {
        let reason = finished.outcome.reason.as_deref();
        return Err(failure::with_status(
            failure::FAILED,
            format!(
                "the kernel of the size profile failed: {}",
                reason.unwrap_or("no reason known")
            ),
        ));
    }
    let boot = finished.collector.guests()[&0].boot.as_ref();
    let boot = boot.context("the guest has not said how much memory it has")?;
    Ok(Small {
        kernel: images.kernel,
        host: images.host,
        memory: boot.memory,
    })
}
