//! The run queue: first in, first out.

use alloc::collections::VecDeque;

/// A virtual CPU: number of its guest, and its address there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id {
    /// The guest.
    pub guest: usize,
    /// The CPU.
    pub cpu: usize,
}

/// Virtual CPUs that could run, each once.
#[derive(Default, Debug)]
pub struct RunQueue(VecDeque<Id>);

impl RunQueue {
    /// Whether nobody waits for a physical CPU.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts one at the end that is not in the queue.
    pub fn push(&mut self, id: Id) {
        debug_assert!(!self.0.contains(&id), "{id:?} is in the queue");
        self.0.push_back(id);
    }

    /// Makes one the next if it is in the queue.
    pub fn prefer(&mut self, id: Id) {
        if let Some(at) = self.0.iter().position(|queued| *queued == id) {
            self.0.remove(at);
            self.0.push_front(id);
        }
    }

    /// Takes the next one.
    pub fn pop(&mut self) -> Option<Id> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(guest: usize, cpu: usize) -> Id {
        Id { guest, cpu }
    }

    #[test]
    fn the_first_comes_first_unless_another_is_preferred() {
        let mut queue = RunQueue::default();
        for cpu in 0..4 {
            queue.push(id(0, cpu));
        }
        queue.prefer(id(0, 2));
        queue.prefer(id(1, 0));
        let order: Vec<_> = core::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [id(0, 2), id(0, 0), id(0, 1), id(0, 3)]);
        assert!(queue.is_empty());
    }
}
