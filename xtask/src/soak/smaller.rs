//! What makes a configuration smaller: each dimension towards the plain one.

use host::evict::Policy;

use super::config::{Config, Files};
use super::shrink::Shrink;
use crate::cli::Work;

/// Least memory of a guest that is tried, in MiB.
const LEAST_MIB: u64 = 6;

/// Dimensions of a configuration, in the order in which they are made smaller: the host, and what most is in a
/// command line, first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dimension {
    Host,
    Script,
    Freezes,
    Fault,
    Extras,
    Trace,
    Balloon,
    Console,
    MemoryDisk,
    Icount,
    Hotplug,
    Expanded,
    Paging,
    Share,
    Personality,
    Hinting,
    Evict,
    Guests,
    Cpus,
    MachineCpus,
    GuestMemory,
    Passes,
    Steps,
    Files,
    Work,
}

use Dimension::{
    Balloon, Console, Cpus, Evict, Expanded, Extras, Fault, Freezes, GuestMemory, Guests, Hinting,
    Host, Hotplug, Icount, MachineCpus, MemoryDisk, Paging, Passes, Personality, Script, Share,
    Steps, Trace,
};

const ALL: [Dimension; 25] = [
    Host,
    Script,
    Freezes,
    Fault,
    Extras,
    Trace,
    Balloon,
    Console,
    MemoryDisk,
    Icount,
    Hotplug,
    Expanded,
    Paging,
    Share,
    Personality,
    Hinting,
    Evict,
    Guests,
    Cpus,
    MachineCpus,
    GuestMemory,
    Passes,
    Steps,
    Dimension::Files,
    Dimension::Work,
];

impl Shrink for Config {
    const DIMENSIONS: usize = ALL.len();

    fn plain(&self, dimension: usize) -> Self {
        let (mut less, plain) = (self.clone(), Self::plain(self.seed));
        match ALL[dimension] {
            // What runs without a host shows more than what runs under one, but it is another machine: one step
            // of its own.
            Host => {}
            Script => less.script = plain.script,
            Freezes => less.freezes = plain.freezes,
            Fault => less.fault = plain.fault,
            Extras => less.extras = plain.extras,
            Trace => less.trace = plain.trace,
            Balloon => less.balloon = plain.balloon,
            Console => less.line_console = plain.line_console,
            MemoryDisk => less.memory_disk = plain.memory_disk,
            Icount => less.icount = plain.icount,
            Hotplug => less.hotplug = plain.hotplug,
            Expanded => less.expanded = plain.expanded,
            Paging => less.paging = plain.paging,
            Share => less.share = plain.share,
            Personality => less.personality = plain.personality,
            Hinting => less.hinting = plain.hinting,
            Evict => less.evict = plain.evict,
            Guests => less.guests = plain.guests,
            // The bare machine has as many.
            Cpus if self.bare => (less.cpus, less.machine_cpus) = (plain.cpus, plain.machine_cpus),
            Cpus => less.cpus = plain.cpus,
            MachineCpus if self.bare => less.machine_cpus = self.cpus,
            MachineCpus => less.machine_cpus = plain.machine_cpus,
            GuestMemory => less.guest_mib = self.guest_mib.min(plain.guest_mib),
            Passes => less.passes = plain.passes,
            Steps => less.steps = self.steps.min(plain.steps),
            Dimension::Files => less.files = plain.files,
            Dimension::Work => less.work = plain.work,
        }
        less
    }

