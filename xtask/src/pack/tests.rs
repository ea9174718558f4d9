//! Packing and reading back, and all that can go wrong.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use kernel::fs::digest;
use kernel::fs::image::{Index, START, index_extent};
use proptest::prelude::*;
use tempfile::TempDir;

use super::directory::Directory;
use super::*;
use crate::failure::{FAILED, UNUSABLE, one_line, status_of};

/// Path to content.
type Tree = BTreeMap<String, Vec<u8>>;

/// A place with a directory `source` to pack and room for an image `out/files.img`.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new(tree: &Tree) -> Self {
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(place.path("source")).unwrap();
        for (path, content) in tree {
            place.put(path, content);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn put(&self, name: &str, content: &[u8]) {
        let path = self.path("source").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn source(&self) -> Source {
        Source::Directory(self.path("source"))
    }

    fn image(&self) -> PathBuf {
        self.path("out/files.img")
    }

    /// Packs what must not pack; checks that nothing is left behind, and returns the one line.
    fn refused(&self, source: &Source, status: u8) -> String {
        let error = pack(source, &self.image()).unwrap_err();
        assert_eq!(status_of(&error), status, "{error:#}");
        if let Ok(left) = fs::read_dir(self.path("out")) {
            assert_eq!(left.count(), 0, "something is half-written");
        }
        let text = format!("{error:#}");
        assert_eq!(text, one_line(&error));
        text
    }

    /// Makes the archive `source.tar` of what is in the source directory, as tar programs do.
    fn tar(&self) -> PathBuf {
        let path = self.path("source.tar");
        let mut builder = tar::Builder::new(File::create(&path).unwrap());
        builder.follow_symlinks(false);
        builder.append_dir_all("./", self.path("source")).unwrap();
        builder.finish().unwrap();
        path
    }
}

fn sample() -> Tree {
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    [
        ("a.txt", b"some text".to_vec()),
        ("a/empty", vec![]),
        ("a/page", vec![7; 4096]),
        ("b/c/big", (0..=u8::MAX).cycle().take(70_001).collect()),
        (&long, b"a path that needs an extension of tar".to_vec()),
        ("z ä", vec![0; 513]),
    ]
    .map(|(path, content)| (path.to_owned(), content))
    .into()
}

/// Reads an image as the kernel does, checking all there is to check.
fn through_index(image: &Path) -> Tree {
    let bytes = fs::read(image).unwrap();
    let extent = index_extent(&bytes[..START]).unwrap();
    let index = Index::parse(bytes[..extent.length as usize].to_vec()).unwrap();
    assert_eq!(index.image_length(), bytes.len() as u64);
    for number in 0..=index.len() {
        let gap = index.gap(number);
        let content = &bytes[gap.offset as usize..][..gap.length as usize];
        assert_eq!(
            digest::piece_checksum(content),
            gap.checksum,
            "gap {number}"
        );
    }
    index
        .files()
        .map(|file| {
            let content = &bytes[file.offset as usize..][..file.size as usize];
            assert_eq!(digest::file_digest(content), file.digest);
            for (piece, bytes) in content.chunks(digest::PIECE).enumerate() {
                assert_eq!(digest::piece_checksum(bytes), file.page_checksum(piece));
            }
            (file.path.to_owned(), content.to_vec())
        })
        .collect()
}

/// Reads an image as any tar program does.
fn through_tar(image: &Path) -> Tree {
    let mut archive = tar::Archive::new(File::open(image).unwrap());
    let mut tree = Tree::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert!(tree.insert(path, content).is_none());
    }
    tree.remove(".index").expect("the first member");
    tree
}

fn summary(tree: &Tree) -> PackSummary {
    PackSummary {
        files: tree.len() as u64,
        bytes: tree.values().map(|content| content.len() as u64).sum(),
    }
}

