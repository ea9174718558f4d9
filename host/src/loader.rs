//! Puts an image into a guest's memory, as QEMU would.

mod room;

pub use room::Room;

use alloc::format;
use alloc::string::{String, ToString};

use boot::bundle::{Bundle, Entry, Kind};
use boot::params::{self, Params};
use elf::ElfBytes;
use elf::abi::{EM_S390, PT_LOAD};
use elf::endian::AnyEndian;

use crate::mem::AccessError;

/// Where a loader leaves address and size of an initial RAM disk; guests of this host get none.
const INITRD_WORDS: u64 = 0x10408;
/// Where a loader leaves the parameter line.
const PARAMETER_LINE: u64 = 0x10480;
/// Room for it, with its NUL.
const PARAMETER_ROOM: usize = 0x380;

/// Loads the image of the last guest that there is room for; returns where it starts.
///
/// # Errors
/// One line that says what is wrong with the image or the bundle.
pub fn load(bundle: &Bundle<'_>, line: &str, room: &mut Room<'_>) -> Result<u64, String> {
    let id = room.id();
    let find = |kind| bundle.find(kind, u32::from(id));
    let (entry, start) = if let Some(entry) = find(Kind::Elf) {
        let start =
            elf(data(&entry)?, room).map_err(|error| format!("{}: {error}", entry.name()))?;
        (entry, start)
    } else if let Some(entry) = find(Kind::Flat) {
        let start =
            flat(data(&entry)?, room).map_err(|error| format!("{}: {error}", entry.name()))?;
        (entry, start)
    } else {
        return Err(format!("the bundle has no image for guest {id}"));
    };
    let own = match find(Kind::GuestParameters) {
        Some(entry) => entry.text().map_err(|error| error.to_string())?,
        None => "",
    };
    let parameters = parameters(own, line, id)?;
    write(room, INITRD_WORDS, &[0; 16])
        .and_then(|()| write(room, PARAMETER_LINE, &parameters))
        .map_err(|error| format!("{}: {error}", entry.name()))?;
    Ok(start)
}

fn data<'a>(entry: &Entry<'a>) -> Result<&'a [u8], String> {
    entry.verify().map_err(|error| error.to_string())
}

/// The guest's line: its own entry of the bundle, then what the host's line says for it.
fn parameters(own: &str, line: &str, id: u16) -> Result<[u8; PARAMETER_ROOM], String> {
    let own = Params::parse(own).map_err(|error| format!("guest parameters: {error}"))?;
    let host = Params::parse(line).map_err(|error| error.to_string())?;
    let mut text = String::new();
    params::write_line(
        params::merge(own.iter(), host.for_guest(u32::from(id))),
        &mut text,
    )
    .expect("a string takes everything");
    if text.len() >= PARAMETER_ROOM {
        return Err(format!(
            "the parameters of guest {id} are longer than {} bytes",
            PARAMETER_ROOM - 1
        ));
    }
    let mut area = [0; PARAMETER_ROOM];
    area[..text.len()].copy_from_slice(text.as_bytes());
    Ok(area)
}

fn write(room: &mut Room<'_>, at: u64, bytes: &[u8]) -> Result<(), String> {
    let size = room.size();
    room.write(at, bytes).map_err(|error| match error {
        AccessError::Exhausted | AccessError::Wait(_) | AccessError::Unreadable => {
            "memory too small: there are not enough frames to load it, give it more with memory="
                .to_string()
        }
        AccessError::Fault(_) => {
            format!("guest memory too small: it does not fit into the guest's {size} bytes")
        }
    })
}

fn elf(image: &[u8], room: &mut Room<'_>) -> Result<u64, String> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(image)
        .map_err(|_| "not an ELF file, or one that contradicts itself")?;
    if file.ehdr.e_machine != EM_S390 {
        return Err(format!(
            "an image for another architecture (ELF machine {})",
            file.ehdr.e_machine
        ));
    }
    let segments = file.segments().ok_or("an ELF file without segments")?;
    let mut behind = 0;
    for segment in segments.iter().filter(|segment| segment.p_type == PT_LOAD) {
        let bytes = file
            .segment_data(&segment)
            .map_err(|_| "a segment is cut short")?;
        let end = segment.p_paddr.checked_add(segment.p_memsz);
        if end.is_none_or(|end| end > room.size()) {
            return Err(format!(
                "guest memory too small: it does not fit into the guest's {} bytes",
                room.size()
            ));
        }
        // They are in ascending order.
        if segment.p_paddr < behind {
            return Err("its segments overlap".to_string());
        }
        behind = segment.p_paddr + segment.p_memsz;
        // What is not in the file reads as zero: nobody has touched those pages.
        write(room, segment.p_paddr, bytes)?;
    }
    Ok(file.ehdr.e_entry)
}

/// A flat image starts where the address word of its IPL PSW says.
fn flat(image: &[u8], room: &mut Room<'_>) -> Result<u64, String> {
    let word = image
        .get(4..8)
        .ok_or("a flat image has at least an IPL PSW of eight bytes")?;
    let word = u32::from_be_bytes(word.try_into().expect("four bytes"));
    write(room, 0, image)?;
    Ok(u64::from(word & 0x7fff_ffff))
}
