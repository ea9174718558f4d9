//! Images without symbols and debug information, made from what the linker wrote.
//!
//! Loaders read the ELF header, the program headers and the segments only, so a stripped image
//! is the file cut behind its last segment, without a section table. That needs no tool.

use anyhow::{Context as _, Result, ensure};
use object::endian::BigEndian;
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{elf, pod};

/// Returns the image cut behind its last loaded byte.
///
/// # Errors
/// `image` is not a 64-bit big-endian ELF file with segments inside it.
pub(super) fn strip(image: &[u8]) -> Result<Vec<u8>> {
    let header = elf::FileHeader64::<BigEndian>::parse(image).context("not a 64-bit ELF file")?;
    let endian = header.endian().context("not a big-endian ELF file")?;
    let segments = header
        .program_headers(endian, image)
        .context("no program headers")?;
    let table_end = header.e_phoff.get(endian) as usize + size_of_val(segments);
    let ends = segments.iter().filter_map(|segment| {
        let (offset, size) = segment.file_range(endian);
        (size > 0).then_some((offset + size) as usize)
    });
    let end = ends.chain([table_end]).max().unwrap_or(table_end);
    ensure!(
        !segments.is_empty() && end <= image.len(),
        "its segments lie outside the file"
    );

    let (table, count) = (header.e_phoff.get(endian) as usize, segments.len());
    let mut stripped = image[..end].to_vec();
    let (header, _) = pod::from_bytes_mut::<elf::FileHeader64<BigEndian>>(&mut stripped)
        .map_err(|()| anyhow::anyhow!("no ELF header"))?;
    header.e_shoff.set(endian, 0);
    header.e_shnum.set(endian, 0);
    header.e_shentsize.set(endian, 0);
    header.e_shstrndx.set(endian, elf::SHN_UNDEF);
    // A segment of zeroes has no bytes in the file, and its place may be behind the cut.
    let (segments, _) =
        pod::slice_from_bytes_mut::<elf::ProgramHeader64<BigEndian>>(&mut stripped[table..], count)
            .map_err(|()| anyhow::anyhow!("no program headers"))?;
    for segment in segments.iter_mut().filter(|one| one.p_filesz(endian) == 0) {
        segment.p_offset.set(endian, 0);
    }
    Ok(stripped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::check::sample_elf;

    #[test]
    fn segments_stay_and_sections_go() {
        let mut image = sample_elf(elf::EM_S390);
        let loaded = image.len();
        image.extend_from_slice(b"symbols and debug information");
        let stripped = strip(&image).unwrap();
        assert_eq!(stripped.len(), loaded);
        assert_eq!(
            stripped[64..],
            image[64..loaded],
            "program headers and code are untouched"
        );
        assert_eq!(stripped[40..48], [0; 8], "no section table");
    }

    #[test]
    fn a_segment_of_zeroes_has_no_place_in_the_file() {
        let mut image = sample_elf(elf::EM_S390);
        let table_end = 64 + 56;
        image[64 + 8..64 + 16].copy_from_slice(&0x5000_u64.to_be_bytes());
        image[64 + 32..64 + 40].fill(0);
        let stripped = strip(&image).unwrap();
        assert_eq!(stripped.len(), table_end);
        assert_eq!(stripped[64 + 8..64 + 16], [0; 8]);
    }

    #[test]
    fn a_cut_file_is_refused() {
        let image = sample_elf(elf::EM_S390);
        assert!(strip(&image[..image.len() - 1]).is_err());
        assert!(strip(&image[..40]).is_err());
        assert!(strip(b"not an image").is_err());
    }
}
