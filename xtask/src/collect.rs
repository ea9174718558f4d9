//! Makes one outcome of everything that a run printed.
//!
//! Kernel and host do not know each other's lines: they are brought together here, by guest
//! number. A run is good only if both sides, QEMU's exit status and the lines that must be
//! there agree that it is.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use crate::events::{self, Event, GuestOutcome, HostGuest, Outcome, Status};
use crate::machine::{End, Source};
use crate::trace::Traces;

/// How many of the last lines are kept to show what happened before a bad end.
const LAST_LINES: usize = 10;

/// What a run should bring.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Whether there is a host; else the console is the kernel's.
    pub host: bool,
    /// Number of guests.
    pub guests: u16,
    /// Whether the guests are our kernel, which prints its outcome.
    pub our_kernel: bool,
}

/// A line after it was understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Text for people, of a guest or of the host (or of QEMU).
    Text(Option<u64>, String),
    /// A line for programs, of a guest or of the host.
    Event(Option<u64>, Box<Event>),
}

/// All that is known of one guest.
#[derive(Clone, Debug, Default)]
pub struct Guest {
    /// What it found when it started.
    pub boot: Option<events::Boot>,
    /// When its work began.
    pub work: Option<events::WorkStart>,
    /// How far it is.
    pub progress: Option<events::Progress>,
    /// Ranges of files that differed.
    pub mismatches: Vec<events::Mismatch>,
    /// Instruction counts.
    pub measures: Vec<events::Measure>,
    /// Counts of what happened.
    pub tallies: Vec<events::Tally>,
    /// What checks have observed.
    pub checks: Vec<events::Check>,
    /// The latest check that was announced because the machine may not survive it.
    pub check_begun: Option<u16>,
    /// What it has left on disks.
    pub files: Vec<events::FileLeft>,
    /// Its last words.
    pub error: Option<String>,
    /// What it has served, as a machine of a farm.
    pub requests: Option<events::Requests>,
    /// Its outcome.
    pub outcome: Option<events::Guest>,
    /// Its end as the host saw it.
    pub end: Option<events::GuestEnd>,
}

/// Takes the lines of a run as they come.
#[derive(Debug)]
pub struct Collector {
    expected: Expected,
    guests: BTreeMap<u64, Guest>,
    host: Option<events::Host>,
    host_boot: Option<events::HostBoot>,
    host_error: Option<String>,
    samples: Vec<events::Sample>,
    /// Next `seq` of the host (`None`) and of each guest.
    next_seq: BTreeMap<Option<u64>, u64>,
    /// The first thing in the lines that should not be.
    broken: Option<String>,
    traces: Traces,
    last_lines: VecDeque<String>,
    emulator_said: Option<String>,
}

impl Collector {
    /// Starts to collect what should be as `expected`.
    #[must_use]
    pub fn new(expected: Expected) -> Self {
        Self {
            expected,
            guests: (0..u64::from(expected.guests))
                .map(|id| (id, Guest::default()))
                .collect(),
            host: None,
            host_boot: None,
            host_error: None,
            samples: Vec::new(),
            next_seq: BTreeMap::new(),
            broken: None,
            traces: Traces::default(),
            last_lines: VecDeque::new(),
            emulator_said: None,
        }
    }

    /// All guests by number.
    #[must_use]
    pub fn guests(&self) -> &BTreeMap<u64, Guest> {
        &self.guests
    }

    /// What the host found when it started.
    #[must_use]
    pub fn host_boot(&self) -> Option<&events::HostBoot> {
        self.host_boot.as_ref()
    }

    /// What the host has said at its end.
    #[must_use]
    pub fn host(&self) -> Option<&events::Host> {
        self.host.as_ref()
    }

    /// What the images have recorded of the run.
    #[must_use]
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// What the host saw from time to time.
    #[must_use]
    pub fn samples(&self) -> &[events::Sample] {
        &self.samples
    }

    /// What the host counted for a guest.
    #[must_use]
    pub fn host_guest(&self, id: u64) -> Option<&HostGuest> {
        self.host
            .as_ref()?
            .guests
            .iter()
            .find(|guest| guest.id == id)
    }

    /// The last lines of the console, for a look at what came before a bad end.
    pub fn last_lines(&self) -> impl Iterator<Item = &str> {
        self.last_lines.iter().map(String::as_str)
    }

    /// Takes one line.
    pub fn line(&mut self, source: Source, line: &str) -> Seen {
        if self.last_lines.len() == LAST_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(line.to_owned());
        if source == Source::Emulator {
            self.emulator_said = Some(line.to_owned());
            return Seen::Text(None, line.to_owned());
        }
        let emitter = if self.expected.host { None } else { Some(0) };
        let seen = self.understand(emitter, line);
        if let Seen::Event(None, event) = &seen
            && let Event::Console(console) = event.as_ref()
        {
            let (guest, line) = (console.guest, console.line.clone());
            return self.understand(Some(guest), &line);
        }
        seen
    }

