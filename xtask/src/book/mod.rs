//! The subcommand `book`: pages of the chapters in docs/, and what can be checked of them.
//!
//! `text` takes Markdown apart; [`commands`] are the command lines that the chapters tell people to type. Tests see to it
//! that links lead somewhere, and that what is named of the code is there.

#[cfg(test)]
mod checks;
pub mod commands;
mod text;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cli::BookOptions;
use crate::packages::Permission;
use crate::{failure, process, workspace};

/// What makes pages of the chapters.
const PROGRAM: &str = "mdbook";
/// Its version, for machines that do not have it.
const VERSION: &str = "0.5.4";

/// A text for people.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// Its file, from the root of the checkout.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// All texts for people: the book's chapters, the README and what else begins with a capital letter.
///
/// # Errors
/// One cannot be read.
pub fn chapters() -> Result<Vec<Chapter>> {
    let mut paths = Vec::new();
    for folder in ["", "docs", "tests"] {
        let listed = fs::read_dir(workspace::root().join(folder))
            .with_context(|| format!("cannot list {folder}"))?;
        for entry in listed {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".md") {
                paths.push(Path::new(folder).join(name));
            }
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(workspace::root().join(&path))
            .with_context(|| format!("cannot read {}", path.display()))?;
        let path = path.to_string_lossy().into_owned();
        Ok(Chapter { path, text })
    };
    paths.into_iter().map(read).collect()
}

/// Makes the book's pages.
pub(crate) fn command(options: &BookOptions) -> Result<()> {
    let program = find(options.setup.permission())?;
    let out = options.out.clone();
    let out = out.unwrap_or_else(|| workspace::target().join("book"));
    let root = workspace::root();
    process::output(
        Command::new(program)
            .arg("build")
            .arg(&root)
            .arg("--dest-dir")
            .arg(std::path::absolute(&out)?),
    )?;
    process::say(&out.join("index.html").display().to_string())
}

/// Where the program is when cargo has built it for us.
fn own() -> PathBuf {
    workspace::target().join("tools/bin").join(PROGRAM)
}

fn find(permission: Permission) -> Result<PathBuf> {
    if let Some(path) = workspace::find_program(PROGRAM) {
        return Ok(path);
    }
    let own = workspace::root().join(own());
    if own.is_file() {
        return Ok(own);
    }
    let root = workspace::target().join("tools");
    let mut cargo = Command::new("cargo");
    cargo
        .args(["install", "--quiet", "--locked", "--no-default-features"])
        .args(["--version", VERSION, "--root"])
        .arg(&root)
        .arg(PROGRAM)
        .current_dir(workspace::root());
    if permission == Permission::Tell {
        return Err(failure::unusable(format!(
            "missing: {PROGRAM} (it makes pages of the book); type `{}`",
            process::shell_line(&cargo)
        )));
    }
    eprintln!("building {PROGRAM} with cargo, once: it makes pages of the book");
    process::sanitize(&mut cargo);
    process::output(&mut cargo).map_err(|error| failure::unusable(format!("{error:#}")))?;
    Ok(own)
}
