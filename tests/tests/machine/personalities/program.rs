//! Programs that look at page states, as bytes: a test needs no assembler. What they find stands in the address of the
//! wait that ends them, six bytes in front of the twelve bits that say that all went well.

use crate::vcpus::{PROGRAM, psw, put};

const BEGIN: usize = 0x200;
const HANDLER: usize = 0x800;
const WAIT: usize = 0x720;
const START: usize = 0x740;
/// Bit of the PSW that waits for nothing.
const WAITING: u16 = 0x0002;

/// After an interruption: register 3 has its code with the first bit on, 4 how far behind the instruction (register 11)
/// the old PSW is, 5 the instruction's length. It goes on behind the instruction (register 9).
#[rustfmt::skip]
const HANDLE: &[u8] = &[
    0xe3, 0x30, 0x00, 0x8f, 0x00, 0x90, // llgc  %r3,0x8f
    0xa5, 0x3b, 0x00, 0x80,             // oill  %r3,0x80
    0xe3, 0x40, 0x01, 0x58, 0x00, 0x04, // lg    %r4,0x158
    0xb9, 0x09, 0x00, 0x4b,             // sgr   %r4,%r11
    0xe3, 0x50, 0x00, 0x8d, 0x00, 0x90, // llgc  %r5,0x8d
    0x07, 0xf9,                         // br    %r9
];

/// Loads the byte at register 2 into register 3.
const LOAD: &[u8] = &[0xe3, 0x30, 0x20, 0x00, 0x00, 0x90];

/// ESSA: register 3 is what was, register 2 has the address.
const fn essa(orc: u8) -> [u8; 4] {
    [0xb9, 0xab, orc << 4, 0x32]
}

/// A flat image that is being written.
pub(super) struct Program {
    bytes: Vec<u8>,
    at: usize,
}

impl Program {
    fn new() -> Self {
        let mut program = Self {
            bytes: vec![0; 0x2000],
            at: BEGIN,
        };
        let start = [0x00, 0x08, 0x00, 0x00, 0x80, 0x00, 0x02, 0x00];
        put(&mut program.bytes, 0, &start);
        put(&mut program.bytes, PROGRAM, &psw(0, HANDLER as u64));
        put(&mut program.bytes, HANDLER, HANDLE);
        put(&mut program.bytes, WAIT, &psw(WAITING, 0));
        program.code(&[0xb2, 0xb2, 0x07, 0x40]); // lpswe START
        put(&mut program.bytes, START, &psw(0, BEGIN as u64 + 4));
        program.code(&[0xa7, 0x19, 0x00, 0x00]); // lghi %r1,0
        program.at_page(0x10);
        program
    }

    fn code(&mut self, bytes: &[u8]) {
        put(&mut self.bytes, self.at, bytes);
        self.at += bytes.len();
    }

    /// Register 2 has an address from now on, in units of 64 KiB.
    fn at_page(&mut self, high: u16) {
        let [first, second] = high.to_be_bytes();
        self.code(&[0xa5, 0x2e, first, second]); // llilh %r2,high
    }

    /// Executes an instruction that may be interrupted.
    fn step(&mut self, instruction: &[u8]) {
        let behind = (12 + instruction.len() as u8) / 2;
        self.code(&[0xc0, 0x90, 0, 0, 0, behind]); // larl %r9,behind
        self.code(&[0xc0, 0xb0, 0, 0, 0, 3]); // larl %r11,instruction
        self.code(instruction);
    }

    /// What register 3 has is found.
    fn finds(&mut self) {
        self.code(&[0xeb, 0x11, 0x00, 0x08, 0x00, 0x0d]); // sllg %r1,%r1,8
        self.code(&[0xb9, 0x81, 0x00, 0x13]); // ogr %r1,%r3
    }

    /// So is where the old PSW was, and the length.
    fn finds_length(&mut self) {
        self.code(&[0xeb, 0x11, 0x00, 0x08, 0x00, 0x0d]); // sllg %r1,%r1,8
        self.code(&[0xeb, 0x44, 0x00, 0x04, 0x00, 0x0d]); // sllg %r4,%r4,4
        self.code(&[0xb9, 0x81, 0x00, 0x14]); // ogr %r1,%r4
        self.code(&[0xb9, 0x81, 0x00, 0x15]); // ogr %r1,%r5
    }

