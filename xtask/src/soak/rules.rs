//! Which configurations make sense: those that kernel and host do not refuse, that have room for their work, and that
//! end within seconds.

use host::evict::Policy;

use super::config::{Config, Fault, Files};
use crate::cli::{Hinting, Personality, Work};

/// Number of the files' disk.
const FILES: u16 = crate::machine::FILES;
/// The disk that guests write, and the one that they swap to.
const WRITABLE: u16 = crate::machine::WRITABLE;
const SWAP: u16 = crate::machine::SWAP;
/// The disk that the host pages to.
const PAGING: u16 = crate::machine::PAGING;

/// Frames of the host, in KiB, with which everything still goes on.
const LEAST_HOST_KIB: u64 = 2048;
/// Memory that guests see together, in MiB: more takes too long.
const MOST_SEEN_MIB: u64 = 96;
/// The same for tasks, which come to each page again and again, as often as [`Config::times`] says.
const MOST_SEEN_BY_TASKS_MIB: u64 = 18;
/// Steps of a task that take about as long as a pass of `swap`.
const STEPS: u64 = 60;
/// Memory of a machine without a host that has its files in memory, in MiB: the kernel wants room behind them.
const LEAST_WITH_DISK_MIB: u64 = 12;
/// CPUs of guests together: each is a thread's work.
const MOST_CPUS: u16 = 16;

