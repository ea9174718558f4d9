//! The host's parameters.

use alloc::format;
use alloc::string::String;

use arch::tod::UNITS_PER_MICROSECOND;
use boot::params::{Params, Route, parse_size, route};
use drivers::recorder::MOST_EVENTS;

use crate::dev::console::Offer;
use crate::evict::Policy;
use crate::limits::Limits;
use crate::mem::shadow;
use crate::monitor::Settings;
use crate::paging::Timing;
use crate::personality::{Hinting, Hypervisor, Personality};

/// Least memory of a guest, in bytes.
const LEAST_GUEST: u64 = 1 << 20;
/// Most memory of a guest, in bytes: what one segment table maps.
const MOST_GUEST: u64 = 1 << 31;
/// Least and most of a guest's shadow tables, in bytes: a few instructions' worth, or more than 2 GiB need.
const LEAST_SHADOW: u64 = 64 << 10;
const MOST_SHADOW: u64 = 64 << 20;
const PAGE_SIZE: u64 = arch::PAGE_SIZE as u64;
/// Most guests.
const MOST_GUESTS: u64 = 64;

/// Most CPUs of a guest.
const MOST_CPUS: u64 = 64;

/// What the host is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Control {
    /// Bytes of frames for guests; what is left of the machine if nothing is said.
    pub memory: Option<u64>,
    /// Bytes of storage of each guest.
    pub guest_memory: u64,
    /// Most bytes of shadow tables of each guest; a part of its storage if nothing is said.
    pub shadow: Option<u64>,
    /// How many guests.
    pub guests: u16,
    /// How many CPUs each guest has.
    pub cpus: u16,
    /// Which console guests have.
    pub console: Offer,
    /// Which hints count.
    pub hinting: Hinting,
    /// Which hypervisor the host passes for.
    pub hypervisor: Hypervisor,
    /// Whether guests have balloons.
    pub balloon: bool,
    /// Whether all disks of guests are virtio devices, beside X'250'.
    pub virtio_disks: bool,
    /// Whether a monitor drives them.
    pub is_monitored: bool,
    /// What it goes by.
    pub monitor: Settings,
    /// Which pages are taken when.
    pub policy: Policy,
    /// Where pages go that must be kept.
    pub paging: Paging,
    /// Disks of guests that are storage: how large each of them is, and how slow all are.
    pub guest_disks: Paging,
    /// How often to print a sample, in milliseconds; 0 is never.
    pub sample: u64,
    /// Bytes of the frames for guests that are expanded storage instead, where pages go first.
    pub expanded: u64,
    /// Whether the console is listened to, for commands of an operator.
    pub operator: bool,
    /// Whether the machine interprets guests; else what they must not execute themselves is emulated.
    pub is_interpreted: bool,
    /// What guests may use before they are stopped.
    pub limits: Option<Limits>,
    /// How many of the latest events are recorded.
    pub trace: usize,
    /// Seed of what is random.
    pub seed: u64,
    /// What goes wrong on purpose.
    #[cfg(feature = "controls")]
    pub mistake: Option<Mistake>,
}

/// Where pages go that must be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paging {
    /// Nowhere: they stay in their frames.
    None,
    /// To a disk.
    Disk,
    /// To storage of so many bytes that is as slow as a disk.
    Model(u64, Timing),
}

/// A seek and the transfer of a page, in microseconds, if nothing is said: a disk of flash memory.
const SEEK: u64 = 150;
const PAGE: u64 = 25;

impl Paging {
    /// Storage and times, if it is storage.
    #[must_use]
    pub fn model(self) -> Option<(u64, Timing)> {
        match self {
            Self::Model(bytes, timing) => Some((bytes, timing)),
            Self::None | Self::Disk => None,
        }
    }

    /// What a parameter's value names.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => return Some(Self::None),
            "disk" => return Some(Self::Disk),
            _ => {}
        }
        let mut words = text.strip_prefix("model:")?.split(':');
        let size = parse_size(words.next()?).ok()?;
        let mut time = |default| match words.next() {
            Some(word) => word.parse().ok().filter(|time| *time <= 1_000_000),
            None => Some(default),
        };
        let (seek, page) = (time(SEEK)?, time(PAGE)?);
        let timing = Timing {
            seek: seek * UNITS_PER_MICROSECOND,
            page: page * UNITS_PER_MICROSECOND,
        };
        (size > 0 && size % PAGE_SIZE == 0 && words.next().is_none())
            .then_some(Self::Model(size, timing))
    }
}

