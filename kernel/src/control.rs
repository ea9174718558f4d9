//! The kernel's parameters.

use alloc::format;
use alloc::string::String;

use boot::params::{Error, Parameter, Params};
use drivers::recorder::MOST_EVENTS;

use crate::mm::{Discards, Hinting, MAX_ORDER, MOST_AT_ONCE, Parts, Probe};

/// What the kernel may hint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cmma {
    /// Nothing.
    Off,
    /// Unused and stable.
    Unused,
    /// Everything that the probe finds.
    Full,
    /// Everything, whatever the probe finds about discards.
    Force,
}

impl Cmma {
    /// What is hinted, from what is allowed and what the probe has found.
    ///
    /// Volatile pages need a host that says when it has discarded one; the user can insist.
    #[must_use]
    pub fn hinting(self, probe: &Probe) -> Hinting {
        match (self, probe.essa, probe.discards) {
            (Self::Off, ..) | (_, false, _) => Hinting::Off,
            (Self::Force, ..) | (Self::Full, _, Discards::Faults) => Hinting::Full,
            (Self::Unused | Self::Full, ..) => Hinting::Unused,
        }
    }
}

/// What the kernel does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Reads and verifies all files.
    Verify,
    /// Counts instructions.
    Measure,
    /// Writes the disks that may be written and reads them back.
    Disks,
    /// Runs tasks with more memory than there is.
    Swap,
    /// Runs tasks that map, write, fork, lock and cut files at random.
    Churn,
    /// Sends files that are asked for at random, few of them often.
    Serve,
    /// Waits.
    Idle,
    /// Finds out what becomes of pages that are reported as free.
    Reporting,
    /// Counts state changes of free pages.
    Pages,
    /// Finds out what ESSA does here.
    Validate,
    /// Serves files as a machine of a farm.
    Farm,
}

impl Work {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Measure => "measure",
            Self::Disks => "disks",
            Self::Swap => "swap",
            Self::Churn => "churn",
            Self::Serve => "serve",
            Self::Idle => "idle",
            Self::Reporting => "reporting",
            Self::Pages => "pages",
            Self::Validate => "validate",
            Self::Farm => "farm",
        }
    }
}

/// Where the files are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskChoice {
    /// The first of the others that is there; a disk in memory comes first.
    Auto,
    /// virtio-ccw.
    Virtio,
    /// DIAGNOSE X'250'.
    Diag250,
    /// In the bundle.
    Memory,
}

/// What the balloon device is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BalloonControl {
    /// Whether free pages are reported; if nothing is said, in place of ESSA.
    pub reporting: Option<bool>,
    /// Least order of a block that is reported.
    pub order: u32,
    /// Time from one round of reports to the next, in milliseconds.
    pub interval_ms: u64,
    /// Whether the device's target is followed; it is if nothing is said.
    pub balloon: Option<bool>,
}

/// When a machine of a farm is busy, and how much memory it uses besides files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Farm {
    /// When its first phase begins, in milliseconds.
    pub offset: u64,
    /// Time from the beginning of one phase to that of the next one, in milliseconds.
    pub period: u64,
    /// Memory of a task's own, in percent of all.
    pub own: u64,
    /// The file that it writes, in percent of all.
    pub written: u64,
}

impl Farm {
    const DEFAULT: Self = Self {
        offset: 0,
        period: 0,
        own: 20,
        written: 2,
    };

    /// What a parameter's value names: all of it, or only the first words.
    fn parse(text: &str) -> Option<Self> {
        let mut all = Self::DEFAULT;
        let places = [
            (&mut all.offset, 3_600_000),
            (&mut all.period, 3_600_000),
            (&mut all.own, 50),
            (&mut all.written, 50),
        ];
        let mut words = text.split(':');
        for (place, most) in places {
            if let Some(word) = words.next() {
                *place = word.parse().ok().filter(|number| *number <= most)?;
            }
        }
        words.next().is_none().then_some(all)
    }
}

/// Longest time from one round of reports to the next, in milliseconds: an hour.
const LONGEST_INTERVAL: u64 = 3_600_000;

impl BalloonControl {
    /// Blocks of 128 KiB and more: smaller ones come and go too fast, and are most of the requests and
    /// little of the memory. A host that discards by larger pages takes what is large enough for it.
    const DEFAULT: Self = Self {
        reporting: None,
        order: 5,
        interval_ms: 500,
        balloon: None,
    };

    /// Whether free pages are to be reported by a kernel that gives these hints.
    #[must_use]
    pub fn reports(&self, hinting: Hinting) -> bool {
        self.reporting.unwrap_or(hinting == Hinting::Off)
    }

