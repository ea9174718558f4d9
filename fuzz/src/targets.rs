//! The targets, a module each.

pub mod bundle;
pub mod dat_walk;
pub mod decoder;
pub mod host_parameters;
pub mod kernel_parameters;
pub mod operator;
pub mod sccb;
pub mod tar_index;
pub mod virtio_balloon;
pub mod virtio_block;
pub mod virtio_ring;
pub mod x250;

mod parameters;
mod virtio;

/// Errors are read by people, on one line.
fn assert_is_one_line(error: &str) {
    assert!(!error.is_empty() && !error.contains('\n'), "{error:?}");
}
