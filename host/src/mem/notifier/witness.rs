//! Watches notifiers that come and go while others walk: what tests of every kind expect of them.

use alloc::sync::Arc;
use core::array;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::{Notifier, Notifiers, Pinned, Right};
use crate::sync::{MOST_CPUS, this_cpu};

/// Users that come and go.
pub const USERS: usize = 3;

/// Pages of a batch.
const BATCH: [u32; 2] = [0, 7];

/// What is known of a user.
#[derive(Default)]
struct User {
    /// The how manieth time it is registered and not about to be unregistered; 0 if it is not.
    there: AtomicUsize,
    /// How often it was.
    came: AtomicUsize,
    /// How often it was freed.
    freed: AtomicUsize,
}

/// What is known of a CPU's walk, by user.
#[derive(Default)]
struct Walk {
    /// What was there before the walk began.
    before: [AtomicUsize; USERS],
    /// What the walk must still reach.
    due: [AtomicUsize; USERS],
}

/// What is known of all.
struct Notes {
    users: [User; USERS],
    walks: [Walk; MOST_CPUS],
    /// Lets others go on.
    pause: fn(),
}

/// Stands at the head of the list.
struct Head(Arc<Notes>);

/// A user that comes and goes.
struct Guest {
    notes: Arc<Notes>,
    number: usize,
    /// The how manieth it is with this number.
    time: usize,
}

impl Head {
    fn told(&self) {
        let walk = &self.0.walks[this_cpu()];
        for (number, user) in self.0.users.iter().enumerate() {
            // Due is what was there before the walk began, and is still.
            let before = walk.before[number].load(SeqCst);
            let is_still_there = user.there.load(SeqCst) == before;
            walk.due[number].store(if is_still_there { before } else { 0 }, SeqCst);
        }
        (self.0.pause)();
    }
}

impl Notifier for Head {
    fn age_page(&self, _: u32) -> bool {
        self.told();
        false
    }

    fn invalidate_range(&self, _: Range<u32>, _: Right) -> Result<(), Pinned> {
        self.told();
        Ok(())
    }

    fn release(&self) {}
}

impl Guest {
    fn told(&self) {
        let user = &self.notes.users[self.number];
        let freed = || user.freed.load(SeqCst);
        assert!(freed() < user.came.load(SeqCst), "walked to one freed");
        (self.notes.pause)();
        assert!(freed() < user.came.load(SeqCst), "freed while it was told");
        let due = &self.notes.walks[this_cpu()].due[self.number];
        let _ = due.compare_exchange(self.time, 0, SeqCst, SeqCst);
    }
}

impl Notifier for Guest {
    fn age_page(&self, _: u32) -> bool {
        self.told();
        true
    }

    fn invalidate_range(&self, _: Range<u32>, _: Right) -> Result<(), Pinned> {
        self.told();
        Ok(())
    }

    fn release(&self) {}
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.notes.users[self.number].freed.fetch_add(1, SeqCst);
        let is_due = |walk: &Walk| walk.due[self.number].load(SeqCst) == self.time;
        assert!(!self.notes.walks.iter().any(is_due), "freed too early");
    }
}

/// Notifiers that are watched.
pub struct Witness {
    notifiers: Notifiers,
    notes: Arc<Notes>,
}

impl Witness {
    /// Nobody has come yet.
    #[must_use]
    pub fn new(pause: fn()) -> Self {
        let notes = Arc::new(Notes {
            users: array::from_fn(|_| User::default()),
            walks: array::from_fn(|_| Walk::default()),
            pause,
        });
        let notifiers = Notifiers::default();
        let head: Arc<dyn Notifier> = Arc::new(Head(notes.clone()));
        notifiers.register(&head);
        Self { notifiers, notes }
    }

    /// A user comes, waits a moment, and goes; it is the list's alone then.
    pub fn come_and_go(&self, number: usize) {
        let user = &self.notes.users[number];
        let time = user.came.fetch_add(1, SeqCst) + 1;
        let notifier: Arc<dyn Notifier> = Arc::new(Guest {
            notes: self.notes.clone(),
            number,
            time,
        });
        self.notifiers.register(&notifier);
        user.there.store(time, SeqCst);
        (self.notes.pause)();
        user.there.store(0, SeqCst);
        self.notifiers.unregister(&notifier);
    }

    /// This CPU walks, for a page.
    ///
    /// # Panics
    /// If it does not reach who was there before.
    pub fn walk(&self) {
        self.walk_by(&|all| {
            all.age_page(0);
        });
    }

    /// This CPU walks as one that reclaims: for a batch of pages to be asked for, and to be given up.
    ///
    /// # Panics
    /// As for [`Witness::walk`].
    pub fn walk_for_batches(&self) {
        self.walk_by(&|all| {
            all.age_batch(&BATCH);
        });
        self.walk_by(&|all| {
            all.invalidate_batch(&BATCH, Right::Access);
        });
    }

    fn walk_by(&self, walk_through: &dyn Fn(&Notifiers)) {
        let walk = &self.notes.walks[this_cpu()];
        for (before, user) in walk.before.iter().zip(&self.notes.users) {
            before.store(user.there.load(SeqCst), SeqCst);
        }
        walk_through(&self.notifiers);
        let has_missed = walk.due.iter().any(|due| due.load(SeqCst) != 0);
        assert!(!has_missed, "a walk missed one that was there before");
    }

    /// Nobody walks, comes or goes any more: all have been freed.
    ///
    /// # Panics
    /// If one has not, or more than once.
    pub fn check(&self) {
        // What a CPU has left because another one was about to stop.
        self.walk();
        for user in &self.notes.users {
            assert_eq!(user.freed.load(SeqCst), user.came.load(SeqCst));
        }
    }
}
