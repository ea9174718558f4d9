//! Guests that do what they can to be in the way, beside a kernel that must not notice. What comes of each is
//! defined: it ends well, or it is stopped, and the host says why.

use boot::bundle::write::Writer;
use boot::bundle::{Kind, Owner};
use drivers::x250::layout::{Entry, Initialize, READ, Request};
use libtest_mimic::Trial;
use zerocopy::IntoBytes as _;

use crate::beside::{self, Outcome, Setting};
use crate::check;
use crate::support::{Verdict, trial};
use crate::vcpus::{FAILURE, SUCCESS, psw, put};

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        trial("containment::who_exhausts_memory_ends_alone", exhausting),
        trial("containment::a_bundle_cut_short_anywhere", cut_short),
        trial("containment::an_image_whose_segments_overlap", overlapping),
    ];
    for setting in &SETTINGS {
        let [machine, guest] = setting.cpus;
        let name = format!("containment::rogues_with_{guest}_cpus_on_{machine}");
        tests.push(trial(name, move || contained(setting)));
    }
    tests
}

/// Exits, milliseconds, and the first guest that has limits: whoever ends by itself has none, for on a busy build
/// machine a millisecond is no time.
const LIMITS: &str = "20000:200:9";

const SETTINGS: [Setting; 2] = [
    Setting {
        cpus: [1, 1],
        memory: 160,
        host: "evict=random:500",
        limits: LIMITS,
    },
    Setting {
        cpus: [2, 2],
        memory: 160,
        host: "evict=lru memory=16M paging=model:96M:10:2",
        limits: LIMITS,
    },
];

/// A guest: its program, the code of the program interruption that it may go to its end by, and how it ends.
type Rogue = (&'static [u8], u16, &'static str);

const WELL: &str = "disabled wait at 0xfff";
const USED_UP: &str = "it has used up its limits";
const ITSELF: &str = "its program-interruption handler interrupts itself";
/// No interruption has this code.
const NONE: u16 = 0xffff;

/// They end by themselves.
const ENDING: [Rogue; 7] = [
    (WIPING, NONE, ITSELF),
    (PREFIX, 5, WELL),
    (EXECUTING, 3, WELL),
    (EXECUTING_ITSELF, 3, WELL),
    (RELEASING_INTERRUPTED, NONE, WELL),
    (TOUCHING, NONE, WELL),
    (READING_OVER_ITS_LIST, NONE, WELL),
];

/// They never end.
const ENDLESS: [&[u8]; 10] = [
    LOOPING,
    SIGNALLING,
    RESTARTING,
    TALKING,
    TIMED,
    ASKING_FOR_MUCH,
    LOADING,
    INVALIDATING,
    HINTING,
    RELEASING,
];

/// All at once: each ends as it must, and the neighbour has lost nothing.
fn contained(setting: &Setting) -> Verdict {
    // One whose new PSW is invalid, and is loaded again and again.
    let mut invalid = image(&(&[0x00, 0x00], NONE, ITSELF));
    put(&mut invalid, 0x1d0, &psw(0x8000, 0x300));
    let endless = ENDLESS.map(|program| (program, NONE, USED_UP));
    let mut images = vec![invalid];
    images.extend(ENDING.iter().chain(&endless).map(image));
    let mut expected = vec![ITSELF];
    expected.extend(ENDING.iter().chain(&endless).map(|(.., end)| *end));
    let outcome = beside::run(setting, &images)?;
    let Outcome::Good(ends) = &outcome else {
        return Err(format!("{outcome:?}").into());
    };
    check!(*ends == expected, "{ends:#?} instead of {expected:#?}");
    Ok(())
}

