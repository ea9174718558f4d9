//! The file's tracks: the trace-event format, which Perfetto and browsers' own viewers read.
//!
//! The machine is one process, with a thread for each CPU that shows who runs there; each guest is another, with a
//! thread for what happens to its pages, one for its faults, one for its waits, and one for each CPU that shows its
//! kernel's tasks.

use std::collections::{BTreeMap, BTreeSet};

use drivers::recorder::Event;
use host::trace::{ANY, Kind as Host, parse_essa};
use kernel::trace::Kind as Kernel;
use serde::Serialize;
use serde_json::{Value, json};

/// Units of the time-of-day clock in a microsecond.
const UNITS_PER_MICROSECOND: f64 = 4096.0;
/// The process that is the machine; guest 0 is the next one.
const MACHINE: u64 = 1;

/// Threads of a guest's process.
#[derive(Clone, Copy)]
enum Track {
    States,
    Evictions,
    Paging,
    Faults,
    Waits,
    /// Tasks on a CPU.
    Tasks(u8),
}

impl Track {
    fn id(self) -> u64 {
        match self {
            Self::States => 1,
            Self::Evictions => 2,
            Self::Paging => 3,
            Self::Faults => 4,
            Self::Waits => 5,
            Self::Tasks(cpu) => 10 + u64::from(cpu),
        }
    }

    fn name(self) -> String {
        let name = match self {
            Self::States => "state changes",
            Self::Evictions => "evictions",
            Self::Paging => "paging",
            Self::Faults => "faults",
            Self::Waits => "waits",
            Self::Tasks(cpu) => return format!("CPU {cpu}: tasks"),
        };
        name.to_owned()
    }
}

/// The file.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    #[serde(rename = "displayTimeUnit")]
    unit: &'static str,
    #[serde(rename = "traceEvents")]
    events: Vec<Value>,
    /// Names of processes and threads that were used.
    #[serde(skip)]
    named: BTreeSet<(u64, u64)>,
    #[serde(skip)]
    span: (u64, u64),
}

impl Document {
    /// A document about what was between two times.
    pub(super) fn new(span: (u64, u64)) -> Self {
        Self {
            unit: "ns",
            events: Vec::new(),
            named: BTreeSet::new(),
            span,
        }
    }

    /// What the host has recorded.
    pub(super) fn add_host(&mut self, events: &[Event]) {
        for (begin, end) in self.slices(events, Host::Run as u8, Host::Leave as u8) {
            self.run(begin, end);
        }
        for event in events {
            match Host::ALL.get(usize::from(event.kind)) {
                Some(Host::Run | Host::Leave) | None => {}
                Some(kind) => self.add_event(*kind, event),
            }
        }
    }

