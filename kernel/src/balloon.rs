//! The thread that talks to the balloon device: it reports free pages, and follows the target of the
//! balloon.
//!
//! Reporting stands in for the hints of ESSA where there is none: a free block's content goes to the
//! host in one request, not page by page. All else about it is in `mm`.

use arch::clock::{self, UNITS_PER_MICROSECOND};
use arch::{Frame, PAGE_SIZE};
use arrayvec::ArrayVec;
use drivers::virtio;
use drivers::virtio::balloon::{
    AT_A_TIME, BLOCKS_AT_A_TIME, BalloonError, Statistics, VirtioBalloon,
};

use crate::control::BalloonControl;
use crate::mm::{BATCH, FreeBlock, Hinting, Mm};
use crate::{sync, task};

/// Number of the device.
const NUMBER: u16 = 0x0110;
/// How long the device is not looked at without news of it, in TOD units: a second. It may want to know how
/// memory is used, which is no news.
const PATIENCE: u64 = 1_000_000 * UNITS_PER_MICROSECOND;

const _: () = assert!(BATCH <= AT_A_TIME, "a batch is one request");

/// What is reported, and how often.
struct Reporting {
    /// Least order of a block.
    order: u32,
    /// Time from one round to the next, in TOD units.
    interval: u64,
    /// When the next round is due.
    next: u64,
}

/// The balloon device and what it is used for.
pub struct Balloon {
    device: VirtioBalloon,
    mm: &'static Mm<'static>,
    reporting: Option<Reporting>,
    /// How many pages the device wants, as far as is known; nothing if they are none of its business.
    target: Option<u32>,
}

impl Balloon {
    /// Finds the device, if it is to be used for anything.
    #[must_use]
    pub fn find(control: &BalloonControl, mm: &'static Mm<'static>) -> Option<Self> {
        let reporting = control.reports(mm.hinting());
        let balloon = control.balloon.unwrap_or(true);
        if !reporting && !balloon {
            return None;
        }
        match VirtioBalloon::find(NUMBER) {
            Ok(Some(device)) => Self::set_up(device, control, mm),
            Ok(None) => {
                if control.is_asked_for() {
                    log::warn!(
                        "no balloon device {NUMBER:04x} is there: free pages are not reported"
                    );
                }
                None
            }
            Err(error) => {
                log::warn!("{error}: the device is not used");
                None
            }
        }
    }

    fn set_up(
        device: VirtioBalloon,
        control: &BalloonControl,
        mm: &'static Mm<'static>,
    ) -> Option<Self> {
        let wanted = control.reports(mm.hinting());
        if wanted && !device.can_report() {
            log::warn!(
                "balloon {NUMBER:04x}: the device takes no reports: free pages are not reported"
            );
        }
        let reporting = (wanted && device.can_report()).then(|| Reporting {
            order: control.order,
            interval: control.interval_ms * 1000 * UNITS_PER_MICROSECOND,
            next: 0,
        });
        let balloon = control.balloon.unwrap_or(true);
        if balloon && device.may_withdraw() {
            mm.allow_withdrawal();
        }
        (balloon || reporting.is_some()).then(|| Self {
            device,
            mm,
            reporting,
            target: balloon.then_some(0),
        })
    }

    /// Whether free pages are reported.
    #[must_use]
    pub fn reports(&self) -> bool {
        self.reporting.is_some()
    }

    /// Gives the device what it wants by now, and goes on with that in a thread of its own.
    pub fn start(mut self) {
        virtio::take_interruptions();
        let outcome = self.begin();
        if let Err(error) = task::spawn(move || self.run(outcome)) {
            log::warn!("no balloon and no reports: {error}");
        }
    }

    /// Does what the device is for, as long as it works.
    fn run(mut self, mut outcome: Result<(), BalloonError>) {
        let error = loop {
            match outcome {
                Err(error) => break error,
                Ok(()) => task::sleep_until_news(self.next_turn()),
            }
            outcome = self.turn();
        };
        log::warn!("{error}: no balloon and no reports from now on");
        // What the device was given before is ours again, its content gone.
        loop {
            let batch = self.mm.take_from_balloon(BATCH);
            if batch.is_empty() {
                break;
            }
            self.mm.free_ballooned(&batch);
        }
        if error.at_large {
            // It may store into its queues, too.
            core::mem::forget(self.device);
        }
    }

    /// When to look at the device again.
    fn next_turn(&self) -> u64 {
        let poll = clock::now() + PATIENCE;
        let report = self.reporting.as_ref().map(|reporting| reporting.next);
        report.map_or(poll, |report| report.min(poll))
    }

    /// The first turn, for which nothing need have changed.
    fn begin(&mut self) -> Result<(), BalloonError> {
        if self.target.is_some() {
            self.target = Some(self.device.target()?);
        }
        self.turn()
    }

    fn turn(&mut self) -> Result<(), BalloonError> {
        while self.timed(Self::step)? {
            // Nothing is held here.
            sync::poll();
        }
        self.report_if_due()
    }