    /// Both.
    fn look(&mut self, instruction: &[u8]) {
        self.step(instruction);
        self.finds();
    }

    fn end(mut self) -> Self {
        self.code(&[0xeb, 0x11, 0x00, 0x0c, 0x00, 0x0d]); // sllg %r1,%r1,12
        self.code(&[0xa5, 0x1b, 0x0f, 0xff]); // oill %r1,0xfff
        self.code(&[0xe3, 0x10, 0x07, 0x28, 0x00, 0x24]); // stg %r1,WAIT + 8
        self.code(&[0xb2, 0xb2, 0x07, 0x20]); // lpswe WAIT
        assert!(self.at <= WAIT, "code reaches data");
        self
    }

    pub(super) fn image(&self) -> &[u8] {
        &self.bytes
    }
}

/// What a program has found, from how its guest ended.
pub(super) fn found(reason: &str) -> Option<[u8; 6]> {
    let address = reason.strip_prefix("disabled wait at 0x")?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let bytes = (address >> 12).to_be_bytes();
    (address & 0xfff == 0xfff).then(|| bytes[2..].try_into().expect("six of eight bytes"))
}

/// A page that was never touched is queried, made unused, loaded from, made volatile, released and loaded from; then a
/// page that there is not, and a request that is not offered.
pub(super) fn states() -> Program {
    let mut program = Program::new();
    program.step(&essa(0));
    program.look(&essa(2));
    program.look(LOAD);
    program.look(&essa(3));
    program.step(&[0x83, 0x22, 0x00, 0x10]); // diag %r2,%r2,0x10
    program.look(LOAD);
    program.at_page(0x7fff);
    program.look(&essa(1));
    program.at_page(0x10);
    program.look(&essa(7));
    program.end()
}

/// One page with a stable content and one with a volatile content, and then so many others that there is no room for
/// them.
pub(super) fn driven_out() -> Program {
    /// More than there are frames.
    const OTHERS: u16 = 3000;
    let [first, second] = OTHERS.to_be_bytes();
    let mut program = Program::new();
    program.code(&[0x92, 0x5a, 0x20, 0x00]); // mvi 0(%r2),0x5a
    program.at_page(0x11);
    program.code(&[0x92, 0xa5, 0x20, 0x00]); // mvi 0(%r2),0xa5
    program.code(&essa(3));
    program.at_page(0x20);
    program.code(&[0xa7, 0x69, first, second]); // lghi %r6,OTHERS
    program.code(&[0xe3, 0x20, 0x20, 0x00, 0x00, 0x24]); // stg %r2,0(%r2)
    program.code(&[0xa7, 0x2b, 0x10, 0x00]); // aghi %r2,4096
    program.code(&[0xa7, 0x67, 0xff, 0xfb]); // brctg %r6,stg
    // This one first: others come in with the one that is brought in.
    program.at_page(0x11);
    program.look(&essa(6));
    program.look(&essa(0));
    program.at_page(0x10);
    program.look(&essa(0));
    program.look(&essa(5));
    program.look(&essa(0));
    program.look(LOAD);
    program.end()
}

/// Instructions that execute what is not there: in an unused page, which goes at once, then in a volatile one.
pub(super) fn execute() -> Program {
    const EX: [u8; 4] = [0x44, 0x00, 0x20, 0x00];
    let mut program = Program::new();
    program.code(&essa(2));
    program.look(&EX);
    program.finds_length();
    let distance = (0x10_0000 - (program.at as i32 + 12)) / 2;
    let [a, b, c, d] = distance.to_be_bytes();
    program.look(&[0xc6, 0x00, a, b, c, d]); // exrl %r0,0x100000
    program.finds_length();
    program.code(&essa(3));
    program.look(&EX);
    program.finds_length();
    program.end()
}
