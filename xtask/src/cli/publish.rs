//! Options of what is made for people: the book, a release, completions.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::SetupOptions;

/// Options of `book`.
#[derive(Clone, Debug, Args)]
pub struct BookOptions {
    #[command(flatten)]
    pub(crate) setup: SetupOptions,
    /// Where to make the pages. [default: target/book]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Options of `release`.
#[derive(Clone, Debug, Args)]
pub struct ReleaseOptions {
    #[command(flatten)]
    pub(crate) setup: SetupOptions,
    /// Where to leave the archive and its digest. [default: target/release-VERSION]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Options of `completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsOptions {
    /// The shell that is to complete.
    #[arg(value_enum)]
    pub shell: Shell,
}