/// A flat image with its program at 0x200, and at 0x300 what program interruptions do.
fn image(&(program, code, _): &Rogue) -> Vec<u8> {
    let mut image = vec![0; 0x4000];
    put(
        &mut image,
        0,
        &[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x02, 0x00],
    );
    put(&mut image, 0x60, &SUCCESS);
    put(&mut image, 0x68, &FAILURE);
    put(&mut image, 0x1a0, &psw(0, 0x200)); // restart
    put(&mut image, 0x1b0, &psw(0x0100, 0x200)); // external
    put(&mut image, 0x1d0, &psw(0, 0x300)); // program
    put(&mut image, 0x200, program);
    put(&mut image, 0x2f2, &code.to_be_bytes());
    put(&mut image, 0x300, INTERRUPTED);
    put(&mut image, 0x500, &[0x7f, 0xff, 0xe0, 0x00]); // a prefix
    put(&mut image, 0x526, &[0x08, 0xe0]); // control register 0: clock comparator
    put(&mut image, 0x600, &[0x44, 0x10, 0x06, 0x00]); // ex %r1,0x600
    let text = b"\x00\x1e\x00\x00\x00\x00\x00\x00\x00\x16\x1a\x00\x00\x00again and again\n";
    put(&mut image, 0x2000, text);
    put(&mut image, 0x2400, Initialize::new(DISK, 512).as_bytes());
    let much = Request::new(DISK, u32::MAX, 0x3000);
    put(&mut image, 0x2440, much.as_bytes());
    put(&mut image, 0x2480, Request::new(DISK, 2, LIST).as_bytes());
    for (number, buffer) in [LIST, LIST + 0x800].into_iter().enumerate() {
        let entry = Entry::new(READ, 1 + number as u64, buffer);
        put(&mut image, LIST as usize + 24 * number, entry.as_bytes());
    }
    image
}

/// The disk that all guests have.
const DISK: u16 = 0x100;
const LIST: u64 = 0x3000;

/// Guests that need more frames than there are, and keep them: who asks for the last is stopped, until the
/// others have enough.
fn exhausting() -> Verdict {
    let setting = Setting {
        host: "evict=lru memory=6M",
        limits: "200000:1000",
        ..SETTINGS[0]
    };
    let mut keeping = image(&(TOUCHING, NONE, WELL));
    let end = 0x200 + TOUCHING.len() - LOOPING.len();
    put(&mut keeping, end, LOOPING);
    let images = vec![keeping; 3];
    let outcome = beside::run_alone(&setting, &images)?;
    let Outcome::Good(ends) = &outcome else {
        return Err(format!("{outcome:?}").into());
    };
    let count = |text| ends.iter().filter(|end| end.contains(text)).count();
    let counts = (count(USED_UP), count("memory is exhausted"));
    check!(counts == (1, 2), "{ends:?}");
    Ok(())
}

/// The host says that the bundle is bad, wherever it ends.
fn cut_short() -> Verdict {
    let image = image(&(TOUCHING, NONE, WELL));
    let bundle = bundle(Kind::Flat, &image)?;
    for end in [16, 60, 4096, bundle.len() - 4096] {
        refused(&bundle[..end], "bundle")?;
    }
    Ok(())
}

fn bundle(kind: Kind, image: &[u8]) -> Result<Vec<u8>, libtest_mimic::Failed> {
    let (mut writer, mut bundle) = (Writer::new(), Vec::new());
    let added = writer.add(kind, Owner::All, "image", image);
    let written = added.and_then(|()| writer.write(&mut bundle));
    written.map_err(|error| error.to_string())?;
    Ok(bundle)
}

/// The host does not begin, and says why.
fn refused(bundle: &[u8], word: &str) -> Verdict {
    let outcome = beside::boot(&SETTINGS[0], 1, bundle)?;
    let is_refused =
        matches!(&outcome, Outcome::Bad(why) if why.contains("ended early") && why.contains(word));
    check!(is_refused, "{outcome:?}");
    Ok(())
}

/// An image that would overwrite itself while it is loaded.
fn overlapping() -> Verdict {
    let mut elf = vec![0; 0x200];
    put(&mut elf, 0, b"\x7fELF\x02\x02\x01");
    put(&mut elf, 16, &[0, 2, 0, 22, 0, 0, 0, 1]); // executable, s390
    put(&mut elf, 24, &0x2000_u64.to_be_bytes()); // entry
    put(&mut elf, 32, &64_u64.to_be_bytes()); // program headers
    put(&mut elf, 52, &[0, 64, 0, 56, 0, 2]); // sizes of headers, how many
    for (number, address) in [0x2000_u64, 0x2080].into_iter().enumerate() {
        let at = 64 + 56 * number;
        put(&mut elf, at, &[0, 0, 0, 1, 0, 0, 0, 7]); // to be loaded
        put(&mut elf, at + 8, &0x100_u64.to_be_bytes());
        put(&mut elf, at + 16, &address.to_be_bytes());
        put(&mut elf, at + 24, &address.to_be_bytes());
        put(&mut elf, at + 32, &0x100_u64.to_be_bytes());
        put(&mut elf, at + 40, &0x100_u64.to_be_bytes());
    }
    refused(&bundle(Kind::Elf, &elf)?, "overlap")
}

