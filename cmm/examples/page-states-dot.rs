//! Prints the transition graph: `cargo run -p cmm --example page-states-dot > docs/page-states.dot`.

use core::fmt::{self, Write};

/// Standard output as a formatter's sink.
struct Stdout;

impl Write for Stdout {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        print!("{text}");
        Ok(())
    }
}

fn main() -> fmt::Result {
    cmm::to_dot(&mut Stdout)
}