    /// Whether somebody wants the device to be used, and should know if it is not.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        self.reporting == Some(true) || self.balloon == Some(true)
    }

    fn set<'a>(&mut self, parameter: &Parameter<'a>) -> Result<(), Error<'a>> {
        match parameter.key {
            "reporting" => self.reporting = Some(parameter.one_of("off|on", [false, true])?),
            "reporting-order" => self.order = parameter.within(0, MAX_ORDER.into())? as u32,
            "reporting-ms" => self.interval_ms = parameter.within(1, LONGEST_INTERVAL)?,
            "balloon" => self.balloon = Some(parameter.one_of("off|on", [false, true])?),
            _ => return Err(parameter.unknown()),
        }
        Ok(())
    }
}

/// Parts of the scheme, by their names with commas in between.
fn parts<'a>(parameter: &Parameter<'a>) -> Result<Parts, Error<'a>> {
    let part = |word: &str| {
        let found = Parts::NAMES.iter().find(|(name, _)| *name == word);
        found.map(|(_, part)| *part)
    };
    let all: Option<Parts> = parameter.value.split(',').map(part).collect();
    all.ok_or_else(|| parameter.expected("one or more of swap-cache,writable,minor-faults,mlock"))
}

/// What the kernel is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Control {
    /// What may be hinted.
    pub cmma: Cmma,
    /// What to do.
    pub work: Work,
    /// How often.
    pub passes: u64,
    /// Steps of each task of `work=churn`, in place of those for each of its pages.
    pub steps: Option<u64>,
    /// Most CPUs to use; all of the machine's if nothing is said.
    pub cpus: Option<u64>,
    /// Whether CPUs are taken off and on all the time.
    pub hotplug: bool,
    /// Whether no file is read on more than one CPU.
    pub disjoint: bool,
    /// Whether each pass of `work=verify` begins with an empty page cache.
    pub cold: bool,
    /// The first check of `work=validate` that is made.
    pub from: u64,
    /// How many of the latest events are recorded.
    pub trace: u64,
    /// Seed of what is random.
    pub seed: u64,
    /// Where the files are.
    pub disk: DiskChoice,
    /// Parts of the scheme that are left out.
    pub left_out: Parts,
    /// Most pages of files that are read by one request; 0 is each page for itself.
    pub read_ahead: u32,
    /// Whether other tasks run while the host brings in the page of one.
    pub pfault: bool,
    /// What the balloon device is used for.
    pub balloon: BalloonControl,
    /// What `work=farm` does when.
    pub farm: Farm,
    /// The guard that a negative test takes out.
    #[cfg(feature = "controls")]
    pub take_out: Option<crate::mm::Guard>,
}

impl Control {
    /// Reads a parameter line.
    ///
    /// # Errors
    /// One line that names the key that is wrong.
    pub fn read(line: &str) -> Result<Self, String> {
        let mut control = Self {
            cmma: Cmma::Full,
            work: Work::Verify,
            passes: 2,
            steps: None,
            cpus: None,
            hotplug: false,
            disjoint: false,
            cold: false,
            from: 0,
            trace: 0,
            seed: 1,
            disk: DiskChoice::Auto,
            left_out: Parts::empty(),
            read_ahead: MOST_AT_ONCE as u32,
            pfault: true,
            balloon: BalloonControl::DEFAULT,
            farm: Farm::DEFAULT,
            #[cfg(feature = "controls")]
            take_out: None,
        };
        let params = Params::parse(line).map_err(|error| format!("{error}"))?;
        for parameter in params.iter() {
            control
                .set(&parameter)
                .map_err(|error| format!("{error}"))?;
        }
        Ok(control)
    }

