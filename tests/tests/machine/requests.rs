//! Requests to disks that fail, of guests that are a few instructions: nothing but the request itself is the worse for
//! it.

use drivers::x250::layout::{Entry, Initialize, READ, Request, STATUS_IO_ERROR};
use libtest_mimic::Trial;
use zerocopy::IntoBytes as _;

use crate::beside::{self, Images, Outcome, Setting};
use crate::check;
use crate::runs::{leak, small};
use crate::support::{Verdict, folder, run, trial};
use crate::vcpus::{FAILURE, SUCCESS, psw, put};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("requests::buffers_that_are_lost", || lost("evict=lru")),
        trial("requests::buffers_that_are_lost_while_pages_go", || {
            lost("evict=steal:spare memory=24M paging=model:96M:10:2")
        }),
        trial("requests::a_block_that_cannot_be_read", || {
            bad_block(Driver::new(|sector| vec![0x40 + sector as u8; 512]).image())
        }),
        trial("requests::an_entry_of_a_list_that_cannot_be_read", || {
            bad_block(by_list())
        }),
    ]
}

/// Pages that the guest has lost: discarded, and unused without content.
const DISCARDED: u64 = 0x10_0000;
const UNUSED: u64 = 0x10_2000;
/// Behind all that it has.
const NOWHERE: u64 = beside::MEMORY << 20;

/// Where the driver has what it needs.
const DESCRIPTORS: u64 = 0x1000;
const AVAILABLE: u64 = 0x1100;
const USED: u64 = 0x1200;
const HEADERS: u64 = 0x1300;
const STATUSES: u64 = 0x1400;
const TABLE: u64 = 0x1600;
/// Buffers of the request that fails, and of the one behind it.
const FIRST: u64 = 0x2000;
const SECOND: u64 = 0x5000;
const EXPECTED: u64 = 0x6000;
/// What is there as long as nothing is moved.
const OLD: u8 = 0x55;

const NEXT: u16 = 1;
const TO_DRIVER: u16 = 2;
const INDIRECT: u16 = 4;

/// The sector that cannot be read.
const BAD: u64 = 9;

/// A driver that makes two requests, and then looks at what has come of them.
struct Driver {
    image: Vec<u8>,
    /// The request's data: addresses and lengths.
    data: Vec<(u64, u32)>,
    header: u64,
    status: u64,
    used: u64,
    /// Whether its descriptors are in a table of their own, and where.
    table: Option<u64>,
    /// Where the request's data begins, and what it ends with.
    sector: u64,
    outcome: u8,
    /// Whether the device needs a reset then.
    is_lost: bool,
    /// What a sector of the disk has.
    content: fn(u64) -> Vec<u8>,
}

impl Driver {
    /// Reads sectors of which one is bad.
    fn new(content: fn(u64) -> Vec<u8>) -> Self {
        Self {
            image: vec![0; 0x8000],
            data: vec![(FIRST, 0x1000), (FIRST + 0x1000, 0x1000)],
            header: HEADERS,
            status: STATUSES,
            used: USED,
            table: None,
            sector: BAD - 7,
            outcome: 1,
            is_lost: false,
            content,
        }
    }

    /// Reads sectors into buffers of which some are lost.
    fn losing(spoil: fn(&mut Self)) -> Self {
        let content = |sector| {
            let start = sector as usize * 512;
            let files = Images::get().map(|images| images.files[start..start + 512].to_vec());
            files.expect("they were made before")
        };
        let mut driver = Self {
            sector: 0,
            ..Self::new(content)
        };
        spoil(&mut driver);
        driver
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        put(&mut self.image, at as usize, bytes);
    }

    fn describe(&mut self, at: u64, (address, length): (u64, u32), flags: u16, next: u16) {
        self.put(at, &address.to_le_bytes());
        self.put(at + 8, &length.to_le_bytes());
        self.put(at + 12, &flags.to_le_bytes());
        self.put(at + 14, &next.to_le_bytes());
    }

    /// A chain in a table: header, data, status.
    fn chain(&mut self, table: u64, first: u16, parts: [u64; 2], data: &[(u64, u32)]) {
        let at = |number: u16| table + 16 * u64::from(number);
        self.describe(at(first), (parts[0], 16), NEXT, first + 1);
        for (number, piece) in (first + 1..).zip(data) {
            self.describe(at(number), *piece, NEXT | TO_DRIVER, number + 1);
        }
        let last = first + 1 + data.len() as u16;
        self.describe(at(last), (parts[1], 1), TO_DRIVER, 0);
    }

