//! Cases: an instruction in a certain state, and the image that executes many of them.

use super::programs;
use super::specs::{By, Operand, SPECS, Spec};
use crate::vcpus::{SUCCESS, put};

/// Where the image has its parts.
const AFTER: usize = 0x1200;
const GOT: u64 = 0x128e;
const NEXT: u64 = 0x1294;
const DIGITS: usize = 0x3000;
const MESSAGE: usize = 0x4000;
/// What the storage of a case, which is at 0x20000, is at the start of each.
const PRISTINE: usize = 0x3_0000;
const CASES: usize = 0x4_0000;
const CASE: usize = 0x400;
/// Where a case's instruction is, the target of an EXECUTE of it, and a supervisor call.
const CODE: u64 = 0x2_c000;
const TARGET: usize = 0x50;
const CALL: usize = 0x60;
/// Length of a result in bytes.
pub(crate) const RESULT: usize = 720;

/// Control register 0: extraction authority, secondary space, floating-point registers.
const CR0: u64 = 0x0c04_00e0;
const LOW_ADDRESS_PROTECTION: u64 = 0x1000_0000;
const EXTRACTION_AUTHORITY: u64 = 0x0800_0000;
const SSM_SUPPRESSION: u64 = 0x4000_0000;

/// PSW bits, as [`crate::vcpus::psw`] takes them, and addressing modes.
const DAT: u64 = 0x0400 << 48;
const PROBLEM: u64 = 0x0001 << 48;
const KEY_8: u64 = 0x0080 << 48;
const SECONDARY: u64 = 0x0000_8000 << 32;
const HOME: u64 = 0x0000_c000 << 32;
const BITS_64: u64 = 0x1_8000_0000;
const BITS_31: u64 = 0x8000_0000;

/// An instruction in a state.
pub(crate) struct Case {
    /// The instruction's name, and what is special.
    pub(crate) name: String,
    mask: u64,
    registers: [u64; 16],
    control: [u64; 16],
    code: Vec<u8>,
    /// Executed before, with all registers free.
    prepare: &'static [u8],
}

/// A page that is protected by a key, from loads too; reference and change bits of another are on.
#[rustfmt::skip]
const PREPARE: &[u8] = &[
    0xc0, 0x5f, 0x00, 0x02, 0xd0, 0x00, // llilf %r5,0x2d000
    0xa7, 0x69, 0x00, 0x28,             // lghi  %r6,0x28
    0xb2, 0x2b, 0x00, 0x65,             // sske  %r6,%r5
    0xc0, 0x5f, 0x00, 0x02, 0xe0, 0x00, // llilf %r5,0x2e000
    0xa7, 0x69, 0x00, 0x36,             // lghi  %r6,0x36
    0xb2, 0x2b, 0x00, 0x65,             // sske  %r6,%r5
    0x07, 0xfe,                         // br    %r14
];

impl Case {
    fn new(spec: &Spec, what: &str) -> Self {
        let mut registers = [
            0, 16, 0x2222, 0, 0x2_6100, 0x2_3100, 0, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff,
        ];
        for (number, value) in spec.registers {
            registers[*number] = *value;
        }
        let mut control = [0; 16];
        (control[0], control[14]) = (CR0, 0xc200_0000);
        control[3] = 0xc0c0_0000; // keys 0, 1 and more
        (control[1], control[7], control[13]) = (0x2_0000, 0x2_2000, 0x2_0000);
        let mut code = spec.code.to_vec();
        code.extend([0x0a, 0x00]);
        Self {
            name: format!("{}, {what}", spec.name),
            mask: BITS_64,
            registers,
            control,
            code,
            prepare: PREPARE,
        }
    }

    fn masked(mut self, mask: u64) -> Self {
        self.mask |= mask;
        self
    }

    fn at(mut self, operand: &Operand, address: u64) -> Self {
        self.registers[operand.0] = address;
        self
    }

    fn control(mut self, bits: u64) -> Self {
        self.control[0] ^= bits;
        self
    }

    /// As the target of an EXECUTE, which changes nothing of it.
    fn executed(mut self, length: usize) -> Self {
        let rest = self.code.split_off(length);
        let target = self.code;
        // exrl %r0,TARGET
        self.code = vec![0xc6, 0x00, 0, 0, 0, (TARGET / 2) as u8];
        self.code.extend(rest);
        self.code.resize(TARGET, 0);
        self.code.extend(target);
        self
    }

    /// What a discard fault that leaves no trace is to this case: all general registers, the old PSW.
    pub(crate) fn untouched(&self) -> (Vec<u8>, [u8; 16]) {
        let registers = self.registers.map(u64::to_be_bytes).concat();
        let psw = u128::from(self.mask) << 64 | u128::from(CODE);
        (registers, psw.to_be_bytes())
    }

