//! The subcommand `states`: the book's picture of the page states, made of what `cmm` says.

mod dot;
mod svg;

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use cmm::Access;

use crate::cli::StatesOptions;
use crate::{process, workspace};

/// Where the book is.
const BOOK: &str = "docs";

/// The picture in all its languages, each with the name of its file.
fn pictures() -> [(&'static str, String); 2] {
    [
        ("page-states.dot", dot::Graph.to_string()),
        ("page-states.svg", svg::Graph.to_string()),
    ]
}

/// Writes the files.
pub(crate) fn command(options: &StatesOptions) -> Result<()> {
    let folder = match &options.out {
        Some(folder) => folder.clone(),
        None => workspace::short(workspace::root().join(BOOK)),
    };
    for (name, text) in pictures() {
        let path: PathBuf = folder.join(name);
        std::fs::write(&path, text)
            .with_context(|| format!("cannot write {}", path.display()))
            .map_err(crate::failure::as_unusable)?;
        process::say(&path.display().to_string())?;
    }
    Ok(())
}

/// What a fault is called in the picture.
struct Fault(Access);

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Access::DiscardFault => "discard fault X'1A'",
            Access::AddressingException => "addressing exception",
            Access::Ok | Access::ZeroFill | Access::PageIn => "no fault",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// `cargo xtask states` makes them so.
    #[test]
    fn the_pictures_in_the_book_are_current() {
        for (name, text) in pictures() {
            let path = workspace::root().join(BOOK).join(name);
            let found = fs::read_to_string(&path).unwrap();
            assert!(found == text, "{name} is stale: run `cargo xtask states`");
        }
    }

    #[test]
    fn the_book_shows_the_picture() {
        let page = workspace::root().join(BOOK).join("page-states.md");
        let text = fs::read_to_string(page).unwrap();
        assert!(text.contains("(page-states.svg)") && text.contains("(page-states.dot)"));
    }
}