    fn header(&mut self, at: u64, sector: u64) {
        if at < NOWHERE / 4 {
            self.put(at + 8, &sector.to_le_bytes());
        }
    }

    /// The image of the guest that does this.
    fn image(mut self) -> Vec<u8> {
        self.start();
        let data = self.data.clone();
        match self.table {
            Some(at) => {
                self.chain(TABLE, 0, [self.header, self.status], &data);
                let length = 16 * (data.len() as u32 + 2);
                self.describe(DESCRIPTORS, (at, length), INDIRECT, 0);
            }
            None => self.chain(DESCRIPTORS, 0, [self.header, self.status], &data),
        }
        self.header(self.header, self.sector);
        self.chain(
            DESCRIPTORS,
            8,
            [HEADERS + 16, STATUSES + 1],
            &[(SECOND, 512)],
        );
        self.header(HEADERS + 16, BAD + 20);
        self.put(STATUSES, &[0xee; 2]);
        for at in (FIRST..SECOND + 0x1000).step_by(256) {
            self.put(at, &[OLD; 256]);
        }
        // Two requests, the heads of their chains.
        self.put(AVAILABLE + 2, &[2, 0, 0, 0, 8, 0]);
        self.expect();
        self.image
    }

    /// What begins it, and its channel programs.
    fn start(&mut self) {
        common(&mut self.image, PROGRAM);
        self.put(0x404, &[0x00, 0x80, 0, 0]);
        for (orb, program) in [(0x440, 0x800_u32), (0x450, 0x860)] {
            self.put(orb + 4, &[0x00, 0x80, 0xff, 0x00]);
            self.put(orb + 8, &program.to_be_bytes());
        }
        self.put(0x4f0, &[0x0c, 0x00]);
        let commands: [(u64, u8, u16, u32); 9] = [
            (0x800, 0x83, 4, 0x900),  // revision
            (0x808, 0x31, 1, 0x904),  // status: driver
            (0x810, 0x11, 5, 0x908),  // features
            (0x818, 0x11, 5, 0x910),  // and the other half
            (0x820, 0x31, 1, 0x905),  // status: features agreed on
            (0x828, 0x13, 32, 0x920), // queue
            (0x830, 0x31, 1, 0x906),  // status: driver works
            (0x860, 0x72, 1, 0x907),  // reads the status
            (0x868, 0x03, 0, 0),
        ];
        for (at, code, count, address) in commands {
            let is_last = at == 0x830 || at == 0x868;
            let flags = if is_last { 0x20 } else { 0x60 };
            self.put(at, &[code, flags]);
            self.put(at + 2, &count.to_be_bytes());
            self.put(at + 4, &address.to_be_bytes());
        }
        self.put(0x900, &[0, 2, 0, 0, 3, 11, 15]);
        // Tables of descriptors, read-only or not; version 1.
        self.put(0x908, &[0, 0, 0, 0x10, 0]);
        self.put(0x910, &[1, 0, 0, 0, 1]);
        self.put(0x920, &DESCRIPTORS.to_be_bytes());
        self.put(0x92e, &16_u16.to_be_bytes());
        self.put(0x930, &AVAILABLE.to_be_bytes());
        self.put(0x938, &self.used.to_be_bytes());
        // What it says of its pages before the device hears of requests.
        let states = [(DISCARDED, 1), (DISCARDED + 0x1000, 1), (UNUSED, 0)];
        for (number, (page, state)) in (0..).zip(states) {
            self.put(0x600 + 16 * number, &page.to_be_bytes());
            self.put(0x608 + 16 * number, &u64::to_be_bytes(state));
        }
    }

