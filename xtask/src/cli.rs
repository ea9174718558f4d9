//! The command line.

mod farm;
mod paging;
mod publish;
mod soak;
mod trust;
mod validate;
mod words;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use drivers::recorder;

pub use farm::FarmOptions;
pub use paging::Paging;
pub use publish::{BookOptions, CompletionsOptions, ReleaseOptions};
pub use soak::SoakOptions;
pub use trust::{FuzzOptions, MiriOptions, MutantsOptions, UnsafeOptions};
pub use validate::{Format, ValidateOptions};
pub use words::{Console, Control, Hinting, Personality, Word, Work};

use crate::accelerator::Accelerator;
use crate::failure;
use crate::machine::Freeze;
use crate::media::Target;
use crate::packages::Permission;
use crate::toolchain::Choice;

/// Guest page hinting on s390x: build it, boot it, watch it, test it.
///
/// `cargo xtask qemu` runs the main job, `cargo xtask test` every test. Either sets up what is
/// missing first. Exit statuses: 0 all is well, 1 a run or a test failed, 2 wrong usage, missing
/// tool or unusable input, 124 timeout.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 100
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print only JSON lines on the standard output.
    #[arg(long, global = true)]
    pub json: bool,
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

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build kernel and host for s390x and say how big they are.
    ///
    /// Example: cargo xtask build
    Build(BuildOptions),
    /// Boot the host with its guests, or the kernel alone, and report what they did.
    ///
    /// Every guest reads the same files through its page cache, hinting as it goes, while the
    /// host discards pages behind its back; every byte is verified.
    ///
    /// Examples:
    ///   cargo xtask qemu
    ///   cargo xtask qemu --evict steal --guests 1 --passes 1
    ///   cargo xtask qemu --watch
    ///   cargo xtask qemu --bare --memory 64M
    ///   cargo xtask qemu --files some.tar --out /tmp/run --json
    #[command(verbatim_doc_comment)]
    Qemu(Box<QemuOptions>),
    /// Run every test: the libraries on this machine, then whole machines on QEMU.
    ///
    /// Example: cargo xtask test -- evict
    #[command(verbatim_doc_comment)]
    Test(TestOptions),
    /// Lint kernel and host for s390x, deliberate mistakes included; warnings are errors.
    ///
    /// Example: cargo xtask lint
    Lint(SetupOptions),
    /// Print the figures: boot and run time, image sizes, instructions a path.
    ///
    /// Examples:
    ///   cargo xtask bench --json
    ///   cargo xtask bench --record
    #[command(verbatim_doc_comment)]
    Bench(BenchOptions),
    /// Run a farm of guests on an overcommitted host in each mode of hinting, and compare.
    ///
    /// All guests of a run serve the same requests whatever the mode. The result is farm.json in --out; a run
    /// that was cut off is readable, says so, and goes on with --resume.
    ///
    /// Examples:
    ///   cargo xtask farm --quick
    ///   cargo xtask farm --overcommit 1,2,4 --modes none,balloon,full --seeds 1
    ///   cargo xtask farm --out /tmp/farm --resume
    #[command(verbatim_doc_comment)]
    Farm(FarmOptions),
    /// Run random configurations until the time is up, and make one that fails as small as can be.
    ///
    /// Guests, CPUs, memory, policies, hints, work, paging, CPUs that come and go, disks that fail, an operator,
    /// clocks that jump: what a run is follows from its seed. A run fails by a mismatch, a page that is lost, a hang,
    /// a panic, or lines that are missing or wrong. Of each that fails a smaller command line is looked for that fails
    /// as well. The result is soak.json in --out; one that was cut off is readable and says so.
    ///
    /// Examples:
    ///   cargo xtask soak --minutes 10
    ///   cargo xtask soak --seed 7 --count 1
    ///   cargo xtask soak --seed 7 --count 20 --list
    #[command(verbatim_doc_comment)]
    Soak(SoakOptions),
    /// Find out what ESSA and page states really do on a machine, and compare it with what is known of it.
    ///
    /// The kernel tries every operation on every state, every way of touching a page, and what the hypervisor
    /// does under pressure. The exit status is 1 if the machine is not what it claims to be.
    ///
    /// Examples:
    ///   cargo xtask validate
    ///   cargo xtask validate --bare
    ///   cargo xtask validate --profile model --format tap
    ///   cargo xtask validate --bare --record here.json
    #[command(verbatim_doc_comment)]
    Validate(Box<ValidateOptions>),
    /// Write the images in the form that each machine boots, with a README: QEMU, KVM, z/VM, a
    /// logical partition, Hercules.
    ///
    /// Examples:
    ///   cargo xtask image
    ///   cargo xtask image --machine zvm --files some.tar -- --guests 4 --guest-memory 64M
    #[command(verbatim_doc_comment)]
    Image(ImageOptions),
    /// Make a page with charts of what farms have measured, and compare them.
    ///
    /// Examples:
    ///   cargo xtask report target/farm
    ///   cargo xtask report target/farm other/farm --out both.html
    #[command(verbatim_doc_comment)]
    Report(ReportOptions),
    /// Show what was measured in the book: write README.md and docs/farm.md anew from docs/results.
    ///
    /// `cargo xtask bench --record` leaves its figures there, --farm takes over what `cargo xtask farm` has left.
    ///
    /// Examples:
    ///   cargo xtask results
    ///   cargo xtask results --check
    ///   cargo xtask results --farm target/farm
    #[command(verbatim_doc_comment)]
    Results(ResultsOptions),
    /// Draw the page states, as `cmm` has them, into the book: page-states.dot and page-states.svg.
    ///
    /// Example: cargo xtask states
    States(StatesOptions),
    /// Make pages of the book, whose chapters are in docs/.
    ///
    /// Example: cargo xtask book
    Book(BookOptions),
    /// Pack a version: the images for every machine and what there is to read, in one archive.
    ///
    /// Example: cargo xtask release
    Release(ReleaseOptions),
    /// Print what a shell needs to complete command lines of this program.
    ///
    /// In bash `cargo xtask` is completed as well, elsewhere target/debug/xtask.
    ///
    /// Example: . <(cargo xtask completions bash)
    #[command(verbatim_doc_comment)]
    Completions(CompletionsOptions),
    /// Try parsers, and all that guests hand to the host, with inputs that a fuzzer makes up.
    ///
    /// Examples:
    ///   cargo xtask fuzz --seconds 10
    ///   cargo xtask fuzz --target dat_walk --keep
    #[command(verbatim_doc_comment)]
    Fuzz(FuzzOptions),
    /// Count the unsafe code of each package, or file, against the ceilings in docs/unsafe.json.
    ///
    /// Example: cargo xtask unsafe --files
    Unsafe(UnsafeOptions),
    /// Run the tests of libraries under Miri, for this machine and for a big-endian one.
    ///
    /// Example: cargo xtask miri --package cmm
    Miri(MiriOptions),
    /// Check licences, sources and versions of all packages.
    ///
    /// Example: cargo xtask deny
    Deny,
    /// Change memory management one place at a time, and see whether a test notices.
    ///
    /// Examples:
    ///   cargo xtask mutants --package cmm
    ///   cargo xtask mutants --package kernel --file 'kernel/src/mm/state.rs'
    #[command(verbatim_doc_comment)]
    Mutants(MutantsOptions),
    /// Only install what the other commands would: library sources and QEMU.
    ///
    /// Example: cargo xtask setup --no-install
    Setup(SetupOptions),
}

