//! Tells an s390x image from everything else that a user may hand over as a guest.

use std::path::Path;

use anyhow::Result;
use object::read::elf::FileHeader as _;
use object::{Architecture, FileKind, Object as _, elf};

use crate::failure;

/// What a guest image is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A 64-bit ELF file for s390x.
    Elf,
    /// Bytes loaded at address 0 that start with an IPL PSW.
    Flat,
}

/// Says which format the guest image `bytes`, read from `path`, has.
///
/// # Errors
/// It is for another architecture, or no image; the error names what it is.
pub fn format_of(bytes: &[u8], path: &Path) -> Result<Format> {
    let refuse = |what: String| {
        let path = path.display();
        failure::unusable(format!(
            "{path} is {what}: --guest takes a 64-bit s390x ELF or flat image"
        ))
    };
    match FileKind::parse(bytes) {
        Ok(FileKind::Elf64) => {
            let machine = elf::FileHeader64::<object::Endianness>::parse(bytes)
                .map_err(|error| refuse(format!("a broken ELF file ({error})")))?;
            let endian = machine
                .endian()
                .map_err(|error| refuse(error.to_string()))?;
            match machine.e_machine.get(endian) {
                elf::EM_S390 => Ok(Format::Elf),
                other => Err(refuse(format!(
                    "an image for {}",
                    architecture_name(bytes, other)
                ))),
            }
        }
        Ok(FileKind::Elf32) => Err(refuse("a 32-bit ELF file".to_owned())),
        Ok(kind) => Err(refuse(format!("a file of kind {kind:?}"))),
        Err(_) if has_ipl_psw(bytes) => Ok(Format::Flat),
        Err(_) => Err(refuse(
            "neither ELF nor a flat image with an IPL PSW at its start".to_owned(),
        )),
    }
}

fn architecture_name(bytes: &[u8], machine: elf::Machine) -> String {
    match object::File::parse(bytes).map(|file| file.architecture()) {
        Ok(Architecture::Unknown) | Err(_) => format!("ELF machine {}", machine.0),
        Ok(architecture) => format!("{architecture:?}"),
    }
}

/// Whether the image starts with a short PSW that a machine would accept at IPL: bit 12 one,
/// an even instruction address inside the image.
fn has_ipl_psw(bytes: &[u8]) -> bool {
    let Some(psw) = bytes.first_chunk::<8>() else {
        return false;
    };
    let address = u32::from_be_bytes([psw[4], psw[5], psw[6], psw[7]]) & 0x7fff_ffff;
    psw[1] & 0x08 != 0
        && address.is_multiple_of(2)
        && (8..bytes.len() as u64).contains(&u64::from(address))
}

/// A minimal big-endian ELF image for `machine` with one segment of 16 bytes.
#[cfg(test)]
pub(super) fn sample_elf(machine: elf::Machine) -> Vec<u8> {
    let mut image = vec![0x7f, b'E', b'L', b'F', 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    image.extend_from_slice(&[0, 2]);
    image.extend_from_slice(&machine.0.to_be_bytes());
    image.extend_from_slice(&1u32.to_be_bytes());
    for word in [0x10000u64, 64, 0] {
        image.extend_from_slice(&word.to_be_bytes());
    }
    image.extend_from_slice(&0u32.to_be_bytes());
    for half in [64u16, 56, 1, 64, 0, 0] {
        image.extend_from_slice(&half.to_be_bytes());
    }
    image.extend_from_slice(&elf::PT_LOAD.0.to_be_bytes());
    image.extend_from_slice(&7u32.to_be_bytes());
    for word in [120u64, 0x10000, 0x10000, 16, 16, 4096] {
        image.extend_from_slice(&word.to_be_bytes());
    }
    image.extend_from_slice(&[0x07; 16]);
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8]) -> Result<Format, String> {
        format_of(bytes, Path::new("guest.img")).map_err(|error| error.to_string())
    }

    #[test]
    fn s390x_elf_and_flat_images_are_taken() {
        assert_eq!(check(&sample_elf(elf::EM_S390)), Ok(Format::Elf));
        let mut flat = vec![0x00, 0x08, 0, 0, 0x80, 0, 0, 0x10];
        flat.resize(64, 0);
        assert_eq!(check(&flat), Ok(Format::Flat));
    }

    #[test]
    fn other_architectures_are_refused_by_name() {
        let text = check(&sample_elf(elf::EM_PPC64)).unwrap_err();
        assert!(
            text.contains("guest.img is an image for PowerPc64"),
            "{text}"
        );
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(check(&own).unwrap_err().contains("an image for"));
    }

    #[test]
    fn text_and_cut_files_are_refused() {
        assert!(
            check(b"#!/bin/sh\nexit 0\n")
                .unwrap_err()
                .contains("neither ELF nor a flat")
        );
        assert!(check(b"").is_err());
        assert!(
            check(&[0x00, 0x08, 0, 0, 0x80, 0, 0, 0x11, 0, 0]).is_err(),
            "an odd address"
        );
    }
}
