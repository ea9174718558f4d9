//! A script in QEMU's place: whatever a machine may do to us, we end in time, with the right status,
//! and leave no process behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use xtask::failure::{FAILED, TIMED_OUT};

use crate::check;
use crate::files;
use crate::support::{Done, Verdict, finish, folder, interrupt, qemu_within, trial};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("fake::a_machine_that_prints_nothing_and_ends", || {
            ends("exit 0", FAILED, "did not report its outcome")
        }),
        trial("fake::a_machine_that_dies", || {
            ends("kill -9 $$", FAILED, "signal")
        }),
        trial("fake::a_machine_that_prints_garbage", || {
            ends(
                r"printf '\377\000{]\n'; echo '{}'; exit 0",
                FAILED,
                "broken line",
            )
        }),
        trial("fake::qemu_that_refuses_its_options", || {
            ends(
                "echo 'qemu: no such drive' >&2; exit 1",
                FAILED,
                "no such drive",
            )
        }),
        trial("fake::a_machine_that_hangs_is_killed", hangs),
        trial("fake::a_machine_that_never_stops_talking_is_killed", talks),
        trial("fake::an_interrupted_run_kills_the_machine", interrupted),
    ]
}

/// Writes a script that passes for a QEMU with s390x and then does `what`.
pub(crate) fn write_script(path: &Path, what: &str) -> Verdict {
    fs::write(path, format!("#!/bin/sh\n{what}\n")).map_err(|error| error.to_string())?;
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(path, executable).map_err(|error| error.to_string().into())
}

/// The command line of a run on such a script; the script leaves its process number in `pid`.
fn command(
    folder: &tempfile::TempDir,
    what: &str,
    timeout: &str,
) -> Result<Command, libtest_mimic::Failed> {
    let script = folder.path().join("qemu");
    let pid = folder.path().join("pid");
    let help = "[ \"$1 $2\" = '-machine help' ] && echo s390-ccw-virtio && exit 0";
    write_script(
        &script,
        &format!("{help}\necho $$ > {}\n{what}", pid.display()),
    )?;
    let arguments = ["--bare", "--files", files::directory()];
    let mut command = qemu_within(folder, timeout, &arguments);
    command.env("QEMU", script);
    Ok(command)
}

fn is_gone(folder: &tempfile::TempDir) -> Result<bool, libtest_mimic::Failed> {
    let pid = fs::read_to_string(folder.path().join("pid")).map_err(|error| error.to_string())?;
    Ok(!Path::new("/proc").join(pid.trim()).exists())
}

fn run(what: &str, timeout: &str, status: u8) -> Result<Done, libtest_mimic::Failed> {
    let folder = folder();
    let done = finish(command(&folder, what, timeout)?)?;
    check!(
        done.status == Some(i32::from(status)),
        "status {status} is due: {done:#?}"
    );
    check!(is_gone(&folder)?, "the machine lives on");
    check!(!done.stderr.contains("panicked"), "{done:#?}");
    let last = done.stdout.lines().last().unwrap_or_default();
    check!(
        last.starts_with(r#"{"kind":"result","status":"failed""#),
        "{done:#?}"
    );
    Ok(done)
}

fn ends(what: &str, status: u8, word: &str) -> Verdict {
    let done = run(what, "20", status)?;
    let error = done.only_error()?;
    check!(error.contains(word), "{error:?} does not say {word:?}");
    Ok(())
}

fn hangs() -> Verdict {
    let start = Instant::now();
    let done = run("echo 'last words'; exec sleep 60", "1", TIMED_OUT)?;
    check!(
        start.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        start.elapsed()
    );
    check!(done.only_error()?.contains("after 1 s"), "{done:#?}");
    Ok(())
}

fn talks() -> Verdict {
    let done = run("exec yes 'and another thing'", "1", TIMED_OUT)?;
    check!(done.only_error()?.contains("after 1 s"), "{done:#?}");
    Ok(())
}

fn interrupted() -> Verdict {
    let folder = folder();
    let mut command = command(&folder, "exec sleep 60", "60")?;
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.map_err(|error| error.to_string())?;
    let deadline = Instant::now() + Duration::from_secs(60);
    while !folder.path().join("pid").exists() {
        check!(Instant::now() < deadline, "the machine does not start");
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_millis(200));
    interrupt(child)?;
    check!(is_gone(&folder)?, "the machine lives on");
    Ok(())
}