impl Config {
    /// Why this is no configuration to run; none if it is one.
    #[must_use]
    pub fn complaint(&self) -> Option<&'static str> {
        let rules: [fn(&Self) -> Option<&'static str>; 7] = [
            Self::amounts,
            Self::alone,
            Self::memory_of_host,
            Self::clock,
            Self::faults,
            Self::work_at_all,
            Self::operator,
        ];
        rules.iter().find_map(|rule| rule(self))
    }

    /// Whether the host may be short of memory without a place to page to: what it needs can be discarded.
    fn can_be_discarded(&self) -> bool {
        let is_kept = self
            .extras
            .iter()
            .any(|extra| extra.words.0.contains("cmma"))
            || self.script.iter().any(|step| step.starts_with("hinting"));
        self.hinting == Hinting::Full
            && self.personality.discards()
            && matches!(self.work, Work::Verify | Work::Serve | Work::Idle)
            && !is_kept
    }

    /// How often tasks do what takes its time, about.
    fn times(&self) -> u64 {
        let often = match self.work {
            Work::Swap => self.passes.into(),
            Work::Churn | Work::Farm => self.steps.div_ceil(STEPS),
            _ => return 1,
        };
        // Whatever is swapped out is taken at once, and comes from the disk again.
        let takes_all = !matches!(self.evict, Policy::Lru | Policy::Random(_));
        let moves = self.hinting == Hinting::Balloon || self.icount;
        often * if takes_all || moves { 2 } else { 1 }
    }

    fn amounts(&self) -> Option<&'static str> {
        let cpus = u64::from(self.cpus);
        let least = if self.work.has_tasks() {
            6 + cpus / 4
        } else {
            6
        };
        let seen = u64::from(self.guests) * self.guest_mib * self.times();
        let most = if self.work.has_tasks() {
            MOST_SEEN_BY_TASKS_MIB
        } else {
            MOST_SEEN_MIB
        };
        let is_wrong = [
            (
                self.guests == 0 || self.cpus == 0 || self.machine_cpus == 0 || self.passes == 0,
                "nothing to do",
            ),
            (self.guest_mib < least, "a guest is too small for its work"),
            (seen > most, "it takes too long"),
            (self.guests * self.cpus > MOST_CPUS, "too many CPUs"),
            (self.machine_cpus > 4, "a machine with too many CPUs"),
            (self.hotplug && self.cpus < 2, "the only CPU cannot go"),
            (self.trace > 0 && self.guest_mib < 8, "no room for events"),
        ];
        first(&is_wrong)
    }

    /// Without a host.
    fn alone(&self) -> Option<&'static str> {
        let is_hosted = self.guests > 1
            || self.share != 100
            || self.hinting != Hinting::Full
            || self.personality != Personality::Model
            || self.evict != Policy::Lru
            || self.paging.is_some()
            || self.expanded > 0
            || !self.script.is_empty()
            || self.extras.iter().any(|extra| extra.of_host);
        let is_wrong = [
            (is_hosted, "there is no host"),
            (self.machine_cpus < self.cpus, "the machine has fewer CPUs"),
            (
                self.memory_disk && self.guest_mib < LEAST_WITH_DISK_MIB,
                "no room beside files in memory",
            ),
        ];
        if self.bare { first(&is_wrong) } else { None }
    }

    fn memory_of_host(&self) -> Option<&'static str> {
        let least = match (&self.paging, self.work.has_tasks()) {
            (None, _) if self.can_be_discarded() => 75,
            (None, _) => 100,
            (Some(_), true) => 50,
            (Some(_), false) => 30,
        };
        let withholds = self.script.iter().any(|step| step.starts_with("withhold"));
        let is_wrong = [
            (self.share < least, "too little memory for the guests"),
            (self.share > 100, "more memory than guests can use"),
            (
                self.host_kib() - self.expanded_kib() < LEAST_HOST_KIB,
                "too few frames",
            ),
            (
                self.expanded > 0 && self.paging.is_none(),
                "expanded storage is in front of a paging device",
            ),
            (self.expanded > 40, "too few frames beside expanded storage"),
            (
                self.hinting == Hinting::Extended && self.expanded == 0,
                "no expanded storage",
            ),
            (
                withholds && self.paging.is_none(),
                "nowhere to go from frames that are withheld",
            ),
        ];
        if self.bare { None } else { first(&is_wrong) }
    }

    fn clock(&self) -> Option<&'static str> {
        let is_wrong = [
            (
                self.icount && self.machine_cpus > 1,
                "instructions of one CPU are counted",
            ),
            (
                self.icount && !self.freezes.is_empty(),
                "instructions do not go on when it is stopped",
            ),
            (
                self.icount && self.evict == Policy::Hold,
                "it takes too long",
            ),
        ];
        first(&is_wrong)
    }

    fn faults(&self) -> Option<&'static str> {
        let Fault { is_write, disk, .. } = self.fault?;
        let pages_to_disk = self.paging.is_some_and(|paging| !paging.is_model);
        let is_there = match disk {
            FILES => !is_write,
            WRITABLE => is_write && matches!(self.work, Work::Churn | Work::Farm),
            SWAP => self.work.has_tasks(),
            PAGING => pages_to_disk,
            _ => false,
        };
        (!is_there || self.memory_disk).then_some("nobody uses the disk that fails")
    }

    fn work_at_all(&self) -> Option<&'static str> {
        let reads = matches!(self.work, Work::Verify | Work::Serve | Work::Idle);
        let pages_to_disk = self.paging.is_some_and(|paging| !paging.is_model);
        let is_large = self.files == Files::Library;
        let is_slow = matches!(self.evict, Policy::Hold | Policy::Steal) || self.icount;
        let reads_little = self.work == Work::Verify && self.passes == 1 && self.guests <= 2;
        let is_wrong = [
            (self.memory_disk && !reads, "no disk to write"),
            (self.memory_disk && pages_to_disk, "no disk to page to"),
            (
                is_large && (self.memory_disk || is_slow || !reads_little),
                "too many files for that",
            ),
            (
                self.evict == Policy::Hold
                    && (self.work.has_tasks() && self.cpus == 1 || self.work == Work::Farm),
                "all pauses of the only CPU in a row",
            ),
            (
                self.evict == Policy::Hold && self.seen_kib() > 16 << 10,
                "it takes too long",
            ),
        ];
        first(&is_wrong)
    }
}

impl Config {
    /// A guest that is still paused when the script is over would be stopped.
    fn operator(&self) -> Option<&'static str> {
        let last = |word| self.script.iter().rposition(|step| step.starts_with(word));
        let resumed = self.script.iter().rposition(|step| step == "resume");
        (last("pause") > resumed).then_some("a guest stays paused")
    }
}

