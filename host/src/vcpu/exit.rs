//! Why a virtual CPU came out of its guest.

/// A cause of an exit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// An external interruption of the host's.
    External,
    /// An instruction that the machine, which interprets the guest, leaves to the host.
    Instruction,
    /// An I/O interruption of the host's.
    Io,
    /// MOVE WITH OPTIONAL SPECIFICATIONS and the like, which some machines refuse in the problem state.
    Mvcos,
    /// An operation exception.
    Operation,
    /// A privileged-operation exception.
    Privileged,
    /// A protection exception.
    Protection,
    /// An exception that is the guest's own business.
    Reflected,
    /// The guest, interpreted by the machine, has become enabled for an interruption that was requested.
    Request,
    /// SUPERVISOR CALL.
    SupervisorCall,
    /// A page or table that is not mapped.
    Translation,
    /// The guest, interpreted by the machine, waits.
    Wait,
}

/// The words for them, in the order of the causes.
const NAMES: [&str; 12] = [
    "external",
    "instruction",
    "io",
    "mvcos",
    "operation",
    "privileged",
    "protection",
    "reflected",
    "request",
    "supervisor_call",
    "translation",
    "wait",
];

/// How many there were of each cause.
#[derive(Clone, Copy, Default, Debug)]
pub struct Exits([u64; NAMES.len()]);

impl Exits {
    /// Counts one.
    pub fn count(&mut self, exit: Exit) {
        self.0[exit as usize] += 1;
    }

    /// Those that there were, by their words.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = NAMES.into_iter().zip(self.0);
        all.filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_are_named_that_there_were() {
        let mut exits = Exits::default();
        for exit in [Exit::Translation, Exit::Mvcos, Exit::Translation] {
            exits.count(exit);
        }
        let all: Vec<_> = exits.iter().collect();
        assert_eq!(all, [("mvcos", 1), ("translation", 2)]);
    }
}