/// Options of everything that may have to install something.
#[derive(Clone, Debug, Args)]
pub struct SetupOptions {
    /// Install nothing: print the commands that would, and end with status 2.
    #[arg(long)]
    pub no_install: bool,
    /// Toolchain for the images.
    #[arg(long, value_enum, default_value_t, hide = true)]
    pub toolchain: Choice,
}

impl SetupOptions {
    /// Whether missing things may be installed.
    #[must_use]
    pub fn permission(&self) -> Permission {
        if self.no_install {
            Permission::Tell
        } else {
            Permission::Install
        }
    }
}

/// Options of `build`.
#[derive(Clone, Debug, Args)]
pub struct BuildOptions {
    #[command(flatten)]
    pub(crate) setup: SetupOptions,
    /// The size profile: compiled to be small, and packed; the images unpack themselves when they start.
    #[arg(long)]
    pub small: bool,
    /// Include the deliberate mistakes of the negative tests.
    #[arg(long, hide = true, conflicts_with = "small")]
    pub controls: bool,
}

/// Options of `test`.
#[derive(Clone, Debug, Args)]
pub struct TestOptions {
    #[command(flatten)]
    pub(crate) setup: SetupOptions,
    /// Passed on to the tests: names to filter by, or options of the test harness.
    #[arg(last = true)]
    pub passed_on: Vec<String>,
}

/// Options of `bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchOptions {
    #[command(flatten)]
    pub(crate) setup: SetupOptions,
    /// Leave the figures in docs/results/bench.json as well, and show them in README.md.
    #[arg(long)]
    pub record: bool,
}

