//! What the kernel does for a task that calls.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use arch::PAGE_SIZE;

use super::plan::{Part, Plan};
use super::program::{
    ALLOW, CUT, FINAL, LOCK, PROTECT, READ, REFUSED, REMAP, RENEW, SUM, SYNC, UNLOCK, WHO, WRITE,
    WRONG,
};
use crate::fs::archive::Archive;
use crate::fs::writable::WritableFiles;
use crate::mm::{Key, MapError, Mm, OutOfMemory, Piece, Space};
use crate::sync::Mutex;
use crate::task;
use crate::user::{STACK_PAGES, Task};
use crate::work::tasks::Calls;

/// Most children of a task that run at a time, theirs included.
const MOST_CHILDREN: usize = 2;

/// Number of the latest writer.
static WRITERS: AtomicU64 = AtomicU64::new(0);

/// The kernel's side of a task and its children.
#[derive(Clone)]
pub(super) struct Keeper {
    /// What the space shows.
    pub(super) plan: Plan,
    /// Files that may be written.
    pub(super) files: &'static WritableFiles,
    /// Files that may not.
    pub(super) archive: &'static Archive<'static>,
    /// What the pages of the task's file must hold in the end.
    pub(super) last: Arc<Mutex<alloc::vec::Vec<u32>>>,
}

/// The answer to a call that changes areas.
fn changed(outcome: Result<(), OutOfMemory>) -> Result<u64, String> {
    let text = |error| format!("areas cannot be changed: {error}");
    outcome.map(|()| 0).map_err(text)
}

impl Keeper {
    /// Drops a range and maps it anew: private pages are as they were at first.
    fn renew(&self, mm: &Mm<'_>, space: &Space, first: u64, count: u64) -> Result<u64, String> {
        let (part, page) = self.plan.find(first).ok_or("a range of no part")?;
        let start = STACK_PAGES + first as usize;
        let renewed = mm
            .unmap_range(space, start..start + count as usize)
            .and_then(|()| mm.map_area(space, self.plan.area(part, page..page + count)));
        changed(renewed)
    }

    /// Checksum and length of a page of the archive's file.
    fn sum(&self, page: u64) -> u64 {
        let file = self.archive.index().file(self.plan.archive.0 as usize);
        let length = file.page_length(page as usize) as u64;
        length << 32 | u64::from(file.page_checksum(page as usize))
    }

    /// The page of a file that a page of the space shows.
    fn key(&self, page: u64) -> Option<Key> {
        let (part, page) = self.plan.find(page)?;
        let index = page as u32;
        match part {
            Part::Memory => None,
            Part::File | Part::Copy | Part::Shuffled => {
                Some(WritableFiles::key(self.plan.file, index))
            }
            Part::Neighbour => Some(WritableFiles::key(self.plan.neighbour, index)),
            Part::Archive => Some(Key {
                file: self.plan.archive.0,
                index,
            }),
        }
    }

    /// Reads or writes a piece of a page of a file; the task's own mistakes are the answer.
    fn transfer(
        &self,
        mm: &Mm<'_>,
        task: &Task,
        number: u16,
        request: u64,
        address: u64,
    ) -> Result<u64, String> {
        let part = |shift: u32| (request >> shift & 0xffff) as usize;
        let (offset, length) = (part(16), part(0));
        let page = self.key(request >> 32);
        let (Some(key), true) = (page, offset + length <= PAGE_SIZE) else {
            return Err(format!(
                "a task reads or writes {request:#x}, which is no piece of a page"
            ));
        };
        let piece = Piece { offset, length };
        let outcome = if number == READ {
            mm.read_to_user(task, key, piece, address)
        } else {
            mm.write_from_user(task, key, piece, address)
        };
        match outcome {
            Ok(()) => Ok(length as u64),
            Err(MapError::NoArea | MapError::ReadOnly) => Ok(REFUSED),
            Err(error) => Err(format!(
                "a call about page {} of a file: {error}",
                key.index
            )),
        }
    }

    /// Says what a task has found.
    fn complain(&self, at: u64, found: u64) {
        let (page, place) = (at >> 16, at & 0xffff);
        let file = self.plan.file;
        match self.plan.find(page) {
            Some((part, page)) => log::error!(
                "a task of file {file}: word {place} of page {page} of part {} is {found:#018x}",
                part as u64
            ),
            None => log::error!("a task of file {file}: page {page} is {found:#018x}"),
        }
    }
}

impl Calls for Keeper {
    fn fork(&self) -> Option<Self> {
        // Besides ours and the one of who waits for all: as many as there are children.
        let children = Arc::strong_count(&self.last) - 2;
        (children < MOST_CHILDREN).then(|| self.clone())
    }

    fn call(&mut self, mm: &'static Mm<'static>, task: &Task, number: u16) -> Result<u64, String> {
        let [first_word, second] = task.arguments();
        let space = task.space();
        let (first, count) = (first_word >> 16, first_word & 0xffff);
        let start = STACK_PAGES + first as usize;
        let range = start..start + count as usize;
        match number {
            RENEW => return self.renew(mm, space, first, count),
            PROTECT => return changed(mm.protect_range(space, range, false)),
            ALLOW => return changed(mm.protect_range(space, range, true)),
            REMAP => mm
                .remap_range(space, range, second as u32)
                .map_err(|error| format!("pages cannot be shown in another order: {error}"))?,
            LOCK => return Ok(u64::from(mm.lock_range(space, range).is_err())),
            UNLOCK => return changed(mm.unlock_range(space, range)),
            CUT => self
                .files
                .cut(mm, self.plan.file, first_word as u32)
                .map_err(|error| error.to_string())?,
            SYNC => {
                let key = WritableFiles::key(self.plan.file, first_word as u32);
                mm.write_back(key).map_err(|_| {
                    format!("page {first_word} of file {} cannot be written", key.file)
                })?;
            }
            WHO => return Ok(WRITERS.fetch_add(1, Ordering::Relaxed) + 1),
            SUM => return Ok(self.sum(first_word)),
            READ | WRITE => {
                let answer = self.transfer(mm, task, number, first_word, second);
                task::poll();
                return answer;
            }
            FINAL => {
                let mut last = self.last.lock();
                let page = first_word as usize;
                if page != last.len() {
                    return Err(format!("page {page} comes after {}", last.len()));
                }
                last.push(second as u32);
            }
            WRONG => self.complain(first_word, second),
            _ => return Err(format!("a task calls {number}, which is nothing")),
        }
        // A call may have taken long.
        task::poll();
        Ok(0)
    }
}
