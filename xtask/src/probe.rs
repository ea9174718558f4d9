//! Guests of a few instructions that measure what the host does for them.
//!
//! Counted, a machine executes an instruction a nanosecond, and the time of day tells how many. A guest does one
//! thing a thousand times, then the loop without it, and ends in a wait whose address is the difference: the
//! instructions of one time, in front of the twelve bits that say that all went well.

/// How often the guest does it: then a unit of its clock, 4096 of which are a microsecond, is a 4096th instruction.
const TIMES: u16 = 1000;

/// Something that the host does for a guest.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// What it is, for people.
    pub name: &'static str,
    /// Most instructions that it may take, if anybody has said.
    pub bound: Option<u64>,
    /// Whether the guest has DAT on.
    has_dat: bool,
    /// What is done.
    code: &'static [u8],
    /// What the loop has beside it.
    beside: &'static [u8],
}

/// Register 2 has the address of a volatile page that was discarded.
const PROBES: [Probe; 8] = {
    let spka = Probe {
        name: "instruction that changes the PSW key emulated",
        bound: Some(400),
        has_dat: false,
        code: &[0xb2, 0x0a, 0, 0],
        beside: &[],
    };
    let stap = Probe {
        name: "instruction that stores a halfword emulated",
        bound: None,
        code: STAP,
        ..spka
    };
    let essa = Probe {
        name: "ESSA emulated, state queried",
        bound: None,
        code: &[0xb9, 0xab, 0x00, 0x32],
        ..spka
    };
    let fault = Probe {
        name: "discard fault delivered",
        bound: Some(800),
        // What is measured stands behind the same thing without it: nothing interrupts itself for ever.
        code: &[
            0xb2, 0x12, 0x06, 0x00, // stap 0x600
            0xc0, 0x90, 0, 0, 0, 6, // larl %r9,behind the load
            0xe3, 0x40, 0x20, 0, 0, 0x04, // lg %r4,0(%r2)
        ],
        beside: STAP,
        ..spka
    };
    [
        spka,
        with_dat(
            spka,
            "instruction that changes the PSW key emulated, DAT on",
        ),
        stap,
        with_dat(stap, "instruction that stores a halfword emulated, DAT on"),
        essa,
        with_dat(essa, "ESSA emulated, state queried, DAT on"),
        fault,
        with_dat(fault, "discard fault delivered, DAT on"),
    ]
};

const STAP: &[u8] = &[0xb2, 0x12, 0x06, 0x00]; // stap 0x600

const fn with_dat(probe: Probe, name: &'static str) -> Probe {
    Probe {
        name,
        has_dat: true,
        ..probe
    }
}

/// All of them.
#[must_use]
pub fn all() -> &'static [Probe] {
    &PROBES
}

/// The options of a run that counts what the guest in a file measures, or so many of it.
#[must_use]
pub fn options<'a>(guest: &'a str, guests: &'a str) -> Vec<&'a str> {
    let mut options = vec!["--guest", guest, "--guests", guests];
    options.extend("--icount --memory-disk --evict lru".split(' '));
    options
}

/// What a guest has measured, from how it ended.
#[must_use]
pub fn measured(reason: &str) -> Option<u64> {
    let address = reason.strip_prefix("disabled wait at 0x")?;
    let address = u64::from_str_radix(address, 16).ok()?;
    (address & 0xfff == 0xfff).then_some(address >> 12)
}

impl Probe {
    /// The guest, a flat image.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        let mut image = Image::new();
        let mask = if self.has_dat { DAT } else { 0 };
        image.put(PROGRAM_NEW, &psw(mask, HANDLER));
        image.put(HANDLER, &[0x07, 0xf9]); // br %r9
        image.put(ASCE, &(SEGMENTS as u64).to_be_bytes());
        image.doublewords(
            SEGMENTS,
            (0..512).map(|n| if n == 0 { PAGES as u64 } else { 0x20 }),
        );
        image.doublewords(PAGES, (0..256).map(|n| n << 12));
        image.code(&[0xeb, 0x11, 0x07, 0x30, 0x00, 0x2f]); // lctlg %c1,%c1,asce
        image.code(&[0xb2, 0xb2, 0x07, 0x40]); // lpswe begin
        image.put(BEGIN, &psw(mask, image.at));
        image.code(&[0xa5, 0x2f, 0x00, 0x02]); // llill %r2,2
        image.code(&[0xeb, 0x22, 0x00, 0x10, 0x00, 0x0d]); // sllg %r2,%r2,16
        image.code(&[0xb9, 0xab, 0x30, 0x32]); // essa %r3,%r2,set volatile
        image.code(STAP);
        image.timed(&[0x07, 0x00], self.code);
        image.timed(&[0x07, 0x10], self.beside);
        // lg %r1,0x708; sg %r1,0x700; sg %r1,0x718; ag %r1,0x710
        for (displacement, operation) in [(0x08, 0x04), (0x00, 0x09), (0x18, 0x09), (0x10, 0x08)] {
            image.code(&[0xe3, 0x10, 0x07, displacement, 0x00, operation]);
        }
        image.code(&[0xa5, 0x1b, 0x0f, 0xff]); // oill %r1,0xfff
        image.code(&[0xe3, 0x10, 0x07, 0x28, 0x00, 0x24]); // stg %r1,0x728
        image.code(&[0xb2, 0xb2, 0x07, 0x20]); // lpswe 0x720
        image.bytes
    }
}

