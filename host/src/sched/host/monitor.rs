//! The monitor's work between exits: looks at guests in turn, and tells their balloons.

use alloc::vec::Vec;

use arch::{PAGE_SHIFT, clock};

use super::Host;
use crate::dev::virtio;
use crate::guest::{Guest, Machine};
use crate::mem::{AccessError, Want};
use crate::monitor::{Frames, Seen};
use crate::paging::PageId;
use crate::vcpu::Vcpu;

/// The balloon is a guest's only device.
const BALLOON: usize = 0;

impl Host {
    /// When the monitor wants to look at a guest.
    pub(super) fn monitor_at(&self) -> Option<u64> {
        self.monitor.as_ref().map(|monitor| monitor.next())
    }

    /// Does what the monitor wants done by now.
    pub(super) fn tend_monitor(&mut self, me: usize, now: u64) {
        let Some(monitor) = &mut self.monitor else {
            return;
        };
        let Some(turn) = monitor.turn(now) else {
            return;
        };
        if self.guests[turn].end.is_none() {
            monitor.see(turn, self.guests[turn].memory.count_used());
        }
        if monitor.is_round() {
            let seen: Vec<Seen> = self.guests.iter().map(seen).collect();
            let paged_out = self
                .guests
                .iter()
                .map(|guest| guest.memory.counters.paged_out);
            let frames = Frames {
                total: self.pool.total(),
                free: self.pool.free(),
                paged_out: paged_out.sum(),
            };
            monitor.plan(frames, &seen);
        }
        for number in 0..self.guests.len() {
            let target = self
                .monitor
                .as_ref()
                .map_or(0, |monitor| monitor.target(number));
            self.tell_balloon(me, number, target, now);
        }
        self.monitor_time += clock::now() - now;
    }

    /// Whether a CPU that waits may be told of another target: the monitor drives its guest's balloon, and
    /// somebody else goes on, which is why targets change.
    pub(super) fn expects_news(&self, number: usize, now: u64) -> bool {
        let guest = &self.guests[number];
        let is_open = |vcpu: &Vcpu| {
            vcpu.is_operating && guest.channel.is_open(BALLOON, &vcpu.psw, vcpu.control[6])
        };
        let goes_on = |other: &Guest| other.end.is_none() && other.conclusion(now).is_none();
        self.monitor.is_some()
            && seen(guest).has_balloon
            && guest.vcpus.iter().any(is_open)
            && self.guests.iter().any(goes_on)
    }

    /// A guest has ended: it may have been the last one that went on.
    pub(super) fn look_after_those_who_expect_news(&mut self, me: usize) {
        if self.monitor.is_some() {
            for other in 0..self.guests.len() {
                self.conclude(other, clock::now());
                self.attend(me, other);
            }
        }
    }

    /// Tells a guest's balloon its target, if it does not know it.
    fn tell_balloon(&mut self, me: usize, number: usize, target: u32, now: u64) {
        let guest = &mut self.guests[number];
        if guest.end.is_some() {
            return;
        }
        let mut machine = Machine {
            guest,
            pool: &mut self.pool,
            cpu: 0,
            is_loaded: false,
        };
        match virtio::set_target(&mut machine, BALLOON, target) {
            Err(AccessError::Wait(Want::Page(page))) => {
                // Once it is there, the next look finds it.
                let id = PageId::new(number as u16, page);
                if let Some(pager) = &mut self.pager {
                    pager.bring(&mut self.guests, &mut self.pool, id, now);
                }
            }
            // Nothing is there for it now: it is done another time.
            Err(_) => {}
            Ok(()) => self.attend(me, number),
        }
    }
}

fn seen(guest: &Guest) -> Seen {
    let is_alive = guest.end.is_none();
    let pages = (guest.memory.size() >> PAGE_SHIFT) as u32;
    let device = guest.channel.0.get(BALLOON);
    Seen {
        size: if is_alive { pages } else { 0 },
        has_balloon: is_alive && device.is_some_and(|one| one.virtio.is_driven()),
    }
}
