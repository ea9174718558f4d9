//! What the kernel records while it works, for a look at when what happened: see [`drivers::recorder`].

use drivers::recorder;

/// Kinds of events. Nobody is recorded as `who`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A thread gets the CPU; the value is the page of its stack.
    Run,
    /// It gives it up.
    Leave,
    /// ESSA; the value is the frame's number, and the code in the lowest four bits.
    Essa,
    /// A discard fault that the kernel's own accesses or a task's have met; the value is the frame's number.
    DiscardFault,
}

impl Kind {
    /// All of them, by their codes.
    pub const ALL: [Self; 4] = [Self::Run, Self::Leave, Self::Essa, Self::DiscardFault];
}

/// Something has happened on this CPU.
#[inline]
pub fn note(kind: Kind, value: u32) {
    recorder::note(kind as u8, 0, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_places_in_the_list() {
        for (code, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, code);
        }
    }
}