/// A guest that makes pages unused or volatile that it has touched, more than the host has frames for; if
/// `resets`, the reference bit of each is off when the host looks.
#[must_use]
pub fn reclaim(is_volatile: bool, resets: bool) -> Vec<u8> {
    let mut image = Image::new();
    image.put(0x720, &psw(WAIT, 0xfff));
    image.put(BEGIN, &psw(0, image.at + 4));
    image.code(&[0xb2, 0xb2, 0x07, 0x40]); // lpswe begin
    image.code(&[0xa7, 0x69, 0x00, 0x04]); // lghi %r6,4
    let outer = image.at;
    image.code(&[0xa5, 0x2e, 0x00, 0x10]); // llilh %r2,0x10
    image.code(&[0xa7, 0x59, 0x0b, 0xb8]); // lghi %r5,3000
    let inner = image.at;
    image.code(&[0xb9, 0xab, 0x10, 0x32]); // essa %r3,%r2,set stable
    image.code(&[0xe3, 0x20, 0x20, 0x00, 0x00, 0x24]); // stg %r2,0(%r2)
    let orc = if is_volatile { 0x30 } else { 0x20 };
    image.code(&[0xb9, 0xab, orc, 0x32]); // essa %r3,%r2,set unused or volatile
    if resets {
        image.code(&[0xb2, 0x2a, 0x00, 0x32]); // rrbe %r3,%r2
    }
    image.code(&[0xa7, 0x2b, 0x10, 0x00]); // aghi %r2,4096
    image.branch(0x57, inner); // brctg %r5,inner
    image.branch(0x67, outer); // brctg %r6,outer
    image.code(&[0xb2, 0xb2, 0x07, 0x20]); // lpswe 0x720
    image.bytes
}

/// Memory for such a guest, and frames, of which there are fewer.
pub const RECLAIM_OPTIONS: [&str; 4] = ["--guest-memory", "16M", "--memory", "4M"];

/// Pages that [`sleeping`] guest 0 gives up, half of them unused and half volatile, before it sleeps.
pub const GIVEN_UP: u64 = 1000;

/// A guest that sleeps for a tenth of a second with its pages given up, if it is guest 0; another one touches as many
/// meanwhile, and keeps them.
#[must_use]
pub fn sleeping() -> Vec<u8> {
    let mut image = Image::new();
    let half = ((GIVEN_UP / 2) as u16).to_be_bytes();
    image.put(0x720, &psw(WAIT, 0xfff));
    image.put(0x750, &0x6ae0_u64.to_be_bytes()); // control register 0: signals, clock comparator
    image.put(0x760, &(100_000_u64 << 12).to_be_bytes());
    image.put(0x768, &psw(WAIT | EXTERNAL, 0));
    image.put(BEGIN, &psw(0, image.at + 4));
    image.code(&[0xb2, 0xb2, 0x07, 0x40]); // lpswe begin
    image.code(&[0xb2, 0x02, 0x07, 0x00]); // stidp 0x700
    image.code(&[0xa5, 0x2e, 0x00, 0x10]); // llilh %r2,0x10
    for state in [0x20, 0x30] {
        // Unused, volatile.
        image.code(&[0xa7, 0x59, half[0], half[1]]); // lghi %r5,half of them
        let again = image.at;
        image.code(&[0xe3, 0x20, 0x20, 0x00, 0x00, 0x24]); // stg %r2,0(%r2)
        image.code(&[0x95, 0x00, 0x07, 0x03]); // cli 0x703,0
        image.code(&[0xa7, 0x74, 0x00, 0x04]); // jne behind the next
        image.code(&[0xb9, 0xab, state, 0x32]); // essa %r3,%r2
        image.code(&[0xa7, 0x2b, 0x10, 0x00]); // aghi %r2,4096
        image.branch(0x57, again); // brctg %r5
    }
    image.code(&[0x95, 0x00, 0x07, 0x03]); // cli 0x703,0
    image.code(&[0xa7, 0x74, 0x00, 0x1b]); // jne to the end
    image.code(&[0xeb, 0x00, 0x07, 0x50, 0x00, 0x2f]); // lctlg %c0,%c0,0x750
    image.code(&[0xb2, 0x7c, 0x07, 0x58]); // stckf 0x758
    image.code(&[0xe3, 0x10, 0x07, 0x58, 0x00, 0x04]); // lg %r1,0x758
    image.code(&[0xe3, 0x10, 0x07, 0x60, 0x00, 0x08]); // ag %r1,0x760
    image.code(&[0xe3, 0x10, 0x07, 0x58, 0x00, 0x24]); // stg %r1,0x758
    image.code(&[0xb2, 0x06, 0x07, 0x58]); // sckc 0x758
    image.code(&[0xb2, 0xb2, 0x07, 0x68]); // lpswe 0x768
    // Whoever wakes it but its clock makes it execute one more.
    image.put(EXTERNAL_NEW, &psw(0, image.at));
    image.put(0x778, &[0x10, 0x04]);
    image.code(&[0xd5, 0x01, 0x00, 0x86, 0x07, 0x78]); // clc 0x86(2),0x778
    image.code(&[0xa7, 0x84, 0x00, 0x04]); // je behind the next
    image.code(&[0xb2, 0xb2, 0x07, 0x68]); // lpswe 0x768
    image.code(&[0xb2, 0xb2, 0x07, 0x20]); // lpswe 0x720
    image.bytes
}

