//! Inputs that cannot be used: one line that says what to do, a status other than 0, no stack
//! trace, and nothing half-written.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Completion, Failed, Trial};
use tempfile::TempDir;

use crate::check;
use crate::files;
use crate::support::{Done, Verdict, finish, folder, qemu, run, trial, xtask};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("bad_input::missing_directory", || {
            refused(
                &["--bare", "--files", "/no/such/folder"],
                &["/no/such/folder"],
            )
        }),
        trial("bad_input::empty_directory", empty),
        Trial::ignorable_test("bad_input::unreadable_file", unreadable),
        trial("bad_input::tar_cut_short", cut),
        trial("bad_input::no_tar_at_all", no_tar),
        trial("bad_input::flipped_byte_of_the_files", flipped),
        trial("bad_input::flipped_byte_between_the_files", flipped_gap),
        trial("bad_input::flipped_byte_of_the_index", flipped_index),
        trial("bad_input::flipped_byte_of_the_bundle", flipped_bundle),
        trial("bad_input::memory_too_small_for_the_kernel", || {
            failed(&["--bare", "--memory", "1M"], &["memory"])
        }),
        trial("bad_input::memory_too_small_for_a_guest", || {
            failed(&["--guest-memory", "1M"], &["memory"])
        }),
        trial("bad_input::memory_too_small_for_the_host", || {
            failed(&["--memory", "64K"], &["memory"])
        }),
        trial("bad_input::memory_exhausted_on_the_way", || {
            failed(
                &["--hinting", "none", "--memory", "10M"],
                &["memory is exhausted"],
            )
        }),
        trial("bad_input::unknown_option", unknown_option),
        trial("bad_input::unknown_parameter_of_the_kernel", || {
            failed(&["--bare", "--append", "colour=red"], &["colour"])
        }),
        trial("bad_input::unknown_parameter_of_a_guest", || {
            failed(&["--append", "g1.colour=red"], &["guest 1", "colour"])
        }),
        trial("bad_input::unknown_parameter_of_the_host", || {
            failed(&["--append", "colour=red"], &["host", "colour"])
        }),
        trial("bad_input::bad_value_of_a_parameter", || {
            failed(&["--bare", "--append", "passes=many"], &["passes"])
        }),
        trial("bad_input::a_word_that_is_no_parameter", || {
            refused(&["--bare", "--append", "faster"], &["faster", "key=value"])
        }),
        trial(
            "bad_input::image_for_another_architecture",
            another_architecture,
        ),
        trial("bad_input::image_that_is_none", || {
            refused(&["--guest", "README.md"], &["README.md", "s390x"])
        }),
        trial("bad_input::no_such_image", || {
            refused(&["--guest", "/no/such/image"], &["/no/such/image"])
        }),
        trial("bad_input::qemu_missing", || {
            no_qemu("/no/such/qemu", &["/no/such/qemu"])
        }),
        trial("bad_input::qemu_without_s390x", without_s390x),
        trial("bad_input::out_is_no_directory", out_is_a_file),
        Trial::ignorable_test("bad_input::disk_full", disk_full),
    ]
}

/// Whether the directory of a run is not there, or has nothing in it.
fn nothing_left(folder: &TempDir) -> Verdict {
    let run = folder.path().join("run");
    let left: Vec<_> = fs::read_dir(&run)
        .map(|list| list.flatten().collect())
        .unwrap_or_default();
    check!(left.is_empty(), "half-written: {left:?}");
    Ok(())
}

fn says(done: &Done, words: &[&str]) -> Verdict {
    let error = done.only_error()?;
    for word in words {
        check!(error.contains(word), "{error:?} does not say {word:?}");
    }
    Ok(())
}

fn small() -> [&'static str; 6] {
    [
        "--files",
        files::directory(),
        "--passes",
        "1",
        "--seed",
        "1",
    ]
}

/// A run that does not even begin: status 2.
fn refused(arguments: &[&str], words: &[&str]) -> Verdict {
    refused_command(arguments, words, |command| command)
}

