//! The operator: commands from a script or typed at the console, and when they are due.
//!
//! What they do is the scheduler's business; see `sched/host/operator.rs`.

mod command;
mod script;

use alloc::vec::Vec;

use arch::tod::UNITS_PER_MICROSECOND;

pub use command::{Command, Deed, Setting};
pub use script::{Step, parse};

/// How often the console is asked for what was typed, in TOD units: 100 ms. A line is asked for, not
/// announced: the interruption would belong to whichever CPU is enabled for it, in the middle of
/// another one's request.
const LOOK_AGAIN: u64 = 100_000 * UNITS_PER_MICROSECOND;
/// Longest line that is kept, in bytes.
const LONGEST: usize = 256;

/// Who tells the host what to do while guests run.
pub struct Operator {
    /// Steps of the script that are not done yet, the next one last.
    steps: Vec<Step>,
    /// When the next one is due, if there is one.
    step_due: u64,
    /// When the console is looked at again, if somebody may type there.
    look_due: Option<u64>,
    /// The part of a line that was typed so far.
    line: Vec<u8>,
}

impl Operator {
    /// An operator that follows a script from now on, and whoever types if the console `is_listening`.
    #[must_use]
    pub fn new(mut steps: Vec<Step>, is_listening: bool, now: u64) -> Self {
        steps.reverse();
        Self {
            steps,
            step_due: now,
            look_due: is_listening.then_some(now),
            line: Vec::new(),
        }
    }

    /// When there is something to do for it; never again if nobody says anything any more.
    #[must_use]
    pub fn due(&self, now: u64) -> u64 {
        let step = (!self.is_script_done(now)).then_some(self.step_due);
        let times = step.into_iter().chain(self.look_due);
        times.min().unwrap_or(u64::MAX)
    }

    fn is_script_done(&self, now: u64) -> bool {
        self.steps.is_empty() && now >= self.step_due
    }

    /// The next command of the script that is due.
    pub fn next_of_script(&mut self, now: u64) -> Option<Command> {
        while now >= self.step_due {
            match self.steps.pop()? {
                // From the time it was due: a late look does not add up.
                Step::Wait(milliseconds) => {
                    self.step_due += milliseconds * 1_000 * UNITS_PER_MICROSECOND;
                }
                Step::Do(command) => return Some(command),
            }
        }
        None
    }

    /// Whether to ask the console now; it is due again later then.
    pub fn looks(&mut self, now: u64) -> bool {
        let is_due = self.look_due.is_some_and(|due| now >= due);
        if is_due {
            self.look_due = Some(now + LOOK_AGAIN);
        }
        is_due
    }

    /// Takes what was typed; returns the lines that are complete by now.
    pub fn typed(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' | b'\r' if self.line.is_empty() => {}
                b'\n' | b'\r' => lines.push(core::mem::take(&mut self.line)),
                _ if self.line.len() < LONGEST => self.line.push(*byte),
                _ => {}
            }
        }
        lines
    }

    /// Whether nobody will say anything any more.
    #[must_use]
    pub fn is_silent(&self, now: u64) -> bool {
        self.look_due.is_none() && self.is_script_done(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000 * UNITS_PER_MICROSECOND;

    #[test]
    fn a_script_waits_from_step_to_step() {
        let steps = parse("op=list\nop=wait 5\nop=wait 1\nop=pause 1\nop=wait 2").unwrap();
        let mut operator = Operator::new(steps, false, 100);
        let at = |milliseconds| 100 + milliseconds * MILLISECOND;
        assert_eq!(operator.due(at(0)), at(0));
        assert_eq!(operator.next_of_script(at(0)), Command::parse("list").ok());
        assert_eq!(operator.next_of_script(at(0)), None);
        assert_eq!(operator.due(at(0)), at(5));
        assert_eq!(operator.next_of_script(at(6) - 1), None);
        assert_eq!(operator.due(at(6) - 1), at(6));
        // Late, and the next pause does not begin later for it.
        assert_eq!(
            operator.next_of_script(at(7)),
            Command::parse("pause 1").ok()
        );
        assert_eq!(operator.next_of_script(at(7)), None);
        assert!(!operator.is_silent(at(7)) && operator.due(at(7)) == at(8));
        assert!(operator.is_silent(at(8)) && operator.due(at(8)) == u64::MAX);
    }

    #[test]
    fn lines_are_put_together() {
        let mut operator = Operator::new(Vec::new(), true, 0);
        assert!(operator.looks(0) && !operator.looks(1) && operator.looks(LOOK_AGAIN));
        assert!(operator.typed(b"pau").is_empty());
        assert_eq!(operator.typed(b"se 1\r\n\nl\rx"), [&b"pause 1"[..], b"l"]);
        assert!(operator.typed(&[b'x'; 2 * LONGEST]).is_empty());
        assert_eq!(operator.typed(b"\n")[0].len(), LONGEST);
        assert!(!operator.is_silent(u64::MAX));
    }
}
