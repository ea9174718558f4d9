//! Figures of the size profile.

use anyhow::Result;

use super::figure;
use crate::cli::BenchOptions;
use crate::events::Figure;
use crate::small::{self, IMAGE, MEMORY};

/// Takes them all.
pub(super) fn figures(options: &BenchOptions) -> Result<Vec<Figure>> {
    let small = small::measure(&options.setup)?;
    let bytes = |name, bytes: u64, bound: Option<u64>| {
        figure(name, bytes as f64, "bytes", bound.map(|bound| bound as f64))
    };
    let mut figures = vec![
        bytes("kernel image, size profile", small.kernel.size, Some(IMAGE)),
        bytes("host image, size profile", small.host.size, None),
        bytes(
            "size profile: guest memory of a verified run",
            small.memory,
            Some(MEMORY),
        ),
    ];
    let unpacked = [
        ("kernel image, size profile, unpacked", &small.kernel),
        ("host image, size profile, unpacked", &small.host),
    ];
    figures.extend(
        unpacked
            .into_iter()
            .filter_map(|(name, image)| Some(bytes(name, image.unpacked?, None))),
    );
    Ok(figures)
}