fn refused_command(
    arguments: &[&str],
    words: &[&str],
    change: impl FnOnce(&mut Command) -> &mut Command,
) -> Verdict {
    let folder = folder();
    let mut command = qemu(&folder, arguments);
    change(&mut command);
    let done = finish(command)?;
    check!(done.status == Some(2), "status 2 is due: {done:#?}");
    check!(done.stdout.is_empty(), "{done:#?}");
    says(&done, words)?;
    nothing_left(&folder)
}

/// A run that an image ends: status 1, and a result that says why.
fn failed(arguments: &[&str], words: &[&str]) -> Verdict {
    let all: Vec<_> = small().iter().chain(arguments).copied().collect();
    let run = run(&all)?;
    run.must_fail(words)?;
    says(&run.done, words)
}

fn empty() -> Verdict {
    let empty = folder();
    let path = empty.path().join("nothing/in/here");
    fs::create_dir_all(&path).map_err(|error| error.to_string())?;
    refused(
        &["--bare", "--files", text(empty.path())?],
        &["no regular files"],
    )
}

fn text(path: &Path) -> Result<&str, Failed> {
    path.to_str()
        .ok_or_else(|| Failed::from("a directory name that is no text"))
}

fn unreadable() -> Result<Completion, Failed> {
    let source = folder();
    let path = source.path().join("current");
    fs::write(&path, "secret").map_err(|error| error.to_string())?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000))
        .map_err(|error| error.to_string())?;
    // Root may read that; but not a security attribute of a kernel that has no such attributes.
    let attributes = Path::new("/proc/1/attr");
    let candidates = [source.path(), attributes];
    let unreadable = |folder: &&&Path| fs::read(folder.join("current")).is_err();
    let Some(folder) = candidates
        .iter()
        .find(unreadable)
        .filter(|folder| folder.exists())
    else {
        return Ok(Completion::ignored_with("this user may read every file"));
    };
    refused(
        &["--bare", "--files", text(folder)?],
        &["cannot read", "current"],
    )?;
    Ok(Completion::Completed)
}

fn make_tar(folder: &Path) -> Result<Vec<u8>, Failed> {
    let path = folder.join("whole.tar");
    let mut tar = Command::new("tar");
    tar.arg("-cf")
        .arg(&path)
        .args(["-C", files::directory(), "."]);
    check!(
        tar.status().is_ok_and(|status| status.success()),
        "tar failed"
    );
    fs::read(path).map_err(|error| error.to_string().into())
}

fn cut() -> Verdict {
    let folder = folder();
    let bytes = make_tar(folder.path())?;
    let path = folder.path().join("cut.tar");
    fs::write(&path, &bytes[..bytes.len() / 2]).map_err(|error| error.to_string())?;
    refused(&["--bare", "--files", text(&path)?], &["cut.tar"])
}

fn no_tar() -> Verdict {
    let folder = folder();
    let path = folder.path().join("text.tar");
    fs::write(&path, "this is no archive\n".repeat(100)).map_err(|error| error.to_string())?;
    refused(&["--bare", "--files", text(&path)?], &["text.tar"])
}

/// Offset in the packed image of a byte of `65537.bin`, found by the file's content.
fn offset_in_image() -> Result<(String, u64), Failed> {
    // A good run first: it leaves the image, packed and verified.
    let run = run(&[&small()[..], &["--bare"]].concat())?;
    run.must_be_good()?;
    let folder = xtask::workspace::root()
        .join(xtask::workspace::target())
        .join("files");
    let content = walk(Path::new(files::directory()), "65537.bin")?;
    let images = fs::read_dir(folder)
        .map_err(|error| error.to_string())?
        .flatten();
    for image in images.filter(|entry| entry.path().extension().is_some_and(|end| end == "img")) {
        let bytes = fs::read(image.path()).map_err(|error| error.to_string())?;
        let found = bytes.chunks(512).position(|block| block == &content[..512]);
        if let Some(block) = found {
            return Ok((text(&image.path())?.to_owned(), block as u64 * 512));
        }
    }
    Err("no packed image holds 65537.bin".into())
}

fn walk(folder: &Path, name: &str) -> Result<Vec<u8>, Failed> {
    let folders = fs::read_dir(folder)
        .map_err(|error| error.to_string())?
        .flatten();
    let found = folders
        .map(|entry| entry.path().join(name))
        .find(|path| path.is_file());
    let found = found.ok_or_else(|| format!("no {name}"))?;
    fs::read(found).map_err(|error| error.to_string().into())
}