    fn understand(&mut self, emitter: Option<u64>, line: &str) -> Seen {
        let text = || Seen::Text(emitter, line.to_owned());
        let foreign = emitter.is_some() && !self.expected.our_kernel;
        if !line.starts_with('{') || foreign {
            return text();
        }
        match events::parse(line) {
            Ok(event) => {
                self.check_place(emitter, &event);
                self.keep(emitter, &event);
                Seen::Event(emitter, Box::new(event))
            }
            Err(error) => {
                self.break_with(format!("{} printed a broken line ({error})", name(emitter)));
                text()
            }
        }
    }

    fn break_with(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// Checks that nothing is missing before the line, and that its emitter may print it.
    fn check_place(&mut self, emitter: Option<u64>, event: &Event) {
        let next = self.next_seq.entry(emitter).or_default();
        let (expected, seq) = (*next, event.seq());
        *next = seq.unwrap_or(expected) + 1;
        let of_host = matches!(
            event,
            Event::HostBoot(_)
                | Event::Console(_)
                | Event::Sample(_)
                | Event::Operator(_)
                | Event::GuestEnd(_)
                | Event::Host(_)
        );
        let of_both = matches!(event, Event::Error(_) | Event::Trace(_));
        if seq != Some(expected) {
            self.break_with(format!(
                "{}: line {expected} is missing before {:?} (seq {seq:?})",
                name(emitter),
                event.kind(),
            ));
        } else if !of_both && of_host != emitter.is_none() {
            self.break_with(format!(
                "{} printed a line of kind {:?}",
                name(emitter),
                event.kind()
            ));
        }
    }

    fn keep(&mut self, emitter: Option<u64>, event: &Event) {
        if let Event::Console(events::Console { guest, .. })
        | Event::GuestEnd(events::GuestEnd { guest, .. }) = event
            && !self.guests.contains_key(guest)
        {
            return self.break_with(format!("the host speaks of a guest {guest}"));
        }
        if let Event::Trace(record) = event {
            if let Err(error) = self.traces.take(emitter, record) {
                self.break_with(format!("{}: a trace: {error}", name(emitter)));
            }
            return;
        }
        match (emitter, event.clone()) {
            (None, Event::HostBoot(boot)) => self.host_boot = Some(boot),
            (None, Event::Sample(sample)) => self.samples.push(sample),
            (None, Event::Host(host)) => self.host = Some(host),
            (None, Event::Error(error)) => {
                self.host_error.get_or_insert(error.reason);
            }
            (None, Event::GuestEnd(end)) => {
                let guest = self.guests.entry(end.guest).or_default();
                guest.end = Some(end);
            }
            (Some(id), event) => {
                if let Some(guest) = self.guests.get_mut(&id) {
                    guest.keep(event);
                }
            }
            (None, _) => {}
        }
    }

    /// The outcome of a run that ended as `end`; `seconds` is the time it was given.
    #[must_use]
    pub fn outcome(&self, end: End, seconds: u64) -> Outcome {
        let reason = match end {
            End::TimedOut => Some(format!("not at its end after {seconds} s")),
            End::Interrupted => Some("interrupted".to_owned()),
            End::Exit(status) => self.failure(status),
        };
        let status = if reason.is_none() {
            Status::Ok
        } else {
            Status::Failed
        };
        let guests = self
            .guests
            .iter()
            .map(|(id, guest)| self.guest_outcome(*id, guest))
            .collect();
        Outcome {
            status,
            reason,
            guests,
        }
    }

    /// Why the run is not a good one: the nearest to the cause that is known.
    fn failure(&self, exit: Option<i32>) -> Option<String> {
        let guests = || self.guests.iter();
        let mismatch = guests().find_map(|(id, guest)| Some((id, guest.mismatches.first()?)));
        if let Some((id, mismatch)) = mismatch {
            return Some(self.prefix(*id, &describe(mismatch)));
        }
        if let Some((id, reason)) = guests().find_map(|(id, guest)| Some((id, guest.complaint()?)))
        {
            return Some(self.prefix(*id, &reason));
        }
        let host_failed = self
            .host
            .as_ref()
            .filter(|host| host.status == Status::Failed);
        let host_reason = host_failed.map(|host| {
            host.reason
                .clone()
                .unwrap_or_else(|| "it failed without a reason".to_owned())
        });
        if let Some(reason) = self.host_error.clone().or(host_reason) {
            return Some(format!("host: {reason}"));
        }
        if let Some(broken) = &self.broken {
            return Some(broken.clone());
        }
        self.missing(exit)
            .or_else(|| (exit != Some(0)).then(|| self.bad_exit(exit)))
    }

    /// Which of the lines that must be there is not.
    fn missing(&self, exit: Option<i32>) -> Option<String> {
        let why = || {
            if exit == Some(0) {
                "QEMU ended".to_owned()
            } else {
                self.bad_exit(exit)
            }
        };
        if self.expected.host && self.host.is_none() {
            return Some(format!("the host did not report its outcome: {}", why()));
        }
        for id in 0..u64::from(self.expected.guests) {
            let silent = self
                .guests
                .get(&id)
                .is_none_or(|guest| guest.outcome.is_none());
            if self.expected.our_kernel && silent {
                let kernel = || "the kernel".to_owned();
                let who = if self.expected.host {
                    name(Some(id))
                } else {
                    kernel()
                };
                return Some(format!("{who} did not report its outcome: {}", why()));
            }
            if self.expected.host && self.host_guest(id).is_none() {
                return Some(format!("the host did not report on guest {id}"));
            }
        }
        None
    }

    fn bad_exit(&self, exit: Option<i32>) -> String {
        let how = match exit {
            Some(status) => format!("QEMU ended with status {status}"),
            None => "QEMU was killed by a signal".to_owned(),
        };
        let last = self
            .last_lines
            .iter()
            .rev()
            .find(|line| !line.starts_with('{'));
        match self
            .emulator_said
            .as_ref()
            .filter(|line| line.contains("qemu"))
            .or(last)
        {
            Some(line) => format!("{how}; {line}"),
            None => how,
        }
    }

    fn prefix(&self, id: u64, reason: &str) -> String {
        if self.expected.host {
            format!("guest {id}: {reason}")
        } else {
            reason.to_owned()
        }
    }

    fn guest_outcome(&self, id: u64, guest: &Guest) -> GuestOutcome {
        let counted = guest.outcome.as_ref();
        let of = |count: fn(&events::Guest) -> u64| counted.map_or(0, count);
        GuestOutcome {
            id,
            bytes_verified: of(|guest| guest.bytes_verified),
            mismatches: of(|guest| guest.mismatches).max(guest.mismatches.len() as u64),
            discards: self.host_guest(id).map_or(0, |host| host.discards),
            discard_faults: of(|guest| guest.discard_faults),
            stable_failures: of(|guest| guest.stable_failures),
            reloads: of(|guest| guest.reloads),
            essa: counted.map(|guest| guest.essa.clone()).unwrap_or_default(),
        }
    }
}

impl Guest {
    fn keep(&mut self, event: Event) {
        match event {
            Event::Boot(boot) => self.boot = Some(boot),
            Event::WorkStart(work) => self.work = Some(work),
            Event::Progress(progress) => self.progress = Some(progress),
            Event::Mismatch(mismatch) => self.mismatches.push(mismatch),
            Event::Measure(measure) => self.measures.push(measure),
            Event::Tally(tally) => self.tallies.push(tally),
            Event::Check(check) => self.checks.push(check),
            Event::CheckBegins(check) => self.check_begun = Some(check.check),
            Event::FileLeft(file) => self.files.push(file),
            Event::Requests(requests) => self.requests = Some(requests),
            Event::Guest(outcome) => self.outcome = Some(outcome),
            Event::Error(error) => {
                self.error.get_or_insert(error.reason);
            }
            _ => {}
        }
    }

