//! Reading pages of files, those that are likely to be wanted next among them, by one request.
//!
//! Who reads a file from one end to the other misses a page, and behind it another. A stream remembers
//! where the pages end that it has been given; if the next miss is there, the reader is sequential, and gets
//! twice as many as before. At the beginning of a file he is expected to be. Any other miss is one at
//! random, and gets what its reader is known to want.
//!
//! ```text
//!   misses        0           4                       12                                  28 ...
//!   window        4 pages     8 pages                 16 pages                            32 pages
//! ```
//!
//! The reader waits for the device, whether for one page or for many: so nothing is won by beginning with
//! the next window before the last page of this one has been used up, and the miss behind it is the mark
//! that asks for the next.
//!
//! Pages ahead cost nobody else anything: they are taken from free memory only, become volatile as soon as
//! they are complete, and if one cannot be read, that is for who wants it to find out. If pages ahead go
//! before they were used, because the host discards them or because memory is short, the next misses get no
//! pages ahead.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use arch::Frame;
use arrayvec::ArrayVec;

use super::fill::{Filling, NotBegun};
use super::hash::Key;
use super::page::PageFlags;
use super::{Mm, OutOfMemory, StableRef};
use crate::sync::Mutex;

/// Most pages that are read by one request.
pub const MOST_AT_ONCE: usize = 32;
/// Pages of a first window.
const FIRST: u32 = 4;
/// Readers that are told apart.
const STREAMS: usize = 16;
/// Misses that get no pages ahead after one has gone before it was used.
const PAUSE: u32 = 16;

/// Pages that are being filled by one request, in the order of their indices.
pub type Fillings<'m> = ArrayVec<Filling<'m>, MOST_AT_ONCE>;

/// What a reader of a file wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The page that is missing.
    pub key: Key,
    /// How many pages from there on are wanted for certain, this one included.
    pub pages: u32,
    /// Pages of the file.
    pub end: u32,
}

/// A reader, by what it has been given.
#[derive(Clone, Copy)]
struct Stream {
    file: u32,
    /// The page behind the last window.
    next: u32,
    /// Pages of the window.
    window: u32,
}

/// The readers that were seen last.
struct Streams {
    streams: ArrayVec<Stream, STREAMS>,
    /// Which one makes place for the next.
    oldest: usize,
}

impl Streams {
    /// How many pages a reader gets, `most` at most, who has missed a page.
    fn window(&mut self, wanted: &Wanted, most: u32) -> u32 {
        let Key { file, index } = wanted.key;
        let its = |stream: &Stream| stream.file == file && stream.next == index;
        let known = self.streams.iter().position(its);
        let window = match known {
            Some(at) => (2 * self.streams[at].window).max(FIRST),
            None if index == 0 => FIRST,
            None => 1,
        };
        let window = window.min(most);
        let pages = window.max(wanted.pages).min(most);
        let stream = Stream {
            file,
            next: index + pages,
            window,
        };
        match known {
            Some(at) => self.streams[at] = stream,
            None if !self.streams.is_full() => self.streams.push(stream),
            None => {
                self.streams[self.oldest] = stream;
                self.oldest = (self.oldest + 1) % STREAMS;
            }
        }
        pages
    }
}

/// How far ahead pages are read.
pub(super) struct ReadAhead {
    streams: Mutex<Streams>,
    /// Most pages of a request; 0 is each page for itself.
    most: AtomicU32,
    /// Misses from now on that get no pages ahead.
    pause: AtomicU32,
}

impl ReadAhead {
    pub(super) const fn new() -> Self {
        Self {
            streams: Mutex::new(Streams {
                streams: ArrayVec::new_const(),
                oldest: 0,
            }),
            most: AtomicU32::new(MOST_AT_ONCE as u32),
            pause: AtomicU32::new(0),
        }
    }