/// Program interruptions: the guest ends, well if it is the one expected.
#[rustfmt::skip]
const INTERRUPTED: &[u8] = &[
    0xd5, 0x01, 0x00, 0x8e, 0x02, 0xf2,  // 300 clc   0x8e(2),0x2f2
    0xa7, 0x74, 0x00, 0x04,              // 306 jne   30e
    0x82, 0x00, 0x00, 0x60,              // 30a lpsw  0x60
    0x82, 0x00, 0x00, 0x68,              // 30e lpsw  0x68
];

/// Loops for ever, with interruptions off.
#[rustfmt::skip]
const LOOPING: &[u8] = &[
    0xa7, 0xf4, 0x00, 0x00,              // 200 j     200
];

/// Clears its lowcore; then an odd register, which is an exception.
#[rustfmt::skip]
const WIPING: &[u8] = &[
    0xd7, 0xff, 0x00, 0x00, 0x00, 0x00,  // 200 xc    0(256,%r0),0
    0xd7, 0xff, 0x01, 0x00, 0x01, 0x00,  // 206 xc    256(256,%r0),256
    0x0e, 0x12,                          // 20c mvcl  %r1,%r2
];

/// Sets a prefix that it has no storage for.
#[rustfmt::skip]
const PREFIX: &[u8] = &[
    0xb2, 0x10, 0x05, 0x00,              // 200 spx   1280
];

/// Sends all signals to itself and to the other CPU, which does the same.
#[rustfmt::skip]
const SIGNALLING: &[u8] = &[
    0xa7, 0x19, 0x00, 0x00,              // 200 lghi  %r1,0
    0xa7, 0x39, 0x00, 0x01,              // 204 lghi  %r3,1
    0xae, 0x41, 0x00, 0x03,              // 208 sigp  %r4,%r1,3
    0xae, 0x43, 0x00, 0x02,              // 20c sigp  %r4,%r3,2
    0xae, 0x43, 0x00, 0x06,              // 210 sigp  %r4,%r3,6
    0xae, 0x43, 0x00, 0x01,              // 214 sigp  %r4,%r3,1
    0xae, 0x41, 0x00, 0x02,              // 218 sigp  %r4,%r1,2
    0xa7, 0xf4, 0xff, 0xf2,              // 21c j     200
];

/// Restarts itself.
#[rustfmt::skip]
const RESTARTING: &[u8] = &[
    0xa7, 0x19, 0x00, 0x00,              // 200 lghi  %r1,0
    0xae, 0x41, 0x00, 0x06,              // 204 sigp  %r4,%r1,6
    0xa7, 0xf4, 0xff, 0xfc,              // 208 j     200
];

/// Prints as fast as it can.
#[rustfmt::skip]
const TALKING: &[u8] = &[
    0xc0, 0x2f, 0x00, 0x76, 0x00, 0x05,  // 200 llilf %r2,7733253
    0xa5, 0x3f, 0x20, 0x00,              // 206 llill %r3,8192
    0xb2, 0x20, 0x00, 0x23,              // 20a .long 0xb2200023
    0xa7, 0xc4, 0xff, 0xfe,              // 20e jle   20a
    0xa7, 0xf4, 0xff, 0xfc,              // 212 j     20a
];

/// Is interrupted by its clock comparator all the time.
#[rustfmt::skip]
const TIMED: &[u8] = &[
    0xeb, 0x00, 0x05, 0x20, 0x00, 0x2f,  // 200 lctlg %c0,%c0,1312
    0xb2, 0x06, 0x05, 0x28,              // 206 sckc  1320
    0xb2, 0xb2, 0x01, 0xb0,              // 20a lpswe 432
];

/// Executes an EXECUTE.
#[rustfmt::skip]
const EXECUTING: &[u8] = &[
    0xa7, 0x19, 0x00, 0x00,              // 200 lghi  %r1,0
    0xc6, 0x10, 0x00, 0x00, 0x00, 0x03,  // 204 exrl  %r1,20a
    0x44, 0x10, 0x06, 0x00,              // 20a ex    %r1,1536
];

