//! Copies between pages of the page cache and storage of tasks.
//!
//! One instruction moves from one space to the other, and any of its accesses may be a fault. A discard
//! fault names an absolute address, which tells whose operand it was:
//!
//! ```text
//!   the page of the cache      the copy ends: who holds the reference removes the page, and tries again
//!                              with one that makes it stable
//!   another page               it is the task's: it is removed, as if the task itself had touched it, and
//!                              the instruction is executed again
//!   any other fault            is the task's, for the kernel's operand is real storage: its page is mapped
//! ```
//!
//! Once a page of the task's was discarded, all that the copy touches there is held until it is done, and a
//! page of the cache is copied from twice at most: so a host that discards whenever it may cannot stop it.

use core::fmt;
use core::ops::Range;

use arch::fault::Fault;
use arch::{Absolute, Frame, PAGE_SIZE, program};
use arrayvec::ArrayVec;

use super::hash::Key;
use super::space::{MapError, Space};
use super::{MaybeDiscarded, Mm, StableRef};
use crate::sync;

/// Most pages of a task that a copy touches: it is of a page at most.
const MOST_PAGES: usize = 2;

/// A task's space, and who can execute the instruction while the machine translates by its tables.
pub trait UserSpace {
    /// The space.
    fn space(&self) -> &Space;

    /// Moves to an address of the space, once; returns how many bytes were moved.
    ///
    /// # Errors
    /// The fault that ended the instruction.
    ///
    /// # Safety
    /// The source must be a page that nobody writes meanwhile but who writes his own mappings.
    unsafe fn move_to(&self, from: Absolute, to: u64, length: usize) -> Result<usize, Fault>;

    /// Moves from an address of the space, once; returns how many bytes were moved.
    ///
    /// # Errors
    /// The fault that ended the instruction.
    ///
    /// # Safety
    /// The caller must hold the destination, stable.
    unsafe fn move_from(&self, from: u64, to: Absolute, length: usize) -> Result<usize, Fault>;
}

/// Why a copy ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyError {
    /// The host has discarded the page of the cache.
    Discarded,
    /// The task's page, or the file's, cannot be had.
    Map(MapError),
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discarded => f.write_str("the host has discarded the page"),
            Self::Map(error) => error.fmt(f),
        }
    }
}

impl From<MapError> for CopyError {
    fn from(error: MapError) -> Self {
        Self::Map(error)
    }
}

/// Bytes of a page: from an offset on, so many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Where they begin in the page.
    pub offset: usize,
    /// How many they are.
    pub length: usize,
}

/// A copy between a page that the kernel has a reference to and storage of a task.
struct UserCopy<'c, U> {
    user: &'c U,
    address: u64,
    frame: Frame,
    piece: Piece,
    /// Whether it is the task's storage that is stored into.
    to_user: bool,
}

impl<U: UserSpace> UserCopy<'_, U> {
    /// The pages of the space that are touched.
    fn pages(&self) -> Result<Range<usize>, MapError> {
        let tables = self.user.space().tables();
        let last = self.address.checked_add(self.piece.length as u64 - 1);
        let first = tables.page_at(self.address);
        match (first, last.and_then(|last| tables.page_at(last))) {
            (Some(first), Some(last)) => Ok(first..last + 1),
            _ => Err(MapError::NoArea),
        }
    }

    /// Executes the instruction for what is not done; returns how much it has done.
    fn execute(&self, done: usize) -> Result<usize, Fault> {
        let kernel = self.frame.address() + (self.piece.offset + done) as u64;
        let address = self.address + done as u64;
        let length = self.piece.length - done;
        // SAFETY: the copy is made by who holds a reference to the frame, which is stable if it is stored into.
        unsafe {
            if self.to_user {
                self.user.move_to(kernel, address, length)
            } else {
                self.user.move_from(address, kernel, length)
            }
        }
    }
}

/// What a copy has come across in the task's space.
struct Met<'m> {
    pages: Range<usize>,
    /// Whether the host has discarded one of the pages.
    discarded: bool,
    held: ArrayVec<StableRef<'m>, MOST_PAGES>,
}

impl<'m> Mm<'m> {
    fn copy<U: UserSpace>(&self, copy: &UserCopy<'_, U>) -> Result<(), CopyError> {
        let Piece { offset, length } = copy.piece;
        assert!(offset + length <= PAGE_SIZE, "a range within the page");
        if length == 0 {
            return Ok(());
        }
        let mut met = Met {
            pages: copy.pages()?,
            discarded: false,
            held: ArrayVec::new(),
        };
        self.stats.user_copies.add(1);
        let mut done = 0;
        while done < length {
            match copy.execute(done) {
                Ok(moved) => done += moved,
                Err(fault) => {
                    self.recover(copy, &fault, &mut met)?;
                    sync::poll();
                }
            }
        }
        Ok(())
    }

