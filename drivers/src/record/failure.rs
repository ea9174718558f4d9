//! The record of a failure, written without a heap: it may be what failed.

use core::fmt::{self, Write};

use super::json::write_escaped;

/// Writes the first line of a text as the inside of a JSON string.
struct FirstLine<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    ended: bool,
}

impl Write for FirstLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                _ if self.ended => {}
                '\n' => self.ended = true,
                c => write_escaped(self.out, c)?,
            }
        }
        Ok(())
    }
}

/// The line of a record of kind `error` whose reason is the first line of a text.
pub(super) struct FailureLine<'a> {
    pub(super) seq: u64,
    pub(super) reason: fmt::Arguments<'a>,
}

impl fmt::Display for FailureLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"kind\":\"error\",\"seq\":{},\"reason\":\"", self.seq)?;
        let mut line = FirstLine {
            out: f,
            ended: false,
        };
        line.write_fmt(self.reason)?;
        f.write_str("\"}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_reason() {
        let reason = format_args!("a \"bad\" page\nPSW 0");
        let line = FailureLine { seq: 7, reason };
        assert_eq!(
            line.to_string(),
            r#"{"kind":"error","seq":7,"reason":"a \"bad\" page"}"#
        );
    }
}