    /// Why this guest failed, by its own words or, without any, by the host's.
    fn complaint(&self) -> Option<String> {
        let outcome = self
            .outcome
            .as_ref()
            .filter(|guest| guest.status == Status::Failed);
        let own = outcome.map(|guest| {
            guest
                .reason
                .clone()
                .unwrap_or_else(|| "it failed without a reason".to_owned())
        });
        let seen = self.end.as_ref().filter(|end| end.status == Status::Failed);
        self.error
            .clone()
            .or(own)
            .or_else(|| seen.map(|end| end.reason.clone()))
    }
}

fn name(emitter: Option<u64>) -> String {
    emitter.map_or("the host".to_owned(), |id| format!("guest {id}"))
}

fn describe(mismatch: &events::Mismatch) -> String {
    let events::Mismatch {
        file,
        offset,
        length,
        page_state,
        copy,
        ..
    } = mismatch;
    let copy = match copy {
        events::Copy::Stable => "stable",
        events::Copy::FaultTolerant => "fault-tolerant",
        events::Copy::Optimistic => "optimistic",
    };
    format!(
        "mismatch in {file} at offset {offset}, length {length}, page state {page_state}, {copy} copy"
    )
}

#[cfg(test)]
#[path = "collect_tests.rs"]
mod tests;