/// Executes itself.
#[rustfmt::skip]
const EXECUTING_ITSELF: &[u8] = &[
    0xc6, 0x00, 0x00, 0x00, 0x00, 0x00,  // 200 exrl  %r0,200
];

/// Wants to read by a list that is longer than all storage.
#[rustfmt::skip]
const ASKING_FOR_MUCH: &[u8] = &[
    0xa5, 0x2f, 0x24, 0x00,              // 200 llill %r2,9216
    0xa7, 0x49, 0x00, 0x00,              // 204 lghi  %r4,0
    0x83, 0x24, 0x02, 0x50,              // 208 diag  %r2,%r4,592
    0xa7, 0x49, 0x00, 0x01,              // 20c lghi  %r4,1
    0xa5, 0x2f, 0x24, 0x40,              // 210 llill %r2,9280
    0x83, 0x24, 0x02, 0x50,              // 214 diag  %r2,%r4,592
    0xa7, 0xf4, 0xff, 0xfe,              // 218 j     214
];

/// Resets itself, and begins again.
#[rustfmt::skip]
const LOADING: &[u8] = &[
    0xa7, 0x39, 0x00, 0x01,              // 200 lghi  %r3,1
    0x83, 0x23, 0x03, 0x08,              // 204 diag  %r2,%r3,776
];

/// Invalidates translations and purges them.
#[rustfmt::skip]
const INVALIDATING: &[u8] = &[
    0xa5, 0x2f, 0x30, 0x00,              // 200 llill %r2,12288
    0xa7, 0x39, 0x00, 0x00,              // 204 lghi  %r3,0
    0xb2, 0x21, 0x00, 0x23,              // 208 ipte  %r2,%r3
    0xb2, 0x0d, 0x00, 0x00,              // 20c ptlb
    0xa7, 0x3b, 0x10, 0x00,              // 210 aghi  %r3,4096
    0xa7, 0xf4, 0xff, 0xfa,              // 214 j     208
];

/// Changes the states of half its pages.
#[rustfmt::skip]
const HINTING: &[u8] = &[
    0xa5, 0x2f, 0x40, 0x00,              // 200 llill %r2,16384
    0xa7, 0x59, 0x10, 0x00,              // 204 lghi  %r5,4096
    0xb9, 0xab, 0x30, 0x32,              // 208 .long 0xb9ab3032
    0xb9, 0xab, 0x20, 0x32,              // 20c .long 0xb9ab2032
    0xb9, 0x08, 0x00, 0x25,              // 210 agr   %r2,%r5
    0xa5, 0x26, 0x00, 0x3f,              // 214 nilh  %r2,63
    0xa5, 0x2b, 0x40, 0x00,              // 218 oill  %r2,16384
    0xa7, 0xf4, 0xff, 0xf6,              // 21c j     208
];

/// Releases all its pages.
#[rustfmt::skip]
const RELEASING: &[u8] = &[
    0xa5, 0x2f, 0x40, 0x00,              // 200 llill %r2,16384
    0xc0, 0x3f, 0x00, 0x3f, 0xf0, 0x00,  // 204 llilf %r3,4190208
    0x83, 0x23, 0x00, 0x10,              // 20a diag  %r2,%r3,16
    0xa7, 0xf4, 0xff, 0xfe,              // 20e j     20a
];

