//! Options of `qemu`.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _};
use drivers::recorder;

use super::{
    Arguments, Command, Console, Control, Hinting, Paging, Personality, SetupOptions, Work, soak,
};
use crate::accelerator::Accelerator;
use crate::failure;
use crate::machine::Freeze;

/// Options of `qemu`.
#[derive(Clone, Debug, Args)]
pub struct QemuOptions {
    #[command(flatten)]
    pub(crate) setup: SetupOptions,
    /// Boot the kernel alone, without a host (and so without ESSA).
    #[arg(long)]
    pub bare: bool,
    /// Which hints count: for host and kernel alike.
    #[arg(long, value_enum, default_value_t = Hinting::Full)]
    pub hinting: Hinting,
    /// Which hypervisor's way with page states the host has, see docs/personalities.md.
    #[arg(long, value_enum, default_value_t, conflicts_with = "bare")]
    pub personality: Personality,
    /// How the host chooses pages: lru, random:RATE (mean evictions a second and guest), steal (all, at
    /// every exit), steal:spare (but what a CPU faulted on and has not used yet), steal:MS (so many
    /// milliseconds later), hold (steal, and a CPU pauses after a discard fault).
    #[arg(long, value_name = "POLICY", default_value = "random:6000", value_parser = policy)]
    pub evict: String,
    /// Number of guests.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub guests: u16,
    /// CPUs of each guest; with --bare, most CPUs that the kernel uses.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub cpus: u16,
    /// CPUs of the machine. [default: 1; with --bare, as many as --cpus]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub machine_cpus: Option<u16>,
    /// Let the kernels take CPUs offline and online all the time.
    #[arg(long)]
    pub hotplug: bool,
    /// Memory that each guest sees.
    #[arg(long, value_name = "SIZE", default_value = "24M", value_parser = size)]
    pub guest_memory: u64,
    /// Memory of the host for all guests; with --bare, of the machine. [default: 40M; with
    /// --hinting none, unused or balloon, or --personality kvm or kvm-new, and no --paging, what the
    /// guests see; with --bare, 32M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    /// Where the host writes pages that must be kept when memory runs short: nowhere, to a disk of this
    /// size, to this file, or to memory that is as slow as a disk (`model:SIZE[:SEEK:PAGE]`, in
    /// microseconds). [default: none; for work of tasks, if guests see more than --memory, and with --watch,
    /// a disk of that size]
    #[arg(
        long,
        value_name = "none|SIZE|FILE|model:SIZE",
        value_parser = Paging::parse,
        conflicts_with = "bare"
    )]
    pub paging: Option<Paging>,
    /// How much of --memory is expanded storage, where pages go before they go there.
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "bare")]
    pub expanded: Option<u64>,
    /// How often each guest reads all files.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub passes: u32,
    /// Seed of everything random; guest N adds N.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The files to read: a directory or a tar. [default: the Rust library sources]
    #[arg(long, value_name = "DIR|X.tar")]
    pub files: Option<PathBuf>,
    /// Run this s390x image (ELF or flat) in the guests instead of our kernel.
    #[arg(long, value_name = "IMAGE", conflicts_with = "bare")]
    pub guest: Option<PathBuf>,
    /// Give the guests this raw image as virtio disk 0103: to each its own part, or with `:ro` behind the name
    /// all of it to all, to read.
    #[arg(long, value_name = "IMAGE[:ro]", conflicts_with = "bare")]
    pub guest_disk: Option<String>,
    /// Commands for the host's operator: a file with a line each, op=COMMAND or op=wait MILLISECONDS; or the lines
    /// themselves, with semicolons in between.
    #[arg(long, value_name = "FILE|op=…", conflicts_with = "bare")]
    pub script: Option<PathBuf>,
    /// Pass on what you type to the host's operator: list, states, evict, pause, resume, stop, dump, or the
    /// first letter (x to stop), and a guest's number.
    #[arg(long, conflicts_with = "bare")]
    pub operator: bool,
    /// Show a dashboard on the terminal: maps of the guests' pages by state, rates, and keys that change policy,
    /// hinting and pressure while it runs. Without a terminal, the usual lines.
    #[arg(long, conflicts_with_all = ["bare", "operator", "gdb"])]
    pub watch: bool,
    /// Where to leave run.jsonl and run.log. [default: target/run]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Give up after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    /// Record what happens when, and leave it as trace.json for Perfetto: tasks, faults, state changes, evictions,
    /// paging. The latest EVENTS of the host and of each kernel are kept, in their own memory.
    #[arg(
        long,
        value_name = "EVENTS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "32768",
        value_parser = clap::value_parser!(u64).range(1..=recorder::MOST_EVENTS)
    )]
    pub trace: Option<u64>,
    /// Wait for a debugger before the first instruction, and say how to attach one.
    #[arg(long)]
    pub gdb: bool,
    /// Run the images of the size profile, as `cargo xtask build --small` makes them.
    #[arg(long, conflicts_with_all = ["plain", "control"])]
    pub small: bool,
    /// Build the kernel without the feature that hints, to see what it costs where nothing is hinted.
    #[arg(long, hide = true)]
    pub plain: bool,
    /// Who executes the machine's instructions. [default: kvm on an s390x Linux system that has it,
    /// else tcg]
    #[arg(long, value_enum)]
    pub accel: Option<Accelerator>,
    /// Make one instruction one nanosecond: exact and repeatable, but slower.
    #[arg(long, conflicts_with = "accel")]
    pub icount: bool,
    /// Give the bare kernel, or with a host each guest, a balloon device, which it reports free pages to
    /// and whose target it follows.
    #[arg(long)]
    pub balloon: bool,
    /// Which console the machine has, and each guest's.
    #[arg(long, value_enum, default_value_t)]
    pub console: Console,
    /// More parameters for the host, or with --bare for the kernel (`key=value …`; through the
    /// host, g.key=value reaches all guests and gN.key=value guest N).
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub append: String,

    /// Properties of the balloon device.
    #[arg(
        long,
        value_name = "TEXT",
        hide = true,
        requires_all = ["balloon", "bare"],
        default_value = "free-page-reporting=on,deflate-on-oom=on"
    )]
    pub balloon_properties: String,
    /// Where QEMU listens for commands (QMP); the machine waits for `cont` before it starts.
    #[arg(long, value_name = "SOCKET", hide = true)]
    pub qmp: Option<PathBuf>,
    /// What the guests do.
    #[arg(long, value_enum, default_value_t, hide = true)]
    pub work: Work,
    /// A deliberate mistake.
    #[arg(long, value_enum, hide = true)]
    pub control: Option<Control>,
    /// Use this packed image as it is.
    #[arg(long, value_name = "FILE", hide = true, conflicts_with = "files")]
    pub image: Option<PathBuf>,
    /// Flip one bit of the packed image at this offset.
    #[arg(long, value_name = "OFFSET", hide = true)]
    pub flip_byte: Option<u64>,
    /// Flip one bit of the bundle at this offset.
    #[arg(long, value_name = "OFFSET", hide = true, conflicts_with = "bare")]
    pub flip_bundle_byte: Option<u64>,
    /// Let the machine's disk fail to read this block of 512 bytes: the disk's number in hexadecimal
    /// digits, a colon, the block's.
    #[arg(long, value_name = "DISK:BLOCK", hide = true, value_parser = bad_block)]
    pub fail_read: Option<BadBlock>,
    /// Let it fail to write this one.
    #[arg(long, value_name = "DISK:BLOCK", hide = true, value_parser = bad_block)]
    pub fail_write: Option<BadBlock>,
    /// Let the host only read its disk for paging.
    #[arg(long, hide = true)]
    pub read_only_paging: bool,
    /// Stop the emulator AT milliseconds after its start for TIME milliseconds, once or several times: the clocks of
    /// the machine go on, and nothing else.
    #[arg(long, value_name = "AT:TIME,…", hide = true, value_delimiter = ',', value_parser = soak::freeze)]
    pub freeze: Vec<Freeze>,
    /// Size of each guest's part of the scratch disks.
    #[arg(long, value_name = "SIZE", hide = true, default_value = "64M", value_parser = size)]
    pub scratch: u64,
    /// For --work farm: guest N is busy N times SLOT milliseconds after the first one, and again when all
    /// others have had their turn; memory of its own, and the file that it writes, in percent.
    #[arg(long, value_name = "SLOT:OWN:WRITTEN", hide = true, value_parser = farm_shape)]
    pub farm: Option<[u64; 3]>,
    /// Make the scratch disks of memory as well, and all disks as slow as a disk (`model:SIZE[:SEEK:PAGE]`, in
    /// microseconds; SIZE is that of each disk, for all guests).
    #[arg(
        long,
        value_name = "model:SIZE",
        hide = true,
        value_parser = Paging::parse,
        requires = "memory_disk",
        conflicts_with = "bare"
    )]
    pub guest_disks: Option<Paging>,
    /// Hand the packed image over in memory instead of on a disk.
    #[arg(long, hide = true)]
    pub memory_disk: bool,
}

