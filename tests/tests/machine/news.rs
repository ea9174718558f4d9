//! A guest that drives its balloon by hand, and waits for nothing but what that tells it.

use libtest_mimic::Trial;

use crate::beside::{self, Outcome, Setting};
use crate::check;
use crate::support::{Verdict, trial};
use crate::vcpus::{FAILURE, SUCCESS, psw, put};

const TOLD: &str = "disabled wait at 0xfff";
const IN_VAIN: &str = "it waits for what cannot come";

/// Frames are short as long as the neighbour goes on.
const SHORT: &str = "hinting=balloon monitor=20 evict=lru memory=3M paging=model:32M:10:2";

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("news::of_the_balloon_end_a_wait", || {
            ends(SHORT, OPEN, TOLD)
        }),
        trial("news::cannot_come_to_who_is_not_open_for_them", || {
            ends(SHORT, CLOSED, IN_VAIN)
        }),
        trial("news::cannot_come_when_nobody_goes_on", || {
            ends("hinting=balloon evict=lru", OPEN, IN_VAIN)
        }),
        trial("news::cannot_come_without_a_monitor", || {
            ends("balloon=on evict=lru", OPEN, IN_VAIN)
        }),
    ]
}

/// Control registers 6: open for all interruption subclasses, and for none.
const OPEN: u32 = 0xff00_0000;
const CLOSED: u32 = 0;

fn ends(host: &'static str, open: u32, expected: &str) -> Verdict {
    let setting = Setting {
        cpus: [1, 1],
        memory: 160,
        host,
        limits: "200000:20000:2",
    };
    // Two of them: neither is a reason for the other one to wait.
    let outcome = beside::run(&setting, &[image(open), image(open)])?;
    let Outcome::Good(ends) = &outcome else {
        return Err(format!("{outcome:?}").into());
    };
    check!(*ends == [expected; 2], "{ends:?}");
    Ok(())
}

#[rustfmt::skip]
const PROGRAM: &[u8] = &[
    0xeb, 0x66, 0x05, 0x00, 0x00, 0x2f, // 200 lctlg %c6,%c6,0x500
    0x58, 0x10, 0x05, 0x08,             // 206 l     %r1,0x508
    0xb2, 0x32, 0x05, 0x20,             // 20a msch  0x520
    0xb2, 0x33, 0x05, 0x60,             // 20e ssch  0x560
    0xb2, 0x35, 0x07, 0x00,             // 212 tsch  0x700
    0x95, 0x0c, 0x07, 0x08,             // 216 cli   0x708,0x0c
    0xa7, 0x74, 0x00, 0x04,             // 21a jne   222
    0xb2, 0xb2, 0x05, 0x80,             // 21e lpswe 0x580
    0x82, 0x00, 0x00, 0x68,             // 222 lpsw  0x68
];

/// The commands that a driver needs that uses no queue: code, length, data. Revision 2, version 1, where it
/// looks for news.
const COMMANDS: [(u8, &[u8]); 6] = [
    (0x83, &[0, 2, 0, 0]),
    (0x31, &[3]),
    (0x11, &[1, 0, 0, 0, 1]),
    (0x31, &[11]),
    (0x53, &[0, 0, 0, 0, 0, 0, 0x06, 0xf0]),
    (0x31, &[15]),
];

fn image(open: u32) -> Vec<u8> {
    let mut image = vec![0; 0x4000];
    put(&mut image, 0, &[0, 0x08, 0, 0, 0x80, 0, 0x02, 0x00]);
    put(&mut image, 0x60, &SUCCESS);
    put(&mut image, 0x68, &FAILURE);
    put(&mut image, 0x1d0, &psw(0, 0x222)); // program
    put(&mut image, 0x1f0, &psw(0, 0x300)); // I/O
    put(&mut image, 0x200, PROGRAM);
    put(&mut image, 0x300, &[0x82, 0x00, 0x00, 0x60]); // lpsw 0x60
    put(&mut image, 0x504, &open.to_be_bytes());
    put(&mut image, 0x508, &[0, 1, 0, 0]); // the first subchannel
    put(&mut image, 0x524, &[0x00, 0x80, 0, 0]); // enabled
    put(&mut image, 0x564, &[0x00, 0x80, 0xff, 0]); // CCWs of format 1
    put(&mut image, 0x568, &[0, 0, 0x06, 0]);
    put(&mut image, 0x580, &psw(0x0202, 0x222)); // a wait, I/O
    for (number, (code, data)) in COMMANDS.into_iter().enumerate() {
        let chained = if number + 1 < COMMANDS.len() { 0x40 } else { 0 };
        let at = 0x680 + 16 * number;
        let (length, place) = (data.len() as u8, at as u16);
        put(&mut image, 0x600 + 8 * number, &[code, chained, 0, length]);
        put(&mut image, 0x606 + 8 * number, &place.to_be_bytes());
        put(&mut image, at, data);
    }
    image
}