const EXTERNAL_NEW: usize = 0x1b0;
const PROGRAM_NEW: usize = 0x1d0;
const HANDLER: usize = 0x400;
const ASCE: usize = 0x730;
const BEGIN: usize = 0x740;
/// A segment table and a page table: virtual is real.
const SEGMENTS: usize = 0x4000;
const PAGES: usize = 0x8000;
/// Of a PSW mask: DAT on; enabled for external interruptions; the wait that ends the guest.
const DAT: u64 = 1 << 58;
const EXTERNAL: u64 = 1 << 56;
const WAIT: u64 = 1 << 49;

fn psw(mask: u64, address: usize) -> [u8; 16] {
    let wide = 1 << 32 | 1 << 31; // 64-bit addresses
    (u128::from(mask | wide) << 64 | address as u128).to_be_bytes()
}

/// A flat image that is being written, and where its code goes on.
struct Image {
    bytes: Vec<u8>,
    at: usize,
}

impl Image {
    fn new() -> Self {
        let mut image = Self {
            bytes: vec![0; 0x1_0000],
            at: 0x200,
        };
        image.put(0, &[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x02, 0x00]);
        image.put(0x720, &psw(WAIT, 0));
        image
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn doublewords(&mut self, at: usize, all: impl Iterator<Item = u64>) {
        for (number, value) in all.enumerate() {
            self.put(at + 8 * number, &value.to_be_bytes());
        }
    }

    fn code(&mut self, bytes: &[u8]) {
        self.put(self.at, bytes);
        self.at += bytes.len();
    }

    /// A relative branch backwards: BRANCH RELATIVE ON COUNT, by its register.
    fn branch(&mut self, register: u8, to: usize) {
        let [high, low] = ((to as i64 - self.at as i64) / 2).to_be_bytes()[6..] else {
            unreachable!("two bytes are left of eight");
        };
        self.code(&[0xa7, register, high, low]);
    }

    /// Does something many times; the clock before and after stands at an address.
    fn timed(&mut self, at: &[u8; 2], what: &[u8]) {
        let [high, low] = TIMES.to_be_bytes();
        self.code(&[0xa7, 0x59, high, low]); // lghi %r5,TIMES
        self.code(&[0xb2, 0x7c, at[0], at[1]]); // stckf
        let again = self.at;
        self.code(what);
        self.branch(0x57, again); // brctg %r5
        self.code(&[0xb2, 0x7c, at[0], at[1] + 8]); // stckf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_stands_in_front_of_the_good_end() {
        assert_eq!(measured("disabled wait at 0x17cfff"), Some(0x17c));
        assert_eq!(measured("disabled wait at 0x17cbad"), None);
        assert_eq!(measured("it did not end"), None);
    }

    #[test]
    fn code_does_not_reach_its_data() {
        for probe in all() {
            let image = probe.image();
            assert!(image[0x300..HANDLER].iter().all(|byte| *byte == 0));
        }
    }
}