    fn record(&self) -> Vec<u8> {
        let mut record = vec![0; CASE];
        let psw = u128::from(self.mask) << 64 | u128::from(CODE);
        put(&mut record, 0, &psw.to_be_bytes());
        for number in 0..16 {
            let at = 8 * number;
            put(
                &mut record,
                0x80 + at,
                &self.registers[number].to_be_bytes(),
            );
            put(&mut record, 0x100 + at, &self.control[number].to_be_bytes());
            put(
                &mut record,
                0x200 + at / 2,
                &(0xa0 + number as u32).to_be_bytes(),
            );
            put(
                &mut record,
                0x240 + at,
                &(0x4110_0000_0000_0000 + number as u64).to_be_bytes(),
            );
        }
        put(&mut record, 0x2c0, &[0x00, 0x00, 0x00, 0x03]);
        put(&mut record, 0x300, &self.code);
        put(&mut record, 0x300 + CALL, &[0x0a, 0x01]);
        put(&mut record, 0x380, self.prepare);
        record
    }
}

/// All cases of an instruction: plainly, in other states, and with operands that are not to be had.
fn of(spec: &Spec) -> Vec<Case> {
    let new = |what| Case::new(spec, what);
    let length = host::emulate::decode::length(spec.code[0]);
    let mut cases = vec![
        new("plainly"),
        new("DAT on").masked(DAT),
        new("problem state").masked(PROBLEM),
        new("problem state, DAT on").masked(DAT | PROBLEM),
        new("problem state without authority")
            .masked(DAT | PROBLEM)
            .control(EXTRACTION_AUTHORITY),
        new("secondary space").masked(DAT | SECONDARY),
        new("home space").masked(DAT | HOME),
        new("with SSM suppression").control(SSM_SUPPRESSION),
        new("executed").executed(length),
        new("executed in the problem state")
            .masked(PROBLEM)
            .executed(length),
    ];
    let mut narrow = new("31-bit addresses");
    narrow.mask = BITS_31;
    for (number, ..) in spec.operands {
        narrow.registers[*number] |= 0x1234_5678_8000_0000;
    }
    cases.push(narrow);
    for (number, operand) in spec.operands.iter().enumerate() {
        let new = |what: &str| Case::new(spec, &format!("operand {} {what}", number + 1));
        let address = Case::new(spec, "").registers[operand.0];
        if operand.2 > 1 {
            cases.push(new("misaligned").at(operand, address + 1));
            cases.push(
                new("misaligned in the problem state")
                    .masked(PROBLEM)
                    .at(operand, address + 1),
            );
            cases.push(
                new("misaligned where nothing is")
                    .masked(DAT)
                    .at(operand, 0x2_7001),
            );
        }
        cases.push(new("beyond memory").at(operand, 0x200_0000));
        cases.push(
            new("at a low address")
                .control(LOW_ADDRESS_PROTECTION)
                .at(operand, 0x100),
        );
        cases.push(
            new("protected by its key")
                .masked(KEY_8)
                .at(operand, 0x2_d000),
        );
        if operand.1 == By::Logical {
            cases.extend([
                new("not mapped").masked(DAT).at(operand, 0x2_7000),
                new("of no segment").masked(DAT).at(operand, 0x90_0000),
                new("of no table").masked(DAT).at(operand, 1 << 40),
                new("protected by DAT").masked(DAT).at(operand, 0x2_8000),
                new("mapped beyond memory")
                    .masked(DAT)
                    .at(operand, 0x2_9000),
                new("in two pages")
                    .masked(DAT)
                    .at(operand, 0x2_7000 - operand.2),
                new("at a low address, DAT on")
                    .masked(DAT)
                    .control(LOW_ADDRESS_PROTECTION)
                    .at(operand, 0x100),
            ]);
        }
    }
    cases
}

/// A page that is discarded as soon as it is volatile.
const LOST: u64 = 0x2_e000;

/// Cases with operands in a page that has been discarded.
pub(crate) fn lost() -> Vec<Case> {
    /// They look at no content of their operands.
    const NO_ACCESS: &[&str] = &[
        "TRACE", "TRACG", "IVSK", "ISKE", "RRBE", "SSKE", "IPTE", "STSCH", "TSCH", "TPI",
    ];
    let specs = SPECS.iter().filter(|spec| !NO_ACCESS.contains(&spec.name));
    let cases = specs.flat_map(|spec| {
        let operands = spec.operands.iter().enumerate();
        let operands = operands.filter(|(number, _)| (spec.name, *number) != ("STRAG", 1));
        operands.map(|(number, operand)| {
            let mask = if operand.1 == By::Logical { DAT } else { 0 };
            let what = format!("operand {} discarded", number + 1);
            let case = Case::new(spec, &what).masked(mask).at(operand, LOST);
            Case {
                prepare: PREPARE_LOST,
                ..case
            }
        })
    });
    cases.collect()
}

