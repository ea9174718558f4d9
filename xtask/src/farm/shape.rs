//! What the machines of an experiment are, and what they do: the same in every mode.

use std::collections::BTreeMap;

use super::point::{Clock, Mode};

/// Bytes of a MiB.
pub const MIB: u64 = 1 << 20;
/// Samples of a timeline, about.
const SAMPLES: u64 = 40;

/// Time of a device: to get somewhere else, and for a page, in microseconds.
pub type Timing = (u64, u64);

/// Frames that guests are to do without for a while, which they use else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// How many.
    pub frames: u64,
    /// From when on, milliseconds from the start.
    pub from_ms: u64,
    /// For how long.
    pub for_ms: u64,
}

impl Withheld {
    /// What the host's operator does.
    #[must_use]
    pub fn script(&self) -> String {
        let Self {
            frames,
            from_ms,
            for_ms,
        } = self;
        format!("op=wait {from_ms}\nop=withhold {frames}\nop=wait {for_ms}\nop=withhold 0\n")
    }
}

/// Machines and their work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Memory that a guest sees, MiB.
    pub guest_mib: u64,
    /// Memory of the host for all of them, MiB.
    pub host_mib: u64,
    /// Files, KiB.
    pub files_kib: u64,
    /// How often each guest is busy.
    pub phases: u64,
    /// Requests of a phase.
    pub requests: u64,
    /// Milliseconds from the beginning of one guest's phase to that of the next guest's.
    pub slot_ms: u64,
    /// Memory of a task's own, percent of a guest's.
    pub own: u64,
    /// The file that is written, percent of a guest's memory.
    pub written: u64,
    /// The paging device.
    pub paging: Timing,
    /// The guests' disks.
    pub disks: Timing,
    /// Frames that are withheld for a while.
    pub withheld: Option<Withheld>,
}

impl Shape {
    /// The main experiment: files of four times a guest's memory.
    pub const MAIN: Self = Self {
        guest_mib: 16,
        host_mib: 32,
        files_kib: 64 << 10,
        phases: 6,
        requests: 300,
        slot_ms: 150,
        own: 20,
        written: 2,
        paging: (150, 25),
        disks: (150, 25),
        withheld: None,
    };

    /// Guests that see so many times the host's memory.
    #[must_use]
    pub fn guests_of(&self, overcommit: f64) -> u16 {
        (overcommit * self.host_mib as f64 / self.guest_mib as f64).round() as u16
    }

