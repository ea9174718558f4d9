//! A machine whose host runs streams beside a kernel that reads and compares files all the time.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use boot::bundle::write::Writer;
use boot::bundle::{Kind, Owner};
use libtest_mimic::Failed;
use object::{Object as _, ObjectSegment as _};
use tempfile::TempDir;
use xtask::cli::Console;
use xtask::emulator;
use xtask::events::{self, Event, Status};
use xtask::machine::{self, End, Machine, Pieces, Source};
use xtask::packages::Permission;

use super::stream::{MEMORY, Stream};
use crate::files;
use crate::support;

/// How long a machine may take.
const LIMIT: Duration = Duration::from_secs(100);
/// Lines of the emulator's that are kept: the last ones.
const LINES: usize = 8;

/// How a machine is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// CPUs of the machine, and of each guest.
    pub(super) cpus: [u16; 2],
    /// The machine's memory in MiB.
    pub(super) memory: u64,
    /// The host's parameters.
    pub(super) host: &'static str,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The host has seen all guests to their ends, and the neighbour has lost nothing: how the others
    /// ended.
    Good(Vec<String>),
    /// The host did not, or the neighbour failed: why.
    Bad(String),
    /// The emulator gave up: its last words.
    Aborted(String),
}

/// The image of the host and the neighbour's, and the files.
pub(super) struct Images {
    host: PathBuf,
    pub(super) kernel: Vec<u8>,
    files: Vec<u8>,
}

impl Images {
    /// Those of this build, made at the first call.
    pub(super) fn get() -> Result<&'static Self, Failed> {
        static IMAGES: OnceLock<Result<Images, String>> = OnceLock::new();
        let images = IMAGES.get_or_init(|| Self::make().map_err(|failed| format!("{failed:?}")));
        images.as_ref().map_err(|error| error.as_str().into())
    }

    fn make() -> Result<Self, Failed> {
        let done = support::finish(support::xtask(&["build", "--json"]))?;
        let path = |name| {
            let mut images = done
                .stdout
                .lines()
                .filter_map(|line| events::parse(line).ok());
            let path = images.find_map(|event| match event {
                Event::Image(image) if image.name == name => Some(image.path),
                _ => None,
            });
            path.ok_or_else(|| Failed::from(format!("no image of {name}: {done:?}")))
        };
        let root = xtask::workspace::root();
        let packed = xtask::files::packed(files::directory().as_ref());
        let packed = packed.map_err(|error| format!("{error:#}"))?;
        Ok(Self {
            host: root.join(path("host")?),
            kernel: read(root.join(path("kernel")?))?,
            files: read(packed)?,
        })
    }

    /// The kernel's instructions.
    pub(super) fn program(&self) -> Result<&[u8], Failed> {
        let file = object::File::parse(&*self.kernel).map_err(|error| error.to_string())?;
        let code = file.segments().find_map(|segment| segment.data().ok());
        Ok(code.ok_or("the kernel has no segment")?)
    }
}

fn read(path: PathBuf) -> Result<Vec<u8>, Failed> {
    fs::read(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Runs streams, each as a guest, beside the neighbour, which is guest 0.
pub(super) fn run(setting: &Setting, streams: &[Stream]) -> Result<Outcome, Failed> {
    let images = Images::get()?;
    let folder = support::folder();
    let bundle = bundle(&folder, images, streams).map_err(|error| error.to_string())?;
    let [cpus, guest_cpus] = setting.cpus;
    let machine = Machine {
        qemu: emulator::find(Permission::Tell).map_err(|error| error.to_string())?,
        memory_mib: setting.memory,
        cpus,
        kernel: images.host.clone(),
        initrd: Some(bundle),
        parameters: format!(
            "guests={} guest-memory={MEMORY}M cpus={guest_cpus} limits=20000:50:1 {}",
            1 + streams.len(),
            setting.host
        ),
        disks: Vec::new(),
        balloon: None,
        qmp: None,
        console: Console::Ascii,
        gdb: false,
        icount: false,
    };
    let mut seen = Watched::default();
    let nothing = None::<std::io::Empty>;
    let end = machine::run(
        &mut machine.command(),
        nothing,
        Some(LIMIT),
        &mut |source, line| {
            seen.line(source, line);
            Ok(())
        },
    );
    Ok(seen.outcome(end.map_err(|error| error.to_string())?))
}

/// Guest 0 is the kernel; the streams follow.
fn bundle(folder: &TempDir, images: &Images, streams: &[Stream]) -> std::io::Result<PathBuf> {
    let mut writer = Writer::new();
    writer.add(Kind::Elf, Owner::Guest(0), "neighbour", &images.kernel[..])?;
    let parameters = &b"passes=3 files=disjoint"[..];
    writer.add(
        Kind::GuestParameters,
        Owner::Guest(0),
        "its parameters",
        parameters,
    )?;
    writer.add(Kind::Disk, Owner::All, "files", &images.files[..])?;
    for (guest, stream) in (1..).zip(streams) {
        writer.add(Kind::Flat, Owner::Guest(guest), "stream", stream.image())?;
    }
    let path = folder.path().join("bundle");
    writer.write(BufWriter::new(File::create(&path)?))?;
    Ok(path)
}

/// What a machine has said.
#[derive(Default)]
struct Watched {
    pieces: Pieces,
    host: Option<Box<events::Host>>,
    neighbour: Option<Box<events::Guest>>,
    failure: Option<String>,
    /// The last lines of console and emulator.
    last: VecDeque<String>,
}

impl Watched {
    fn line(&mut self, source: Source, printed: &str) {
        let whole = match source {
            Source::Console => self.pieces.join(printed),
            Source::Emulator => Some(printed.to_owned()),
        };
        let Some(line) = whole else { return };
        match events::parse(&line) {
            Ok(Event::Host(host)) => self.host = Some(host.into()),
            Ok(Event::Console(console)) if console.guest == 0 => {
                if let Ok(Event::Guest(guest)) = events::parse(&console.line) {
                    self.neighbour = Some(guest.into());
                }
            }
            Ok(Event::Error(error)) => self.failure = Some(error.reason),
            Ok(_) => return,
            Err(_) => {}
        }
        self.last.push_back(line);
        if self.last.len() > LINES {
            self.last.pop_front();
        }
    }

    fn outcome(self, end: End) -> Outcome {
        let last: Vec<_> = self.last.into();
        let last = last.join("\n");
        match end {
            End::Exit(Some(0 | 1)) => {}
            End::TimedOut => return Outcome::Bad(format!("it takes too long: {last}")),
            End::Exit(_) | End::Interrupted => return Outcome::Aborted(last),
        }
        let Some(host) = self.host else {
            let reason = self.failure.unwrap_or_default();
            return Outcome::Bad(format!("the host ended early: {reason}; {last}"));
        };
        let (first, others) = host.guests.split_first().expect("there is a neighbour");
        let has_failed = first.status != Status::Ok;
        match self.neighbour {
            Some(guest) if !has_failed && guest.mismatches == 0 => {}
            guest => {
                let reason = first.reason.as_deref().unwrap_or_default();
                return Outcome::Bad(format!("the neighbour failed: {reason}; {guest:?}"));
            }
        }
        let ends = others
            .iter()
            .map(|guest| guest.reason.clone().unwrap_or_default());
        Outcome::Good(ends.collect())
    }
}