/// A deliberate mistake, for tests of what notices it.
#[cfg(feature = "controls")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mistake {
    /// Stable pages are lost.
    DiscardStable,
    /// CPU 1 of each guest answers no order.
    MuteCpu,
    /// A CPU that gets a discard fault is not dispatched for two seconds; once.
    LateCpu,
    /// Pages that are there are called something else than when they were missing.
    WrongToken,
    /// Potentially volatile pages are discarded whether they were changed or not.
    DiscardChanged,
    /// A store leaves the copy on the paging device what it was: good.
    KeepCopy,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            memory: None,
            guest_memory: 24 << 20,
            shadow: None,
            guests: 2,
            cpus: 1,
            console: Offer::Ascii,
            hinting: Hinting::Full,
            hypervisor: Hypervisor::Model,
            balloon: false,
            virtio_disks: false,
            is_monitored: false,
            monitor: Settings::DEFAULT,
            policy: Policy::Lru,
            paging: Paging::None,
            guest_disks: Paging::None,
            sample: 0,
            expanded: 0,
            operator: false,
            is_interpreted: false,
            limits: None,
            trace: 0,
            seed: 1,
            #[cfg(feature = "controls")]
            mistake: None,
        }
    }
}

impl Control {
    /// Whether guests have a balloon device.
    #[must_use]
    pub fn has_balloon(&self) -> bool {
        self.balloon || self.is_monitored
    }

