//! The subcommand `release`: one archive of a version, with the images for every machine.
//!
//! Times, owners and order of what is in it are fixed: the same sources make the same archive.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::cli::{ImageOptions, ReleaseOptions};
use crate::{failure, media, process, workspace};

/// Texts that go with the images.
const TEXTS: [&str; 5] = [
    "README.md",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "docs",
];

/// Builds, packs and writes.
pub(crate) fn command(options: &ReleaseOptions, json: bool) -> Result<()> {
    let name = format!("guest-page-hinting-{}", env!("CARGO_PKG_VERSION"));
    let out = options.out.clone().unwrap_or_else(|| {
        workspace::target().join(format!("release-{}", env!("CARGO_PKG_VERSION")))
    });
    fs::create_dir_all(&out)
        .with_context(|| format!("cannot make {}", out.display()))
        .map_err(failure::as_unusable)?;
    let scratch = tempfile::tempdir()?;
    let images = ImageOptions {
        setup: options.setup.clone(),
        machine: None,
        out: Some(scratch.path().join("images")),
        files: None,
        passed_on: Vec::new(),
    };
    media::write_all(&images, json)?;
    let archive = out.join(format!("{name}.tar"));
    pack(&archive, &name, scratch.path())
        .with_context(|| format!("cannot write {}", archive.display()))
        .map_err(failure::as_unusable)?;
    let digest = digest(&archive)?;
    let file = archive.file_name().unwrap_or_default().to_string_lossy();
    fs::write(out.join("SHA256SUMS"), format!("{digest}  {file}\n"))?;
    process::say(&archive.display().to_string())?;
    process::say(&digest)
}

fn pack(archive: &Path, name: &str, scratch: &Path) -> io::Result<()> {
    let mut tar = tar::Builder::new(File::create(archive)?);
    tar.mode(tar::HeaderMode::Deterministic);
    for text in TEXTS {
        for path in files(&workspace::root().join(text))? {
            let inside = path.strip_prefix(workspace::root()).unwrap_or(&path);
            tar.append_path_with_name(&path, Path::new(name).join(inside))?;
        }
    }
    for path in files(scratch)? {
        let inside = path.strip_prefix(scratch).unwrap_or(&path);
        tar.append_path_with_name(&path, Path::new(name).join(inside))?;
    }
    tar.into_inner()?.sync_all()
}

/// A file, or all files of a folder, sorted.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        entries.push(entry?.path());
    }
    entries.sort();
    let mut all = Vec::new();
    for entry in entries {
        all.extend(files(&entry)?);
    }
    Ok(all)
}

fn digest(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hash)?;
    let bytes = hash.finalize();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_make_the_same_archive() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let scratch = folder.path().join(name);
            fs::create_dir_all(scratch.join("images")).unwrap();
            for file in ["b", "a"] {
                fs::write(scratch.join("images").join(file), file).unwrap();
            }
            let archive = folder.path().join(format!("{name}.tar"));
            pack(&archive, "version", &scratch).unwrap();
            archive
        };
        let [one, other] = ["one", "other"].map(make);
        assert_eq!(digest(&one).unwrap(), digest(&other).unwrap());
        let mut tar = tar::Archive::new(File::open(one).unwrap());
        let entries = tar.entries().unwrap();
        let names = entries.map(|entry| entry.unwrap().path().unwrap().into_owned());
        let names: Vec<PathBuf> = names.collect();
        assert!(names.contains(&"version/README.md".into()), "{names:?}");
        let last = &names[names.len() - 2..];
        assert_eq!(
            last,
            [PathBuf::from("version/images/a"), "version/images/b".into()]
        );
    }
}