    /// What is to be there in the end.
    fn expect(&mut self) {
        let mut expected: Vec<(u64, Vec<u8>)> = Vec::new();
        let status = 15 | u8::from(self.is_lost) << 6;
        expected.push((0x907, vec![status]));
        if self.is_lost {
            expected.push((STATUSES, vec![0xee; 2]));
            expected.push((USED, vec![0; 256]));
        } else {
            let mut used = vec![0, 0, 2, 0];
            for (head, written) in [(0_u32, self.written()), (8, 513)] {
                used.extend(head.to_le_bytes());
                used.extend(written.to_le_bytes());
            }
            expected.push((USED, used));
            expected.push((STATUSES, vec![self.outcome, 0]));
        }
        let second = (self.content)(BAD + 20);
        let second = if self.is_lost { vec![OLD; 512] } else { second };
        expected.push((SECOND, second[256..].to_vec()));
        expected.last_mut().expect("it was pushed").0 += 256;
        if self.outcome == 0 {
            let first = (self.content)(self.sector);
            expected.push((self.data[0].0, first[..256].to_vec()));
        } else {
            // A bad block moves what is in front of it; a lost buffer nothing.
            let start = if self.sector == 0 { 0 } else { 0x2000 };
            for at in [start, 0x1f00, 0x2000] {
                expected.push((FIRST + at, vec![OLD; 256]));
            }
        }
        let mut place = EXPECTED;
        for (number, (at, bytes)) in (0..).zip(expected) {
            let words = [at, place, bytes.len() as u64 - 1];
            for (word, value) in (0..).zip(words) {
                self.put(0x700 + 24 * number + 8 * word, &value.to_be_bytes());
            }
            self.put(place, &bytes);
            place += 256;
        }
    }

    fn written(&self) -> u32 {
        let all: u32 = self.data.iter().map(|piece| piece.1).sum();
        if self.outcome == 0 { all + 1 } else { 0 }
    }
}

/// What a driver has done, one way or another.
const LOSSES: [fn(&mut Driver); 16] = [
    // Good ones, at once and by a table, and as large as they may be.
    |driver| driver.outcome = 0,
    |driver| (driver.outcome, driver.table) = (0, Some(TABLE)),
    |driver| (driver.outcome, driver.data) = (0, vec![(0x20_0000, 1 << 20)]),
    // Buffers: the last, the first, half of one, one of a table, and what is not there.
    |driver| driver.data[1].0 = DISCARDED,
    |driver| driver.data[1].0 = UNUSED,
    |driver| driver.data[0].0 = DISCARDED,
    |driver| driver.data[1].0 = DISCARDED - 0x200,
    |driver| driver.data[1].0 = UNUSED - 0x200,
    |driver| {
        driver.table = Some(TABLE);
        driver.data[1].0 = DISCARDED;
    },
    |driver| driver.data[1].0 = NOWHERE - 0x200,
    |driver| driver.data[1].0 = u64::MAX - 0xfff,
    // Too much.
    |driver| driver.data.push((0x20_0000, 1 << 20)),
    // A header.
    |driver| driver.header = UNUSED,
    // What the device cannot do without: status, used ring, descriptors.
    |driver| (driver.status, driver.is_lost) = (DISCARDED + 8, true),
    |driver| (driver.used, driver.is_lost) = (UNUSED, true),
    |driver| (driver.table, driver.is_lost) = (Some(DISCARDED), true),
];

/// All at once, beside a kernel that must not notice.
fn lost(host: &'static str) -> Verdict {
    Images::get()?;
    let host = leak(&format!("disks=virtio {host}"));
    let setting = Setting {
        cpus: [1, 1],
        memory: 160,
        host,
        limits: "20000:60000:1",
    };
    let images: Vec<_> = LOSSES
        .iter()
        .map(|spoil| Driver::losing(*spoil).image())
        .collect();
    let outcome = beside::run(&setting, &images)?;
    let Outcome::Good(ends) = &outcome else {
        return Err(format!("{outcome:?}").into());
    };
    let is_well = |end: &String| end == "disabled wait at 0xfff";
    check!(ends.iter().all(is_well), "{ends:#?}");
    Ok(())
}

/// A flat image with a program, which any program interruption ends.
fn common(image: &mut [u8], program: &[u8]) {
    put(image, 0, &[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x02, 0x00]);
    put(image, 0x60, &SUCCESS);
    put(image, 0x68, &FAILURE);
    put(image, 0x1d0, &psw(0, 0x300)); // program
    put(image, 0x300, &[0x82, 0x00, 0x00, 0x68]); // lpsw 0x68
    put(image, 0x200, program);
}