    /// Does what the instruction needs to be executed again.
    ///
    /// Nothing comes between a discard fault and its handling, as sign-off requires: interruptions are
    /// disabled.
    fn recover<'s, U: UserSpace>(
        &'s self,
        copy: &UserCopy<'_, U>,
        fault: &Fault,
        met: &mut Met<'s>,
    ) -> Result<(), CopyError> {
        if let Some(page) = fault.discarded_page() {
            if page == copy.frame.address() {
                self.count_discard_fault(copy.frame);
                self.stats.user_copy_fix_ups.add(1);
                return Err(CopyError::Discarded);
            }
            self.stats.user_copy_faults.add(1);
            self.discard_fault(page.frame());
            met.discarded = true;
            return Ok(());
        }
        self.stats.user_copy_faults.add(1);
        match fault.code {
            program::SEGMENT_TRANSLATION | program::PAGE_TRANSLATION => {
                let tables = copy.user.space().tables();
                let page = tables.page_at(fault.identification);
                let page = page.filter(|page| met.pages.contains(page));
                self.map_for(copy, page.ok_or(MapError::NoArea)?, met)
            }
            // Older machines do not say where it was. It can only be what is stored into.
            program::PROTECTION if copy.to_user => {
                let mut pages = met.pages.clone();
                pages.try_for_each(|page| self.map_for(copy, page, met))
            }
            _ => panic!("a copy between spaces: {fault}"),
        }
    }

    fn map_for<'s, U: UserSpace>(
        &'s self,
        copy: &UserCopy<'_, U>,
        page: usize,
        met: &mut Met<'s>,
    ) -> Result<(), CopyError> {
        let space = copy.user.space();
        if !met.discarded {
            return Ok(self.map_page(space, page, copy.to_user)?);
        }
        if met.held.is_full() {
            met.held.remove(0);
        }
        met.held.push(self.hold_page(space, page, copy.to_user)?);
        Ok(())
    }

    /// Copies from a page of a file to an address of a task, whatever the page's state.
    ///
    /// # Errors
    /// The task may not write there, or a page cannot be had; part of the bytes may have been copied.
    pub fn read_to_user(
        &self,
        user: &impl UserSpace,
        key: Key,
        piece: Piece,
        to: u64,
    ) -> Result<(), MapError> {
        if let Some(page) = self.lookup_no_discard(key) {
            match page.copy_to_user(user, piece, to) {
                Ok(()) => return Ok(()),
                Err(CopyError::Map(error)) => return Err(error),
                Err(CopyError::Discarded) => self.stats.reloads.add(1),
            }
        }
        // Held to the end, so that no host can keep us from getting on.
        self.stable_page(key)?.copy_to_user(user, piece, to)
    }

    /// Copies from an address of a task to a page of a file, which is dirty then.
    ///
    /// # Errors
    /// The task has nothing there, or a page cannot be had; part of the bytes may have been copied.
    pub fn write_from_user(
        &self,
        user: &impl UserSpace,
        key: Key,
        piece: Piece,
        from: u64,
    ) -> Result<(), MapError> {
        self.stable_page(key)?.copy_from_user(user, piece, from)
    }
}

impl MaybeDiscarded<'_> {
    /// Copies from the page as it is to an address of a task.
    ///
    /// # Errors
    /// The host has discarded it, and it is out of the cache now; or the task may not write there.
    ///
    /// # Panics
    /// If the range is not within the page, or on a fault that nothing explains.
    pub fn copy_to_user(
        &self,
        user: &impl UserSpace,
        piece: Piece,
        to: u64,
    ) -> Result<(), CopyError> {
        let outcome = self.mm.copy(&UserCopy {
            user,
            address: to,
            frame: self.frame,
            piece,
            to_user: true,
        });
        if outcome == Err(CopyError::Discarded) {
            self.mm.remove_page(self.frame);
        }
        outcome
    }
}

impl StableRef<'_> {
    /// Copies from the page to an address of a task.
    ///
    /// # Errors
    /// The task may not write there.
    ///
    /// # Panics
    /// As for [`MaybeDiscarded::copy_to_user`].
    pub fn copy_to_user(
        &self,
        user: &impl UserSpace,
        piece: Piece,
        to: u64,
    ) -> Result<(), MapError> {
        self.copy_stable(user, piece, to, true)
    }

    /// Copies from an address of a task to the page, which is dirty from then on.
    ///
    /// # Errors
    /// The task has nothing there; part of the bytes may have been copied.
    ///
    /// # Panics
    /// As for [`MaybeDiscarded::copy_to_user`].
    pub fn copy_from_user(
        &self,
        user: &impl UserSpace,
        piece: Piece,
        from: u64,
    ) -> Result<(), MapError> {
        let outcome = self.copy_stable(user, piece, from, false);
        self.set_dirty();
        outcome
    }

    fn copy_stable(
        &self,
        user: &impl UserSpace,
        piece: Piece,
        address: u64,
        to_user: bool,
    ) -> Result<(), MapError> {
        let copy = UserCopy {
            user,
            address,
            frame: self.frame,
            piece,
            to_user,
        };
        self.mm.copy(&copy).map_err(|error| match error {
            CopyError::Map(error) => error,
            CopyError::Discarded => panic!("{} was discarded while it was stable", self.frame),
        })
    }
}
