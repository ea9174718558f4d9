//! Options of the commands that try to break what there is.

use clap::Args;

use super::SetupOptions;

/// Options of `fuzz`.
#[derive(Clone, Debug, Args)]
pub struct FuzzOptions {
    #[command(flatten)]
    pub(crate) setup: SetupOptions,
    /// How long each target runs.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// This target only. [default: all]
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Keep inputs that reach something new, in the target's corpus.
    #[arg(long)]
    pub keep: bool,
    /// Look for wrong addresses, too; slower.
    #[arg(long)]
    pub sanitizer: bool,
}

impl FuzzOptions {
    /// All targets, for so many seconds each; nothing is kept.
    #[must_use]
    pub fn for_a_while(setup: SetupOptions, seconds: u64) -> Self {
        Self {
            setup,
            seconds,
            target: None,
            keep: false,
            sanitizer: false,
        }
    }
}

/// Options of `unsafe`.
#[derive(Clone, Debug, Args)]
pub struct UnsafeOptions {
    /// File by file.
    #[arg(long)]
    pub files: bool,
    /// Lower the ceilings in docs/unsafe.json to what there is; none is raised.
    #[arg(long)]
    pub lower: bool,
}

/// Options of `miri`.
#[derive(Clone, Debug, Args)]
pub struct MiriOptions {
    /// This package only. [default: all that Miri can run]
    #[arg(long, value_name = "NAME")]
    pub package: Option<String>,
    /// For this machine only. [default: the build machine, then a big-endian one]
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,
    /// Passed on to the tests: names to filter by, or options of the test harness.
    #[arg(last = true)]
    pub passed_on: Vec<String>,
}

/// Options of `sanitize`.
#[derive(Clone, Debug, Args)]
pub struct SanitizeOptions {
    /// This package only. [default: all libraries]
    #[arg(long, value_name = "NAME")]
    pub package: Option<String>,
    /// Passed on to the tests: names to filter by, or options of the test harness.
    #[arg(last = true)]
    pub passed_on: Vec<String>,
}

/// Options of `mutants`.
#[derive(Clone, Debug, Args)]
pub struct MutantsOptions {
    /// This package only: cmm, kernel or host. [default: all three]
    #[arg(long, value_name = "NAME")]
    pub package: Option<String>,
    /// These files only, of the package.
    #[arg(long, value_name = "GLOB", requires = "package")]
    pub file: Option<String>,
    /// Passed on to cargo mutants.
    #[arg(last = true)]
    pub passed_on: Vec<String>,
}