/// A guest that reads the bad block by DIAGNOSE X'250', together with those around it.
fn by_list() -> Vec<u8> {
    const DISK: u16 = 0x103;
    const LIST: u64 = 0x3000;
    let mut image = vec![0; 0x8000];
    common(&mut image, BY_LIST);
    put(&mut image, 0x2400, Initialize::new(DISK, 512).as_bytes());
    put(&mut image, 0x2480, Request::new(DISK, 3, LIST).as_bytes());
    put(&mut image, SECOND as usize, &[OLD; 0x600]);
    let mut place = EXPECTED;
    for number in 0..3 {
        let (sector, buffer) = (BAD - 1 + number, SECOND + 512 * number);
        // Blocks are counted from 1.
        let mut entry = Entry::new(READ, sector + 1, buffer);
        let at = LIST + 24 * number;
        put(&mut image, at as usize, entry.as_bytes());
        let is_bad = sector == BAD;
        entry.status = if is_bad { STATUS_IO_ERROR } else { 0 };
        put(&mut image, place as usize, entry.as_bytes());
        let content = if is_bad { OLD } else { 0x40 + sector as u8 };
        put(&mut image, place as usize + 256, &[content; 256]);
        for (check, words) in [(0, [at, place, 23]), (1, [buffer, place + 256, 255])] {
            let row = 0x700 + 24 * (2 * number + check);
            for (word, value) in (0_u64..).zip(words) {
                put(&mut image, (row + 8 * word) as usize, &value.to_be_bytes());
            }
        }
        place += 512;
    }
    image
}

/// Runs an image as two guests on a disk of which one block is bad.
fn bad_block(image: Vec<u8>) -> Verdict {
    let folder = folder();
    let [guest, disk] = ["guest.img", "disk.img"].map(|name| folder.path().join(name));
    let sectors = (0..128).flat_map(|sector| [0x40 + sector as u8; 512]);
    std::fs::write(&guest, image)?;
    std::fs::write(&disk, sectors.collect::<Vec<u8>>())?;
    let guest = leak(guest.to_str().ok_or("a directory name that is no text")?);
    let disk = leak(&format!("{}:ro", disk.display()));
    let bad = leak(&format!("0103:{BAD}"));
    let more = ["--guest", guest, "--guest-disk", disk, "--fail-read", bad];
    run(&small(&more))?.must_be_good()
}

