//! What comes of instructions that trap: those that are listed as absent or privileged, and some that the
//! host executes.

use host::emulate::decode::length;
use host::emulate::listing::{Fate, Row, rows};
use libtest_mimic::Trial;

use crate::runs::{leak, small};
use crate::support::{Verdict, run, trial};
use crate::vcpus::{FAILURE, PROGRAM, SUCCESS, psw, put};

pub(crate) fn tests() -> Vec<Trial> {
    vec![trial("instructions::as_listed", as_listed)]
}

/// Operation and privileged-operation exceptions.
const OPERATION: u8 = 1;
const PRIVILEGED: u8 = 2;

/// Where the parts of the program begin.
const EXECUTED_AT: usize = 0x3000;
const SUPERVISOR_AT: usize = 0x4000;
const PROBLEM_AT: usize = 0x5000;

/// A guest that executes what the host emulates, then what is absent, and the same with what is privileged
/// in the problem state.
fn as_listed() -> Verdict {
    let absent = |row: &Row| matches!(row.fate, Fate::Absent(_)).then_some(OPERATION);
    let refused = |row: &Row| match row.fate {
        Fate::Emulated { privileged: true } => Some(PRIVILEGED),
        _ => absent(row),
    };
    let mut image = vec![0; 0x8000];
    image[..8].copy_from_slice(&[0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x02, 0x00]);
    put(&mut image, 0x60, &SUCCESS);
    put(&mut image, 0x68, &FAILURE);
    put(&mut image, 0x1c0, &psw(0, 0x380)); // supervisor call
    put(&mut image, PROGRAM, &psw(0, 0x300));
    put(&mut image, 0x200, BEGIN);
    put(&mut image, 0x300, INTERRUPTED);
    put(&mut image, 0x380, CALLED);
    put(&mut image, 0x410, &psw(0x0001, PROBLEM_AT as u64));
    put(&mut image, 0x420, &psw(0x0002, 0));
    put(&mut image, 0x700, &EXECUTED[..4]);
    put(&mut image, 0x708, &EXECUTED[..4]);
    put(&mut image, 0x70c, &EXECUTED[..4]);
    put(&mut image, EXECUTED_AT, EXECUTED);
    let problem_state = [0xb2, 0xb2, 0x04, 0x10]; // lpswe 0x410
    put(&mut image, SUPERVISOR_AT, &cells(absent, &problem_state));
    put(&mut image, PROBLEM_AT, &cells(refused, &[0x0a, 0x00])); // svc 0
    let folder = crate::support::folder();
    let path = folder.path().join("guest.img");
    std::fs::write(&path, image).map_err(|error| error.to_string())?;
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    run(&small(&["--guest", path]))?.must_be_good()
}

/// Each instruction in question with the exception that it must be, and what follows the last.
fn cells(exception: impl Fn(&Row) -> Option<u8>, last: &[u8]) -> Vec<u8> {
    let mut code = Vec::new();
    for row in rows() {
        let Some(exception) = exception(&row) else {
            continue;
        };
        let instruction = encode(row.opcode);
        let halfwords = (6 + instruction.len() + 2) / 2;
        code.extend([0xa7, 0x89, 0, exception]); // lghi %r8,exception
        code.extend([0xc0, 0x90, 0, 0, 0, halfwords as u8]); // larl %r9,the next one
        code.extend(instruction);
        code.extend([0x0a, 0xff]); // svc 255
    }
    code.extend(last);
    code
}

/// An instruction whose operands are zero.
fn encode(opcode: u16) -> Vec<u8> {
    let [first, second] = opcode.to_be_bytes();
    let mut bytes = vec![0; length(first)];
    bytes[0] = first;
    bytes[if matches!(first, 0xe3 | 0xeb) { 5 } else { 1 }] = second;
    bytes
}

/// Expects a special-operation exception, and goes on behind it.
#[rustfmt::skip]
const BEGIN: &[u8] = &[
    0xa7, 0x89, 0x00, 0x13,               // 200 lghi  %r8,0x13
    0xa7, 0x99, 0x40, 0x00,               // 204 lghi  %r9,0x4000
    0xa7, 0x19, 0x30, 0x00,               // 208 lghi  %r1,0x3000
    0x07, 0xf1,                           // 20c br    %r1
];

/// Program interruptions: the one expected, and goes on as before where register 9 says. If it is another
/// one, the guest ends with that address: it is behind the instruction.
#[rustfmt::skip]
const INTERRUPTED: &[u8] = &[
    0x49, 0x80, 0x00, 0x8e,               // 300 ch    %r8,0x8e
    0xa7, 0x74, 0x00, 0x07,               // 304 jne   312
    0xe3, 0x90, 0x01, 0x58, 0x00, 0x24,   // 308 stg   %r9,0x158
    0xb2, 0xb2, 0x01, 0x50,               // 30e lpswe 0x150
    0xe3, 0x90, 0x04, 0x28, 0x00, 0x24,   // 312 stg   %r9,0x428
    0xb2, 0xb2, 0x04, 0x20,               // 318 lpswe 0x420
];