    fn set<'a>(&mut self, parameter: &Parameter<'a>) -> Result<(), Error<'a>> {
        match parameter.key {
            "cmma" => {
                let all = [Cmma::Off, Cmma::Unused, Cmma::Full, Cmma::Force];
                self.cmma = parameter.one_of("off|unused|full|force", all)?;
            }
            "work" => {
                self.work = parameter.one_of(
                    "verify|measure|disks|swap|churn|serve|idle|reporting|pages|validate|farm",
                    [
                        Work::Verify,
                        Work::Measure,
                        Work::Disks,
                        Work::Swap,
                        Work::Churn,
                        Work::Serve,
                        Work::Idle,
                        Work::Reporting,
                        Work::Pages,
                        Work::Validate,
                        Work::Farm,
                    ],
                )?;
            }
            "passes" => self.passes = parameter.integer()?,
            "steps" => self.steps = Some(parameter.integer()?),
            "cpus" => self.cpus = Some(parameter.integer()?),
            "hotplug" => self.hotplug = parameter.one_of("off|on", [false, true])?,
            "files" => self.disjoint = parameter.one_of("shared|disjoint", [false, true])?,
            "cold" => self.cold = parameter.one_of("off|on", [false, true])?,
            "from" => self.from = parameter.integer()?,
            "trace" => self.trace = parameter.within(0, MOST_EVENTS)?,
            "seed" => self.seed = parameter.integer()?,
            "disk" => {
                let all = [
                    DiskChoice::Auto,
                    DiskChoice::Virtio,
                    DiskChoice::Diag250,
                    DiskChoice::Memory,
                ];
                self.disk = parameter.one_of("auto|virtio|diag250|memory", all)?;
            }
            "pfault" => self.pfault = parameter.one_of("off|on", [false, true])?,
            "farm" => {
                let farm = Farm::parse(parameter.value);
                self.farm =
                    farm.ok_or_else(|| parameter.expected("OFFSET[:PERIOD[:OWN[:WRITTEN]]]"))?;
            }
            // For the one who executes them.
            "cp" | "cp-end" => {}
            "without" => self.left_out = parts(parameter)?,
            "readahead" => {
                self.read_ahead = parameter.within(0, MOST_AT_ONCE as u64)? as u32;
            }
            #[cfg(feature = "controls")]
            "control" => {
                use crate::mm::Guard::{DiscardFault, MakeStable, SignOff};
                let choices = "skip-make-stable|ignore-discard-fault|skip-sign-off";
                let guards = [MakeStable, DiscardFault, SignOff];
                self.take_out = Some(parameter.one_of(choices, guards)?);
            }
            _ => return self.balloon.set(parameter),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_changes_what_it_names() {
        let control = Control::read("passes=5 cmma=unused disk=memory").unwrap();
        assert_eq!(
            (control.passes, control.cmma, control.disk),
            (5, Cmma::Unused, DiskChoice::Memory)
        );
        assert_eq!((control.work, control.seed), (Work::Verify, 1));
        assert_eq!(control.read_ahead, MOST_AT_ONCE as u32);
        assert_eq!(Control::read("readahead=0").unwrap().read_ahead, 0);
        assert_eq!(control.steps, None);
        assert_eq!(Control::read("steps=7").unwrap().steps, Some(7));
        assert!(control.pfault && !Control::read("pfault=off").unwrap().pfault);
        let farm = Control::read("work=farm farm=5:100").unwrap();
        assert_eq!(
            (farm.work, farm.farm),
            (
                Work::Farm,
                Farm {
                    offset: 5,
                    period: 100,
                    ..Farm::DEFAULT
                }
            )
        );
        assert!(!control.cold && Control::read("cold=on").unwrap().cold);
    }

    #[test]
    fn only_a_host_that_delivers_discard_faults_gets_all_hints() {
        let all = [
            Discards::Faults,
            Discards::Zero,
            Discards::None,
            Discards::NotProbed,
        ];
        for discards in all {
            let probe = |essa| Probe {
                essa,
                discards,
                essa_counts: [0; 8],
            };
            let full = match discards {
                Discards::Faults => Hinting::Full,
                _ => Hinting::Unused,
            };
            assert_eq!(Cmma::Full.hinting(&probe(true)), full);
            assert_eq!(Cmma::Force.hinting(&probe(true)), Hinting::Full);
            assert_eq!(Cmma::Unused.hinting(&probe(true)), Hinting::Unused);
            assert_eq!(Cmma::Off.hinting(&probe(true)), Hinting::Off);
            assert_eq!(Cmma::Force.hinting(&probe(false)), Hinting::Off);
        }
    }

    #[test]
    fn free_pages_are_reported_in_place_of_essa_unless_something_is_said() {
        let control = |line| Control::read(line).unwrap().balloon;
        let default = control("");
        assert!(default.reports(Hinting::Off) && !default.is_asked_for());
        assert!(!default.reports(Hinting::Unused) && !default.reports(Hinting::Full));
        let on = control("reporting=on reporting-order=12 reporting-ms=20");
        assert!(on.reports(Hinting::Full) && on.is_asked_for());
        assert_eq!((on.order, on.interval_ms, on.balloon), (12, 20, None));
        let off = control("reporting=off balloon=off");
        assert!(!off.reports(Hinting::Off) && !off.is_asked_for());
        assert!(control("balloon=on").is_asked_for());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, word) in [
            ("cmma=maybe", "cmma"),
            ("passes=two", "passes"),
            ("colour=1", "colour"),
            ("reporting=maybe", "reporting"),
            (
                "reporting-order=13",
                "reporting-order=13: the value is too large",
            ),
            ("reporting-order=x", "reporting-order"),
            ("reporting-ms=0", "reporting-ms=0: the value is too small"),
            ("reporting-ms=3600001", "too large"),
            ("balloon=half", "balloon"),
            ("pfault=1", "pfault"),
            ("cold=yes", "cold"),
            ("farm=1:2:51", "farm"),
            ("farm=1:2:3:4:5", "farm"),
            ("readahead=33", "readahead=33: the value is too large"),
        ] {
            let error = Control::read(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn parts_of_the_scheme_are_left_out_by_name() {
        let left_out = |line| Control::read(line).map(|control| control.left_out);
        assert_eq!(left_out("cmma=full"), Ok(Parts::empty()));
        assert_eq!(
            left_out("without=writable,mlock"),
            Ok(Parts::WRITABLE | Parts::MEMORY_LOCK)
        );
        let error = left_out("without=writable,swap").unwrap_err();
        assert!(error.contains("without=writable,swap: "), "{error}");
    }
}