/// Starts the device, says what it has to of its pages, makes the requests, and compares.
#[rustfmt::skip]
const PROGRAM: &[u8] = &[
    0xc0, 0x1f, 0x00, 0x01, 0x00, 0x00,  // 200 llilf %r1,65536
    0xb2, 0x32, 0x04, 0x00,              // 206 msch  1024
    0xa7, 0x74, 0x00, 0x58,              // 20a jne   2ba
    0xb2, 0x33, 0x04, 0x40,              // 20e ssch  1088
    0xa7, 0x74, 0x00, 0x54,              // 212 jne   2ba
    0xb2, 0x35, 0x04, 0x80,              // 216 tsch  1152
    0xa7, 0x74, 0x00, 0x50,              // 21a jne   2ba
    0xd5, 0x01, 0x04, 0x88, 0x04, 0xf0,  // 21e clc   1160(2,%r0),1264
    0xa7, 0x74, 0x00, 0x4b,              // 224 jne   2ba
    0x41, 0x50, 0x06, 0x00,              // 228 la    %r5,1536
    0xe3, 0x20, 0x50, 0x00, 0x00, 0x04,  // 22c lg    %r2,0(%r5)
    0xb9, 0x02, 0x00, 0x22,              // 232 ltgr  %r2,%r2
    0xa7, 0x84, 0x00, 0x10,              // 236 je    256
    0x91, 0x01, 0x50, 0x0f,              // 23a tm    15(%r5),1
    0xa7, 0x84, 0x00, 0x06,              // 23e je    24a
    0xb9, 0xab, 0x30, 0x32,              // 242 .long 0xb9ab3032
    0xa7, 0xf4, 0x00, 0x04,              // 246 j     24e
    0xb9, 0xab, 0x20, 0x32,              // 24a .long 0xb9ab2032
    0x41, 0x50, 0x50, 0x10,              // 24e la    %r5,16(%r5)
    0xa7, 0xf4, 0xff, 0xed,              // 252 j     22c
    0xa7, 0x19, 0x00, 0x03,              // 256 lghi  %r1,3
    0xc0, 0x2f, 0x00, 0x01, 0x00, 0x00,  // 25a llilf %r2,65536
    0xa7, 0x39, 0x00, 0x00,              // 260 lghi  %r3,0
    0x83, 0x00, 0x05, 0x00,              // 264 diag  %r0,%r0,1280
    0xb9, 0x02, 0x00, 0x22,              // 268 ltgr  %r2,%r2
    0xa7, 0x74, 0x00, 0x27,              // 26c jne   2ba
    0xc0, 0x1f, 0x00, 0x01, 0x00, 0x00,  // 270 llilf %r1,65536
    0xb2, 0x33, 0x04, 0x50,              // 276 ssch  1104
    0xa7, 0x74, 0x00, 0x20,              // 27a jne   2ba
    0xb2, 0x35, 0x04, 0x80,              // 27e tsch  1152
    0xa7, 0x74, 0x00, 0x1c,              // 282 jne   2ba
    0x41, 0x50, 0x07, 0x00,              // 286 la    %r5,1792
    0xe3, 0x20, 0x50, 0x00, 0x00, 0x04,  // 28a lg    %r2,0(%r5)
    0xb9, 0x02, 0x00, 0x22,              // 290 ltgr  %r2,%r2
    0xa7, 0x84, 0x00, 0x11,              // 294 je    2b6
    0xe3, 0x30, 0x50, 0x08, 0x00, 0x04,  // 298 lg    %r3,8(%r5)
    0xe3, 0x40, 0x50, 0x10, 0x00, 0x04,  // 29e lg    %r4,16(%r5)
    0xc6, 0x40, 0x00, 0x00, 0x00, 0x0d,  // 2a4 exrl  %r4,2be
    0xa7, 0x74, 0x00, 0x08,              // 2aa jne   2ba
    0x41, 0x50, 0x50, 0x18,              // 2ae la    %r5,24(%r5)
    0xa7, 0xf4, 0xff, 0xec,              // 2b2 j     28a
    0x82, 0x00, 0x00, 0x60,              // 2b6 lpsw  96
    0x82, 0x00, 0x00, 0x68,              // 2ba lpsw  104
    0xd5, 0x00, 0x20, 0x00, 0x30, 0x00,  // 2be clc   0(1,%r2),0(%r3)
];

/// Reads by a list, some of which must fail, and compares.
#[rustfmt::skip]
const BY_LIST: &[u8] = &[
    0xa5, 0x2f, 0x24, 0x00,              // 200 llill %r2,9216
    0xa7, 0x49, 0x00, 0x00,              // 204 lghi  %r4,0
    0x83, 0x24, 0x02, 0x50,              // 208 diag  %r2,%r4,592
    0xa5, 0x2f, 0x24, 0x80,              // 20c llill %r2,9344
    0xa7, 0x49, 0x00, 0x01,              // 210 lghi  %r4,1
    0x83, 0x24, 0x02, 0x50,              // 214 diag  %r2,%r4,592
    0xa7, 0x74, 0x00, 0x04,              // 218 jne   220
    0x82, 0x00, 0x00, 0x68,              // 21c lpsw  104
    0x41, 0x50, 0x07, 0x00,              // 220 la    %r5,1792
    0xe3, 0x20, 0x50, 0x00, 0x00, 0x04,  // 224 lg    %r2,0(%r5)
    0xb9, 0x02, 0x00, 0x22,              // 22a ltgr  %r2,%r2
    0xa7, 0x84, 0x00, 0x11,              // 22e je    250
    0xe3, 0x30, 0x50, 0x08, 0x00, 0x04,  // 232 lg    %r3,8(%r5)
    0xe3, 0x40, 0x50, 0x10, 0x00, 0x04,  // 238 lg    %r4,16(%r5)
    0xc6, 0x40, 0x00, 0x00, 0x00, 0x0d,  // 23e exrl  %r4,258
    0xa7, 0x74, 0x00, 0x08,              // 244 jne   254
    0x41, 0x50, 0x50, 0x18,              // 248 la    %r5,24(%r5)
    0xa7, 0xf4, 0xff, 0xec,              // 24c j     224
    0x82, 0x00, 0x00, 0x60,              // 250 lpsw  96
    0x82, 0x00, 0x00, 0x68,              // 254 lpsw  104
    0xd5, 0x00, 0x20, 0x00, 0x30, 0x00,  // 258 clc   0(1,%r2),0(%r3)
];
