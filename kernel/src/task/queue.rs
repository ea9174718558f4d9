//! A queue of threads, linked through them: nothing is allocated when a thread waits.
//!
//! That matters: an allocation may wait for other CPUs, which may wait for the queue.

use alloc::sync::Arc;

use super::Thread;

/// First in, first out. A thread is in one queue at most.
#[derive(Debug)]
pub(super) struct Queue {
    first: Option<Arc<Thread>>,
    last: Option<Arc<Thread>>,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self {
            first: None,
            last: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn first(&self) -> Option<&Arc<Thread>> {
        self.first.as_ref()
    }

    pub(super) fn push(&mut self, thread: Arc<Thread>) {
        match self.last.replace(thread.clone()) {
            Some(last) => *last.next.lock() = Some(thread),
            None => self.first = Some(thread),
        }
    }

    pub(super) fn push_first(&mut self, thread: Arc<Thread>) {
        let first = self.first.take();
        if first.is_none() {
            self.last = Some(thread.clone());
        }
        *thread.next.lock() = first;
        self.first = Some(thread);
    }

    pub(super) fn pop(&mut self) -> Option<Arc<Thread>> {
        let first = self.first.take()?;
        self.first = first.next.lock().take();
        if self.first.is_none() {
            self.last = None;
        }
        Some(first)
    }

    /// Puts a thread in front of the first one for which `later` holds.
    pub(super) fn insert_before(&mut self, thread: Arc<Thread>, later: impl Fn(&Thread) -> bool) {
        let mut earlier = Self::new();
        while self.first().is_some_and(|first| !later(first)) {
            earlier.push(self.pop().expect("there is a first one"));
        }
        earlier.push(thread);
        while let Some(next) = self.pop() {
            earlier.push(next);
        }
        *self = earlier;
    }
}
