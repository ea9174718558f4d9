//! The checksums of file content: one for a whole file, one for each piece of 4096 bytes.
//!
//! The image's writer on the build machine and the kernel both compute them here. The whole file's
//! is what a run is judged by; the pieces' say where a wrong byte is, and let a piece be checked
//! that was read alone. Two different polynomials, so that no damage escapes both.

use core::hint::black_box;

use boot::bundle::crc32;
use crc::{CRC_64_XZ, Crc, Digest, Table};
use spin::Once;

/// Length of a piece, in bytes; the last piece of a file can be shorter.
pub const PIECE: usize = 4096;

/// Sixteen bytes a step: the loop is what verifying a file costs.
/// The tables are made when they are first used: in the image they would be 32 KiB of it.
fn crc64() -> &'static Crc<u64, Table<16>> {
    static CRC64: Once<Crc<u64, Table<16>>> = Once::new();
    // Else the compiler makes them.
    CRC64.call_once(|| Crc::<u64, Table<16>>::new(black_box(&CRC_64_XZ)))
}

/// CRC-64/XZ of a file that comes in parts.
#[derive(Clone)]
pub struct FileDigest(Digest<'static, u64, Table<16>>);

impl FileDigest {
    /// Starts a file.
    #[must_use]
    pub fn new() -> Self {
        Self(crc64().digest())
    }

    /// Adds what comes next.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all that was added.
    #[must_use]
    pub fn finish(self) -> u64 {
        self.0.finalize()
    }
}

impl Default for FileDigest {
    fn default() -> Self {
        Self::new()
    }
}

/// CRC-32/ISCSI of a piece that comes in parts.
#[derive(Clone)]
pub struct PieceDigest(Digest<'static, u32, Table<16>>);

impl PieceDigest {
    /// Starts a piece.
    #[must_use]
    pub fn new() -> Self {
        Self(crc32().digest())
    }

    /// Adds what comes next.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the checksum of all that was added.
    #[must_use]
    pub fn finish(self) -> u32 {
        self.0.finalize()
    }
}

impl Default for PieceDigest {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the checksum of a piece that is there as a whole.
#[must_use]
pub fn piece_checksum(bytes: &[u8]) -> u32 {
    crc32().checksum(bytes)
}

/// Returns the digest of a file that is there as a whole.
#[must_use]
pub fn file_digest(bytes: &[u8]) -> u64 {
    crc64().checksum(bytes)
}

/// Returns how many pieces a file of `size` bytes has.
#[must_use]
pub const fn pieces(size: u64) -> u64 {
    size.div_ceil(PIECE as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the catalogue of parametrised CRC algorithms.
    #[test]
    fn the_polynomials_are_iscsi_and_xz() {
        assert_eq!(piece_checksum(b"123456789"), 0xe306_9283);
        assert_eq!(file_digest(b"123456789"), 0x995d_c9bb_df19_39fa);
    }

    #[test]
    fn parts_of_any_length_make_the_same_digest() {
        let bytes: Vec<u8> = (0..10_000u32).map(|n| (n * 7 / 3) as u8).collect();
        for part in [1, 15, 16, 17, 4095, 4096] {
            let mut file = FileDigest::new();
            let mut piece = PieceDigest::new();
            for chunk in bytes.chunks(part) {
                file.update(chunk);
                piece.update(chunk);
            }
            assert_eq!(file.finish(), file_digest(&bytes));
            assert_eq!(piece.finish(), piece_checksum(&bytes));
        }
    }

    #[test]
    fn a_file_has_as_many_pieces_as_begun() {
        assert_eq!([0, 1, 4096, 4097].map(pieces), [0, 1, 1, 2]);
    }
}
