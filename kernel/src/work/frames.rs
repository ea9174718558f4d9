//! Reading all memory of the machine once, whatever state it is in.

use arch::{Frame, PAGE_SIZE};

use crate::mm::{Mm, Unreadable};
use crate::report;
use crate::task;

/// How many frames could be read, and how many could not.
#[derive(Default)]
struct Frames {
    readable: u64,
    absent: u64,
    discarded: u64,
}

impl Frames {
    fn count(&mut self, outcome: Result<(), Unreadable>) {
        *match outcome {
            Ok(()) => &mut self.readable,
            Err(Unreadable::Absent) => &mut self.absent,
            Err(Unreadable::Discarded) => &mut self.discarded,
        } += 1;
    }
}

/// Reads every frame and reports what came of it.
pub(super) fn run(mm: &Mm<'_>) {
    let mut frames = Frames::default();
    let mut buffer = [0; PAGE_SIZE];
    let all = mm.frame_count() as u64;
    for number in 0..all {
        frames.count(mm.read_frame(Frame(number as u32), &mut buffer));
        task::poll();
    }
    report::tally("frames that can be read", all, frames.readable);
    report::tally("frames that are not there", all, frames.absent);
    report::tally("frames that are discarded", all, frames.discarded);
}
