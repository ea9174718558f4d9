//! An image as it lies in memory, with what a loader in the way of Linux and QEMU writes into it.

use anyhow::{Context as _, Result, bail};
use object::Endianness;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};

/// Where an image's first byte goes, which is its first instruction.
pub(super) const IMAGE: u64 = 0x10000;
/// Where a bundle goes, as QEMU does it.
pub(super) const BUNDLE: u64 = 0x80_0000;
/// Where the parameter line is.
pub(super) const LINE: u64 = 0x10480;
/// Its length, with the NUL at its end.
pub(super) const LINE_SIZE: usize = 0x380;
/// Where the bundle's address and size are.
const BUNDLE_WORDS: u64 = 0x10408;
/// What an IPL leads to, in ESA/390 or z/Architecture mode: 31-bit addressing, at the image.
pub(super) const IPL_PSW: [u8; 8] = [0x00, 0x08, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00];

/// The bytes of an image from [`IMAGE`] on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flat(pub(super) Vec<u8>);

impl Flat {
    /// Lays the image of an ELF file out and tells it of `line` and of a bundle of this size.
    pub(super) fn of(elf: &[u8], line: &str, bundle: u64) -> Result<Self> {
        let header = FileHeader64::<Endianness>::parse(elf)?;
        let endian = header.endian()?;
        let mut image = Vec::new();
        for segment in header.program_headers(endian, elf)? {
            if segment.p_type(endian) != PT_LOAD {
                continue;
            }
            let (start, size) = (segment.p_paddr(endian), segment.p_memsz(endian));
            if start < IMAGE || start + size > BUNDLE {
                bail!("a segment at {start:#x} is outside {IMAGE:#x} to {BUNDLE:#x}");
            }
            let start = (start - IMAGE) as usize;
            let bytes = segment.data(endian, elf).ok();
            let bytes = bytes.context("a segment is cut short")?;
            // The image clears what no byte of the file is for.
            if !bytes.is_empty() {
                image.resize(image.len().max(start + bytes.len()), 0);
                image[start..start + bytes.len()].copy_from_slice(bytes);
            }
        }
        if line.len() >= LINE_SIZE {
            bail!(
                "the parameter line has {} bytes, most are {}",
                line.len(),
                LINE_SIZE - 1
            );
        }
        let mut put = |address: u64, bytes: &[u8]| -> Result<()> {
            let start = (address - IMAGE) as usize;
            let place = image.get_mut(start..start + bytes.len());
            place
                .context("the image is too short for a parameter line")?
                .copy_from_slice(bytes);
            Ok(())
        };
        put(BUNDLE_WORDS, &BUNDLE.to_be_bytes())?;
        put(BUNDLE_WORDS + 8, &bundle.to_be_bytes())?;
        put(LINE, &padded(line))?;
        Ok(Self(image))
    }

    /// The bytes from address 0 on, the PSW for IPL first.
    pub(super) fn whole(&self) -> Vec<u8> {
        let mut bytes = IPL_PSW.to_vec();
        bytes.resize(IMAGE as usize, 0);
        bytes.extend_from_slice(&self.0);
        bytes
    }
}

/// The line with NULs behind it, so that it covers a longer one.
pub(super) fn padded(line: &str) -> Vec<u8> {
    let mut bytes = line.as_bytes().to_vec();
    bytes.resize(LINE_SIZE, 0);
    bytes
}

/// A big-endian ELF image with one segment of these bytes.
#[cfg(test)]
pub(super) fn elf(bytes: &[u8], address: u64) -> Vec<u8> {
    let mut image = vec![0x7f, b'E', b'L', b'F', 2, 2, 1];
    image.resize(16, 0);
    image.extend([0, 2, 0, 22, 0, 0, 0, 1]);
    for word in [address, 64, 0] {
        image.extend(u64::to_be_bytes(word));
    }
    image.extend([0; 4]);
    for half in [64u16, 56, 1, 64, 0, 0] {
        image.extend(half.to_be_bytes());
    }
    image.extend(1u32.to_be_bytes());
    image.extend(7u32.to_be_bytes());
    let size = bytes.len() as u64;
    for word in [120, address, address, size, size + 4096, 16] {
        image.extend(u64::to_be_bytes(word));
    }
    image.extend(bytes);
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        (0..3000).map(|index| index as u8 | 1).collect()
    }

    #[test]
    fn the_image_is_told_of_line_and_bundle_and_nothing_else_changes() {
        let flat = Flat::of(&elf(&sample(), IMAGE), "work=verify", 77).unwrap();
        let mut expected = sample();
        expected[0x408..0x410].copy_from_slice(&[0, 0, 0, 0, 0, 0x80, 0, 0]);
        expected[0x410..0x418].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 77]);
        expected[0x480..0x800].fill(0);
        expected[0x480..0x48b].copy_from_slice(b"work=verify");
        assert_eq!(flat.0, expected);

        let bytes = flat.whole();
        assert_eq!(bytes[..8], IPL_PSW);
        assert!(bytes[8..0x10000].iter().all(|byte| *byte == 0));
        assert_eq!(bytes[0x10000..], expected);
    }

    #[test]
    fn what_has_no_room_is_refused() {
        let refused = |elf: &[u8], line: &str| Flat::of(elf, line, 1).unwrap_err().to_string();
        let good = elf(&sample(), IMAGE);
        let long = "x".repeat(LINE_SIZE);
        assert!(refused(&good, &long).contains("896 bytes, most are 895"));
        assert!(refused(&elf(&sample(), 0x1000), "").contains("0x1000"));
        assert!(refused(&elf(&sample(), BUNDLE - 4096), "").contains("outside"));
        assert!(refused(&elf(&sample()[..100], IMAGE), "").contains("too short"));
        assert!(refused(&good[..200], "").contains("cut short"));
    }
}
