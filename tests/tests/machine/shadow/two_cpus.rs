//! A CPU changes a page-table entry again and again; another one, which has a prefix and so spaces of
//! its own, must never get what the entry was before.

use std::fs;

use super::case::{CODE, DAT, SEGMENTS, bare, psw, put};
use super::programs;
use crate::runs::{leak, small};
use crate::support::{Verdict, folder, run};

/// Prefix of the CPU with DAT on.
const PREFIX: u64 = 0x1_4000;
const PAGES: u64 = 0x9000;
/// Two pages, the address that leads to one of them, and where the changes are counted.
const FIRST: u64 = 0x6000;
const SECOND: u64 = 0xd000;
const EITHER: u64 = 0x7000;
const COUNT: u64 = 0x3000;

fn image() -> Vec<u8> {
    let mut image = vec![0; 0x1_6000];
    let words = |image: &mut [u8], at: u64, values: &[u64]| {
        let bytes: Vec<_> = values
            .iter()
            .flat_map(|value| value.to_be_bytes())
            .collect();
        put(image, at, &bytes);
    };
    put(
        &mut image,
        0,
        &[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x04, 0x00],
    );
    put(&mut image, 0x400, programs::CHANGER);
    put(&mut image, CODE, programs::READING);
    put(&mut image, PREFIX + 0x500, programs::READER);
    put(&mut image, PREFIX + 0x300, programs::NOT_THERE);
    put(&mut image, PREFIX + 0x800, &0x11_u16.to_be_bytes());
    put(&mut image, PREFIX + 0x840, &psw(DAT, CODE));
    for area in [0, PREFIX] {
        put(
            &mut image,
            area + 0x60,
            &[0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0f, 0xff],
        );
        put(
            &mut image,
            area + 0x68,
            &[0x00, 0x0a, 0x00, 0x00, 0x80, 0x00, 0x0b, 0xad],
        );
        put(&mut image, area + 0x1a0, &psw(0, 0x500));
        put(&mut image, area + 0x1d0, &psw(0, 0x300));
        words(&mut image, area + 0x900, &[0xe0, SEGMENTS]);
        let entry = PAGES + 8 * (EITHER >> 12);
        let registers = [PAGES, EITHER, entry, FIRST, SECOND, COUNT];
        words(&mut image, area + 0x980, &registers);
    }
    words(&mut image, SEGMENTS, &[PAGES]);
    for segment in 1..512 {
        words(&mut image, SEGMENTS + 8 * segment, &[0x20]);
    }
    for page in 0..0x100 {
        let entry = match page << 12 {
            EITHER => FIRST,
            address if address < 0x1_0000 => address,
            _ => 0x400,
        };
        words(&mut image, PAGES + 8 * page, &[entry]);
    }
    words(&mut image, FIRST, &[0x6666]);
    words(&mut image, SECOND, &[0x7777]);
    image
}

/// On the bare emulator, and inside the host on so many CPUs of the machine.
pub(super) fn check(machine_cpus: &'static str) -> Verdict {
    let folder = folder();
    let path = folder.path().join("guest.img");
    fs::write(&path, image()).map_err(|error| error.to_string())?;
    bare(&path, 2)?;
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    run(&small(&[
        "--guest",
        path,
        "--cpus",
        "2",
        "--machine-cpus",
        machine_cpus,
    ]))?
    .must_be_good()
}
