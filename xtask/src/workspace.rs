//! Where things are: the checkout, and what is made below its target directory.

use std::env;
use std::path::{Path, PathBuf};

/// Root of the checkout that this program was built from.
#[must_use]
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .expect("xtask/ lies in the checkout")
        .to_path_buf()
}

/// The path as short as it can be written where the user is.
#[must_use]
pub fn short(path: PathBuf) -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    match path.strip_prefix(here) {
        Ok(rest) if !rest.as_os_str().is_empty() => rest.to_path_buf(),
        _ => path,
    }
}

/// Directory of everything that is built or recorded; `CARGO_TARGET_DIR` moves it.
#[must_use]
pub fn target() -> PathBuf {
    short(match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) if !folder.is_empty() => root().join(folder),
        _ => root().join("target"),
    })
}

/// Finds a program the way a shell does; a name with a slash is a path.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let is_file = |path: &PathBuf| path.is_file();
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(is_file);
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(is_file)
}
