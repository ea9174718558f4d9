//! A configuration: what one run of the soak is, and the command line that repeats it.

use std::path::PathBuf;

use host::evict::Policy;

use crate::cli::{Control, Hinting, Personality, Word as _, Work};
use crate::{process, workspace};

/// The files that guests read: directories of the checkout, so that a command line is all that somebody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Files {
    /// A few.
    Cmm,
    /// Some that are large for their guests' caches.
    Docs,
    /// Many.
    Host,
    /// The Rust library sources: tens of megabytes.
    Library,
}

impl Files {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cmm, Self::Docs, Self::Host, Self::Library];

    /// Where they are, as `--files` wants it; what that is if nothing is said has no name.
    #[must_use]
    pub fn path(self) -> Option<PathBuf> {
        let name = match self {
            Self::Cmm => "cmm",
            Self::Docs => "docs",
            Self::Host => "host",
            Self::Library => return None,
        };
        Some(workspace::short(workspace::root().join(name)))
    }
}

/// Where the host pages to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagingSpace {
    /// Whether it is a model of a device; else it is a disk.
    pub is_model: bool,
    /// Room beyond what guests see, in MiB: with less, pages have hardly anywhere to go.
    pub room_mib: u64,
}

/// A block of a disk that cannot be read, or cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whether writing fails; else reading does.
    pub is_write: bool,
    /// Number of the disk.
    pub disk: u16,
    /// The block of 512 bytes.
    pub block: u64,
}

/// A parameter that no option of `qemu` is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra {
    /// Whether the host takes it; else the kernels do.
    pub of_host: bool,
    /// Its key and value.
    pub words: (&'static str, &'static str),
}

/// A machine that stands still: milliseconds from its start, and for how many.
pub type Pause = (u64, u64);

/// What a run is. Everything that is zero, false, or empty is left out of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The machine's seed.
    pub seed: u64,
    /// Whether there is no host.
    pub bare: bool,
    /// What guests do.
    pub work: Work,
    /// How often.
    pub passes: u32,
    /// Steps of tasks, for work that has them.
    pub steps: u64,
    /// What they read.
    pub files: Files,
    /// Guests.
    pub guests: u16,
    /// CPUs of each.
    pub cpus: u16,
    /// CPUs of the machine.
    pub machine_cpus: u16,
    /// Memory that each guest sees; without a host, of the machine.
    pub guest_mib: u64,
    /// Memory of the host, in percent of what all guests see.
    pub share: u64,
    /// Which hints count.
    pub hinting: Hinting,
    /// Whom the host passes for.
    pub personality: Personality,
    /// When it takes pages.
    pub evict: Policy,
    /// Where it pages to.
    pub paging: Option<PagingSpace>,
    /// Expanded storage, in percent of the host's memory.
    pub expanded: u64,
    /// A disk that fails.
    pub fault: Option<Fault>,
    /// Whether CPUs go offline and come back.
    pub hotplug: bool,
    /// Whether there is a balloon device.
    pub balloon: bool,
    /// Whether the console is one of lines.
    pub line_console: bool,
    /// Whether files are in memory.
    pub memory_disk: bool,
    /// Whether instructions are the clock.
    pub icount: bool,
    /// How many events are recorded.
    pub trace: u64,
    /// More parameters.
    pub extras: Vec<Extra>,
    /// What the operator does, and waits.
    pub script: Vec<String>,
    /// When the emulator is stopped.
    pub freezes: Vec<Pause>,
    /// What is wrong on purpose.
    pub control: Option<Control>,
}

/// KiB of a MiB.
const KIB: u64 = 1024;
/// KiB of a page.
const PAGE: u64 = 4;

impl Config {
    /// The smallest of all: where making a configuration smaller ends, if nothing is needed for it to fail.
    #[must_use]
    pub fn plain(seed: u64) -> Self {
        Self {
            seed,
            bare: false,
            work: Work::Verify,
            passes: 1,
            steps: 30,
            files: Files::Cmm,
            guests: 1,
            cpus: 1,
            machine_cpus: 1,
            guest_mib: 8,
            share: 100,
            hinting: Hinting::Full,
            personality: Personality::Model,
            evict: Policy::Lru,
            paging: None,
            expanded: 0,
            fault: None,
            hotplug: false,
            balloon: false,
            line_console: false,
            memory_disk: false,
            icount: false,
            trace: 0,
            extras: Vec::new(),
            script: Vec::new(),
            freezes: Vec::new(),
            control: None,
        }
    }