    /// Events of one kind on a CPU, each with the time of the next event of another kind there. Whose beginning was overwritten is
    /// none; the last one of a CPU may have the end of all.
    fn slices<'a>(&self, events: &'a [Event], begins: u8, ends: u8) -> Vec<(&'a Event, u64)> {
        let mut running: BTreeMap<u8, &Event> = BTreeMap::new();
        let mut slices = Vec::new();
        for event in events {
            if event.kind == begins {
                running.insert(event.cpu, event);
            } else if event.kind == ends
                && let Some(begin) = running.remove(&event.cpu)
            {
                slices.push((begin, event.time));
            }
        }
        slices.extend(running.into_values().map(|begin| (begin, self.span.1)));
        slices
    }

    fn run(&mut self, begin: &Event, end: u64) {
        let (guest, cpu) = (begin.who >> 8, begin.who & 0xff);
        let at = (MACHINE, u64::from(begin.cpu));
        self.name(at, "machine", &format!("CPU {}", begin.cpu));
        let name = format!("guest {guest}, CPU {cpu}");
        self.slice(at, name, begin.time, end);
    }

    fn add_event(&mut self, kind: Host, event: &Event) {
        let (guest, cpu) = (u64::from(event.who >> 8), event.who & 0xff);
        let page = (event.value != ANY).then_some(event.value);
        let (track, name) = match kind {
            Host::Essa | Host::Evict => return self.add_state(guest, event),
            Host::Wait => return self.wait("b", guest, event),
            Host::WaitOver => return self.wait("e", guest, event),
            Host::PageOut => (Track::Paging, "page out"),
            Host::PageIn => (Track::Paging, "page in"),
            Host::ZeroFill => (Track::Faults, "zeroes"),
            Host::DiscardFault => (Track::Faults, "discard fault"),
            Host::AddressingFault => (Track::Faults, "addressing exception"),
            Host::Run | Host::Leave => unreachable!("they make slices"),
        };
        let arguments = json!({ "page": page, "cpu": cpu });
        self.instant(guest, track, name, event.time, arguments);
    }

    fn add_state(&mut self, guest: u64, event: &Event) {
        let Some((page, orc, old)) = parse_essa(event.value) else {
            return;
        };
        let arguments = json!({ "page": page, "old": old.to_string() });
        match orc {
            Some(orc) => {
                let name = orc.name();
                self.instant(guest, Track::States, name, event.time, arguments);
            }
            None => {
                let name = if old.usage() == cmm::Usage::Unused {
                    "drop"
                } else {
                    "discard"
                };
                self.instant(guest, Track::Evictions, name, event.time, arguments);
            }
        }
    }

    /// A CPU begins to wait or has waited. It can wait for several pages, if it is told of them.
    fn wait(&mut self, phase: &str, guest: u64, event: &Event) {
        let at = self.track(guest, Track::Waits);
        let name = match event.value {
            ANY => "waits for a frame",
            _ => "waits for a page",
        };
        self.events.push(json!({
            "ph": phase, "cat": "wait", "name": name, "pid": at.0, "tid": at.1,
            "id": format!("{}.{}", event.who, event.value), "ts": self.time(event.time),
            "args": { "page": event.value, "cpu": event.who & 0xff },
        }));
    }

    /// What a guest's kernel has recorded.
    pub(super) fn add_kernel(&mut self, guest: u64, events: &[Event]) {
        for (begin, end) in self.slices(events, Kernel::Run as u8, Kernel::Leave as u8) {
            self.task(guest, begin, end);
        }
        for event in events {
            let (name, arguments) = match Kernel::ALL.get(usize::from(event.kind)) {
                Some(Kernel::DiscardFault) => ("discard fault", json!({ "page": event.value })),
                Some(Kernel::Essa) => {
                    let (page, orc) = (event.value >> 4, event.value & 15);
                    ("ESSA", json!({ "page": page, "orc": orc }))
                }
                Some(Kernel::Run | Kernel::Leave) | None => continue,
            };
            let track = Track::Tasks(event.cpu);
            self.instant(guest, track, name, event.time, arguments);
        }
    }

    fn task(&mut self, guest: u64, begin: &Event, end: u64) {
        let at = self.track(guest, Track::Tasks(begin.cpu));
        self.slice(at, format!("task {:x}", begin.value), begin.time, end);
    }

    fn slice(&mut self, at: (u64, u64), name: String, begin: u64, end: u64) {
        let length = end.wrapping_sub(begin) as f64 / UNITS_PER_MICROSECOND;
        self.events.push(json!({
            "ph": "X", "name": name, "pid": at.0, "tid": at.1,
            "ts": self.time(begin), "dur": length,
        }));
    }

    fn instant(&mut self, guest: u64, track: Track, name: &str, time: u64, arguments: Value) {
        let at = self.track(guest, track);
        self.events.push(json!({
            "ph": "i", "s": "t", "name": name, "pid": at.0, "tid": at.1,
            "ts": self.time(time), "args": arguments,
        }));
    }

    /// Microseconds since the first event.
    fn time(&self, time: u64) -> f64 {
        time.wrapping_sub(self.span.0) as f64 / UNITS_PER_MICROSECOND
    }

    fn track(&mut self, guest: u64, track: Track) -> (u64, u64) {
        let at = (MACHINE + 1 + guest, track.id());
        self.name(at, &format!("guest {guest}"), &track.name());
        at
    }

    /// Says once what a process and a thread are called.
    fn name(&mut self, at: (u64, u64), process: &str, thread: &str) {
        if !self.named.insert(at) {
            return;
        }
        let names = [("process_name", process), ("thread_name", thread)];
        self.events.extend(names.map(|(what, name)| {
            json!({ "ph": "M", "name": what, "pid": at.0, "tid": at.1, "args": { "name": name } })
        }));
    }
}
