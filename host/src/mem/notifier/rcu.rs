//! Read-copy-update: a value that is read without a lock while others replace it.
//!
//! Who changes the value publishes a new version of it. The old one is freed after a quiescent period: when
//! every CPU that was reading at that moment has stopped. Each CPU notes when it begins to read which
//! *epoch* it is, and each replacement begins a new one; so a version is still being read at most by
//! CPUs whose epoch is older than its replacement.
//!
//! ```text
//!   current ──> version          reading: CPU 0 ─ outside
//!   replaced ─> version since 8           CPU 1 ─ since epoch 7: both stay
//!                  └──> version since 7   CPU 2 ─ since epoch 8
//! ```
//!
//! All of it is sequentially consistent: a CPU that notes its epoch and then looks at the value, and one
//! that replaces the value and then looks at the notes, must not miss one another.

use alloc::boxed::Box;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr;

use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering::SeqCst};
use crate::sync::{MOST_CPUS, this_cpu};

/// The epoch of a CPU that does not read.
const OUTSIDE: u64 = 0;

struct Version<T> {
    value: T,
    /// The epoch that began when it was replaced.
    since: AtomicU64,
    /// The one that stands behind it among those that were replaced.
    behind: AtomicPtr<Version<T>>,
}

impl<T> Version<T> {
    fn new(value: T) -> *mut Self {
        Box::into_raw(Box::new(Self {
            value,
            since: AtomicU64::new(0),
            behind: AtomicPtr::new(ptr::null_mut()),
        }))
    }
}

/// A value that CPUs read while others replace it; nobody ever waits.
pub(super) struct Rcu<T> {
    current: AtomicPtr<Version<T>>,
    /// What was replaced and is not freed yet.
    replaced: AtomicPtr<Version<T>>,
    epoch: AtomicU64,
    /// By CPU: the epoch when it began to read.
    reading: [AtomicU64; MOST_CPUS],
    /// It has them, and CPUs that read share them.
    versions: PhantomData<T>,
}

impl<T: Send + Sync> Rcu<T> {
    /// With this value at first.
    pub(super) fn new(value: T) -> Self {
        Self {
            current: AtomicPtr::new(Version::new(value)),
            replaced: AtomicPtr::new(ptr::null_mut()),
            epoch: AtomicU64::new(OUTSIDE + 1),
            reading: core::array::from_fn(|_| AtomicU64::new(OUTSIDE)),
            versions: PhantomData,
        }
    }

    /// The value as it is now; it stays while it is read.
    pub(super) fn read(&self) -> Reading<'_, T> {
        let own = &self.reading[this_cpu()];
        let outer = own.load(SeqCst);
        // Who reads already goes on to keep what was there then.
        if outer == OUTSIDE {
            own.store(self.epoch.load(SeqCst), SeqCst);
        }
        // Afterwards: what is replaced from now on stays.
        let version = self.current.load(SeqCst);
        Reading {
            rcu: self,
            own,
            outer,
            version,
            cpu: PhantomData,
        }
    }

    /// Replaces the value by what `change` makes of it, perhaps in several attempts; returns the old one.
    pub(super) fn update(&self, change: &dyn Fn(&T) -> T) -> Reading<'_, T> {
        let mut old = self.read();
        loop {
            let new = Version::new(change(&old));
            // What is read cannot be freed, so nothing else has its address.
            match self
                .current
                .compare_exchange(old.version, new, SeqCst, SeqCst)
            {
                Ok(_) => break,
                Err(newer) => {
                    // SAFETY: it was made above, and nobody has seen it.
                    drop(unsafe { Box::from_raw(new) });
                    old.version = newer;
                }
            }
        }
        // Afterwards: who begins to read in the new epoch finds the new value.
        let since = self.epoch.fetch_add(1, SeqCst) + 1;
        // SAFETY: it is being read, so it has not been freed.
        unsafe { &*old.version }.since.store(since, SeqCst);
        self.push(old.version);
        old
    }

    /// Puts a version to those that were replaced.
    fn push(&self, version: *mut Version<T>) {
        let mut first = self.replaced.load(SeqCst);
        loop {
            // SAFETY: it was replaced and is in no list, so only who puts it there may free it.
            unsafe { &*version }.behind.store(first, SeqCst);
            match self
                .replaced
                .compare_exchange(first, version, SeqCst, SeqCst)
            {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    /// Whether all CPUs have stopped reading that read before an epoch began.
    fn is_quiescent(&self, since: u64) -> bool {
        self.reading.iter().all(|cpu| {
            let epoch = cpu.load(SeqCst);
            epoch == OUTSIDE || epoch >= since
        })
    }

    /// Frees what was replaced and is not read any more.
    fn free_replaced(&self) {
        let mut next = self.replaced.swap(ptr::null_mut(), SeqCst);
        while !next.is_null() {
            let version = next;
            // SAFETY: who takes the list has it alone, and what is in it has not been freed.
            let (since, behind) = unsafe { (&(*version).since, &(*version).behind) };
            next = behind.load(SeqCst);
            if self.is_quiescent(since.load(SeqCst)) {
                // SAFETY: it was replaced before that epoch began, so nobody has it who has begun to read
                // since, and all others have stopped.
                drop(unsafe { Box::from_raw(version) });
            } else {
                self.push(version);
            }
        }
    }
}

impl<T> Drop for Rcu<T> {
    fn drop(&mut self) {
        let mut next = self.replaced.load(SeqCst);
        while !next.is_null() {
            // SAFETY: nobody reads any more; each version is in the list once.
            let version = unsafe { Box::from_raw(next) };
            next = version.behind.load(SeqCst);
        }
        // SAFETY: nobody reads any more, and this version was not replaced.
        drop(unsafe { Box::from_raw(self.current.load(SeqCst)) });
    }
}

/// A CPU reads a value. It stays that CPU's.
pub(super) struct Reading<'a, T: Send + Sync> {
    rcu: &'a Rcu<T>,
    own: &'a AtomicU64,
    /// What the CPU had noted before, if it was reading already.
    outer: u64,
    version: *mut Version<T>,
    cpu: PhantomData<*const ()>,
}

impl<T: Send + Sync> Deref for Reading<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: it was current when this CPU had noted its epoch, so it is not freed before that is erased.
        &unsafe { &*self.version }.value
    }
}

impl<T: Send + Sync> Drop for Reading<'_, T> {
    fn drop(&mut self) {
        self.own.store(self.outer, SeqCst);
        if self.outer == OUTSIDE && !self.rcu.replaced.load(SeqCst).is_null() {
            self.rcu.free_replaced();
        }
    }
}