#[test]
fn a_directory_is_read_back_by_the_kernel_and_by_tar() {
    let place = Place::new(&sample());
    std::os::unix::fs::symlink("a.txt", place.path("source/link")).unwrap();
    let packed = pack(&place.source(), &place.image()).unwrap();
    assert_eq!(packed, summary(&sample()));
    assert_eq!(through_index(&place.image()), sample());
    assert_eq!(through_tar(&place.image()), sample());
    let mode = fs::metadata(place.image()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn the_same_files_make_the_same_image() {
    let (one, other) = (Place::new(&sample()), Place::new(&sample()));
    pack(&one.source(), &one.image()).unwrap();
    pack(&other.source(), &other.image()).unwrap();
    assert_eq!(
        fs::read(one.image()).unwrap(),
        fs::read(other.image()).unwrap()
    );
}

#[test]
fn a_tar_is_read_back_by_the_kernel_and_by_tar() {
    let place = Place::new(&sample());
    std::os::unix::fs::symlink("a.txt", place.path("source/link")).unwrap();
    let source = Source::Tar(place.tar());
    assert_eq!(pack(&source, &place.image()).unwrap(), summary(&sample()));
    assert_eq!(through_index(&place.image()), sample());
    assert_eq!(through_tar(&place.image()), sample());
}

#[test]
fn a_source_is_what_its_path_leads_to() {
    let place = Place::new(&sample());
    assert_eq!(Source::at(&place.path("source")).unwrap(), place.source());
    let tar = place.tar();
    assert_eq!(Source::at(&tar).unwrap(), Source::Tar(tar));
    let error = Source::at(&place.path("nowhere")).unwrap_err();
    assert_eq!(status_of(&error), UNUSABLE);
    assert!(error.to_string().contains("nowhere: No such file"));
}

#[test]
fn an_image_is_packed_again_only_if_something_changed() {
    let place = Place::new(&sample());
    let tar = Source::Tar(place.tar());
    let modified = || {
        let metadata = fs::metadata(place.image()).unwrap();
        metadata.modified().unwrap()
    };
    let packs = |source: &Source| {
        let old = std::time::SystemTime::UNIX_EPOCH;
        if let Ok(image) = File::options().write(true).open(place.image()) {
            image.set_modified(old).unwrap();
        }
        pack(source, &place.image()).unwrap();
        modified() != old
    };
    assert!(packs(&place.source()));
    assert!(!packs(&place.source()));
    place.put("a.txt", b"more text");
    assert!(packs(&place.source()), "another time");
    place.put("a.txt", b"other length");
    assert!(packs(&place.source()), "another size");
    fs::rename(place.path("source/a.txt"), place.path("source/a.new")).unwrap();
    assert!(packs(&place.source()), "another name");
    assert!(!packs(&place.source()));
    assert!(packs(&tar), "another source");
    assert!(!packs(&tar));
    place.tar();
    assert!(packs(&tar), "another archive");
    let image = File::options().write(true).open(place.image()).unwrap();
    image.set_len(1000).unwrap();
    assert!(packs(&tar), "an image that was cut");
    fs::remove_file(place.image()).unwrap();
    pack(&tar, &place.image()).unwrap();
    assert!(place.image().exists(), "an image that was removed");
}

#[test]
fn nothing_to_pack_is_said() {
    let place = Place::new(&Tree::new());
    fs::create_dir(place.path("source/empty")).unwrap();
    let text = place.refused(&place.source(), UNUSABLE);
    assert!(text.contains("source holds no regular files"), "{text}");
    let text = place.refused(&Source::Tar(place.tar()), UNUSABLE);
    assert!(text.contains("source.tar holds no regular files"), "{text}");
    let text = place.refused(&Source::Directory(place.path("nowhere")), UNUSABLE);
    assert!(text.contains("cannot read"), "{text}");
    assert!(text.contains("nowhere: No such file"), "{text}");
    let text = place.refused(&Source::Tar(place.path("nowhere.tar")), UNUSABLE);
    assert!(text.contains("nowhere.tar: No such file"), "{text}");
}

#[test]
fn a_tar_cut_short_anywhere_is_noticed() {
    let place = Place::new(&sample());
    let tar = place.tar();
    let whole = fs::read(&tar).unwrap();
    let end = whole.len() - 1024;
    let cuts = (1..end).step_by(499).chain((512..=end).step_by(512));
    for length in cuts.chain([end + 1, end + 511]) {
        fs::write(&tar, &whole[..length]).unwrap();
        let text = place.refused(&Source::Tar(tar.clone()), UNUSABLE);
        assert!(text.contains("source.tar is cut short"), "{length}: {text}");
    }
}

#[test]
fn a_tar_cut_short_in_a_file_names_it() {
    let place = Place::new(&[("only".to_owned(), vec![1; 5000])].into());
    let tar = place.tar();
    let file = File::options().write(true).open(&tar).unwrap();
    file.set_len(512 + 512 + 1024).unwrap();
    let text = place.refused(&Source::Tar(tar), UNUSABLE);
    assert!(
        text.contains("source.tar is cut short in or behind only"),
        "{text}"
    );
}

#[test]
fn what_is_no_tar_is_told_so() {
    let place = Place::new(&Tree::new());
    let path = place.path("source.tar");
    for bytes in [[0x1f; 4096], [b'\n'; 4096]] {
        fs::write(&path, bytes).unwrap();
        let text = place.refused(&Source::Tar(path.clone()), UNUSABLE);
        assert!(text.contains("source.tar is no tar archive"), "{text}");
    }
}

#[test]
fn a_damaged_tar_is_told_so_with_the_last_good_member() {
    let place = Place::new(&[("one".to_owned(), vec![]), ("two".to_owned(), vec![])].into());
    let tar = place.tar();
    let mut bytes = fs::read(&tar).unwrap();
    let last = bytes.len() - 3 * 512;
    bytes[last + 1] ^= 1;
    fs::write(&tar, bytes).unwrap();
    let text = place.refused(&Source::Tar(tar), UNUSABLE);
    assert!(text.contains("source.tar is damaged behind "), "{text}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let place = Place::new(&sample());
    let path = place.path("source/a/page");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    // The superuser may read it all the same; a file that has gone then stands for it.
    if File::open(&path).is_ok() {
        let listed = Directory::open(&place.path("source")).unwrap();
        fs::remove_file(&path).unwrap();
        let error = write::image(&listed, &place.image()).unwrap_err();
        assert_eq!(status_of(&error), UNUSABLE);
        assert!(error.to_string().contains("a/page: No such file"));
        assert_eq!(fs::read_dir(place.path("out")).unwrap().count(), 0);
    } else {
        let text = place.refused(&place.source(), UNUSABLE);
        assert!(text.contains("a/page: Permission denied"), "{text}");
    }
}

#[test]
fn a_file_that_changes_while_it_is_packed_is_named() {
    for content in [&b"longer than it was"[..], b"short"] {
        let place = Place::new(&sample());
        let listed = Directory::open(&place.path("source")).unwrap();
        place.put("a.txt", content);
        let error = write::image(&listed, &place.image()).unwrap_err();
        assert_eq!(error.to_string(), "a.txt changed while it was packed");
        assert_eq!(status_of(&error), UNUSABLE);
        assert_eq!(fs::read_dir(place.path("out")).unwrap().count(), 0);
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let place = Place::new(&sample());
    fs::write(place.path("out"), "a file where a directory must be").unwrap();
    let error = pack(&place.source(), &place.image()).unwrap_err();
    assert_eq!(status_of(&error), FAILED);
    assert!(error.to_string().starts_with("cannot write "), "{error}");
}

#[test]
fn a_failure_leaves_the_image_that_was_there() {
    let place = Place::new(&sample());
    pack(&place.source(), &place.image()).unwrap();
    let before = fs::read(place.image()).unwrap();
    let bad = place.path("bad.tar");
    let mut file = File::create(&bad).unwrap();
    file.write_all(&[1; 700]).unwrap();
    pack(&Source::Tar(bad), &place.image()).unwrap_err();
    assert_eq!(fs::read(place.image()).unwrap(), before);
}

#[test]
fn a_path_that_leads_out_of_the_archive_is_refused() {
    assert_eq!(member_path(Path::new("/./a//b/")).unwrap(), "a/b");
    let error = member_path(Path::new("a/../../b")).unwrap_err();
    assert_eq!(status_of(&error), UNUSABLE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_files_are_read_back(
        tree in prop::collection::btree_map(
            // Names that are neither special nor the directory of another.
            "[a-z]{1,3}/[A-Zäß ]{1,120}",
            prop::collection::vec(any::<u8>(), 0..10_000),
            1..6,
        )
    ) {
        let place = Place::new(&tree);
        let packed = pack(&place.source(), &place.image()).unwrap();
        prop_assert_eq!(packed, summary(&tree));
        prop_assert_eq!(&through_index(&place.image()), &tree);
        prop_assert_eq!(&through_tar(&place.image()), &tree);
        let again = place.path("again.img");
        prop_assert_eq!(pack(&Source::Tar(place.tar()), &again).unwrap(), packed);
        prop_assert_eq!(&through_index(&again), &tree);
    }
}