    /// How many pages to read for who wants some, the first included.
    fn pages(&self, wanted: &Wanted) -> u32 {
        let most = self
            .most
            .load(Relaxed)
            .min(wanted.end.saturating_sub(wanted.key.index));
        if most < 2 {
            return 1;
        }
        let pause = self.pause.load(Relaxed);
        // Two CPUs may count one miss: it is a guess anyway.
        self.pause.store(pause.saturating_sub(1), Relaxed);
        let most = if pause > 0 { 1 } else { most };
        self.streams.lock().window(wanted, most)
    }
}

impl Mm<'_> {
    /// From now on so many pages are read by one request at most; 0 is each page for itself.
    pub fn set_read_ahead(&self, pages: u32) {
        self.read_ahead
            .most
            .store(pages.min(MOST_AT_ONCE as u32), Relaxed);
    }

    /// A page that was read ahead has been used.
    #[cold]
    pub(super) fn note_first_use(&self, frame: Frame) {
        // Whoever reads a page himself uses it once by that, and so does who finds it read ahead.
        let first = PageFlags::READ_AHEAD | PageFlags::REFERENCED;
        let before = self.page(frame).reset(first);
        if before.contains(PageFlags::READ_AHEAD) {
            self.stats.read_ahead_used.add(1);
        }
    }

    /// A page that was read ahead goes, and nobody has used it.
    pub(super) fn note_read_for_nothing(&self) {
        self.stats.read_ahead_unused.add(1);
        self.read_ahead.pause.store(PAUSE, Relaxed);
    }

    /// Brings a page of a file that the cache does not have into it, and maybe others behind it. `read` reads
    /// pages that are neighbours in the file, by one request.
    ///
    /// # Errors
    /// There is no memory for the page, or `read` has failed with it alone.
    pub fn load<E: From<OutOfMemory>>(
        &self,
        wanted: &Wanted,
        read: impl Fn(Key, &mut [Filling<'_>]) -> Result<(), E>,
    ) -> Result<StableRef<'_>, E> {
        loop {
            let mut fillings = match self.begin_fillings(wanted) {
                Ok(fillings) => fillings,
                Err(NotBegun::Filled(page)) => return Ok(page),
                Err(NotBegun::OutOfMemory) => return Err(OutOfMemory.into()),
            };
            let mut outcome = read(wanted.key, &mut fillings);
            if outcome.is_err() && fillings.len() > 1 {
                // Whether it is this page that cannot be read shows when it is read alone.
                fillings.truncate(1);
                self.stats.read_requests.add(1);
                outcome = read(wanted.key, &mut fillings);
            }
            outcome?;
            if let Some(page) = complete(fillings) {
                return Ok(page);
            }
        }
    }

    /// Begins to fill a page, and those behind it that the reader may want next.
    fn begin_fillings(&self, wanted: &Wanted) -> Result<Fillings<'_>, NotBegun<'_>> {
        let mut fillings = Fillings::new();
        fillings.push(self.begin_fill(wanted.key)?);
        let pages = self.read_ahead.pages(wanted);
        for index in wanted.key.index + 1..wanted.key.index + pages {
            let key = Key {
                index,
                ..wanted.key
            };
            // Behind a page that the cache has there may be others that it has not: the request ends.
            let Some(filling) = self.begin_fill_ahead(key) else {
                break;
            };
            fillings.push(filling);
        }
        self.stats.read_ahead.add(fillings.len() as u64 - 1);
        self.stats.read_requests.add(1);
        Ok(fillings)
    }
}

/// Completes pages that hold their content now; returns the first.
fn complete(fillings: Fillings<'_>) -> Option<StableRef<'_>> {
    let mut fillings = fillings.into_iter();
    let first = fillings.next().and_then(Filling::complete);
    fillings.for_each(Filling::complete_ahead);
    first
}

/// The frames of pages that are being filled.
#[must_use]
pub fn frames(fillings: &[Filling<'_>]) -> ArrayVec<Frame, MOST_AT_ONCE> {
    fillings.iter().map(Filling::frame).collect()
}