/// The byte at 5000 of the file lies in its second page.
fn flipped() -> Verdict {
    let (image, start) = offset_in_image()?;
    let offset = (start + 5000).to_string();
    let arguments = ["--image", &image, "--passes", "1", "--flip-byte", &offset];
    for mode in [&["--bare"][..], &["--guests", "1"]] {
        let run = run(&[&arguments[..], mode].concat())?;
        run.must_fail(&["mismatch"])?;
        says(&run.done, &["65537.bin", "offset 4096"])?;
    }
    Ok(())
}

/// The 512 bytes in front of a file's content are its tar header.
fn flipped_gap() -> Verdict {
    let (image, start) = offset_in_image()?;
    let offset = (start - 100).to_string();
    let arguments = ["--bare", "--image", &image, "--flip-byte", &offset];
    let run = run(&arguments)?;
    run.must_fail(&["mismatch"])?;
    says(&run.done, &["65537.bin", "on the disk at offset"])
}

fn flipped_index() -> Verdict {
    let (image, _) = offset_in_image()?;
    let arguments = ["--bare", "--image", &image, "--flip-byte", "1024"];
    let run = run(&arguments)?;
    run.must_fail(&["index"])
}

fn flipped_bundle() -> Verdict {
    // In the header, in the directory, and in the first page of the image.
    for offset in ["9", "40", "5000"] {
        failed(&["--flip-bundle-byte", offset], &["bundle"])?;
    }
    Ok(())
}

fn unknown_option() -> Verdict {
    let done = finish(xtask(&["qemu", "--colour"]))?;
    check!(
        done.status == Some(2) && done.stdout.is_empty(),
        "{done:#?}"
    );
    let line = done.only_error()?;
    check!(
        line.contains("--colour") && line.contains("--help"),
        "{line}"
    );
    Ok(())
}

fn another_architecture() -> Verdict {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    refused(&["--guest", text(&own)?], &["an image for", "s390x"])
}

fn no_qemu(qemu: &str, words: &[&str]) -> Verdict {
    refused_command(&["--bare"], words, |command| command.env("QEMU", qemu))
}

fn without_s390x() -> Verdict {
    let folder = folder();
    let path = folder.path().join("qemu-system-toy");
    crate::fake::write_script(&path, "echo 'toy  A toy machine (default)'")?;
    no_qemu(text(&path)?, &["qemu-system-toy", "s390-ccw-virtio"])
}

fn out_is_a_file() -> Verdict {
    let done = finish(xtask(&["qemu", "--json", "--bare", "--out", "/dev/full"]))?;
    check!(
        done.status == Some(2) && done.stdout.is_empty(),
        "{done:#?}"
    );
    says(&done, &["/dev/full", "not a directory"])
}

/// A file system of a few blocks, mounted until this is dropped.
struct Tiny(TempDir);

impl Tiny {
    fn mount(size: &str) -> Option<Self> {
        let folder = folder();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(folder))
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// Room for nothing at all, then for the bundle but not for the lines of the run.
fn disk_full() -> Result<Completion, Failed> {
    let Some(tiny) = Tiny::mount("4k") else {
        return Ok(Completion::ignored_with(
            "this user may not mount a small file system",
        ));
    };
    full(&tiny)?;
    drop(tiny);
    let Some(tiny) = Tiny::mount("16k") else {
        return Ok(Completion::ignored_with(
            "this user may not mount a small file system",
        ));
    };
    let filler = tiny.0.path().join("filler");
    let mut file = File::create(filler).map_err(|error| error.to_string())?;
    // Until it is full.
    while file.write_all(&[0; 512]).is_ok() {}
    full(&tiny)?;
    Ok(Completion::Completed)
}

fn full(tiny: &Tiny) -> Verdict {
    let done = finish(qemu(&tiny.0, &small()))?;
    check!(done.status == Some(2), "status 2 is due: {done:#?}");
    says(&done, &["make room there or choose another directory"])?;
    nothing_left(&tiny.0)
}
