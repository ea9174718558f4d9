//! What a run was worth: whether anything is wrong with it, and what.

use serde::{Deserialize, Serialize};

use super::config::{Config, Fault};
use crate::collect::Collector;
use crate::events::{self, Counts, Guest, Host, Status};
use crate::machine::{End, FILES, PAGING, SWAP, WRITABLE};
use crate::run::Finished;

/// How a run fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Data are not what they should be.
    Mismatch,
    /// A page, a frame or a slot is not given back.
    Leak,
    /// It does not come to its end.
    Hang,
    /// An image panics.
    Panic,
    /// There is no memory for the work.
    OutOfMemory,
    /// A line is missing, or is none.
    Lines,
    /// It ends with a failure for another reason.
    Status,
}

impl Kind {
    /// Whether one cause may show as both: what is not as it should be shows where it is looked at first.
    #[must_use]
    pub fn is_like(self, other: Self) -> bool {
        let is_damage = |kind| matches!(kind, Self::Mismatch | Self::Panic | Self::Status);
        self == other || is_damage(self) && is_damage(other)
    }

    /// The kind of failure that a reason is.
    #[must_use]
    pub fn of(reason: &str) -> Self {
        /// What reasons say, by the first that does.
        const WORDS: [(&str, Kind); 16] = [
            ("mismatch", Kind::Mismatch),
            ("has left its file", Kind::Mismatch),
            ("pages are lost or there twice", Kind::Leak),
            ("were not given back", Kind::Leak),
            ("not at its end after", Kind::Hang),
            ("panic: ", Kind::Panic),
            ("out of memory", Kind::OutOfMemory),
            ("memory too small", Kind::OutOfMemory),
            ("that is too little by", Kind::OutOfMemory),
            ("broken line", Kind::Lines),
            (" is missing before ", Kind::Lines),
            ("printed a line of kind", Kind::Lines),
            (": a trace: ", Kind::Lines),
            ("did not report", Kind::Lines),
            ("the host speaks of", Kind::Lines),
            ("speaks of disk", Kind::Lines),
        ];
        let found = WORDS.iter().find(|(word, _)| reason.contains(word));
        found.map_or(Self::Status, |(_, kind)| *kind)
    }
}

/// What is wrong with a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    /// How it fails.
    pub kind: Kind,
    /// What it says, in one line.
    pub reason: String,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Verdict {
    /// What is wrong, if anything is.
    pub wrong: Option<Wrong>,
    /// What it could not do because a disk failed that should: the run has ended as it must.
    pub endured: Option<String>,
    /// What has happened, by name.
    pub counts: Counts,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Judges a run.
#[must_use]
pub fn judge(config: &Config, finished: &Finished) -> Verdict {
    let mut verdict = Verdict {
        counts: counts(&finished.collector),
        seconds: finished.wall.as_secs_f64(),
        ..Verdict::default()
    };
    let reason = finished.outcome.reason.clone().unwrap_or_default();
    if finished.outcome.status == Status::Failed {
        let is_expected = matches!(finished.end, End::Exit(Some(1)))
            && config.endures().iter().any(|words| reason.contains(words));
        if is_expected {
            verdict.endured = Some(reason);
        } else {
            let kind = Kind::of(&reason);
            verdict.wrong = Some(Wrong { kind, reason });
            return verdict;
        }
    }
    let leak = leak(&finished.collector);
    verdict.wrong = leak.map(|reason| Wrong {
        kind: Kind::Leak,
        reason,
    });
    verdict
}

impl Config {
    /// What a run may say that fails because of its disk.
    fn endures(&self) -> &'static [&'static str] {
        let Some(Fault { is_write, disk, .. }) = self.fault else {
            return &[];
        };
        match (disk, is_write) {
            (FILES, false) => &["disk 0100, block "],
            (WRITABLE, _) => &["disk 0101, block "],
            // What cannot be written stays where it is.
            (SWAP, false) => &["the page cannot be read from its device"],
            (PAGING, false) => &["the paging device cannot read a page of it"],
            _ => &[],
        }
    }
}

/// What is not given back, of all that must be.
fn leak(collector: &Collector) -> Option<String> {
    let guests = collector.guests().iter();
    let of_guests = guests.filter_map(|(id, guest)| {
        let lost = lost_by(guest.outcome.as_ref()?)?;
        Some(format!("guest {id}: {lost}"))
    });
    let of_host = collector.host().and_then(kept_by);
    of_host.into_iter().chain(of_guests).next()
}

/// What a kernel cannot account for.
fn lost_by(guest: &Guest) -> Option<String> {
    let places = [
        guest.frames_free,
        guest.frames_cached,
        guest.frames_anonymous,
        guest.frames_kernel,
        guest.frames_reserved,
        guest.sign_off_waiting,
        guest.ballooned_pages,
    ];
    let found: u64 = places.iter().sum();
    if found != guest.frames {
        return Some(format!(
            "{found} of {} frames are accounted for",
            guest.frames
        ));
    }
    (guest.frames_anonymous > 0)
        .then(|| format!("{} anonymous frames are left", guest.frames_anonymous))
}

