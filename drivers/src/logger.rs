//! Lines for people, through the `log` crate: what goes wrong is marked, the rest is plain text.

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::console;

struct Console;

impl Log for Console {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        match record.level() {
            Level::Info => console::print_line(*record.args()),
            level => console::print_line(format_args!("{level}: {}", record.args())),
        }
    }

    fn flush(&self) {}
}

/// Sends what is logged to the console, from `INFO` on.
pub fn start() {
    // Fails only if there is a logger already, which is this one.
    let _ = log::set_logger(&Console);
    log::set_max_level(LevelFilter::Info);
}
