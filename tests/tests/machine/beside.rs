//! A machine whose host runs guests of any kind beside a kernel that reads and compares files all the time.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use boot::bundle::write::Writer;
use boot::bundle::{Kind, Owner};
use libtest_mimic::Failed;
use object::{Object as _, ObjectSegment as _};
use xtask::emulator;
use xtask::events::{self, Event, Status};
use xtask::machine::{self, End, Machine, Pieces, Source};
use xtask::packages::Permission;

use crate::files;
use crate::support;

/// How long a machine may take.
const LIMIT: Duration = Duration::from_secs(100);
/// Lines of the emulator's that are kept: the last ones.
const LINES: usize = 8;

/// How a machine is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// CPUs of the machine, and of each guest.
    pub(crate) cpus: [u16; 2],
    /// The machine's memory in MiB.
    pub(crate) memory: u64,
    /// The host's parameters.
    pub(crate) host: &'static str,
    /// Limits of guests.
    pub(crate) limits: &'static str,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The host has seen all guests to their ends, and the neighbour has lost nothing: how the others
    /// ended.
    Good(Vec<String>),
    /// The host did not, or the neighbour failed: why.
    Bad(String),
    /// The emulator gave up: its last words.
    Aborted(String),
}

/// The image of the host and the neighbour's, and the files.
pub(crate) struct Images {
    host: PathBuf,
    pub(crate) kernel: Vec<u8>,
    pub(crate) files: Vec<u8>,
}

impl Images {
    /// Those of this build, made at the first call.
    pub(crate) fn get() -> Result<&'static Self, Failed> {
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
    pub(crate) fn program(&self) -> Result<&[u8], Failed> {
        let file = object::File::parse(&*self.kernel).map_err(|error| error.to_string())?;
        let code = file.segments().find_map(|segment| segment.data().ok());
        Ok(code.ok_or("the kernel has no segment")?)
    }
}

fn read(path: PathBuf) -> Result<Vec<u8>, Failed> {
    fs::read(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Memory of each guest, in MiB.
pub(crate) const MEMORY: u64 = 4;

/// Runs flat images, each as a guest, beside the neighbour, which is guest 0.
pub(crate) fn run(setting: &Setting, images: &[Vec<u8>]) -> Result<Outcome, Failed> {
    let own = Images::get()?;
    let mut writer = Writer::new();
    let bundle = with_neighbour(&mut writer, own)
        .and_then(|()| with_images(&mut writer, 1, images))
        .and_then(|()| written(&writer));
    let guests = 1 + images.len();
    boot(setting, guests, &bundle.map_err(|error| error.to_string())?)
}

/// Runs flat images without a neighbour.
pub(crate) fn run_alone(setting: &Setting, images: &[Vec<u8>]) -> Result<Outcome, Failed> {
    let mut writer = Writer::new();
    let bundle = with_images(&mut writer, 0, images).and_then(|()| written(&writer));
    boot(
        setting,
        images.len(),
        &bundle.map_err(|error| error.to_string())?,
    )
}

/// The kernel is guest 0; all guests have the files.
fn with_neighbour<'a>(writer: &mut Writer<'a>, own: &'a Images) -> io::Result<()> {
    let line = &b"passes=3 files=disjoint"[..];
    writer.add(Kind::Elf, Owner::Guest(0), "neighbour", &own.kernel[..])?;
    writer.add(Kind::GuestParameters, Owner::Guest(0), "its line", line)?;
    writer.add(Kind::Disk, Owner::All, "files", &own.files[..])
}

fn with_images<'a>(writer: &mut Writer<'a>, first: u32, images: &'a [Vec<u8>]) -> io::Result<()> {
    for (guest, image) in (first..).zip(images) {
        writer.add(Kind::Flat, Owner::Guest(guest), "image", &image[..])?;
    }
    Ok(())
}

fn written(writer: &Writer<'_>) -> io::Result<Vec<u8>> {
    let mut bundle = Vec::new();
    writer.write(&mut bundle)?;
    Ok(bundle)
}

/// Boots the host with a bundle.
pub(crate) fn boot(setting: &Setting, guests: usize, bundle: &[u8]) -> Result<Outcome, Failed> {
    let folder = support::folder();
    let path = folder.path().join("bundle");
    fs::write(&path, bundle).map_err(|error| error.to_string())?;
    let [cpus, guest_cpus] = setting.cpus;
    let qemu = emulator::find(Permission::Tell).map_err(|error| error.to_string())?;
    let kernel = Images::get()?.host.clone();
    let machine = Machine {
        initrd: Some(path),
        parameters: format!(
            "guests={guests} guest-memory={MEMORY}M cpus={guest_cpus} limits={} {}",
            setting.limits, setting.host
        ),
        ..Machine::plain(qemu, kernel, cpus, setting.memory)
    };
    let mut seen = Watched::default();
    let mut command = machine.command();
    let end = machine::run(&mut command, Some(LIMIT), &mut |source, line| {
        seen.line(source, line);
        Ok(())
    });
    Ok(seen.outcome(end.map_err(|error| error.to_string())?))
}

/// What a machine has said.
#[derive(Default)]
struct Watched {
    pieces: Pieces,
    host: Option<Box<events::Host>>,
    neighbour: Option<Box<events::Guest>>,
    /// Whether guest 0 has begun to work as the neighbour does.
    has_neighbour: bool,
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
                match events::parse(&console.line) {
                    Ok(Event::Boot(_)) => self.has_neighbour = true,
                    Ok(Event::Guest(guest)) => self.neighbour = Some(guest.into()),
                    _ => {}
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
        if let Some(guest) = &self.neighbour
            && (host.guests[0].status != Status::Ok || guest.mismatches > 0)
        {
            let reason = host.guests[0].reason.as_deref().unwrap_or_default();
            return Outcome::Bad(format!("the neighbour failed: {reason}; {guest:?}"));
        }
        if self.has_neighbour != self.neighbour.is_some() {
            return Outcome::Bad(format!("the neighbour has not come to its end: {last}"));
        }
        let ends = host.guests.iter().map(|guest| {
            let reason = guest.reason.clone();
            reason.unwrap_or_default()
        });
        Outcome::Good(ends.skip(self.has_neighbour.into()).collect())
    }
}
