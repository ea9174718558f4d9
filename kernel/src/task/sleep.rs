//! Threads that sleep until a time, and one that sleeps until a device has news.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use drivers::virtio;

use super::queue::Queue;
use super::{Thread, current, make_runnable};
use crate::sync::Mutex;

/// Who sleeps, the first to wake up in front.
static SLEEPERS: Mutex<Queue> = Mutex::new(Queue::new());
/// When the first wakes up, in TOD units.
static NEXT: AtomicU64 = AtomicU64::new(u64::MAX);

/// When the first of those who sleep wants to wake up, in TOD units.
#[must_use]
pub fn next_wake_up() -> u64 {
    let latest = LATEST.load(Ordering::SeqCst);
    NEXT.load(Ordering::SeqCst).min(latest)
}

/// Who sleeps until a device has news; one thread at most.
static ATTENTIVE: Mutex<Option<Arc<Thread>>> = Mutex::new(None);
/// When it wakes up without any, in TOD units.
static LATEST: AtomicU64 = AtomicU64::new(u64::MAX);

fn note_next(sleepers: &Queue) {
    let next = sleepers.first().map(|thread| thread.wake_up());
    NEXT.store(next.unwrap_or(u64::MAX), Ordering::SeqCst);
}

/// Lets others run until the time of day is `at`, in TOD units.
pub fn sleep_until(at: u64) {
    let thread = current();
    thread.set_wake_up(at);
    {
        let mut sleepers = SLEEPERS.lock();
        sleepers.insert_before(thread.clone(), |other| other.wake_up() > at);
        note_next(&sleepers);
    }
    // This CPU looks at the time when it goes idle, or ticks.
    thread.wait();
}

/// Lets others run until a virtio device has news, or the time of day is `at`, in TOD units. One thread at a
/// time may do so.
pub fn sleep_until_news(at: u64) {
    let thread = current();
    *ATTENTIVE.lock() = Some(thread.clone());
    LATEST.store(at, Ordering::SeqCst);
    // A CPU that is idle is interrupted for news, and one that is not looks at them when it ticks.
    thread.wait();
}

/// Makes runnable whoever has slept until `now`, or until a device has news.
pub fn wake_sleepers(now: u64) {
    let latest = LATEST.load(Ordering::SeqCst);
    if latest <= now || latest != u64::MAX && virtio::has_news() {
        let awake = ATTENTIVE.lock().take();
        if awake.is_some() {
            LATEST.store(u64::MAX, Ordering::SeqCst);
        }
        awake.into_iter().for_each(make_runnable);
    }
    while NEXT.load(Ordering::SeqCst) <= now {
        let awake = {
            let mut sleepers = SLEEPERS.lock();
            let due = sleepers.first().is_some_and(|first| first.wake_up() <= now);
            let awake = if due { sleepers.pop() } else { None };
            note_next(&sleepers);
            awake
        };
        awake.into_iter().for_each(make_runnable);
    }
}
