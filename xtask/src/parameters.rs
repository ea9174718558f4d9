//! Parameter lines: `key=value`, blank separated, as the images take them.

use std::fmt;

use anyhow::Result;

use crate::failure;

/// Longest parameter line that QEMU 7.2 hands over, in bytes without the NUL at its end.
pub const LONGEST: usize = 0x380 - 1;

/// Parameters in the order they were given, each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Sets `key`, in place of an earlier value.
    pub fn set(&mut self, key: &str, value: impl fmt::Display) {
        self.0.retain(|(known, _)| known != key);
        self.0.push((key.to_owned(), value.to_string()));
    }

    /// Adds the parameters of a line that a user typed; they replace earlier values.
    ///
    /// # Errors
    /// A word of the line is not `key=value`.
    pub fn extend(&mut self, line: &str) -> Result<()> {
        for word in line.split_whitespace() {
            let (key, value) = word
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| failure::unusable(format!("--append: {word:?} is not key=value")))?;
            self.set(key, value);
        }
        Ok(())
    }

    /// The line.
    ///
    /// # Errors
    /// It is longer than [`LONGEST`], or not ASCII.
    pub fn line(&self) -> Result<String> {
        let words: Vec<_> = self
            .0
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let line = words.join(" ");
        if line.len() > LONGEST {
            return Err(failure::unusable(format!(
                "the parameter line has {} bytes, at most {LONGEST} fit: shorten --append",
                line.len()
            )));
        }
        if !line.is_ascii() {
            return Err(failure::unusable(
                "parameters are ASCII text: check --append",
            ));
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_appends_replaces_what_we_chose() {
        let mut parameters = Parameters::default();
        parameters.set("passes", 2);
        parameters.set("seed", 1);
        parameters.extend(" passes=3  g.cmma=off ").unwrap();
        assert_eq!(parameters.line().unwrap(), "seed=1 passes=3 g.cmma=off");
    }

    #[test]
    fn lines_that_no_image_would_take_are_refused() {
        let mut parameters = Parameters::default();
        assert!(
            parameters
                .extend("passes")
                .unwrap_err()
                .to_string()
                .contains("\"passes\"")
        );
        assert!(parameters.extend("=3").is_err());
        parameters.set("long", "x".repeat(LONGEST - 5));
        assert_eq!(parameters.line().unwrap().len(), LONGEST);
        parameters.set("long", "x".repeat(LONGEST - 4));
        assert!(
            parameters
                .line()
                .unwrap_err()
                .to_string()
                .contains("at most 895")
        );
        parameters.set("long", "ü");
        assert!(parameters.line().is_err());
    }
}