    /// The word for what counts.
    #[must_use]
    pub fn hinting_name(&self) -> &'static str {
        if self.is_monitored {
            "balloon"
        } else {
            self.hinting.name()
        }
    }

    /// What is done with page states.
    #[must_use]
    pub const fn personality(&self) -> Personality {
        let personality = Personality::new(self.hypervisor, self.hinting);
        #[cfg(feature = "controls")]
        let personality = personality.err(self.mistake);
        personality
    }

    /// Most bytes of shadow tables of each guest.
    #[must_use]
    pub fn shadow(&self) -> u64 {
        self.shadow.unwrap_or(shadow::quota(self.guest_memory))
    }

    /// Pages of all guests.
    #[must_use]
    pub fn guests_pages(&self) -> u64 {
        u64::from(self.guests) * (self.guest_memory / PAGE_SIZE)
    }

    /// Reads a parameter line over what is known already.
    ///
    /// # Errors
    /// One line that names the key that is wrong.
    pub fn read(&mut self, line: &str) -> Result<(), String> {
        let params = Params::parse(line).map_err(|error| format!("{error}"))?;
        for parameter in params.iter() {
            match route(parameter.key) {
                Route::Own(_) => {}
                Route::Guest(..) | Route::AllGuests(_) => continue,
            }
            let text = |error: boot::params::Error<'_>| format!("{error}");
            match parameter.key {
                "memory" => self.memory = Some(parameter.size().map_err(text)?),
                "guest-memory" => {
                    let size = parameter.size().map_err(text)?;
                    if !(LEAST_GUEST..=MOST_GUEST).contains(&size) || size % (1 << 20) != 0 {
                        return Err(format!(
                            "guest-memory={}: whole MiB from 1M to 2048M",
                            parameter.value
                        ));
                    }
                    self.guest_memory = size;
                }
                "shadow" => {
                    let size = parameter.size().map_err(text)?;
                    if !(LEAST_SHADOW..=MOST_SHADOW).contains(&size) || size % PAGE_SIZE != 0 {
                        return Err(format!("shadow={}: 64K to 64M", parameter.value));
                    }
                    self.shadow = Some(size);
                }
                "guests" => {
                    let count = parameter.integer().map_err(text)?;
                    if !(1..=MOST_GUESTS).contains(&count) {
                        return Err(format!("guests={count}: 1 to {MOST_GUESTS}"));
                    }
                    self.guests = count as u16;
                }
                "cpus" => {
                    let count = parameter.integer().map_err(text)?;
                    if !(1..=MOST_CPUS).contains(&count) {
                        return Err(format!("cpus={count}: 1 to {MOST_CPUS}"));
                    }
                    self.cpus = count as u16;
                }
                "console" => {
                    let all = [Offer::Ascii, Offer::Line];
                    self.console = parameter.one_of("ascii|line", all).map_err(text)?;
                }
                "hinting" => {
                    let all = [
                        Hinting::None,
                        Hinting::Unused,
                        Hinting::Full,
                        Hinting::Extended,
                        Hinting::None,
                    ];
                    let chosen = parameter.one_of("none|unused|full|full+extended|balloon", all);
                    self.hinting = chosen.map_err(text)?;
                    self.is_monitored = parameter.value == "balloon";
                }
                "personality" => {
                    let chosen = parameter.one_of(Hypervisor::NAMES, Hypervisor::ALL);
                    self.hypervisor = chosen.map_err(text)?;
                }
                "evict" => {
                    self.policy = Policy::parse(parameter.value).ok_or_else(|| {
                        format!(
                            "{}",
                            parameter.expected("lru|random:RATE|steal[:spare|:MS]|hold")
                        )
                    })?;
                }
                "paging" => {
                    self.paging = Paging::parse(parameter.value).ok_or_else(|| {
                        format!("{}", parameter.expected("none|disk|model:SIZE[:SEEK:PAGE]"))
                    })?;
                }
                "guest-disks" => {
                    self.guest_disks = Paging::parse(parameter.value).ok_or_else(|| {
                        format!("{}", parameter.expected("none|disk|model:SIZE[:SEEK:PAGE]"))
                    })?;
                }
                "sample" => self.sample = parameter.integer().map_err(text)?,
                "expanded" => {
                    let size = parameter.size().map_err(text)?;
                    if !size.is_multiple_of(PAGE_SIZE) {
                        return Err(format!("expanded={}: whole pages", parameter.value));
                    }
                    self.expanded = size;
                }
                "operator" => {
                    self.operator = parameter.one_of("on|off", [true, false]).map_err(text)?;
                }
                "backend" => {
                    let chosen = parameter.one_of("auto|trap|sie", [false, false, true]);
                    self.is_interpreted = chosen.map_err(text)?;
                }
                "balloon" => {
                    self.balloon = parameter.one_of("off|on", [false, true]).map_err(text)?;
                }
                "disks" => {
                    let chosen = parameter.one_of("diag250|virtio", [false, true]);
                    self.virtio_disks = chosen.map_err(text)?;
                }
                "monitor" => {
                    self.monitor = Settings::parse(parameter.value)
                        .ok_or_else(|| format!("{}", parameter.expected("MS[:STEP[:FLOOR]]")))?;
                }
                "limits" => {
                    let limits = Limits::parse(parameter.value);
                    self.limits =
                        Some(limits.ok_or_else(|| {
                            format!("{}", parameter.expected("EXITS:MS[:FIRST]"))
                        })?);
                }
                "trace" => {
                    self.trace = parameter.within(0, MOST_EVENTS).map_err(text)? as usize;
                }
                "seed" => self.seed = parameter.integer().map_err(text)?,
                #[cfg(feature = "controls")]
                "control" => {
                    let all = [
                        Mistake::DiscardStable,
                        Mistake::MuteCpu,
                        Mistake::LateCpu,
                        Mistake::WrongToken,
                        Mistake::DiscardChanged,
                        Mistake::KeepCopy,
                    ];
                    let choices =
                        "discard-stable|mute-cpu|late-cpu|wrong-token|discard-changed|keep-copy";
                    self.mistake = Some(parameter.one_of(choices, all).map_err(text)?);
                }
                _ => return Err(format!("{}", parameter.unknown())),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_changes_what_it_names() {
        let mut control = Control::default();
        control
            .read("guests=3 evict=random:500 hinting=unused g.passes=2 g1.seed=9")
            .unwrap();
        assert_eq!((control.guests, control.policy), (3, Policy::Random(500)));
        control.read("cpus=4 evict=hold").unwrap();
        assert_eq!((control.cpus, control.policy), (4, Policy::Hold));
        assert_eq!(
            (control.hinting, control.guest_memory),
            (Hinting::Unused, 24 << 20)
        );
    }

    #[test]
    fn a_balloon_is_no_hint() {
        let mut control = Control::default();
        control.read("hinting=balloon monitor=50:10").unwrap();
        assert_eq!(control.hinting, Hinting::None);
        assert!(control.is_monitored && control.has_balloon());
        let expected = Settings {
            interval_ms: 50,
            step: 10,
            ..Settings::DEFAULT
        };
        assert_eq!(control.monitor, expected);
        assert_eq!(control.hinting_name(), "balloon");
        control.read("hinting=full").unwrap();
        assert!(!control.is_monitored && !control.has_balloon());
        control.read("balloon=on").unwrap();
        assert!(control.has_balloon());
    }

    #[test]
    fn a_modelled_device_has_a_size_and_two_times() {
        let mut control = Control::default();
        assert_eq!(control.paging, Paging::None);
        control.read("paging=model:1M:200").unwrap();
        let timing = Timing {
            seek: 200 * UNITS_PER_MICROSECOND,
            page: PAGE * UNITS_PER_MICROSECOND,
        };
        assert_eq!(control.paging, Paging::Model(1 << 20, timing));
        control
            .read("paging=disk guest-disks=model:1M:200")
            .unwrap();
        assert_eq!(control.paging, Paging::Disk);
        assert_eq!(control.guest_disks, Paging::Model(1 << 20, timing));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, word) in [
            ("guests=0", "guests"),
            ("cpus=0", "cpus"),
            ("cpus=65", "cpus"),
            ("guest-memory=1", "guest-memory"),
            ("shadow=1K", "shadow"),
            ("evict=fifo", "evict"),
            ("evict=steal:0", "evict"),
            ("expanded=1", "expanded"),
            ("paging=tape", "paging"),
            ("paging=model:0", "paging"),
            ("paging=model:4097", "paging"),
            ("paging=model:1M:x", "paging"),
            ("paging=model:1M:1:2:3", "paging"),
            ("guest-disks=model:1", "guest-disks"),
            ("sample=often", "sample"),
            ("limits=5", "limits"),
            ("colour=blue", "colour"),
            ("hinting=some", "hinting"),
            ("personality=xen", "personality"),
            ("console=green", "console"),
            ("operator=maybe", "operator"),
            ("balloon=half", "balloon"),
            ("disks=tape", "disks"),
            ("monitor=0", "monitor"),
            ("monitor=100:101", "monitor"),
        ] {
            let error = Control::default().read(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
