//! A script: commands of the operator, and pauses between them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use boot::params::parse_int;

use super::Command;

/// Longest pause, in milliseconds: an hour.
const LONGEST: u64 = 3_600_000;

/// A step of a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Do nothing for so many milliseconds.
    Wait(u64),
    /// Give this command.
    Do(Command),
}

/// Reads a script: a line each, `op=COMMAND` or `op=wait MILLISECONDS`. Empty lines and those that begin with
/// `#` are for people.
///
/// # Errors
/// One line with the number of the first line that is none of these.
pub fn parse(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        let line = line.trim_ascii();
        if !line.is_empty() && !line.starts_with('#') {
            steps.push(step(line).map_err(|error| format!("line {number}: {error}"))?);
        }
    }
    Ok(steps)
}

fn step(line: &str) -> Result<Step, String> {
    let Some(command) = line.strip_prefix("op=").map(str::trim_ascii) else {
        return Err(format!("{line}: expected op=COMMAND"));
    };
    match command.strip_prefix("wait ") {
        Some(time) => parse_int(time.trim_ascii())
            .ok()
            .filter(|time| *time <= LONGEST)
            .map(Step::Wait)
            .ok_or_else(|| format!("{command}: expected milliseconds, {LONGEST} at most")),
        None => Command::parse(command).map(Step::Do),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_step_or_for_people() {
        let steps = parse("# first\n\n op=wait 20 \nop=p 1\r\nop=resume\n").unwrap();
        let command = |text| Step::Do(Command::parse(text).unwrap());
        assert_eq!(
            steps,
            [Step::Wait(20), command("pause 1"), command("resume")]
        );
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn the_line_that_is_wrong_is_numbered() {
        for (script, word) in [
            ("op=list\nlist", "line 2: list"),
            ("#\nop=wait", "line 2: wait"),
            ("op=wait long", "milliseconds"),
            ("op=wait 3600001", "milliseconds"),
            ("op=halt", "line 1: halt"),
        ] {
            let error = parse(script).unwrap_err();
            assert!(error.contains(word), "{script}: {error}");
        }
    }
}