    /// What is the same for all points, for the result.
    #[must_use]
    pub fn settings(&self) -> BTreeMap<String, String> {
        let timing = |(seek, page): Timing| format!("{seek}:{page}");
        let withheld = self.withheld.map_or(0, |withheld| withheld.frames);
        [
            ("guest_memory", (self.guest_mib * MIB).to_string()),
            ("host_memory", (self.host_mib * MIB).to_string()),
            ("files", (self.files_kib << 10).to_string()),
            ("phases", self.phases.to_string()),
            ("requests_of_a_phase", self.requests.to_string()),
            ("slot_ms", self.slot_ms.to_string()),
            ("own_percent", self.own.to_string()),
            ("written_percent", self.written.to_string()),
            ("paging_seek_page_us", timing(self.paging)),
            ("disks_seek_page_us", timing(self.disks)),
            ("withheld_frames", withheld.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// What is different from another shape.
    #[must_use]
    pub fn differences(&self, other: &Self) -> BTreeMap<String, String> {
        let others = other.settings();
        let mut own = self.settings();
        own.retain(|name, value| others.get(name) != Some(value));
        own
    }
}

/// Settings of the rivals, and of the extended mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The monitor of balloons: MS:STEP:FLOOR.
    pub monitor: String,
    /// Free page reporting: least order of a block, and milliseconds.
    pub reporting: (u32, u64),
}

impl Tuning {
    /// What a user gets without a sweep.
    #[must_use]
    pub fn default_settings() -> Self {
        Self {
            monitor: "200:25:25".to_owned(),
            reporting: (5, 500),
        }
    }

    /// What a mode has been told of it, in the words of the parameter line.
    #[must_use]
    pub fn of(&self, mode: Mode, shape: &Shape) -> BTreeMap<String, String> {
        let one = |name: &str, value: String| (name.to_owned(), value);
        match mode {
            Mode::None | Mode::Unused | Mode::Full => BTreeMap::new(),
            Mode::Balloon => [one("monitor", self.monitor.clone())].into(),
            Mode::Reporting => [
                one("reporting-order", self.reporting.0.to_string()),
                one("reporting-ms", self.reporting.1.to_string()),
            ]
            .into(),
            Mode::Extended => [one("expanded", format!("{}K", expanded_kib(shape)))].into(),
        }
    }
}

/// Expanded storage, out of the host's memory: an eighth.
fn expanded_kib(shape: &Shape) -> u64 {
    shape.host_mib * 1024 / 8
}

/// The words of `cargo xtask qemu` for a run, but for its files and where it goes.
#[must_use]
pub fn words(
    shape: &Shape,
    tuning: &Tuning,
    mode: Mode,
    guests: u16,
    seed: u64,
    clock: Clock,
) -> Vec<String> {
    let guests_mib = u64::from(guests) * shape.guest_mib;
    let hinting = match mode {
        Mode::Reporting => "none",
        _ => mode.word(),
    };
    let sample = (u64::from(guests) * shape.slot_ms * shape.phases / SAMPLES).max(10);
    let mut append = format!("sample={sample} g.steps={}", shape.requests);
    match mode {
        Mode::Balloon => append += &format!(" monitor={} g.reporting=off", tuning.monitor),
        Mode::Reporting => {
            let (order, interval) = tuning.reporting;
            append += &format!(
                " balloon=on g.reporting=on g.balloon=off g.reporting-order={order} g.reporting-ms={interval}"
            );
        }
        _ => {}
    }
    let farm = format!("{}:{}:{}", shape.slot_ms, shape.own, shape.written);
    let mut words: Vec<String> = [
        ("--work", "farm".to_owned()),
        ("--evict", "lru".to_owned()),
        ("--passes", shape.phases.to_string()),
        ("--guests", guests.to_string()),
        ("--guest-memory", format!("{}M", shape.guest_mib)),
        ("--memory", format!("{}M", shape.host_mib)),
        ("--hinting", hinting.to_owned()),
        // Guests count on from it.
        ("--seed", (seed * 1000).to_string()),
        ("--farm", farm),
        ("--append", append),
    ]
    .into_iter()
    .flat_map(|(name, value)| [name.to_owned(), value])
    .collect();
    if mode == Mode::Extended {
        words.extend(["--expanded".to_owned(), format!("{}K", expanded_kib(shape))]);
    }
    let model = |mib: u64, (seek, page): Timing| format!("model:{mib}M:{seek}:{page}");
    // Room for all that guests see, and for what they swap and write.
    let scratch_mib = shape.guest_mib / 2;
    match clock {
        Clock::Virtual => words.extend([
            "--icount".to_owned(),
            "--memory-disk".to_owned(),
            "--guest-disks".to_owned(),
            model(u64::from(guests) * scratch_mib, shape.disks),
            "--paging".to_owned(),
            model(guests_mib, shape.paging),
        ]),
        Clock::Wall => words.extend([
            "--machine-cpus".to_owned(),
            "2".to_owned(),
            "--scratch".to_owned(),
            format!("{scratch_mib}M"),
            "--paging".to_owned(),
            format!("{guests_mib}M"),
        ]),
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{QemuOptions, SetupOptions};
    use crate::toolchain::Choice;

    #[test]
    fn every_run_is_one_that_a_user_could_type() {
        let setup = SetupOptions {
            no_install: true,
            toolchain: Choice::Debian,
        };
        let tuning = Tuning::default_settings();
        for mode in Mode::ALL {
            for clock in [Clock::Virtual, Clock::Wall] {
                let words = words(&Shape::MAIN, &tuning, mode, 4, 2, clock);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let options = QemuOptions::typed(&words, &setup).unwrap();
                assert_eq!((options.guests, options.seed), (4, 2000));
                assert_eq!(options.icount, clock == Clock::Virtual);
                assert_eq!(options.expanded.is_some(), mode == Mode::Extended);
            }
        }
    }

    #[test]
    fn overcommit_is_a_number_of_guests() {
        let guests = [0.5, 1.0, 2.0, 8.0].map(|ratio| Shape::MAIN.guests_of(ratio));
        assert_eq!(guests, [1, 2, 4, 16]);
    }

    #[test]
    fn only_differences_are_told_of_a_variant() {
        let other = Shape {
            own: 50,
            ..Shape::MAIN
        };
        let differences = other.differences(&Shape::MAIN);
        assert_eq!(differences.len(), 1);
        assert_eq!(differences["own_percent"], "50");
    }
}
