//! Where in the sources the calls are that a panic of an image tells by their addresses.

use std::{fs, path::Path};

use addr2line::Context;
use addr2line::gimli::{self, BigEndian, Dwarf, EndianSlice};
use boot::trace::CALLED_FROM;
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _};

/// Most places named in one line.
const MOST: usize = 6;
/// How the build names the folder of the workspace.
const SOURCES: &str = "/source/";
/// What every panic goes through.
const PANIC: &str = "boot/src/fatal.rs";

/// Replaces the addresses at the end of a panic's reason by places in the sources, innermost first, as
/// `image`, which has symbols, knows them. A reason without addresses, or of an image that is not this
/// one, is returned as it is.
#[must_use]
pub fn located(reason: &str, image: &Path) -> String {
    let Some((text, addresses)) = reason.split_once(CALLED_FROM) else {
        return reason.to_owned();
    };
    let addresses = addresses.split_whitespace().map_while(|word| {
        let digits = word.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    });
    let Some(mut places) = fs::read(image)
        .ok()
        .and_then(|image| places(&image, addresses))
    else {
        return reason.to_owned();
    };
    if places.is_empty() {
        return reason.to_owned();
    }
    places.dedup();
    places.truncate(MOST);
    format!("{text}; called from {}", places.join(", "))
}

/// The places of calls in the workspace's sources, inlined functions first; nothing if the image has no
/// symbols.
fn places(image: &[u8], addresses: impl Iterator<Item = u64>) -> Option<Vec<String>> {
    let file = ElfFile64::<object::BigEndian>::parse(image).ok()?;
    let section = |id: gimli::SectionId| {
        let section = file.section_by_name(id.name());
        let data = section.and_then(|section| section.data().ok());
        Ok::<_, gimli::Error>(EndianSlice::new(data.unwrap_or_default(), BigEndian))
    };
    let symbols = Context::from_dwarf(Dwarf::load(section).ok()?).ok()?;
    let mut places = Vec::new();
    // The address is that of the instruction behind the call, whose shortest form has 2 bytes.
    for call in addresses.map(|address| address.saturating_sub(2)) {
        let Ok(mut frames) = symbols.find_frames(call).skip_all_loads() else {
            continue;
        };
        while let Ok(Some(frame)) = frames.next() {
            let Some(at) = frame.location else { continue };
            let file = at.file.and_then(|file| file.strip_prefix(SOURCES));
            if let (Some(file), Some(line)) = (file, at.line)
                && file != PANIC
            {
                places.push(format!("{file}:{line}"));
            }
        }
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_place_stays_as_it_is() {
        let nowhere = Path::new("/nonexistent");
        for reason in ["no disk", "panic: x; called from 0x10800 0x20000"] {
            assert_eq!(located(reason, nowhere), reason);
        }
    }
}
