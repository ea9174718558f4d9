//! Every JSON line that a run may hold, and nothing else: the program side of `docs/output.md`.
//!
//! [`parse`] refuses kinds and fields that are not listed here, so a test that reads a run with
//! it also checks that the images say what the documentation promises.

/// Declares structs whose fields are all public and all that there may be.
macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* })*
    };
}

mod host;
mod kernel;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use host::{Console, GuestEnd, Host, HostBoot, HostGuest, Operator, Sample};
pub use kernel::{
    Boot, Check, CheckBegins, ControlProgram, FileLeft, Guest, Measure, Mismatch, Progress,
    Requests, Tally, WorkStart,
};

/// Counts by name or number, such as ESSA by operation request code.
pub type Counts = BTreeMap<String, u64>;

/// Declares the kinds: the enum, the list of names, and the parser, from one table.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:literal => $kind:ident,)*) => {
        /// One line of a run.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "kind")]
        #[expect(
            clippy::large_enum_variant,
            reason = "an event is looked at and dropped; few are kept, and those by their contents"
        )]
        pub enum Event {
            $($(#[$doc])* #[serde(rename = $name)] $kind($kind),)*
        }

        /// The names of all kinds.
        pub const KINDS: &[&str] = &[$($name),*];

        fn from_fields(kind: &str, fields: Value) -> Result<Event, serde_json::Error> {
            match kind {
                $($name => serde_json::from_value(fields).map(Event::$kind),)*
                _ => Err(serde::de::Error::custom("unknown kind")),
            }
        }

        impl Event {
            /// The name of the line's kind.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$kind(_) => $name,)* }
            }
        }
    };
}

kinds! {
    /// Kernel: what it found when it started.
    "boot" => Boot,
    /// Kernel: what the control program said to a command.
    "cp" => ControlProgram,
    /// Kernel: the work begins.
    "work" => WorkStart,
    /// Kernel: how far the work is.
    "progress" => Progress,
    /// Kernel: a file's bytes are not those that were packed.
    "mismatch" => Mismatch,
    /// Kernel: instructions counted on one path.
    "measure" => Measure,
    /// Kernel: how often something happened on one path.
    "tally" => Tally,
    /// Kernel: a check begins that the machine may not survive.
    "check_begin" => CheckBegins,
    /// Kernel: what a check has observed.
    "check" => Check,
    /// Kernel: what it has left on a disk.
    "file" => FileLeft,
    /// Kernel: what a machine of a farm has served.
    "requests" => Requests,
    /// Kernel: the outcome and all counters; its last line.
    "guest" => Guest,
    /// Kernel or host: why it cannot go on.
    "error" => Error,
    /// Kernel or host: events that it has recorded.
    "trace" => Trace,
    /// Host: what it found when it started.
    "host_boot" => HostBoot,
    /// Host: a line that a guest printed.
    "console" => Console,
    /// Host: what there is of everything at a moment.
    "sample" => Sample,
    /// Host: the answer to a command of its operator.
    "operator" => Operator,
    /// Host: a guest has ended.
    "guest_end" => GuestEnd,
    /// Host: the outcome and all counters; its last line.
    "host" => Host,
    /// xtask: the outcome of the run; the last line of all.
    "result" => Outcome,
    /// xtask: an image that `build` made.
    "image" => Image,
    /// xtask: a figure that `bench` took.
    "figure" => Figure,
    /// xtask: a case of `validate` beside what was expected.
    "validation" => Validation,
}

/// Reads one line.
///
/// # Errors
/// It is not JSON, or has a kind or a field that is not part of the output, or lacks one.
pub fn parse(line: &str) -> Result<Event, String> {
    let mut value: Value =
        serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
    let fields = value.as_object_mut().ok_or("not a JSON object")?;
    let kind = match fields.remove("kind") {
        Some(Value::String(kind)) => kind,
        _ => return Err("no kind".to_owned()),
    };
    from_fields(&kind, value).map_err(|error| format!("kind {kind:?}: {error}"))
}

