//! The result of `cargo xtask farm`, as `farm.json` and `points.jsonl` hold it.
//!
//! Everything is counted over a whole run, from the first instruction of the host to its end, unless a
//! field says otherwise. A value that was not measured is absent, never 0. Times of the virtual clock
//! are nanoseconds of the machine, which are instructions plus the time in which all its CPUs waited.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::events::{Counts, Status};
pub use crate::origin::Machine;

/// Declares structs whose fields are all public and all that there may be.
macro_rules! results {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* })*
    };
}

/// Version of the format; a reader refuses others.
pub const FORMAT: u32 = 1;

/// How guests and host share what they know of memory.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
pub enum Mode {
    /// Not at all: the host pages by reference bits alone.
    #[serde(rename = "none")]
    None,
    /// Unused and stable by ESSA: what Linux guests and KVM have today.
    #[serde(rename = "unused")]
    Unused,
    /// No hints; a monitor drives balloons.
    #[serde(rename = "balloon")]
    Balloon,
    /// Free page reporting of virtio: free blocks of an order, at an interval.
    #[serde(rename = "reporting")]
    Reporting,
    /// All states.
    #[serde(rename = "full")]
    Full,
    /// All states, and volatile pages go to expanded storage first.
    #[serde(rename = "full+extended")]
    #[value(name = "full+extended")]
    Extended,
}

/// Which clock a point was measured by.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// One instruction is one nanosecond, one CPU, modelled disks: repeatable to the last digit.
    Virtual,
    /// The build machine's, with QEMU's disks and 2 CPUs.
    Wall,
}

/// Whether a target of the project is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// The points that it needs are not there.
    NotMeasured,
}

