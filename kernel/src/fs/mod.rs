//! Files: the image they come in, their checksums, and reading them through the page cache.

pub mod archive;
pub mod digest;
pub mod image;
#[cfg(target_os = "none")]
pub mod store;
#[cfg(target_os = "none")]
pub mod writable;