    /// Does a piece of work, which no other thread interrupts, and counts what it takes of the CPU.
    fn timed<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = clock::cpu_timer();
        let outcome = work(self);
        let took = before.wrapping_sub(clock::cpu_timer());
        // A thread that had to wait for a disk may be on another CPU now, with another timer.
        self.mm.stats.balloon_time.add(took.max(0) as u64);
        outcome
    }

    /// Does what the device wants; returns whether there may be more of it.
    fn step(&mut self) -> Result<bool, BalloonError> {
        self.device.tell_statistics(|| statistics(self.mm))?;
        if self.target.is_none() {
            return Ok(false);
        }
        self.tell_withdrawn()?;
        self.move_towards_target()
    }

    /// Tells the device which pages it has no more.
    fn tell_withdrawn(&self) -> Result<(), BalloonError> {
        let mut any = false;
        loop {
            let batch = self.mm.take_untold_withdrawn();
            if batch.is_empty() {
                break;
            }
            self.device.deflate(&batch)?;
            any = true;
        }
        if any { self.set_actual() } else { Ok(()) }
    }

    fn set_actual(&self) -> Result<(), BalloonError> {
        self.device
            .set_actual(self.mm.ballooned_page_count() as u32)
    }

    /// Moves some pages into the balloon or out of it; returns whether there were any to move.
    fn move_towards_target(&mut self) -> Result<bool, BalloonError> {
        if self.device.take_change() {
            self.target = Some(self.device.target()?);
        }
        let target = self.target.unwrap_or(0) as usize;
        let actual = self.mm.ballooned_page_count();
        let moved = if actual < target {
            self.inflate(target - actual)?
        } else {
            self.deflate(actual - target)?
        };
        if moved {
            self.set_actual()?;
        }
        Ok(moved)
    }

    fn inflate(&self, most: usize) -> Result<bool, BalloonError> {
        let batch = self.mm.take_for_balloon(most);
        // SAFETY: the pages were allocated for this, and stay so until they are out of the balloon.
        if let Err(error) = unsafe { self.device.inflate(&batch) } {
            // A device that may still take them keeps them.
            if !error.at_large {
                self.mm.free_ballooned(&batch);
            }
            return Err(error);
        }
        self.mm.put_into_balloon(&batch);
        Ok(!batch.is_empty())
    }

    fn deflate(&self, most: usize) -> Result<bool, BalloonError> {
        let batch = self.mm.take_from_balloon(most);
        let told = self.device.deflate(&batch);
        self.mm.free_ballooned(&batch);
        told.map(|()| !batch.is_empty())
    }

    /// Reports what is free and was not reported, if a round is due.
    fn report_if_due(&mut self) -> Result<(), BalloonError> {
        let Some(reporting) = &mut self.reporting else {
            return Ok(());
        };
        if clock::now() < reporting.next {
            return Ok(());
        }
        reporting.next = clock::now() + reporting.interval;
        let order = reporting.order;
        // Others may free as fast as we report: a round ends when it has reported as much as there is.
        let mut budget = self.mm.frame_count();
        while budget > 0 {
            let reported = self.timed(|own| own.report_batch(order))?;
            if reported == 0 {
                break;
            }
            budget = budget.saturating_sub(reported);
            // Nothing is held here.
            sync::poll();
        }
        Ok(())
    }

    /// Reports some blocks; returns how many pages they have.
    ///
    /// Nothing is allocated meanwhile, not even by the heap: an allocation may wait for the blocks.
    fn report_batch(&self, order: u32) -> Result<usize, BalloonError> {
        let blocks: ArrayVec<FreeBlock, BLOCKS_AT_A_TIME> =
            core::iter::from_fn(|| self.mm.take_unreported(order))
                .take(BLOCKS_AT_A_TIME)
                .collect();
        let places: ArrayVec<(Frame, u32), BLOCKS_AT_A_TIME> = blocks
            .iter()
            .map(|block| (block.frame, block.order))
            .collect();
        // SAFETY: free blocks that nobody knows of until they are given back.
        let outcome = unsafe { self.device.report(&places) };
        for block in &blocks {
            match outcome {
                Err(error) if error.at_large => self.mm.abandon_reported(*block),
                _ => self.mm.give_reported(*block, outcome.is_ok()),
            }
        }
        outcome.map(|()| blocks.iter().map(|block| 1 << block.order).sum())
    }
}

fn statistics(mm: &Mm<'_>) -> Statistics {
    let bytes = |pages: usize| (pages * PAGE_SIZE) as u64;
    let (free, caches) = (bytes(mm.free_page_count()), bytes(mm.cached_page_count()));
    Statistics {
        total: bytes(mm.frame_count()),
        free,
        available: free + caches,
        caches,
    }
}

/// The word for what tells the host which pages are free.
#[must_use]
pub fn back_end(hinting: Hinting, balloon: Option<&Balloon>) -> &'static str {
    let reports = balloon.is_some_and(Balloon::reports);
    match (hinting, reports) {
        (Hinting::Off, false) => "none",
        (Hinting::Off, true) => "reporting",
        (_, false) => "essa",
        (_, true) => "essa+reporting",
    }
}
