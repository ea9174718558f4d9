//! Builds the images, runs them on QEMU, tests them and reports what they did.
//!
//! ```text
//! cli ──► setup ──► toolchain, emulator ──► packages      what must be there, found or installed
//!     ──► run ────► images ► bundle, files ► machine      one run: build, pack, boot, watch
//!             └──► events ► collect ► progress, table     what the images say, made one result
//!                                   ► watch               the same on a dashboard, and keys
//!     ──► media ──► images ► bundle, files            the same images for every machine
//!     ──► farm ──► report                              many runs, and a page about them
//!     ──► soak                                             many random ones, and the smallest that fails
//!     ──► testing, bench                                  everything above, many times
//!     ──► results                                      what was measured, kept, and shown in the book
//! ```
//!
//! The library has no state of its own: paths come from [`workspace`], what a user may choose
//! from [`cli`], and every expected failure is a [`failure::Failure`] with its exit status.

pub mod accelerator;
pub mod bench;
pub mod book;
pub mod bundle;
pub mod calls;
pub mod cli;
pub mod collect;
mod completions;
pub mod emulator;
pub mod events;
pub mod failure;
pub mod farm;
pub mod files;
pub mod fuzz;
pub mod images;
pub mod machine;
pub mod media;
pub mod origin;
pub mod pack;
pub mod packages;
pub mod parameters;
pub mod probe;
pub mod process;
pub mod progress;
pub mod record;
mod release;
pub mod report;
pub mod results;
pub mod run;
pub mod setup;
pub mod small;
pub mod soak;
mod states;
pub mod table;
pub mod testing;
pub mod toolchain;
pub mod trace;
pub mod trust;
pub mod validate;
pub mod watch;
pub mod workspace;

use cli::{Arguments, Command};

/// Does what the command line asks for.
///
/// # Errors
/// The one-line reason; [`failure::status_of`] gives the exit status that goes with it.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.command {
        Command::Build(options) => images::command(options, arguments.json),
        Command::Qemu(options) => run::command(options, arguments.json),
        Command::Test(options) => testing::command(options),
        Command::Lint(options) => images::lint(options),
        Command::Bench(options) => bench::command(options, arguments.json),
        Command::Farm(options) => farm::command(options, arguments.json),
        Command::Soak(options) => soak::command(options, arguments.json),
        Command::Validate(options) => validate::command(options, arguments.json),
        Command::Image(options) => media::command(options, arguments.json),
        Command::Report(options) => report::command(options),
        Command::Results(options) => results::command(options),
        Command::States(options) => states::command(options),
        Command::Book(options) => book::command(options),
        Command::Release(options) => release::command(options, arguments.json),
        Command::Completions(options) => completions::command(options),
        Command::Fuzz(options) => fuzz::command(options),
        Command::Unsafe(options) => trust::unsafe_code::command(options, arguments.json),
        Command::Miri(options) => trust::miri::command(options),
        Command::Sanitize(options) => trust::sanitize::command(options),
        Command::Deny => trust::supply::command(),
        Command::Mutants(options) => trust::mutants::command(options),
        Command::Setup(options) => setup::command(options),
    }
}
