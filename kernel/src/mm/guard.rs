//! The guards against races and lost pages, each of which a test can take out.
//!
//! In an image that users run nothing can be taken out: [`Mm::has`] is `true` there at compile time.

use super::Mm;

/// A rule that protects data. The tests that show what happens without it bear its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Guard {
    /// Pages are made stable before they are used.
    MakeStable,
    /// A copy that a discard fault ended is void.
    DiscardFault,
    /// Making stable waits for a page state that is being changed.
    StateChange,
    /// Obstacles are looked at after the reference count.
    ObstaclesLast,
    /// A discarded page is freed when all CPUs have signed off.
    SignOff,
    /// Of all who remove a page, one does.
    RemoveOnce,
    /// A discard fault takes a reference only if there is one left.
    GetUnlessZero,
    /// An isolated page that was discarded does not go back to the LRU list.
    PutBackCheck,
    /// A CPU that goes offline leaves the round and hands its list over.
    LeaveRound,
    /// A page that was removed is not mapped any more.
    EstablishCheck,
    /// Whoever removes a page takes the lock of every table, even where no entry is seen.
    WalkLock,
    /// A page that was removed is not copied into a child's table.
    CopyCheck,
    /// A child is in the reverse map before anything is copied for it.
    EnterFirst,
    /// Whoever maps an anonymous page in a second space makes it the family's before he looks whether
    /// it was removed.
    OwnerFirst,
    /// The change bit is reset when the page is stable, not before.
    ChangeOrder,
    /// Writable is set before there is a writable entry.
    WritableFirst,
    /// Writable is set and reset under StateChange, and reset only if no mapping is counted then.
    WritableOnce,
    /// A writable mapping is counted away and the change bit moved in one.
    CountWithChange,
    /// Reclaim looks for obstacles once more when nobody can find the page and no mapping is left.
    SecondLook,
    /// A slot is freed only when its page has been made stable.
    StableBeforeSlot,
    /// What a child gets of private memory is read-only in the parent from then on.
    ProtectParent,
    /// A CPU that goes idle signs off after it has said so, and one that leaves idle says so first.
    IdleOrder,
    /// An allocation waits for blocks that are being reported.
    AwaitReport,
    /// An allocation tries again when free pages that were under way have arrived since it last did.
    TryAgain,
    /// What was read before a truncation does not enter the cache behind it.
    TruncationSeen,
    /// An allocation waits for pages on their way between lists of CPUs and blocks.
    AwaitMoves,
    /// A page that may be volatile is marked unused or stable before it is free.
    UnusedFirst,
    /// Pages are marked unused before anybody can find them in a block.
    UnusedBeforeFound,
    /// A page that is being filled is not handed out before it is complete.
    CompleteFirst,
    /// A record is attached to a page only if that is active then.
    ActiveRecord,
}

#[cfg(feature = "controls")]
impl Mm<'_> {
    /// Takes a guard out. There is no way to put it back.
    pub fn take_out(&self, guard: Guard) {
        self.taken_out
            .fetch_or(1 << guard as u32, core::sync::atomic::Ordering::Relaxed);
    }
}

impl Mm<'_> {
    /// Whether a guard is in place.
    #[inline]
    pub(super) fn has(&self, guard: Guard) -> bool {
        #[cfg(feature = "controls")]
        return self.taken_out.load(core::sync::atomic::Ordering::Relaxed) & (1 << guard as u32)
            == 0;
        #[cfg(not(feature = "controls"))]
        {
            let _ = guard;
            true
        }
    }
}