impl QemuOptions {
    /// What a user would have asked for by typing these words behind `qemu`, but for the setup, which is another
    /// command's. Of an option that is there several times the last one counts.
    ///
    /// # Errors
    /// The words are no command line.
    pub fn typed(words: &[&str], setup: &SetupOptions) -> anyhow::Result<Self> {
        let words = [&["xtask", "qemu"], words].concat();
        let parser = Arguments::command();
        let parser = parser.mut_subcommand("qemu", |qemu| qemu.args_override_self(true));
        let parsed = parser.try_get_matches_from(words);
        let parsed = parsed.and_then(|parsed| Arguments::from_arg_matches(&parsed));
        let Command::Qemu(qemu) = parsed.map_err(|error| unusable(&error))?.command else {
            unreachable!("the words say qemu")
        };
        let setup = setup.clone();
        Ok(Self { setup, ..*qemu })
    }

    /// Whether somebody gives the host commands while it runs.
    #[must_use]
    pub fn has_operator(&self) -> bool {
        self.operator || self.watch
    }
}

/// What is wrong with words, in one line.
fn unusable(error: &clap::Error) -> anyhow::Error {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    failure::unusable(line.strip_prefix("error: ").unwrap_or(line))
}

pub(super) fn size(text: &str) -> Result<u64, String> {
    let size = boot::params::parse_size(text).map_err(|_| "give a size such as 64M or 1G")?;
    if size == 0 {
        Err("give a size above 0".to_owned())
    } else {
        Ok(size)
    }
}