/// What the first that is wrong is called.
fn first(is_wrong: &[(bool, &'static str)]) -> Option<&'static str> {
    let found = is_wrong.iter().find(|(is_so, _)| *is_so);
    found.map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::config::{Extra, PagingSpace};

    /// What is wrong with the plain configuration after a change.
    fn complaint(change: impl Fn(&mut Config)) -> Option<&'static str> {
        let mut config = Config::plain(1);
        assert_eq!(config.complaint(), None);
        change(&mut config);
        config.complaint()
    }

    fn disk() -> Option<PagingSpace> {
        Some(PagingSpace {
            is_model: false,
            room_mib: 2,
        })
    }

    #[test]
    fn what_images_would_refuse_is_not_drawn() {
        type Refused = (fn(&mut Config), &'static str);
        const REFUSED: [Refused; 10] = [
            (|config| config.cpus = 0, "nothing to do"),
            (|config| config.share = 70, "too little memory"),
            (
                |config| (config.share, config.work) = (80, Work::Swap),
                "too little memory",
            ),
            (
                |config| (config.share, config.hinting) = (80, Hinting::None),
                "too little memory",
            ),
            (
                |config| (config.share, config.personality) = (80, Personality::Kvm),
                "too little memory",
            ),
            (|config| config.expanded = 10, "in front of a paging device"),
            (
                |config| config.hinting = Hinting::Extended,
                "no expanded storage",
            ),
            (
                |config| (config.bare, config.guests) = (true, 2),
                "there is no host",
            ),
            (
                |config| (config.bare, config.cpus) = (true, 2),
                "fewer CPUs",
            ),
            (
                |config| (config.bare, config.memory_disk) = (true, true),
                "no room beside files",
            ),
        ];
        for (change, word) in REFUSED {
            let complaint = complaint(change).unwrap_or_default();
            assert!(complaint.contains(word), "{complaint}, not {word}");
        }
    }

    #[test]
    fn what_hints_may_not_count_for_needs_all_memory() {
        let short = |config: &mut Config| config.share = 80;
        assert_eq!(complaint(short), None);
        let cmma = |config: &mut Config| {
            short(config);
            config.extras = vec![Extra {
                of_host: true,
                words: ("g0.cmma", "off"),
            }];
        };
        assert!(complaint(cmma).is_some());
        let operator = |config: &mut Config| {
            short(config);
            config.script = vec!["hinting unused".to_owned()];
        };
        assert!(complaint(operator).is_some());
        let paged = |config: &mut Config| {
            cmma(config);
            config.paging = disk();
        };
        assert_eq!(complaint(paged), None);
    }

    #[test]
    fn a_fault_is_on_a_disk_that_is_used() {
        let with = |disk, is_write| {
            Some(Fault {
                is_write,
                disk,
                block: 8,
            })
        };
        assert_eq!(complaint(|config| config.fault = with(FILES, false)), None);
        assert!(complaint(|config| config.fault = with(FILES, true)).is_some());
        assert!(complaint(|config| config.fault = with(SWAP, true)).is_some());
        assert!(complaint(|config| config.fault = with(PAGING, true)).is_some());
        let paged = |config: &mut Config| {
            config.paging = disk();
            config.fault = with(PAGING, true);
        };
        assert_eq!(complaint(paged), None);
    }

    #[test]
    fn nobody_stays_paused() {
        let script = |steps: &[&str]| {
            complaint(|config| {
                config.script = steps.iter().map(|step| (*step).to_owned()).collect()
            })
        };
        assert_eq!(script(&["pause 0", "wait 5", "resume"]), None);
        assert!(script(&["pause 0"]).is_some());
        assert!(script(&["resume", "pause"]).is_some());
        assert!(script(&["pause 0", "resume 1"]).is_some());
        assert_eq!(script(&["evict"]), None);
    }
}
