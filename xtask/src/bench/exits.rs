//! Figures of the host: what exits and reclaim cost in instructions.

use std::fs;

use anyhow::{Context as _, Result};

use super::{figure, run_quietly};
use crate::cli::BenchOptions;
use crate::events::{Figure, Host};
use crate::{probe, workspace};

/// Most instructions of reclaim for a page that nobody has used since it was made unused or volatile.
const RECLAIM: f64 = 64.0;

/// Takes them all.
pub(super) fn figures(options: &BenchOptions) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for probe in probe::all() {
        let host = host(options, &probe.image(), &[])?;
        let reason = host.guests[0].reason.as_deref().unwrap_or_default();
        let count = probe::measured(reason).context("the guest has measured nothing")?;
        let bound = probe.bound.map(|bound| bound as f64);
        let name = format!("host: {}", probe.name);
        figures.push(figure(name, count as f64, "instructions", bound));
    }
    let reclaims = [
        ("unused page reclaimed", false, false, Some(RECLAIM)),
        ("volatile page reclaimed", true, true, Some(RECLAIM)),
        (
            "volatile page found referenced, reset and reclaimed later",
            true,
            false,
            None,
        ),
    ];
    for (name, is_volatile, resets, bound) in reclaims {
        let guest = probe::reclaim(is_volatile, resets);
        let host = host(options, &guest, &probe::RECLAIM_OPTIONS)?;
        let each = host.reclaim_ns as f64 / host.reclaimed.max(1) as f64;
        figures.push(figure(format!("host: {name}"), each, "instructions", bound));
    }
    Ok(figures)
}

/// What the host says at the end of a run of a guest.
fn host(options: &BenchOptions, guest: &[u8], more: &[&str]) -> Result<Host> {
    let path = workspace::target().join("bench-guest.img");
    fs::write(&path, guest)?;
    let path = path.to_string_lossy();
    let files = workspace::root().join("cmm");
    let files = files.to_string_lossy();
    let arguments = [&probe::options(&path, "1")[..], more, &["--files", &files]].concat();
    let finished = run_quietly(options, &arguments)?;
    let host = finished.collector.host();
    host.cloned()
        .context("the host has said nothing at its end")
}
