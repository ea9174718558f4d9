//! A guest's memory while its image is loaded: pages of all guests may go meanwhile to make room.

use alloc::vec::Vec;

use arch::{PAGE_SIZE, clock};

use crate::guest::Guest;
use crate::mem::{AccessError, Want};
use crate::memory::FramePool;
use crate::paging::{PageId, Pager};

/// The CPU whose real addresses a loader uses: no prefix is set yet.
const LOADING_CPU: usize = 0;

/// The guests up to the one that is loaded, which is the last one, and whence frames come.
pub struct Room<'a> {
    /// The guests.
    pub guests: &'a mut Vec<Guest>,
    /// Free frames.
    pub pool: &'a mut FramePool,
    /// Who frees more of them.
    pub pager: Option<&'a mut Pager>,
}

impl Room<'_> {
    pub(super) fn id(&self) -> u16 {
        (self.guests.len() - 1) as u16
    }

    /// Size of the guest's memory.
    pub(super) fn size(&self) -> u64 {
        let guest = self.guests.last();
        guest.map_or(0, |guest| guest.memory.size())
    }

    /// Writes page after page: one that was written may go before the next one is.
    pub(super) fn write(&mut self, mut at: u64, mut bytes: &[u8]) -> Result<(), AccessError> {
        while !bytes.is_empty() {
            let room = PAGE_SIZE - at as usize % PAGE_SIZE;
            let (piece, behind) = bytes.split_at(room.min(bytes.len()));
            self.write_piece(at, piece)?;
            at += piece.len() as u64;
            bytes = behind;
        }
        Ok(())
    }

    fn write_piece(&mut self, at: u64, bytes: &[u8]) -> Result<(), AccessError> {
        let id = self.id();
        loop {
            let memory = &mut self.guests[usize::from(id)].memory;
            let done = memory.write(self.pool, LOADING_CPU, at, bytes);
            let (Err(AccessError::Wait(want)), Some(pager)) = (done, &mut self.pager) else {
                return done;
            };
            let now = clock::now();
            pager.complete(self.guests, self.pool, now);
            pager.reclaim(self.guests, self.pool, now);
            if let Want::Page(page) = want {
                pager.bring(self.guests, self.pool, PageId::new(id, page), now);
            }
            if pager.is_stuck(self.pool) {
                return Err(AccessError::Exhausted);
            }
        }
    }
}