impl Event {
    /// Position of the line among those of its emitter, from 0; what xtask says itself has none.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        Some(match self {
            Self::Boot(event) => event.seq,
            Self::ControlProgram(event) => event.seq,
            Self::WorkStart(event) => event.seq,
            Self::Progress(event) => event.seq,
            Self::Mismatch(event) => event.seq,
            Self::Measure(event) => event.seq,
            Self::Tally(event) => event.seq,
            Self::CheckBegins(event) => event.seq,
            Self::Check(event) => event.seq,
            Self::FileLeft(event) => event.seq,
            Self::Requests(event) => event.seq,
            Self::Guest(event) => event.seq,
            Self::Error(event) => event.seq,
            Self::Trace(event) => event.seq,
            Self::HostBoot(event) => event.seq,
            Self::Console(event) => event.seq,
            Self::Sample(event) => event.seq,
            Self::Operator(event) => event.seq,
            Self::GuestEnd(event) => event.seq,
            Self::Host(event) => event.seq,
            Self::Outcome(_) | Self::Image(_) | Self::Figure(_) | Self::Validation(_) => {
                return None;
            }
        })
    }

    /// The line as it is written to a file.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("all keys are strings")
    }
}

/// What `validate` thinks of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As the profile says.
    Same,
    /// Not as the profile says.
    Different,
    /// The profile does not have it.
    New,
    /// The hypervisor did not bring it about in time.
    NotObserved,
    /// The machine lacks what it needs.
    Skipped,
    /// The instruction runs natively under our host: it is another machine's answer.
    Leak,
    /// There was no profile to compare with.
    Recorded,
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should.
    Ok,
    /// Not so; there is a reason.
    Failed,
}

/// What a host does with volatile pages, as the kernel finds out when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Discards {
    /// The access to a discarded page is a discard fault.
    #[serde(rename = "faults")]
    Faults,
    /// A discarded page reads as zeroes.
    #[serde(rename = "zero")]
    Zero,
    /// Nothing is ever discarded.
    #[serde(rename = "none")]
    None,
    /// There is no ESSA, or it is not to be used so far.
    #[serde(rename = "not probed")]
    NotProbed,
}

/// How a range of a file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Copy {
    /// Through a reference that was made stable.
    #[serde(rename = "stable")]
    Stable,
    /// From a page that may be discarded meanwhile.
    #[serde(rename = "fault-tolerant")]
    FaultTolerant,
    /// As that, without a reference to the page.
    #[serde(rename = "optimistic")]
    Optimistic,
}

records! {
    /// Kernel or host: why it cannot go on.
    Error {
        /// Position among the emitter's lines.
        seq: u64,
        /// One line.
        reason: String,
    }
    /// Kernel or host: events that it has recorded.
    Trace {
        /// Position among the emitter's lines.
        seq: u64,
        /// How many events of the whole run were overwritten by later ones.
        lost: u64,
        /// Time and content of each, 32 hexadecimal digits.
        events: String,
    }
    /// xtask: the outcome of the run.
    Outcome {
        /// How the run ended.
        status: Status,
        /// Why it failed.
        reason: Option<String>,
        /// One entry a guest.
        guests: Vec<GuestOutcome>,
    }
    /// xtask: one guest's share of the outcome.
    GuestOutcome {
        /// Number of the guest, from 0.
        id: u64,
        /// Bytes compared with what was packed.
        bytes_verified: u64,
        /// Ranges that differed.
        mismatches: u64,
        /// Pages that the host discarded; 0 without a host.
        discards: u64,
        /// Discard faults that the kernel took.
        discard_faults: u64,
        /// Attempts to make a page stable that found it discarded.
        stable_failures: u64,
        /// Pages read again because they had been discarded.
        reloads: u64,
        /// ESSA by operation request code, as the kernel counted.
        essa: Counts,
    }
    /// xtask: an image that `build` made.
    Image {
        /// kernel or host.
        name: String,
        /// The stripped image.
        path: String,
        /// Its size in bytes.
        bytes: u64,
        /// Its size before it was packed; absent if it is not.
        unpacked: Option<u64>,
    }
    /// xtask: a case of `validate` beside what was expected.
    Validation {
        /// Number of the check.
        check: u16,
        /// What it was made on, or how.
        case: String,
        /// What it is about.
        name: String,
        /// The documents that it comes from.
        sources: String,
        /// What the model says, with `*` for what it leaves open; nothing if all is open.
        model: Option<String>,
        /// What the documents say of this machine.
        documents: Option<String>,
        /// What was observed.
        observed: String,
        /// What the profile says.
        profile: Option<String>,
        /// What to think of it.
        verdict: Verdict,
    }
    /// xtask: a figure that `bench` took.
    Figure {
        /// What was measured.
        name: String,
        /// How much.
        value: f64,
        /// Of what.
        unit: String,
        /// The value that should not be exceeded, or, for faults survived, reached at least.
        bound: Option<f64>,
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
pub(crate) mod tests;
