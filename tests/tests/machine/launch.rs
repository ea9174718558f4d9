//! Ways in beside `cargo xtask`: `cargo run` of the images' packages, and a debugger.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Completion, Failed, Trial};
use xtask::machine::debugger;
use xtask::workspace;

use crate::check;
use crate::files;
use crate::support::{Verdict, finish, folder, qemu, require, trial};

/// Where QEMU waits for a debugger.
const PORT: u16 = 1234;
/// How long it may take until it does.
const LIMIT: Duration = Duration::from_secs(300);

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("launch::cargo_run_boots_the_kernel", kernel),
        trial("launch::cargo_run_passes_options_and_status_on", bad_option),
        Trial::ignorable_test("launch::a_debugger_knows_host_and_kernel", gdb),
    ]
}

fn cargo_run(package: &str, options: &[&str]) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", package, "--"]);
    command.args(options).current_dir(workspace::root());
    command.stdin(Stdio::null());
    command
}

fn kernel() -> Verdict {
    let folder = folder();
    let mut command = cargo_run("kernel", &["--json", "--passes", "1", "--out"]);
    command.arg(folder.path().join("run"));
    command.args(["--files", files::directory()]);
    let done = finish(command)?;
    check!(done.status == Some(0), "{done:#?}");
    for part in ["\"image\":\"kernel\"", "\"kind\":\"result\""] {
        check!(done.stdout.contains(part), "no {part}: {done:#?}");
    }
    let host = done.stdout.contains("\"kind\":\"host_boot\"");
    check!(!host, "there should be no host: {done:#?}");
    Ok(())
}

fn bad_option() -> Verdict {
    let done = finish(cargo_run("host", &["--guests", "0"]))?;
    check!(done.status == Some(2), "{done:#?}");
    check!(done.only_error()?.contains("--guests"), "{done:#?}");
    Ok(())
}

/// A run that does not outlive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended if the debugger has ended the machine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_taken() -> bool {
    TcpListener::bind(("127.0.0.1", PORT)).is_err()
}

fn gdb() -> Result<Completion, Failed> {
    if let Err(error) = require(
        debugger::PROGRAM,
        "it is the debugger that knows the machine",
    ) {
        return Ok(Completion::ignored_with(
            error.message().unwrap_or_default(),
        ));
    }
    if is_taken() {
        return Ok(Completion::ignored_with("somebody has port 1234"));
    }
    let folder = folder();
    let options = ["--gdb", "--guests", "1", "--passes", "1"];
    let mut command = qemu(&folder, &options);
    command.args(["--files", files::directory()]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = Running(command.spawn()?);
    let end = Instant::now() + LIMIT;
    while !is_taken() {
        let early = run.0.try_wait()?;
        check!(
            early.is_none() && Instant::now() < end,
            "it waits for no debugger"
        );
        thread::sleep(Duration::from_millis(200));
    }
    let text = debug(&folder.path().join("run/debug.gdb"))?;
    // The host starts, then the kernel in a guest; at each, its own symbols are there by themselves.
    let stops: Vec<_> = text.split("boot_main ()").collect();
    check!(stops.len() >= 3, "it did not stop twice:\n{text}");
    let symbols = |stop: &str, image: &str| {
        stop.lines()
            .any(|line| line.starts_with("Symbols from") && line.ends_with(&format!("/{image}\".")))
    };
    check!(symbols(stops[1], "host"), "not the host's symbols:\n{text}");
    check!(
        symbols(stops[2], "kernel"),
        "not the kernel's symbols:\n{text}"
    );
    Ok(Completion::Completed)
}

/// What a debugger says who stops where the host starts and where its guest does.
fn debug(script: &Path) -> Result<String, Failed> {
    check!(fs::exists(script)?, "there is no script");
    let mut command = Command::new("timeout");
    command.args(["60", debugger::PROGRAM, "-nx", "-batch", "-x"]);
    command.arg(script);
    for line in [
        "break boot_main",
        "continue",
        "info files",
        "delete",
        "guest",
        "break boot_main if ($pswm >> 48) & 1",
        "host",
        "guest",
        "continue",
        "info files",
        "kill",
    ] {
        command.args(["-ex", line]);
    }
    let done = finish(command)?;
    Ok(done.stdout + &done.stderr)
}
