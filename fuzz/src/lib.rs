//! What strangers hand to kernel and host, tried with inputs that a fuzzer makes up.
//!
//! A target is a module of [`targets`]: `run` takes any bytes and panics if the code under test does what it must not,
//! `seeds` makes inputs to begin with. Most of them know a second way to the same result, or what must be true of any.
//! Each is linked with libFuzzer by `fuzz_targets/NAME.rs` under the feature `libfuzzer`; without, the test `replay`
//! runs all that is in `corpus/NAME`.

mod storage;
pub mod targets;

use std::path::{Path, PathBuf};

/// A target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, that of its module, program and corpus.
    pub name: &'static str,
    /// Tries an input.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! all {
    ($($name:ident)*) => {
        &[$(Target {
            name: stringify!($name),
            run: targets::$name::run,
            seeds: targets::$name::seeds,
        }),*]
    };
}

/// All targets.
pub const TARGETS: &[Target] = all! {
    bundle tar_index kernel_parameters host_parameters operator sccb x250 virtio_ring virtio_block virtio_balloon decoder
    dat_walk
};

impl Target {
    /// The folder of its inputs: one file each, whose name says nothing.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        package.join("corpus").join(self.name)
    }
}
