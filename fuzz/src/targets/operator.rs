//! The operator's script and what is typed: a script means the same when it is written anew, is followed in order, and
//! typing has lines however it arrives.

use host::operator::{Command, Deed, Operator, Step, parse};

use super::assert_is_one_line;

/// Tries a script, and the same as if it were typed.
pub fn run(data: &[u8]) {
    check_typing(data);
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    for line in text.split('\n') {
        check_command(line);
    }
    match parse(text) {
        Ok(steps) => check_script(text, &steps),
        Err(error) => assert_is_one_line(&error),
    }
}

fn check_typing(data: &[u8]) {
    let typed = |pieces: [&[u8]; 2]| {
        let mut operator = Operator::new(Vec::new(), true, 0);
        pieces.map(|piece| operator.typed(piece)).concat()
    };
    let lines = typed([data, b"\n"]);
    assert_eq!(
        lines,
        typed([
            &data[..data.len() / 2],
            &[&data[data.len() / 2..], b"\n"].concat()
        ])
    );
    let expected = data
        .split(|byte| b"\n\r".contains(byte))
        .filter(|line| !line.is_empty());
    let expected: Vec<_> = expected.map(|line| &line[..line.len().min(256)]).collect();
    assert_eq!(lines, expected);
}

/// The words of a command, but for what it sets.
fn words(command: &Command) -> String {
    let mut words = vec![command.word().to_owned()];
    words.extend(command.guest.map(|guest| guest.to_string()));
    words.extend(command.address.map(|address| format!("{address:#x}")));
    words.join(" ")
}

fn check_command(line: &str) {
    let Ok(command) = Command::parse(line) else {
        return;
    };
    let sets = matches!(command.deed, Deed::Policy | Deed::Hinting | Deed::Withhold);
    assert_eq!(command.setting.is_some(), sets);
    assert!(command.address.is_none() || command.deed == Deed::Dump);
    if !sets {
        assert_eq!(Command::parse(&words(&command)), Ok(command));
    }
}

/// Each line is a step or nothing, and steps are due one after the other.
fn check_script(text: &str, steps: &[Step]) {
    let is_step = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines = text.split('\n').map(str::trim_ascii).filter(is_step);
    assert_eq!(lines.count(), steps.len());
    let waits = steps.iter().filter_map(|step| match step {
        Step::Wait(milliseconds) => Some(*milliseconds),
        Step::Do(_) => None,
    });
    let end = waits.sum::<u64>() * 4_096_000;
    let mut operator = Operator::new(steps.to_vec(), false, 0);
    let mut done = Vec::new();
    while !operator.is_silent(end) {
        // Whatever is not due yet is when the operator says so.
        let now = operator.due(end).min(end);
        done.extend(operator.next_of_script(now));
    }
    let commands = steps.iter().filter_map(|step| match step {
        Step::Do(command) => Some(*command),
        Step::Wait(_) => None,
    });
    assert_eq!(done, commands.collect::<Vec<_>>());
}

/// A script with each command, and lines that are none.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let scripts = [
        "op=list\nop=wait 100\n# for people\n\nop=states 0\nop=evict 1\nop=pause\nop=resume\n",
        "op=dump 0 0x1000\nop=map 3\nop=stop 65536\nop= l\nop=d 1",
        "op=policy steal:5\nop=hinting unused\nop=withhold 0x10\n",
        "op=policy fifo",
        "op=wait 3600001",
        "list\rstates 1\n\ndump 0 4096",
    ];
    scripts.map(Vec::from).to_vec()
}
