//! Images that unpack themselves, made from stripped ones: of the same memory, half as large as a file.
//!
//! ```text
//! stripped   │ head │ loader's area │ text, data │        zeroes        │
//! packed     │ head │ loader's area │                                   │ LZ4 block │
//!            0x10000                0x10800                             behind all that the image uses
//! ```
//!
//! The head (`boot/src/entry.S`) unpacks the block to where it belongs before anything else. Where the block was
//! is free memory then.

use anyhow::{Context as _, Result, ensure};
use object::endian::BigEndian;
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{Object as _, ObjectSymbol as _, elf, pod};

/// Where the head and the loader's area end, and what is packed begins.
const HEAD_END: u64 = 0x10800;
/// The words of the head that say where the block is.
const PLACES: &str = "boot_packed";
/// Loaders place segments at pages.
const PAGE: u64 = 4096;

/// Packs `stripped`, whose symbols `with_symbols` has.
///
/// # Errors
/// It is not one of our images: it has no head that unpacks, or other segments.
pub(super) fn pack(stripped: &[u8], with_symbols: &[u8]) -> Result<Vec<u8>> {
    let header =
        elf::FileHeader64::<BigEndian>::parse(stripped).context("not a 64-bit ELF file")?;
    let endian = header.endian().context("not a big-endian ELF file")?;
    let segments = header.program_headers(endian, stripped)?;
    let [image, zeroes] = segments else {
        anyhow::bail!("it has {} segments, not two", segments.len());
    };
    let start = image.p_paddr(endian);
    let (offset, size) = image.file_range(endian);
    let places = symbol(with_symbols, PLACES)?;
    ensure!(
        places > start && places < HEAD_END && HEAD_END < start + size,
        "its head is somewhere else"
    );
    let bytes = stripped.get(offset as usize..(offset + size) as usize);
    let bytes = bytes.context("a segment is cut short")?;
    let (head, contents) = bytes.split_at((HEAD_END - start) as usize);

    let block = lz4_flex::block::compress(contents);
    let end = zeroes.p_paddr(endian) + zeroes.p_memsz(endian);
    let at = end.next_multiple_of(PAGE);
    let mut head = head.to_vec();
    let words = [at, at + block.len() as u64, HEAD_END].map(u64::to_be_bytes);
    let first = (places - start) as usize;
    head[first..first + 24].copy_from_slice(words.as_flattened());

    // The same headers, behind which the two pieces stand.
    let (table, table_end) = (header.e_phoff(endian) as usize, offset as usize);
    let mut packed = stripped[..table_end].to_vec();
    let (segments, _) =
        pod::slice_from_bytes_mut::<elf::ProgramHeader64<BigEndian>>(&mut packed[table..], 2)
            .map_err(|()| anyhow::anyhow!("no program headers"))?;
    let pieces = [
        (offset, start, &head),
        (offset + head.len() as u64, at, &block),
    ];
    for (segment, (offset, address, piece)) in segments.iter_mut().zip(pieces) {
        segment.p_offset.set(endian, offset);
        for place in [&mut segment.p_vaddr, &mut segment.p_paddr] {
            place.set(endian, address);
        }
        for place in [&mut segment.p_filesz, &mut segment.p_memsz] {
            place.set(endian, piece.len() as u64);
        }
        segment.p_align.set(endian, 1);
    }
    packed.extend_from_slice(&head);
    packed.extend_from_slice(&block);
    Ok(packed)
}

fn symbol(image: &[u8], name: &str) -> Result<u64> {
    let file = ElfFile64::<BigEndian>::parse(image).context("not a 64-bit ELF file")?;
    let symbol = file.symbol_by_name(name);
    let symbol = symbol.with_context(|| format!("it has no {name}"))?;
    Ok(symbol.address())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_head_is_refused() {
        let image = crate::images::check::sample_elf(elf::EM_S390);
        let error = pack(&image, &image).unwrap_err();
        assert!(error.to_string().contains("1 segments"), "{error}");
    }
}
