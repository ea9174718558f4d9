//! Page-fault handshaking: which tasks wait for pages that the host brings in.
//!
//! ```text
//!              initial                      completion
//!   Running ───────────► Waits, with a waiter ────────► Running, who waited goes on
//!      │    completion                initial
//!      └──────────────► Complete ─────────────────────► Running, nobody has waited
//! ```
//!
//! A task's page is called by a token, which is another one for its next page. So what a host says twice,
//! or too late, means nothing. Interruptions come to any CPU: that a page is there may be known before
//! the CPU that was told first that it is not has begun to handle that.

use alloc::boxed::Box;

use crate::sync::Mutex;

/// Bits of a token that tell the pages of a task apart.
const COUNT_BITS: u32 = 16;

/// How a task and the page stand that its token is for.
enum State<W> {
    /// Nothing is known to be missing.
    Running,
    /// The page is there that the task will be told to wait for.
    Complete,
    /// The task waits for it, and was told so on the CPU with this number.
    Waits(W, usize),
}

struct Entry<W> {
    token: u64,
    state: State<W>,
    next: Option<Box<Self>>,
}

impl<W> Entry<W> {
    /// From here on it is about the task's next page. Returns who waited.
    fn go_on(&mut self) -> Option<W> {
        self.token = following(self.token);
        match core::mem::replace(&mut self.state, State::Running) {
            State::Waits(waiter, _) => Some(waiter),
            State::Running | State::Complete => None,
        }
    }
}

/// The token of the next page of the same task.
#[must_use]
pub fn following(token: u64) -> u64 {
    let count = (1 << COUNT_BITS) - 1;
    token & !count | (token + 1) & count
}

/// All tasks. Nothing is allocated or freed under the lock, which interruptions take.
pub struct Handshake<W> {
    tasks: Mutex<Option<Box<Entry<W>>>>,
}

impl<W> Handshake<W> {
    /// No task.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tasks: Mutex::new(None),
        }
    }

    /// A task begins. Returns the token of its first page.
    pub fn enter(&self, task: u64) -> u64 {
        let token = task << COUNT_BITS;
        let mut entry = Box::new(Entry {
            token,
            state: State::Running,
            next: None,
        });
        let mut tasks = self.tasks.lock();
        entry.next = tasks.take();
        *tasks = Some(entry);
        token
    }

    /// The task ends whose token this is.
    pub fn leave(&self, token: u64) {
        let left = {
            let mut tasks = self.tasks.lock();
            let mut at = &mut *tasks;
            while at.as_ref().is_some_and(|entry| entry.token != token) {
                at = &mut at.as_mut().expect("it was just there").next;
            }
            at.take().map(|mut entry| {
                *at = entry.next.take();
                entry
            })
        };
        drop(left);
    }

    /// A CPU is told that the page of its task is being brought in. Returns whether the task is to wait:
    /// not if the page is there, or was another one.
    pub fn initial(&self, token: u64, waiter: W, cpu: usize) -> bool {
        let mut tasks = self.tasks.lock();
        let Some(entry) = find(&mut tasks, |entry| entry.token == token) else {
            return false;
        };
        match entry.state {
            State::Running => {
                entry.state = State::Waits(waiter, cpu);
                true
            }
            State::Complete | State::Waits(..) => {
                entry.go_on();
                false
            }
        }
    }

    /// A page is there. Returns who has waited for it, and goes on now.
    pub fn complete(&self, token: u64) -> Option<W> {
        let mut tasks = self.tasks.lock();
        let entry = find(&mut tasks, |entry| entry.token == token)?;
        if let State::Running = entry.state {
            entry.state = State::Complete;
            return None;
        }
        entry.go_on()
    }

    /// A CPU is told nothing any more, and perhaps nobody of what it was told. Returns somebody who waits
    /// for that, and goes on now to see for himself.
    pub fn give_up(&self, cpu: usize) -> Option<W> {
        let mut tasks = self.tasks.lock();
        let of_cpu = |entry: &Entry<W>| matches!(entry.state, State::Waits(_, at) if at == cpu);
        find(&mut tasks, of_cpu)?.go_on()
    }
}

impl<W> Default for Handshake<W> {
    fn default() -> Self {
        Self::new()
    }
}

fn find<W>(
    tasks: &mut Option<Box<Entry<W>>>,
    is_it: impl Fn(&Entry<W>) -> bool,
) -> Option<&mut Entry<W>> {
    let mut at = tasks.as_deref_mut();
    while let Some(entry) = at {
        if is_it(entry) {
            return Some(entry);
        }
        at = entry.next.as_deref_mut();
    }
    None
}

#[cfg(test)]
mod tests;