/// Releases all its pages, to be interrupted by its clock comparator sooner or later meanwhile: by then nothing is
/// released, or all.
#[rustfmt::skip]
const RELEASING_INTERRUPTED: &[u8] = &[
    0xeb, 0x00, 0x05, 0x20, 0x00, 0x2f,  // 200 lctlg %c0,%c0,1312
    0xd2, 0x0f, 0x01, 0xb0, 0x02, 0x88,  // 206 mvc   432(16,%r0),648
    0xc0, 0x3f, 0x00, 0x3f, 0xf0, 0x00,  // 20c llilf %r3,4190208
    0xa5, 0x2f, 0x40, 0x00,              // 212 llill %r2,16384
    0xa7, 0x49, 0x00, 0x00,              // 216 lghi  %r4,0
    0xa7, 0x69, 0x00, 0x40,              // 21a lghi  %r6,64
    0x5a, 0x40, 0x02, 0x98,              // 21e a     %r4,664
    0x50, 0x40, 0x20, 0x00,              // 222 st    %r4,0(%r2)
    0x50, 0x40, 0x30, 0x00,              // 226 st    %r4,0(%r3)
    0xb2, 0x05, 0x05, 0x30,              // 22a stck  1328
    0xe3, 0x10, 0x05, 0x30, 0x00, 0x04,  // 22e lg    %r1,1328
    0xb9, 0x08, 0x00, 0x14,              // 234 agr   %r1,%r4
    0xe3, 0x10, 0x05, 0x28, 0x00, 0x24,  // 238 stg   %r1,1320
    0xb2, 0x06, 0x05, 0x28,              // 23e sckc  1320
    0xad, 0x01, 0x05, 0x38,              // 242 stosm 1336,1
    0x83, 0x23, 0x00, 0x10,              // 246 diag  %r2,%r3,16
    0xac, 0xfe, 0x05, 0x38,              // 24a stnsm 1336,254
    0xa7, 0x66, 0xff, 0xe8,              // 24e brct  %r6,21e
    0x82, 0x00, 0x00, 0x60,              // 252 lpsw  96
    0x07, 0x00,                          // 256 nopr
    0xb2, 0x06, 0x02, 0xa0,              // 258 sckc  672
    0xd5, 0x01, 0x01, 0x3e, 0x02, 0x9c,  // 25c clc   318(2,%r0),668
    0xa7, 0x84, 0x00, 0x08,              // 262 je    272
    0xbf, 0x1f, 0x30, 0x00,              // 266 icm   %r1,15,0(%r3)
    0xa7, 0x74, 0x00, 0x0a,              // 26a jne   27e
    0xb2, 0xb2, 0x01, 0x30,              // 26e lpswe 304
    0xbf, 0x1f, 0x20, 0x00,              // 272 icm   %r1,15,0(%r2)
    0xa7, 0x84, 0x00, 0x04,              // 276 je    27e
    0xb2, 0xb2, 0x01, 0x30,              // 27a lpswe 304
    0x82, 0x00, 0x00, 0x68,              // 27e lpsw  104
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // 282 unused
    // 288: a PSW, for external interruptions
    0x00, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x58,
    0x00, 0x00, 0x80, 0x00,              // 298 by so much later: 8 us
    0x02, 0x46, 0x00, 0x00,              // 29c where the release is
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // 2a0 never
];

/// Stores into all its pages; that is all.
#[rustfmt::skip]
const TOUCHING: &[u8] = &[
    0xa7, 0x29, 0x00, 0x00,              // 200 lghi  %r2,0
    0xa7, 0x59, 0x10, 0x00,              // 204 lghi  %r5,4096
    0xc0, 0x3f, 0x00, 0x40, 0x00, 0x00,  // 208 llilf %r3,4194304
    0x50, 0x30, 0x27, 0x00,              // 20e st    %r3,1792(%r2)
    0xb9, 0x08, 0x00, 0x25,              // 212 agr   %r2,%r5
    0xb9, 0x20, 0x00, 0x23,              // 216 cgr   %r2,%r3
    0xa7, 0x44, 0xff, 0xfa,              // 21a jl    20e
    0x82, 0x00, 0x00, 0x60,              // 21e lpsw  96
];

/// Reads blocks, of which the first overwrites the list that names the second.
#[rustfmt::skip]
const READING_OVER_ITS_LIST: &[u8] = &[
    0xa5, 0x2f, 0x24, 0x00,              // 200 llill %r2,9216
    0xa7, 0x49, 0x00, 0x00,              // 204 lghi  %r4,0
    0x83, 0x24, 0x02, 0x50,              // 208 diag  %r2,%r4,592
    0xa5, 0x2f, 0x24, 0x80,              // 20c llill %r2,9344
    0xa7, 0x49, 0x00, 0x01,              // 210 lghi  %r4,1
    0x83, 0x24, 0x02, 0x50,              // 214 diag  %r2,%r4,592
    0xa7, 0x3f, 0x00, 0x00,              // 218 cghi  %r3,0
    0xa7, 0x74, 0x00, 0x04,              // 21c jne   224
    0x82, 0x00, 0x00, 0x60,              // 220 lpsw  96
    0x82, 0x00, 0x00, 0x68,              // 224 lpsw  104
    0xff, 0xff, 0x07, 0x07,              // 228 .long 0xffff0707
];