fn farm_shape(text: &str) -> Result<[u64; 3], String> {
    let numbers: Option<Vec<u64>> = text.split(':').map(|word| word.parse().ok()).collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| "give three numbers with colons".to_owned())
}

/// A block that a disk cannot read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadBlock {
    /// Number of the disk.
    pub disk: u16,
    /// Number of the block of 512 bytes.
    pub block: u64,
}

fn bad_block(text: &str) -> Result<BadBlock, String> {
    let parse = || {
        let (disk, block) = text.split_once(':')?;
        Some(BadBlock {
            disk: u16::from_str_radix(disk, 16).ok()?,
            block: block.parse().ok()?,
        })
    };
    parse().ok_or_else(|| "give the number of a disk and of a block, such as 0100:8".to_owned())
}

pub(super) fn policy(text: &str) -> Result<String, String> {
    let number = |name| text.strip_prefix(name).and_then(|word| word.parse().ok());
    let is_known = matches!(text, "lru" | "steal" | "steal:spare" | "hold")
        || matches!(number("random:"), Some(1..=1_000_000_u32))
        || matches!(number("steal:"), Some(1..=10_000_u32));
    let all = "lru, random:RATE (1 to 1000000 a second), steal, steal:spare, steal:MS (1 to 10000) or hold";
    is_known
        .then(|| text.to_owned())
        .ok_or_else(|| format!("give {all}"))
}
