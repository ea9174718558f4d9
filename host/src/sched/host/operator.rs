//! What the operator's commands do.

use alloc::format;
use alloc::string::String;
use core::str;

use drivers::console;

use super::Host;
use crate::operator::{Command, Deed, Setting};
use crate::personality::Hinting;
use crate::report::operator::{self as report, Answer};
use crate::vcpu::{End, Place};

/// How much storage one command shows, and how much of it a line, in bytes.
const DUMP: u64 = 256;
const DUMP_LINE: usize = 32;

impl Host {
    /// Does what the operator has asked for by now.
    pub(super) fn tend_operator(&mut self, me: usize, now: u64) {
        if now < self.operator_due {
            return;
        }
        self.sample(now);
        while let Some(command) = self.operator.next_of_script(now) {
            self.obey(me, &command, now);
        }
        if self.operator.looks(now) {
            for line in self.operator.typed(&console::typed()) {
                match str::from_utf8(&line)
                    .map_err(|_| String::from("no text"))
                    .and_then(Command::parse)
                {
                    Ok(command) => self.obey(me, &command, now),
                    Err(error) => report::refused("", &error),
                }
            }
        }
        if self.operator.is_silent(now) {
            self.stop_those_that_nobody_resumes(me);
        }
        self.operator_due = self.operator.due(now).min(self.sampler.due);
    }

    /// Gives a command to the guests that it is for.
    fn obey(&mut self, me: usize, command: &Command, now: u64) {
        if let Some(setting) = command.setting {
            match self.set(setting) {
                Ok(()) => report::accepted(command.word()),
                Err(reason) => report::refused(command.word(), reason),
            }
            return;
        }
        let all = 0..self.guests.len();
        let named = command.guest.map(usize::from);
        let meant = all.filter(|number| named.is_none_or(|named| named == *number));
        if meant.clone().next().is_none() {
            report::refused(command.word(), "there is no such guest");
        }
        for number in meant {
            self.obey_for(me, command, number, now);
        }
        self.wake_if_needed();
    }

    /// Sets what is the whole host's.
    fn set(&mut self, setting: Setting) -> Result<(), &'static str> {
        match setting {
            Setting::Policy(policy) => self.evictor.follow(policy),
            Setting::Hinting(hinting) => {
                let keeps = hinting == Hinting::Unused;
                let guests = self.guests.iter_mut();
                guests.for_each(|guest| guest.memory.keep_stable(keeps));
            }
            Setting::Withheld(frames) => {
                if !self.pool.withhold(frames) {
                    return Err("an eighth of the frames is the least that is left");
                }
            }
        }
        Ok(())
    }

    fn obey_for(&mut self, me: usize, command: &Command, number: usize, now: u64) {
        let mut answer = Answer::new(command.word(), number);
        match (command.deed, self.guests[number].end) {
            (Deed::List, _) => {
                let guest = &self.guests[number];
                answer.text = Some(report::condition(guest));
                answer.counts = report::summary(guest);
            }
            (Deed::Map, _) => {
                let (text, pages) = report::map(&self.guests[number]);
                answer.text = Some(text);
                answer.counts = report::counts([("pages", pages as u64)]);
            }
            (Deed::States, _) => answer.counts = report::states(&self.guests[number]),
            (Deed::Dump, _) => return self.dump(command, number),
            (_, Some(_)) => return report::refused(command.word(), "it has ended"),
            (Deed::Evict, None) => {
                let memory = &mut self.guests[number].memory;
                let pages = memory.evict_all(&mut self.pool);
                answer.counts = report::counts([("pages", pages as u64)]);
            }
            (Deed::Pause, None) => {
                self.guests[number].is_paused = true;
                self.fetch(me, number);
            }
            (Deed::Resume, None) => {
                self.guests[number].is_paused = false;
                self.queue_those_of(number, now);
            }
            (Deed::Stop, None) => {
                self.guests[number].finish(End::Stopped);
                self.attend(me, number);
            }
            (Deed::Policy | Deed::Hinting | Deed::Withhold, None) => {
                unreachable!("a setting is for no guest")
            }
        }
        answer.emit();
    }

    /// A guest that is paused when nobody can resume it any more would keep the host for ever.
    fn stop_those_that_nobody_resumes(&mut self, me: usize) {
        for number in 0..self.guests.len() {
            if core::mem::take(&mut self.guests[number].is_paused) {
                self.guests[number].finish(End::Stopped);
                self.attend(me, number);
            }
        }
    }

    /// Makes other physical CPUs give up those of a guest.
    pub(super) fn fetch(&self, me: usize, number: usize) {
        for vcpu in &self.guests[number].vcpus {
            if let Place::Running(other) = vcpu.place
                && other != me
            {
                self.kick(other);
            }
        }
    }

    /// Shows registers, or storage, without touching any page that is not there.
    fn dump(&self, command: &Command, number: usize) {
        let guest = &self.guests[number];
        let mut answer = Answer::new(command.word(), number);
        let Some(start) = command.address else {
            for (address, vcpu) in guest.vcpus.iter().enumerate() {
                answer.text = Some(report::registers(
                    address,
                    vcpu,
                    guest.memory.prefix(address),
                ));
                answer.emit();
            }
            return;
        };
        let mut bytes = [0; DUMP_LINE];
        for at in (start..start.saturating_add(DUMP)).step_by(DUMP_LINE) {
            answer.text = Some(match guest.memory.peek(at, &mut bytes) {
                Ok(()) => report::storage(at, &bytes),
                Err(state) => format!("{at:#x}: {state}"),
            });
            answer.emit();
        }
    }
}