/// The discarded page becomes volatile.
#[rustfmt::skip]
const PREPARE_LOST: &[u8] = &[
    0xc0, 0x5f, 0x00, 0x02, 0xe0, 0x00, // llilf %r5,0x2e000
    0xb9, 0xab, 0x30, 0x75,             // essa  %r7,%r5,3
    0x07, 0xfe,                         // br    %r14
];

/// As [`image`], for cases with a page that is discarded: it is stable before all is looked at.
pub(crate) fn image_of_lost(cases: &[Case]) -> Vec<u8> {
    let mut image = image(cases);
    let room = AFTER + 6;
    assert_eq!(
        image[room..room + 4],
        [0x07, 0x07, 0x07, 0x07],
        "there is room"
    );
    put(&mut image, room, &[0xb9, 0xab, 0x10, 0x35]); // essa %r3,%r5,1
    image
}

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    SPECS.iter().flat_map(of).collect()
}

/// The image that executes them one after the other, and prints a result for each.
pub(crate) fn image(cases: &[Case]) -> Vec<u8> {
    let mut image = vec![0; CASES + CASE * cases.len()];
    put_lowcore(&mut image, cases.len() as u64);
    for byte in 0..=255_u8 {
        let digits = format!("{byte:02x}");
        put(
            &mut image,
            DIGITS + 2 * usize::from(byte),
            digits.as_bytes(),
        );
    }
    // A block with one event: text, and an end of line.
    let (event, text) = (6 + 2 * RESULT + 1, MESSAGE + 8);
    put(&mut image, MESSAGE, &(8 + event as u16).to_be_bytes());
    put(&mut image, text, &(event as u16).to_be_bytes());
    image[text + 2] = 0x1a;
    put_storage(&mut image[PRISTINE..PRISTINE + 0x1_0000]);
    // What a prefix area elsewhere has to be.
    let area = image[..0x2000].to_vec();
    put(&mut image, PRISTINE + 0x4000, &area);
    for (number, case) in cases.iter().enumerate() {
        put(&mut image, CASES + CASE * number, &case.record());
    }
    image
}

fn put_lowcore(image: &mut [u8], cases: u64) {
    let psw = |address| crate::vcpus::psw(0, address);
    put(
        image,
        0,
        &[
            0x00,
            0x08,
            0x00,
            0x00,
            0x80 | (NEXT >> 24) as u8,
            0,
            (NEXT >> 8) as u8,
            NEXT as u8,
        ],
    );
    put(image, 0x60, &SUCCESS);
    image[0x80..0xd0].fill(0x11);
    image[0xa0] = 0;
    image[0x120..0x180].fill(0x11);
    // Program, external, supervisor call, machine check, input/output, restart.
    let classes = [0x1d0, 0x1b0, 0x1c0, 0x1e0, 0x1f0, 0x1a0];
    for (number, class) in classes.into_iter().enumerate() {
        put(image, class, &psw(0x600 + 8 * number as u64));
    }
    put(image, 0x600, programs::HANDLERS);
    put(image, AFTER, programs::RUN);
    put(image, 0x740, &psw(0x608));
    put(image, 0x750, &crate::vcpus::psw(0x0102, 0));
    put(image, 0x760, &psw(GOT));
    put(image, 0x770, &cases.to_be_bytes());
    put(image, 0x780, &(CR0 | 0x200).to_be_bytes()); // service signals
}

/// Tables, what instructions load, and data.
fn put_storage(storage: &mut [u8]) {
    let mut entry = |at: usize, entry: u64| put(storage, at, &entry.to_be_bytes());
    for index in 0..512 {
        let primary = if index < 2 { 0x2_1000 } else { 0x20 };
        let secondary = if index == 0 { 0x2_1800 } else { 0x20 };
        entry(8 * index, primary);
        entry(0x2000 + 8 * index, secondary);
    }
    for index in 0..256 {
        let page = (index as u64) << 12;
        let primary = match index {
            0x27 => 0x400,
            0x28 => page | 0x200,
            0x29 => 0x7ff0_0000,
            0x2b => 0x2_3000,
            _ => page,
        };
        let secondary = if index == 0x26 { 0x2_3000 } else { primary };
        entry(0x1000 + 8 * index, primary);
        entry(0x1800 + 8 * index, secondary);
    }
    for at in (0x3000..0x4000).step_by(4) {
        put(storage, at, &(0x0023_0000 + at as u32).to_be_bytes());
    }
    storage[0xd800..0xf000].fill(0xde);
    put(storage, 0x6180, &[0x61; 0x80]);
    for at in [0x3200, 0x6200] {
        let short = [0x00, 0x08, 0x00, 0x00, 0x80, 0x02, 0xc0, CALL as u8];
        put(storage, at, &short);
        put(
            storage,
            at + 0x10,
            &crate::vcpus::psw(0, CODE + CALL as u64),
        );
        put(
            storage,
            at + 0x20,
            &[0x00, 0x02, 0x40, 0x00, 0x7f, 0xff, 0xe0, 0x00],
        );
    }
}
