//! Files: the image they come in, and their checksums.

pub mod digest;
pub mod image;