/// Supervisor calls: number 0 at the end, and another one where there was no program interruption.
#[rustfmt::skip]
const CALLED: &[u8] = &[
    0x95, 0x00, 0x00, 0x8b,               // 380 cli   0x8b,0
    0xa7, 0x74, 0xff, 0xc7,               // 384 jne   312
    0x82, 0x00, 0x00, 0x60,               // 388 lpsw  0x60
];

/// Instructions that no guest of ours executes, with their results; the last one is an exception.
#[rustfmt::skip]
const EXECUTED: &[u8] = &[
    0xa5, 0x7f, 0x30, 0x00,               // 3000 llill %r7,0x3000
    0xa7, 0x29, 0x01, 0x23,               // 3004 lghi  %r2,291
    0xb2, 0x0a, 0x00, 0x50,               // 3008 spka  80
    0xb2, 0x0b, 0x00, 0x00,               // 300c ipk
    0xa7, 0x2e, 0x01, 0x50,               // 3010 chi   %r2,336
    0xa7, 0x74, 0x00, 0x59,               // 3014 jne   30c6
    0xb2, 0x0a, 0x00, 0x00,               // 3018 spka  0
    0xa7, 0x19, 0x00, 0xc8,               // 301c lghi  %r1,200
    0xa7, 0x39, 0x00, 0x00,               // 3020 lghi  %r3,0
    0xd9, 0x13, 0x06, 0x00, 0x70, 0x00,   // 3024 mvck  0x600(%r1),0(%r7),%r3
    0xa7, 0x74, 0x00, 0x4e,               // 302a jne   30c6
    0xd5, 0xc7, 0x06, 0x00, 0x70, 0x00,   // 302e clc   0x600(200),0(%r7)
    0xa7, 0x74, 0x00, 0x49,               // 3034 jne   30c6
    0xa5, 0x1e, 0x00, 0x01,               // 3038 llilh %r1,1
    0xd9, 0x13, 0x06, 0x00, 0x70, 0x00,   // 303c mvck  0x600(%r1),0(%r7),%r3
    0xa7, 0xe4, 0x00, 0x42,               // 3042 jno   30c6
    0xd7, 0xc7, 0x06, 0x00, 0x06, 0x00,   // 3046 xc    0x600(200),0x600
    0xa7, 0x09, 0x00, 0x03,               // 304c lghi  %r0,3
    0xe5, 0x0e, 0x06, 0x00, 0x70, 0x00,   // 3050 mvcsk 0x600,0(%r7)
    0xd5, 0x07, 0x06, 0x00, 0x07, 0x00,   // 3056 clc   0x600(8),0x700
    0xa7, 0x74, 0x00, 0x35,               // 305c jne   30c6
    0xe5, 0x0f, 0x06, 0x04, 0x70, 0x00,   // 3060 mvcdk 0x604,0(%r7)
    0xd5, 0x07, 0x06, 0x00, 0x07, 0x08,   // 3066 clc   0x600(8),0x708
    0xa7, 0x74, 0x00, 0x2d,               // 306c jne   30c6
    0x92, 0x01, 0x06, 0x20,               // 3070 mvi   0x620,1
    0xb2, 0x3a, 0x06, 0x20,               // 3074 stcps 0x620
    0x95, 0x00, 0x06, 0x20,               // 3078 cli   0x620,0
    0xa7, 0x74, 0x00, 0x25,               // 307c jne   30c6
    0xb2, 0x37, 0x00, 0x00,               // 3080 sal
    0xb2, 0x3c, 0x00, 0x00,               // 3084 schm
    0xb2, 0x48, 0x00, 0x00,               // 3088 palb
    0x99, 0x13, 0x06, 0x00,               // 308c trace %r1,%r3,0x600
    0xeb, 0x13, 0x06, 0x00, 0x00, 0x0f,   // 3090 tracg %r1,%r3,0x600
    0xb2, 0x76, 0x00, 0x00,               // 3096 xsch
    0xa7, 0xe4, 0x00, 0x16,               // 309a jno   30c6
    0xb2, 0x74, 0x00, 0x00,               // 309e siga  0
    0xa7, 0xe4, 0x00, 0x12,               // 30a2 jno   30c6
    0xa7, 0x09, 0x08, 0x00,               // 30a6 lghi  %r0,0x800
    0xa5, 0x4f, 0x70, 0x00,               // 30aa llill %r4,0x7000
    0xb9, 0x04, 0x00, 0x57,               // 30ae lgr   %r5,%r7
    0xb2, 0x54, 0x00, 0x45,               // 30b2 mvpg  %r4,%r5
    0xa7, 0x74, 0x00, 0x08,               // 30b6 jne   30c6
    0xa7, 0x68, 0x00, 0x00,               // 30ba lhi   %r6,0
    0xb2, 0x24, 0x00, 0x60,               // 30be iac   %r6
    0xa7, 0xf4, 0x00, 0x02,               // 30c2 j     30c6
    0x82, 0x00, 0x00, 0x68,               // 30c6 lpsw  104
];