/// Options of `image`.
#[derive(Clone, Debug, Args)]
pub struct ImageOptions {
    #[command(flatten)]
    pub(crate) setup: SetupOptions,
    /// For this machine only.
    #[arg(long, value_enum)]
    pub machine: Option<Target>,
    /// Where to make a folder for each machine. [default: target/image]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The files to read, which the images have in memory: a directory or a tar. [default: the book]
    #[arg(long, value_name = "DIR|X.tar")]
    pub files: Option<PathBuf>,
    /// Options of `cargo xtask qemu` for the host and its guests; with --bare among them, for the
    /// kernel alone.
    #[arg(last = true, value_name = "OPTIONS")]
    pub passed_on: Vec<String>,
}

/// Options of `report`.
#[derive(Clone, Debug, Args)]
pub struct ReportOptions {
    /// Folders of farms; the others are compared with the first.
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// The page. [default: report.html in the first folder]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Options of `results`.
#[derive(Clone, Debug, Args)]
pub struct ResultsOptions {
    /// Write nothing: say what is not as the results have it, and end with status 1.
    #[arg(long)]
    pub check: bool,
    /// Take over the result in this folder of a farm first, as docs/results/farm.json: all but what each
    /// guest did and the samples of the host.
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    pub farm: Option<PathBuf>,
}

/// Options of `states`.
#[derive(Clone, Debug, Args)]
pub struct StatesOptions {
    /// Where to write the files. [default: docs]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

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

/// What is wrong with words, in one line.
fn unusable(error: &clap::Error) -> anyhow::Error {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    failure::unusable(line.strip_prefix("error: ").unwrap_or(line))
}

fn size(text: &str) -> Result<u64, String> {
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

fn policy(text: &str) -> Result<String, String> {
    let number = |name| text.strip_prefix(name).and_then(|word| word.parse().ok());
    let is_known = matches!(text, "lru" | "steal" | "steal:spare" | "hold")
        || matches!(number("random:"), Some(1..=1_000_000_u32))
        || matches!(number("steal:"), Some(1..=10_000_u32));
    let all = "lru, random:RATE (1 to 1000000 a second), steal, steal:spare, steal:MS (1 to 10000) or hold";
    is_known
        .then(|| text.to_owned())
        .ok_or_else(|| format!("give {all}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound_and_every_subcommand_is_described() {
        let mut command = Arguments::command();
        command.build();
        command.clone().debug_assert();
        for subcommand in command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
        {
            assert!(
                subcommand.get_about().is_some(),
                "{}",
                subcommand.get_name()
            );
            let long = subcommand
                .get_long_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                long.contains("cargo xtask"),
                "{} has no example",
                subcommand.get_name()
            );
        }
    }

    #[test]
    fn bad_values_are_refused() {
        for bad in [
            vec!["xtask", "qemu", "--evict", "random"],
            vec!["xtask", "qemu", "--evict", "random:0"],
            vec!["xtask", "qemu", "--evict", "steal:0"],
            vec!["xtask", "qemu", "--guests", "0"],
            vec!["xtask", "qemu", "--cpus", "0"],
            vec!["xtask", "qemu", "--machine-cpus", "65"],
            vec!["xtask", "qemu", "--memory", "lots"],
            vec!["xtask", "qemu", "--memory", "0"],
            vec!["xtask", "qemu", "--passes", "0"],
            vec!["xtask", "qemu", "--hinting", "most"],
            vec!["xtask", "qemu", "--personality", "xen"],
            vec!["xtask", "qemu", "--bare", "--personality", "kvm"],
            vec!["xtask", "qemu", "--bare", "--guest", "x"],
            vec!["xtask", "qemu", "--paging", "model:"],
            vec!["xtask", "qemu", "--bare", "--paging", "1M"],
            vec!["xtask", "qemu", "--bare", "--expanded", "1M"],
            vec!["xtask", "qemu", "--bare", "--watch"],
            vec!["xtask", "qemu", "--operator", "--watch"],
            vec!["xtask", "qemu", "--gdb", "--watch"],
            vec!["xtask", "qemu", "--freeze", "500"],
            vec!["xtask", "soak", "--minutes", "0"],
            vec!["xtask", "soak", "--minutes", "1", "--seconds", "1"],
            vec!["xtask", "soak", "--list", "--minutes", "1"],
            vec!["xtask", "soak", "--count", "0"],
            vec!["xtask", "fly"],
        ] {
            assert!(Arguments::try_parse_from(&bad).is_err(), "{bad:?}");
        }
        assert!(Arguments::try_parse_from(["xtask", "qemu", "--evict", "random:500"]).is_ok());
    }
}