    fn smaller(&self, dimension: usize) -> Vec<Self> {
        let plain = Shrink::plain(self, dimension);
        let mut all = vec![plain];
        let mut add = |change: &dyn Fn(&mut Self)| {
            let mut less = self.clone();
            change(&mut less);
            all.push(less);
        };
        match ALL[dimension] {
            Host => add(&|less| *less = self.without_host()),
            Script => parts(&self.script, &mut |part| {
                add(&|less| less.script = part.to_vec())
            }),
            Freezes => {
                parts(&self.freezes, &mut |part| {
                    add(&|less| less.freezes = part.to_vec())
                });
                let shorter = |(at, time): (u64, u64)| (at, (time / 2).max(1));
                add(&|less| less.freezes = self.freezes.iter().copied().map(shorter).collect());
            }
            Extras => parts(&self.extras, &mut |part| {
                add(&|less| less.extras = part.to_vec())
            }),
            Trace if self.trace > 0 => {
                numbers(self.trace, 1, &mut |number| {
                    add(&|less| less.trace = number)
                });
            }
            Expanded if self.expanded > 0 => {
                numbers(self.expanded, 1, &mut |number| {
                    add(&|less| less.expanded = number)
                });
            }
            Share => {
                // More memory is less to do: towards all of it.
                numbers(100 - self.share, 0, &mut |missing| {
                    add(&|less| less.share = 100 - missing);
                });
            }
            Evict => self.policies(&mut |policy| add(&|less| less.evict = policy)),
            Guests => numbers(self.guests.into(), 1, &mut |number| {
                add(&|less| less.guests = number as u16);
            }),
            Cpus => numbers(self.cpus.into(), 1, &mut |number| {
                add(&|less| {
                    less.cpus = number as u16;
                    if less.bare {
                        less.machine_cpus = less.cpus;
                    }
                });
            }),
            MachineCpus => numbers(self.machine_cpus.into(), 1, &mut |number| {
                add(&|less| less.machine_cpus = number as u16);
            }),
            GuestMemory => numbers(self.guest_mib, LEAST_MIB, &mut |number| {
                add(&|less| less.guest_mib = number);
            }),
            Passes => numbers(self.passes.into(), 1, &mut |number| {
                add(&|less| less.passes = number as u32);
            }),
            Steps => numbers(self.steps, 1, &mut |number| {
                add(&|less| less.steps = number)
            }),
            Dimension::Files => {
                let fewer = Files::ALL.into_iter().filter(|files| *files < self.files);
                fewer.for_each(|files| add(&|less| less.files = files));
            }
            Dimension::Work => {
                // Of works with tasks one may do for another.
                if matches!(self.work, Work::Churn | Work::Farm) {
                    add(&|less| less.work = Work::Swap);
                }
            }
            Trace | Expanded | Paging | Fault | Balloon | Console | MemoryDisk | Icount
            | Hotplug | Personality | Hinting => {}
        }
        all.retain(|less| less != self);
        all
    }

    fn is_valid(&self) -> bool {
        self.complaint().is_none()
    }
}

impl Config {
    /// The kernel of the first guest on a machine of its own.
    fn without_host(&self) -> Self {
        let mut less = Self {
            bare: true,
            machine_cpus: self.cpus,
            work: self.work,
            passes: self.passes,
            steps: self.steps,
            files: self.files,
            cpus: self.cpus,
            guest_mib: self.guest_mib,
            hotplug: self.hotplug,
            balloon: self.balloon,
            line_console: self.line_console,
            memory_disk: self.memory_disk,
            icount: self.icount,
            trace: self.trace,
            freezes: self.freezes.clone(),
            fault: self.fault,
            control: self.control,
            ..Self::plain(self.seed)
        };
        let extras = self.extras.iter().filter(|extra| !extra.of_host);
        less.extras = extras.copied().collect();
        less
    }

    /// Policies that take fewer pages.
    fn policies(&self, add: &mut dyn FnMut(Policy)) {
        match self.evict {
            Policy::Lru => {}
            Policy::Random(rate) => numbers(rate.into(), 10, &mut |rate| {
                add(Policy::Random(rate as u32));
            }),
            Policy::Steal => add(Policy::Random(1000)),
            Policy::StealSpare | Policy::StealAfter(_) => add(Policy::Steal),
            // A CPU that pauses is the most that there is.
            Policy::Hold => {
                add(Policy::Random(1000));
                add(Policy::Steal);
            }
        }
    }
}

/// Smaller numbers: half way down, a tenth less, and one less.
fn numbers(number: u64, least: u64, add: &mut dyn FnMut(u64)) {
    let Some(over) = number.checked_sub(least).filter(|over| *over > 0) else {
        return;
    };
    let less = [over / 2, over - over.div_ceil(10), over - 1];
    for (place, over) in less.into_iter().enumerate() {
        if !less[..place].contains(&over) {
            add(least + over);
        }
    }
}