    /// What all guests see, in KiB.
    #[must_use]
    pub fn seen_kib(&self) -> u64 {
        u64::from(self.guests) * self.guest_mib * KIB
    }

    /// The host's memory in KiB, whole pages.
    #[must_use]
    pub fn host_kib(&self) -> u64 {
        (self.seen_kib() * self.share / 100).next_multiple_of(PAGE)
    }

    /// Expanded storage in KiB, whole pages.
    #[must_use]
    pub fn expanded_kib(&self) -> u64 {
        (self.host_kib() * self.expanded / 100).next_multiple_of(PAGE)
    }

    /// Whether guests have less memory than they see.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.share < 100
    }

    /// The words behind `cargo xtask qemu`.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Words::default();
        if self.bare {
            words.flag("--bare", true);
            words.pair("--memory", format!("{}M", self.guest_mib));
        } else {
            self.host_words(&mut words);
        }
        if self.cpus > 1 {
            words.pair("--cpus", self.cpus);
        }
        if self.machine_cpus != if self.bare { self.cpus } else { 1 } {
            words.pair("--machine-cpus", self.machine_cpus);
        }
        words.pair("--work", self.work.word());
        words.pair("--passes", self.passes);
        words.pair("--seed", self.seed);
        if let Some(path) = self.files.path() {
            words.pair("--files", path.display());
        }
        if self.work == Work::Farm {
            words.pair("--farm", "20:20:2");
        }
        if let Some(Fault {
            is_write,
            disk,
            block,
        }) = self.fault
        {
            let name = if is_write {
                "--fail-write"
            } else {
                "--fail-read"
            };
            words.pair(name, format!("{disk:04x}:{block}"));
        }
        words.flag("--hotplug", self.hotplug);
        words.flag("--balloon", self.balloon);
        words.flag("--memory-disk", self.memory_disk);
        words.flag("--icount", self.icount);
        if self.line_console {
            words.pair("--console", "line");
        }
        if self.trace > 0 {
            words.0.push(format!("--trace={}", self.trace));
        }
        let more = self.parameters();
        if !more.is_empty() {
            words.pair("--append", more);
        }
        if !self.freezes.is_empty() {
            let freezes = self.freezes.iter().map(|(at, time)| format!("{at}:{time}"));
            words.pair("--freeze", freezes.collect::<Vec<_>>().join(","));
        }
        if let Some(control) = self.control {
            words.pair("--control", control.word());
        }
        words.0
    }

    /// What only a host is told.
    fn host_words(&self, words: &mut Words) {
        words.pair("--guests", self.guests);
        words.pair("--guest-memory", format!("{}M", self.guest_mib));
        words.pair("--memory", format!("{}K", self.host_kib()));
        words.pair("--evict", self.evict);
        if self.hinting != Hinting::Full {
            words.pair("--hinting", self.hinting.word());
        }
        if self.personality != Personality::Model {
            words.pair("--personality", self.personality.word());
        }
        if let Some(PagingSpace { is_model, room_mib }) = self.paging {
            let kind = if is_model { "model:" } else { "" };
            let mib = self.seen_kib() / KIB + room_mib;
            words.pair("--paging", format!("{kind}{mib}M"));
        }
        if self.expanded > 0 {
            words.pair("--expanded", format!("{}K", self.expanded_kib()));
        }
        if !self.script.is_empty() {
            let steps = self.script.iter().map(|step| format!("op={step}"));
            words.pair("--script", steps.collect::<Vec<_>>().join(";"));
        }
    }

    /// More parameters, for the image that is booted.
    fn parameters(&self) -> String {
        let steps = matches!(self.work, Work::Churn | Work::Farm).then(|| Extra {
            of_host: false,
            words: ("steps", ""),
        });
        let word = |extra: &Extra| {
            let prefix = if self.bare || extra.of_host { "" } else { "g." };
            let (key, value) = extra.words;
            match key {
                "steps" => format!("{prefix}steps={}", self.steps),
                _ => format!("{prefix}{key}={value}"),
            }
        };
        let all: Vec<String> = steps.iter().chain(&self.extras).map(word).collect();
        all.join(" ")
    }

    /// The command line that repeats the run; one that takes longer than `timeout` seconds is given up.
    #[must_use]
    pub fn line(&self, timeout: u64) -> String {
        let words = self.words();
        let words: Vec<String> = words.iter().map(|word| process::quote(word)).collect();
        format!("cargo xtask qemu {} --timeout {timeout}", words.join(" "))
    }
}

/// Words of a command line.
#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn pair(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0.extend([name.to_owned(), value.to_string()]);
    }

    fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.0.push(name.to_owned());
        }
    }
}
