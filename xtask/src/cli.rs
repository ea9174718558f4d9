//! The command line.

mod farm;
mod paging;
mod publish;
mod qemu;
mod soak;
mod trust;
mod validate;
mod words;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use farm::FarmOptions;
pub use paging::Paging;
pub use publish::{BookOptions, CompletionsOptions, ReleaseOptions};
pub use qemu::{BadBlock, QemuOptions};
pub use soak::SoakOptions;
pub use trust::{FuzzOptions, MiriOptions, MutantsOptions, SanitizeOptions, UnsafeOptions};
pub use validate::{Format, ValidateOptions};
pub use words::{Console, Control, Hinting, Personality, Word, Work};

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
    /// Run the tests of libraries with the address sanitizer, which notices accesses beyond what was allocated.
    ///
    /// Example: cargo xtask sanitize --package kernel
    Sanitize(SanitizeOptions),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

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
