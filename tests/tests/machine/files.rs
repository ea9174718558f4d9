//! A small set of files of all kinds of sizes, the same on every machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use xtask::workspace;

/// Sizes around those of a block and a page, where mistakes live.
const EDGES: [usize; 12] = [
    0, 1, 511, 512, 513, 4095, 4096, 4097, 8191, 8192, 8193, 65_537,
];
/// Number of larger files.
const LARGE: usize = 24;
/// Size of the set in bytes, without the names.
pub(crate) const TOTAL: u64 = {
    let (mut sum, mut index) = (0, 0);
    while index < EDGES.len() {
        sum += EDGES[index];
        index += 1;
    }
    index = 0;
    while index < LARGE {
        sum += large_size(index);
        index += 1;
    }
    sum as u64
};
/// Number of files.
pub(crate) const COUNT: u64 = (EDGES.len() + LARGE) as u64;

const fn large_size(index: usize) -> usize {
    200_000 + index * 4_321
}

/// The directory of the files; about 6 MiB, made at the first call.
pub(crate) fn directory() -> &'static str {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let sizes = || EDGES.into_iter().chain((0..LARGE).map(large_size));
    let made = DIRECTORY.get_or_init(|| make("test-files", sizes(), |_, size| size));
    name(made)
}

/// Sizes of large files of 20 MiB together: more than a guest of 16 MiB has room for.
fn some_sizes() -> impl Iterator<Item = usize> {
    (0..64).map(|index| 200_001 + index * 79_193 % 240_000)
}

/// The directory of 20 MiB of files.
pub(crate) fn some_directory() -> &'static str {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let made = DIRECTORY.get_or_init(|| make("some-test-files", some_sizes(), |index, _| index));
    name(made)
}

/// Sizes of files of 48 MiB together, 20 KiB on the average: they take 53 MiB of pages, for most end within one.
fn many_sizes() -> impl Iterator<Item = usize> {
    (0..2500).map(|index| 6001 + index * 7919 % 28_000)
}

/// The directory of 48 MiB of files, nearly all that a guest of 64 MiB has room for.
pub(crate) fn many_directory() -> &'static str {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let made = DIRECTORY.get_or_init(|| make("many-test-files", many_sizes(), |index, _| index));
    name(made)
}

fn name(made: &'static Path) -> &'static str {
    made.to_str()
        .expect("the target directory has a name in UTF-8")
}

/// Makes files of these sizes in a folder of the target directory, each named by a number that comes of its
/// own number and its size.
fn make(
    folder: &str,
    sizes: impl Iterator<Item = usize>,
    number: fn(usize, usize) -> usize,
) -> PathBuf {
    let root = workspace::root().join(workspace::target()).join(folder);
    for (index, size) in sizes.enumerate() {
        let folder = root.join(format!("folder-{}", index % 5));
        fs::create_dir_all(&folder).expect("there is room in the target directory");
        let file = format!("{}.bin", number(index, size));
        let (path, bytes) = (folder.join(file), content(index, size));
        // Left alone if it is there: then its packed image is up to date, too.
        if fs::read(&path).ok().as_deref() != Some(&bytes) {
            fs::write(&path, bytes).expect("there is room in the target directory");
        }
    }
    root
}

/// Bytes that differ from page to page and from file to file.
fn content(file: usize, size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64 ^ (file as u64) << 32 ^ size as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()
    };
    let mut bytes: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(size);
    bytes
}
