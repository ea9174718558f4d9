//! Service-call control blocks, from both sides: the guest's service processor answers any block within its bounds, our
//! driver reads any answer, and each understands what the other writes.

use arbitrary::{Result, Unstructured};
use drivers::line_mode;
use drivers::sclp::block::{self, Block, MOST_ASCII, MOST_LINE, SIZE};
use host::dev::console::{GuestConsole, Offer};
use host::dev::service::{HEADER, Service, serve};

/// Commands, and others that are none.
const READ_INFO: u32 = 0x0002_0001;
const EVENT_MASK: u32 = 0x0078_0005;
const EVENT_DATA: u32 = 0x0076_0005;
const COMMANDS: [u32; 8] = [
    READ_INFO,
    0x0012_0001,
    0x0001_0001,
    EVENT_MASK,
    EVENT_DATA,
    0x0077_0005,
    0x0002_0002,
    0,
];
/// Response codes.
const READ: u16 = 0x0010;
const COMPLETE: u16 = 0x0020;
const ALL_CODES: [u16; 6] = [READ, COMPLETE, 0x01f0, 0x0300, 0x60f0, 0x74f0];

/// Tries a command with a block.
pub fn run(data: &[u8]) {
    let _ = check(&mut Unstructured::new(data));
    check_answer(data);
    check_text(data);
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let command = COMMANDS[usize::from(input.arbitrary::<u8>()? & 7)];
    let offer = if input.arbitrary()? {
        Offer::Ascii
    } else {
        Offer::Line
    };
    let cpus = usize::from(input.arbitrary::<u8>()? & 63) + 1;
    let memory = u64::from(input.int_in_range(1..=2048_u16)?) << 20;
    let mut console = GuestConsole::new(offer);
    let mut given = input.bytes(input.len().min(SIZE))?.to_vec();
    given.resize(given.len().max(HEADER), 0);
    let mut block = given.clone();
    let mut service = Service {
        memory,
        cpus,
        console: &mut console,
    };
    let code = serve(&mut service, command, &mut block);
    assert!(ALL_CODES.contains(&code), "{code:x}");
    assert_eq!(
        (block.len(), &block[..HEADER]),
        (given.len(), &given[..HEADER])
    );
    if !matches!(code, READ | COMPLETE) || command == EVENT_DATA {
        assert!(block == given, "what fails, or writes, answers nothing");
    }
    if command == READ_INFO && code == READ {
        check_machine(&block, memory, cpus);
    }
    let lines = console.all();
    assert!(lines.is_empty() || command == EVENT_DATA);
    // Each line has cost the guest a byte at least, and each character no less.
    let text: usize = lines.iter().map(|line| line.chars().count() + 1).sum();
    assert!(text <= given.len(), "{text} characters");
    Ok(())
}

/// Our driver reads the machine out of the answer that the guest has.
fn check_machine(answer: &[u8], memory: u64, cpus: usize) {
    let mut whole: Block = [0; SIZE];
    whole[..answer.len()].copy_from_slice(answer);
    let machine = block::machine(&whole);
    assert_eq!(machine.memory, memory);
    assert_eq!(machine.cpus, u64::MAX >> (64 - cpus));
}

/// Our driver reads an answer of anybody's.
fn check_answer(data: &[u8]) {
    let mut answer: Block = [0; SIZE];
    let count = data.len().min(SIZE);
    answer[..count].copy_from_slice(&data[..count]);
    let _ = (block::machine(&answer), block::machine_receives(&answer));
    let mut total = HEADER;
    block::events(&answer, |_, event| {
        // Behind a header of its own.
        total += 6 + event.len();
        if let Some(text) = line_mode::command(event) {
            assert!(text.len() < event.len());
        }
    });
    assert!(total <= SIZE);
}

/// What our driver prints, the guest's console has.
fn check_text(data: &[u8]) {
    let text: Vec<u8> = data.iter().map(|byte| b' ' + byte % 95).collect();
    for (is_line, most) in [(false, MOST_ASCII), (true, MOST_LINE - 1)] {
        let text = &text[..text.len().min(most)];
        let mut written: Block = [0; SIZE];
        if is_line {
            block::put_line(&mut written, text);
        } else {
            block::put_ascii(&mut written, text);
        }
        let mut console = GuestConsole::new(Offer::Ascii);
        let length = usize::from(u16::from_be_bytes([written[0], written[1]]));
        let mut service = Service {
            memory: 1 << 20,
            cpus: 1,
            console: &mut console,
        };
        let code = serve(&mut service, EVENT_DATA, &mut written[..length]);
        assert_eq!(code, COMPLETE);
        let lines = console.all().concat();
        assert_eq!(lines.as_bytes(), text);
    }
}

/// A block for each command, as our driver and others write them.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let input = |command: u8, fill: &dyn Fn(&mut Block)| {
        let mut block: Block = [0; SIZE];
        fill(&mut block);
        let length = usize::from(u16::from_be_bytes([block[0], block[1]])).min(300);
        [&[command, 1, 3, 24, 0], &block[..length]].concat()
    };
    let mut both = input(4, &|block| block::put_line(block, b"one"));
    both.extend([0, 9, 0x1a, 0, 0, 0, b't', b'w', b'o']);
    vec![
        input(0, &block::put_read_info),
        input(1, &block::put_read_info),
        input(2, &block::put_read_info),
        input(3, &|block| {
            block::put_event_mask(block, 0x4000_0040, 0x8000_0000)
        }),
        input(4, &|block| block::put_ascii(block, b"text\nof two lines")),
        input(5, &block::put_read_event),
        both,
    ]
}