/// What a host has not got back from guests that have ended.
fn kept_by(host: &Host) -> Option<String> {
    let pools = [
        ("frames", host.frames_free, host.frames),
        ("expanded frames", host.expanded_free, host.expanded),
        ("slots", host.slots_free + host.slots_retired, host.slots),
    ];
    let missing = pools.iter().find(|(_, free, all)| free != all);
    missing.map(|(what, free, all)| format!("host: {free} of {all} {what} are free in the end"))
}

/// What has happened, all guests together.
fn counts(collector: &Collector) -> Counts {
    let mut counts = Counts::new();
    let mut add = |name: &str, count: u64| *counts.entry(name.to_owned()).or_default() += count;
    for guest in collector.guests().values() {
        let Some(guest) = &guest.outcome else {
            continue;
        };
        add("bytes_verified", guest.bytes_verified);
        add("mismatches", guest.mismatches);
        add("discard_faults", guest.discard_faults);
        add("stable_failures", guest.stable_failures);
        add("write_errors", guest.write_errors);
        add("cpus_taken_off", guest.cpus_taken_off);
        add("swapped_in", guest.swapped_in);
        add("ticks_lost", guest.ticks_lost);
    }
    if let Some(host) = collector.host() {
        add("page_read_errors", host.page_read_errors);
        add("page_write_errors", host.page_write_errors);
        let of_guests = |count: fn(&events::HostGuest) -> u64| host.guests.iter().map(count).sum();
        add("discards", of_guests(|guest| guest.discards));
        add("page_writes", of_guests(|guest| guest.page_writes));
        add("page_reads", of_guests(|guest| guest.page_reads));
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Event;
    use crate::events::tests::sample;

    fn guest() -> Guest {
        let Event::Guest(guest) = sample("guest") else {
            unreachable!("it is one")
        };
        Guest {
            frames: 105,
            ..guest
        }
    }

    fn host() -> Host {
        let Event::Host(host) = sample("host") else {
            unreachable!("it is one")
        };
        Host {
            frames_free: host.frames,
            expanded_free: host.expanded,
            slots_free: host.slots - host.slots_retired,
            ..host
        }
    }

    #[test]
    fn frames_that_nobody_has_are_a_leak() {
        assert_eq!(lost_by(&guest()), None);
        let lost = Guest {
            frames_cached: 0,
            ..guest()
        };
        assert_eq!(
            lost_by(&lost).unwrap(),
            "104 of 105 frames are accounted for"
        );
        let twice = Guest {
            frames_free: 91,
            ..guest()
        };
        assert!(lost_by(&twice).is_some());
        let left = Guest {
            frames_free: 89,
            frames_anonymous: 1,
            ..guest()
        };
        assert_eq!(lost_by(&left).unwrap(), "1 anonymous frames are left");
    }

    #[test]
    fn what_the_host_has_not_got_back_is_a_leak() {
        assert_eq!(kept_by(&host()), None);
        let frames = Host {
            frames_free: host().frames - 1,
            ..host()
        };
        assert!(
            kept_by(&frames)
                .unwrap()
                .contains("frames are free in the end")
        );
        let slots = Host {
            slots_retired: 0,
            ..host()
        };
        assert!(kept_by(&slots).unwrap().contains("slots are free"));
        let expanded = Host {
            expanded_free: 0,
            ..host()
        };
        assert!(kept_by(&expanded).unwrap().contains("expanded frames"));
    }

    #[test]
    fn a_reason_is_of_one_kind() {
        for (reason, kind) in [
            ("guest 0: mismatch in a/b at 4096", Kind::Mismatch),
            ("guest 1 has left its file at block 3", Kind::Mismatch),
            ("guest 0: pages are lost or there twice: 5", Kind::Leak),
            ("not at its end after 120 s", Kind::Hang),
            ("host: panic: index out of range", Kind::Panic),
            (
                "guest 0: a task cannot start: out of memory, and nothing can go",
                Kind::OutOfMemory,
            ),
            ("guest 0 printed a broken line (not JSON)", Kind::Lines),
            ("guest 0: line 5 is missing before \"guest\"", Kind::Lines),
            (
                "the host did not report its outcome: QEMU ended",
                Kind::Lines,
            ),
            (
                "guest 0: unexpected program interruption 0x0005",
                Kind::Status,
            ),
        ] {
            assert_eq!(Kind::of(reason), kind, "{reason}");
        }
    }

    #[test]
    fn damage_is_damage_and_a_hang_is_none() {
        assert!(Kind::Mismatch.is_like(Kind::Status) && Kind::Panic.is_like(Kind::Mismatch));
        assert!(Kind::Hang.is_like(Kind::Hang) && !Kind::Hang.is_like(Kind::Mismatch));
        assert!(!Kind::OutOfMemory.is_like(Kind::Status) && !Kind::Leak.is_like(Kind::Lines));
    }

    #[test]
    fn only_what_cannot_be_had_again_may_end_a_guest() {
        let with = |disk, is_write| Config {
            fault: Some(Fault {
                is_write,
                disk,
                block: 1,
            }),
            ..Config::plain(1)
        };
        assert!(Config::plain(1).endures().is_empty());
        assert!(with(SWAP, true).endures().is_empty());
        assert!(with(PAGING, true).endures().is_empty());
        for config in [
            with(FILES, false),
            with(WRITABLE, true),
            with(SWAP, false),
            with(PAGING, false),
        ] {
            assert!(!config.endures().is_empty());
        }
    }
}
