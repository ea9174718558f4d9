//! The same kernel on another emulator, started the way a card reader or a load list does it: in
//! ESA/390 mode, with the files in memory and messages for the console in EBCDIC.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Completion, Failed, Trial};
use object::Endianness;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use xtask::events::{self, Event};
use xtask::packages::{self, Permission};
use xtask::workspace::{self, find_program};

use crate::check;
use crate::files;
use crate::support::{finish, folder, run_in, xtask};

/// Where the image's first byte goes.
const IMAGE: u64 = 0x10000;
/// Where a loader leaves address and size of the initial RAM disk.
const INITRD_WORDS: u64 = 0x10408;
/// Where it leaves the parameter line.
const PARAMETER_LINE: u64 = 0x10480;
/// Where the initial RAM disk goes.
const INITRD: u64 = 0x80_0000;
/// IPL PSW: 31-bit addressing, at the image's entry.
const IPL_PSW: [u8; 8] = [0x00, 0x08, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00];
/// How long the kernel may take.
const LIMIT: Duration = Duration::from_secs(120);

const CONFIGURATION: &str = "\
CPUSERIAL 000001
CPUMODEL 2097
MAINSIZE 64
XPNDSIZE 0
CNSLPORT 3270
NUMCPU 1
ARCHMODE z/Arch
PGMPRDOS LICENSED
0009 3215-C
";

pub(crate) fn tests() -> Vec<Trial> {
    vec![Trial::ignorable_test(
        "hercules::the_kernel_starts_in_esa390_mode_and_verifies",
        esa390,
    )]
}

fn text(error: impl ToString) -> Failed {
    Failed::from(error.to_string())
}

/// The loadable bytes of an ELF file, from [`IMAGE`] on.
fn flatten(elf: &[u8]) -> Result<Vec<u8>, Failed> {
    let header = FileHeader64::<Endianness>::parse(elf).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    let mut image = Vec::new();
    for segment in header.program_headers(endian, elf).map_err(text)? {
        if segment.p_type(endian) == PT_LOAD {
            let start = (segment.p_paddr(endian) - IMAGE) as usize;
            let bytes = segment
                .data(endian, elf)
                .map_err(|()| "a segment is cut short")?;
            image.resize(image.len().max(start + bytes.len()), 0);
            image[start..start + bytes.len()].copy_from_slice(bytes);
        }
    }
    Ok(image)
}

/// The path of the kernel as `cargo xtask build --json` tells it.
fn kernel() -> Result<Vec<u8>, Failed> {
    let done = finish(xtask(&["build", "--json"]))?;
    let path = done
        .stdout
        .lines()
        .find_map(|line| match events::parse(line) {
            Ok(Event::Image(image)) if image.name == "kernel" => Some(image.path),
            _ => None,
        });
    let path = path.ok_or_else(|| format!("no kernel: {done:#?}"))?;
    fs::read(workspace::root().join(path)).map_err(text)
}

/// Writes everything that the load list names, and the list.
fn lay_out(folder: &Path, bundle: &[u8]) -> Result<(), Failed> {
    let words = [INITRD.to_be_bytes(), (bundle.len() as u64).to_be_bytes()].concat();
    let parts: [(&str, u64, &[u8]); 5] = [
        ("psw", 0, &IPL_PSW),
        ("image", IMAGE, &flatten(&kernel()?)?),
        ("words", INITRD_WORDS, &words),
        (
            "line",
            PARAMETER_LINE,
            b"work=verify passes=1 disk=memory\0",
        ),
        ("bundle", INITRD, bundle),
    ];
    let mut list = String::new();
    for (name, address, bytes) in parts {
        fs::write(folder.join(name), bytes).map_err(text)?;
        list += &format!("{name} {address:#010x}\n");
    }
    for (name, content) in [
        ("list", &*list),
        ("rc", "ipl list\n"),
        ("cnf", CONFIGURATION),
    ] {
        fs::write(folder.join(name), content).map_err(text)?;
    }
    Ok(())
}

/// Runs Hercules until the CPU is in a disabled wait, or time is up; returns what it said.
fn hercules(folder: &Path) -> Result<String, Failed> {
    let mut child = Command::new("hercules")
        .args(["-f", "cnf", "-d"])
        .env("HERCULES_RC", "rc")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(text)?;
    let output = child.stdout.take().ok_or("the output is a pipe")?;
    let (sender, lines) = mpsc::channel();
    // Ends with the pipe, when the child is gone.
    let reader = thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                break;
            }
        }
    });
    let (end, mut log) = (Instant::now() + LIMIT, String::new());
    let mut waits = false;
    while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
        log += &line;
        log.push('\n');
        if waits && line.contains("PSW=") {
            break;
        }
        waits |= line.contains("Disabled wait state");
    }
    child.kill().and_then(|()| child.wait()).map_err(text)?;
    drop(lines);
    reader.join().map_err(|_| "the reader failed")?;
    Ok(log)
}

fn esa390() -> Result<Completion, Failed> {
    if find_program("hercules").is_none() {
        let choose = || vec!["hercules".to_owned()];
        let why = "it starts the kernel in ESA/390 mode";
        if let Err(error) = packages::install(choose, why, Permission::Install) {
            return Ok(Completion::ignored_with(format!("{error:#}")));
        }
    }
    let folder = folder();
    run_in(
        &folder,
        &[
            "--bare",
            "--memory-disk",
            "--passes",
            "1",
            "--files",
            files::directory(),
        ],
    )?
    .must_be_good()?;
    let bundle = fs::read(folder.path().join("run/bundle")).map_err(text)?;
    lay_out(folder.path(), &bundle)?;
    let log = hercules(folder.path())?;
    let switched = log.contains("architecture mode set to ESA/390")
        && log.contains("architecture mode set to z/Arch");
    check!(switched, "it did not start in ESA/390 mode:\n{log}");
    // The console is a line-mode one: what is printed there shows in the log.
    let records: Vec<_> = log
        .lines()
        .filter(|line| line.contains("{\"kind\""))
        .collect();
    for part in [
        "\"console\":\"line\"",
        "\"kind\":\"guest\"",
        "\"mismatches\":0",
    ] {
        check!(
            records.iter().any(|line| line.contains(part)),
            "no record with {part} was printed:\n{log}"
        );
    }
    check!(
        log.contains("PSW=00020001 80000000 0000000000000FFF"),
        "it did not end well:\n{log}"
    );
    Ok(Completion::Completed)
}