/// Shorter lists: each half, and all but one.
fn parts<T: Clone>(list: &[T], add: &mut dyn FnMut(&[T])) {
    if list.len() > 1 {
        let (first, second) = list.split_at(list.len() / 2);
        add(second);
        add(first);
        for left_out in 0..list.len() {
            add(&[&list[..left_out], &list[left_out + 1..]].concat());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;
    use crate::soak::shrink::{Tried, shrink};

    /// Causes as they might be, and the words that must be left of each.
    type Cause = (fn(&Config) -> bool, &'static [&'static str]);
    const CAUSES: [Cause; 10] = [
        (|config| config.evict == Policy::Hold, &["hold"]),
        (
            |config| config.hotplug && config.cpus >= 3,
            &["--hotplug", "3"],
        ),
        (
            |config| config.guests >= 2 && config.is_short(),
            &["--guests", "2"],
        ),
        (
            |config| config.work == Work::Churn && config.paging.is_some(),
            &["churn", "--paging"],
        ),
        (
            |config| config.script.iter().any(|step| step.starts_with("pause")),
            &["--script"],
        ),
        (
            |config| config.hinting == cli::Hinting::Extended,
            &["full+extended", "--expanded", "--paging"],
        ),
        (
            |config| config.freezes.iter().any(|(_, time)| *time >= 100),
            &["--freeze"],
        ),
        (
            |config| config.fault.is_some_and(|fault| fault.disk == 0x0102),
            &["0102:"],
        ),
        (
            |config| config.extras.iter().any(|extra| extra.words.0 == "without"),
            &["without="],
        ),
        (
            |config| config.bare && config.cpus > 1,
            &["--bare", "--cpus", "2"],
        ),
    ];

    #[test]
    fn a_cause_is_never_dropped_and_nothing_else_is_left() {
        for (number, (cause, words)) in CAUSES.into_iter().enumerate() {
            let failing = (0..).map(Config::draw).filter(cause);
            for config in failing.take(12) {
                let mut tries = 0;
                let found = shrink(config.clone(), &mut |candidate: &Config| {
                    tries += 1;
                    Ok(if cause(candidate) {
                        Tried::Fails
                    } else {
                        Tried::Passes
                    })
                })
                .unwrap();
                assert!(cause(&found) && found.is_valid(), "{number}: {found:?}");
                let line = found.line(1);
                assert!(
                    words.iter().all(|word| line.contains(word)),
                    "{number}: {line}"
                );
                assert!(line.len() <= config.line(1).len(), "{line}");
                assert!(tries <= 250, "{tries} tries from {config:?}");
                let is_smaller = |less: &Config| less.is_valid() && cause(less);
                let smaller = (0..ALL.len()).flat_map(|dimension| found.smaller(dimension));
                assert_eq!(smaller.filter(is_smaller).count(), 0, "{found:?}");
            }
        }
    }

    #[test]
    fn steps_lead_down_and_come_to_an_end() {
        for seed in 0..200 {
            // Whatever is offered last, and never the whole of a dimension.
            let mut config = Config::draw(seed);
            let mut steps = 0;
            while let Some(less) =
                (0..ALL.len()).find_map(|dimension| config.smaller(dimension).pop())
            {
                assert_ne!(less, config);
                config = less;
                steps += 1;
                assert!(steps < 10_000, "{config:?}");
            }
        }
    }

    #[test]
    fn what_needs_nothing_is_the_plain_one() {
        let config = (0..)
            .map(Config::draw)
            .find(|config| !config.bare && config.guests > 3);
        let found = shrink(config.unwrap(), &mut |config: &Config| {
            Ok(if config.bare {
                Tried::Passes
            } else {
                Tried::Fails
            })
        })
        .unwrap();
        let plain = Config {
            guest_mib: LEAST_MIB,
            steps: found.steps,
            ..Config::plain(found.seed)
        };
        assert_eq!(found, plain);
    }
}
