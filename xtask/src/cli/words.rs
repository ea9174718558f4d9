//! What options can be told by a word, and the images' words for it.

use clap::ValueEnum;

/// What the images know by the same word as people do.
pub trait Word: ValueEnum {
    /// The word.
    fn word(&self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Word for Hinting {}
impl Word for Personality {}
impl Word for Console {}
impl Word for Work {}
impl Word for Control {}

/// How much of the hints counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Hinting {
    /// ESSA is not installed.
    None,
    /// Unused and stable only.
    Unused,
    /// All page states.
    Full,
    /// As that, and a volatile page goes to expanded storage before it is discarded.
    #[value(name = "full+extended")]
    Extended,
    /// None of them: a monitor of the host's drives each guest's balloon instead.
    Balloon,
}

impl Hinting {
    /// The kernel's word for it.
    #[must_use]
    pub fn kernel_word(self) -> &'static str {
        match self {
            Self::None | Self::Balloon => "off",
            Self::Unused => "unused",
            Self::Full | Self::Extended => "full",
        }
    }
}

/// Which hypervisor the host passes for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Personality {
    /// None: the scheme as it was published.
    #[default]
    Model,
    /// Linux KVM, which discards nothing and says of nothing that it has gone.
    Kvm,
    /// As that, with its newer page-state code.
    KvmNew,
    /// z/VM, as its books say.
    Zvm,
}

impl Personality {
    /// Whether volatile pages may go without being written.
    #[must_use]
    pub fn discards(self) -> bool {
        matches!(self, Self::Model | Self::Zvm)
    }
}

/// Which console machines have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Console {
    /// The integrated ASCII console: a stream of text.
    #[default]
    Ascii,
    /// Line-mode messages in EBCDIC, which is all that some machines have.
    Line,
}

impl Console {
    /// QEMU's device.
    #[must_use]
    pub fn device(self) -> &'static str {
        match self {
            Self::Ascii => "sclpconsole",
            Self::Line => "sclplmconsole",
        }
    }
}

/// What a guest does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Work {
    /// Reads and verifies all files.
    #[default]
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
    /// Whether guests run tasks, whose memory no hint makes worthless.
    #[must_use]
    pub fn has_tasks(self) -> bool {
        matches!(self, Self::Swap | Self::Churn | Self::Farm)
    }
}

/// A deliberate mistake, for tests that must fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Control {
    /// The kernel uses pages without making them stable.
    SkipMakeStable,
    /// The kernel takes a copy that a discard fault stopped for a good one.
    IgnoreDiscardFault,
    /// The kernel frees discarded pages before all CPUs have signed off.
    SkipSignOff,
    /// The host discards stable pages.
    DiscardStable,
    /// CPU 1 of each guest answers no order.
    MuteCpu,
    /// The host leaves a CPU alone for two seconds, once.
    LateCpu,
    /// The host calls a page something else when it is there than when it was missing.
    WrongToken,
    /// The host discards potentially volatile pages that were changed.
    DiscardChanged,
    /// The host takes the copy of a page that was stored into for a good one.
    KeepCopy,
}

impl Control {
    /// Whether the host makes the mistake; else the kernel does.
    #[must_use]
    pub fn is_of_host(self) -> bool {
        match self {
            Self::SkipMakeStable | Self::IgnoreDiscardFault | Self::SkipSignOff => false,
            Self::DiscardStable
            | Self::MuteCpu
            | Self::LateCpu
            | Self::WrongToken
            | Self::DiscardChanged
            | Self::KeepCopy => true,
        }
    }
}