results! {
    /// A run of `cargo xtask farm`: the file `farm.json`.
    Farm {
        /// [`FORMAT`].
        format: u32,
        /// Where it ran.
        machine: Machine,
        /// Versions, by name: `project`, `qemu`, `rustc`.
        versions: BTreeMap<String, String>,
        /// The commit that was built, with `+` behind it if files were changed since; none outside of a
        /// repository.
        commit: Option<String>,
        /// What holds for all points, by name; sizes in bytes, times in the unit that the name says.
        settings: BTreeMap<String, String>,
        /// Whether all points that were asked for are there: else the run was cut off, and this is a
        /// partial result.
        complete: bool,
        /// How many points were asked for.
        planned: u64,
        /// The points in the order of the plan, whatever the order in which they were run.
        points: Vec<Point>,
        /// Settings of the rivals that were tried, and the best of them.
        sweeps: Vec<Sweep>,
        /// What was aimed at, and what came of it.
        targets: Vec<Target>,
    }
    /// One run of the machine, with one mode, so many guests, and one seed.
    Point {
        /// Its name, unique in the run: what a run that is resumed knows it by.
        id: String,
        /// What it belongs to: `curve` for the main experiment, `sweep`, or `target-N` for the experiment
        /// that one of the targets has of its own.
        experiment: String,
        /// The variant within the experiment; empty if there is but one.
        variant: String,
        /// Mode.
        mode: Mode,
        /// Clock.
        clock: Clock,
        /// Seed of the requests.
        seed: u64,
        /// Guests.
        guests: u64,
        /// Pages that each guest sees.
        guest_pages: u64,
        /// Frames for guests, those of expanded storage included.
        frames: u64,
        /// Pages that all guests see, divided by frames.
        overcommit_defined: f64,
        /// Pages with content that guests made use of, divided by those of them in frames: mean over the
        /// timeline's samples. Pages of state Sr, Sp, Ur, Vr, Vp, Pr and Pp, and Vz, which had content, against
        /// Sr, Ur, Vr and Pr. Absent without a timeline.
        overcommit_resident: Option<f64>,
        /// What differs from the run's settings: those of the mode, and of the experiment.
        settings: BTreeMap<String, String>,
        /// Whether the run was good: all guests ended well, and all that was checked was right.
        status: Status,
        /// Why not.
        reason: Option<String>,
        /// What was counted; absent if the run failed before anything was.
        measures: Option<Measures>,
        /// The same for each guest, by number.
        per_guest: Vec<PerGuest>,
        /// Samples of the host, by time.
        timeline: Vec<Sample>,
    }
    /// What was counted in a run, all guests together.
    Measures {
        /// Requests that were answered: as many in every mode.
        requests: u64,
        /// Their bytes.
        bytes: u64,
        /// Bytes of files and words of memory that were compared with what they had to be, in bytes.
        bytes_verified: u64,
        /// Ranges that differed: 0, or the point failed.
        mismatches: u64,
        /// From the first guest's start to the last one's end, nanoseconds of the machine.
        elapsed_ns: u64,
        /// Instructions of the machine in that time, host and guests, but for taking samples; virtual clock only.
        instructions: Option<u64>,
        /// Those of them that guests executed themselves.
        guest_instructions: Option<u64>,
        /// Those that host and guests executed, and that were no guest's: exits, paging, monitor.
        host_instructions: Option<u64>,
        /// Time in which all CPUs of the machine waited, nanoseconds: for disks, or for the next phase.
        idle_ns: u64,
        /// Requests for 10⁹ instructions.
        requests_per_1e9_instructions: Option<f64>,
        /// Requests a second of the machine's clock, waiting included.
        requests_per_second: f64,
        /// Instructions of guests for a request.
        guest_instructions_per_request: Option<f64>,
        /// Instructions of the host for a request.
        host_instructions_per_request: Option<f64>,
        /// How long a request took, nanoseconds of the machine.
        latency: Latency,
        /// Pages written to the paging device.
        page_writes: u64,
        /// Pages read from it.
        page_reads: u64,
        /// Pages that went to expanded storage.
        expanded_out: u64,
        /// Pages that came back from it.
        expanded_in: u64,
        /// Pages that the host discarded: volatile ones, with content.
        discards: u64,
        /// Pages that were taken because they were unused.
        unused_taken: u64,
        /// Discard faults that guests took.
        discard_faults: u64,
        /// Pages that guests read again because they had been discarded.
        reload_reads: u64,
        /// Pages that guests read from their disks, swap areas included: bytes, as the host counted, divided by 4096.
        file_reads: u64,
        /// Pages that guests wrote to their disks, in the same way.
        file_writes: u64,
        /// Pages that guests read from their swap areas.
        swap_reads: u64,
        /// Requests to guests' devices, by the DIAGNOSE that makes them: `x250` of disks, `x500` of balloons.
        disk_requests: Counts,
        /// ESSA by operation request code, as the host counted.
        essa: Counts,
        /// Exits of guests to the host by cause, as the host counted.
        exits: Counts,
        /// Time that the host spent with ESSA and with delivering discard faults, nanoseconds.
        hinting_ns: u64,
        /// Time that it spent with balloons: the monitor, and requests of balloon devices (reports, too).
        balloon_ns: u64,
        /// Time that guests executed themselves to find pages for their balloons and to ask for requests,
        /// nanoseconds: of their CPUs, less what the host did for them meanwhile.
        #[serde(default)]
        balloon_guest_ns: u64,
        /// `hinting_ns` of instructions, host's side alone: what guests execute for hinting is in
        /// `guest_instructions`, and nobody counts it apart. Virtual clock only.
        hinting_share: Option<f64>,
        /// `balloon_ns` of instructions, host's side alone. Virtual clock only.
        balloon_share: Option<f64>,
        /// Time of taking samples, nanoseconds; it is in no count of instructions.
        sampling_ns: u64,
        /// How often the host woke a guest for memory.
        wake_ups: u64,
        /// Pages that went into balloons.
        balloon_inflated: u64,
        /// Pages that came out of them.
        balloon_deflated: u64,
        /// Pages that were reported as free.
        balloon_reported: u64,
        /// Pages that were taken without I/O because frames ran short.
        reclaimed: u64,
        /// How long taking them took, nanoseconds.
        reclaim_ns: u64,
        /// Jain's index of the guests' requests a second of `busy_ns`: 1 if all are as fast, 1/guests if one has it
        /// all.
        fairness: f64,
        /// From the start of QEMU to its end, seconds; wall clock only.
        wall_seconds: Option<f64>,
    }
    /// How long requests took, in nanoseconds.
    Latency {
        /// Half of them took no longer.
        p50: u64,
        /// 99 of 100 took no longer.
        p99: u64,
        /// None took longer.
        longest: u64,
        /// Their number by duration: bucket B holds those from `least(B)` on, to `least(B + 1)`, as the record
        /// `requests` of docs/output.md says. The three above are upper ends of buckets, which are an eighth
        /// wide. Empty ones are absent.
        histogram: BTreeMap<u32, u64>,
    }
    /// What one guest did.
    PerGuest {
        /// Requests.
        requests: u64,
        /// From its first request to the end of its last, nanoseconds of the machine.
        elapsed_ns: u64,
        /// How long its requests took, added up, nanoseconds.
        busy_ns: u64,
        /// Half of its requests took no longer, nanoseconds.
        p50: u64,
        /// 99 of 100 took no longer.
        p99: u64,
        /// Pages of it that were written to the paging device.
        page_writes: u64,
        /// Pages of it that were read from there.
        page_reads: u64,
        /// Pages of it that were discarded.
        discards: u64,
        /// Discard faults.
        discard_faults: u64,
        /// ESSA.
        essa: u64,
    }
    /// What the host saw at one moment.
    Sample {
        /// Since the host's start, nanoseconds of the machine.
        time_ns: u64,
        /// Pages of all guests by state: `Sr`, `Sp`, `Sz`, `Ur`, `Uz`, `Vr`, `Vp`, `Vz`, `Pr`, `Pp`; states of no
        /// page are absent.
        states: Counts,
        /// Frames that nobody has.
        frames_free: u64,
        /// Pages in balloons, as guests say.
        balloon_pages: u64,
        /// Guests that wait: none of whose CPUs had anything to do.
        guests_asleep: u64,
        /// So far: pages written to the paging device.
        page_writes: u64,
        /// So far: pages read from it.
        page_reads: u64,
        /// So far: pages discarded.
        discards: u64,
        /// So far: discard faults.
        discard_faults: u64,
    }
    /// Settings of one rival that were tried with the same guests.
    Sweep {
        /// The rival.
        mode: Mode,
        /// Guests of the runs.
        guests: u64,
        /// What was tried.
        tried: Vec<Tried>,
        /// The `settings` of the best: most requests for 10⁹ instructions, by the wall clock a second.
        best: String,
    }
    /// One setting.
    Tried {
        /// In the words of the parameter line, such as `monitor=200:25:25`.
        settings: String,
        /// The point's name.
        point: String,
        /// What was compared; absent if the point failed.
        score: Option<f64>,
    }
    /// One row of the table of targets.
    Target {
        /// Its number.
        number: u32,
        /// What is measured.
        what: String,
        /// What is aimed at, in words.
        aim: String,
        /// What came of it.
        verdict: Verdict,
        /// One entry for each value that the row asks for.
        values: Vec<Value>,
        /// What has to be known to read the values, such as that one is an estimate; empty if nothing.
        note: String,
    }
    /// A value with what it should be.
    Value {
        /// What it is, such as `full / none, 2:1`.
        name: String,
        /// The value.
        value: f64,
        /// The least that it should be.
        least: Option<f64>,
        /// The most that it should be.
        most: Option<f64>,
        /// Names of the points that it comes from.
        points: Vec<String>,
    }
}

impl Mode {
    /// All modes, in the order of the report.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::Unused,
        Self::Balloon,
        Self::Reporting,
        Self::Full,
        Self::Extended,
    ];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unused => "unused",
            Self::Balloon => "balloon",
            Self::Reporting => "reporting",
            Self::Full => "full",
            Self::Extended => "full+extended",
        }
    }
}

impl Clock {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
            Self::Wall => "wall",
        }
    }
}
