//! Pages that cost no I/O, of all guests in turn.

use crate::memory::FramePool;
use crate::paging::Memories;

/// Whose turn it is to give pages up.
#[derive(Default, Debug)]
pub struct Turns {
    /// The guest whose queue was looked at last.
    last: usize,
}

impl Turns {
    /// Frees frames without I/O until `goal` are free, or there is no page that costs none: a batch of each guest in
    /// turn, the oldest first; looks at so many pages at most, a guest that has none counting as one. Returns how many
    /// looks it took.
    pub fn reclaim(
        &mut self,
        memories: &mut impl Memories,
        guests: usize,
        pool: &mut FramePool,
        goal: usize,
        patience: usize,
    ) -> usize {
        let (mut looks, mut barren) = (0, 0);
        while pool.free() < goal && looks < patience && barren < guests {
            self.last = (self.last + 1) % guests;
            let memory = memories.memory(self.last);
            if memory.queued() == 0 {
                (barren, looks) = (barren + 1, looks + 1);
                continue;
            }
            barren = 0;
            looks += memory.reclaim(pool, goal, patience - looks).max(1);
        }
        looks
    }
}

#[cfg(test)]
mod tests;
