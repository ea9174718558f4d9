//! What the options ask for, as a machine: memory, disks, parameters, bundle.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use drivers::recorder::Event;

use crate::accelerator::Accelerator;
use crate::bundle::Contents;
use crate::cli::{Control, Hinting, Paging, QemuOptions, Word as _};
use crate::collect::Expected;
use crate::images::check::{self, Format};
use crate::images::{Image, Images};
use crate::machine::{Disk, FILES, GUEST_DISK, Machine, PAGING, SWAP, WRITABLE};
use crate::parameters::Parameters;
use crate::record::Folder;
use crate::{failure, files, watch};

const MIB: u64 = 1 << 20;
/// Size of a page, in bytes.
const PAGE: u64 = 4096;
/// Memory of the machine without a host, unless the user says otherwise.
const BARE_MEMORY: u64 = 32 * MIB;
/// Memory of the host for its guests, unless the user says otherwise: less than they see.
const HOST_MEMORY: u64 = 40 * MIB;
/// What the host needs beside its guests' memory and the bundle, tables and page states of some dozens of small guests
/// included.
const HOST_OVERHEAD: u64 = 32 * MIB;
/// What it needs for itself alone, and for each page that guests see, where those are many: its state, tables that map it,
/// places in queues.
const HOST_ALONE: u64 = 8 * MIB;
const PAGE_OVERHEAD: u64 = 128;
/// What it needs beside that for shadows of a guest's own tables: this part of the guest's memory, or
/// this much if that is more.
const SHADOW_PART: u64 = 64;
const LEAST_SHADOW: u64 = MIB / 4;
/// Most memory increments that QEMU 7.2 has; more memory makes each one bigger.
const MOST_INCREMENTS: u64 = 1020;

/// Everything that decides what is booted.
#[derive(Debug)]
pub struct Scenario<'a> {
    /// What the user asked for.
    pub options: &'a QemuOptions,
    /// Our images.
    pub images: &'a Images,
    /// Somebody else's guest image, instead of our kernel.
    pub guest: Option<(Vec<u8>, Format)>,
    /// The operator's script.
    pub script: Option<String>,
    /// The packed files.
    pub packed: &'a Path,
}

/// Reads and checks the operator's script.
pub(crate) fn script(options: &QemuOptions) -> Result<Option<String>> {
    let Some(path) = &options.script else {
        return Ok(None);
    };
    let unusable =
        |error: String| failure::unusable(format!("--script {}: {error}", path.display()));
    let text = match path.to_str().filter(|text| text.starts_with("op=")) {
        Some(lines) => lines.replace(';', "\n"),
        None => fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?,
    };
    host::operator::parse(&text).map_err(unusable)?;
    Ok(Some(text))
}

/// Reads and checks the image that the user wants as a guest.
pub(crate) fn foreign_guest(options: &QemuOptions) -> Result<Option<(Vec<u8>, Format)>> {
    let Some(path) = &options.guest else {
        return Ok(None);
    };
    let bytes = fs::read(path).map_err(|error| {
        failure::unusable(format!(
            "--guest {}: {error}; give an s390x image",
            path.display()
        ))
    })?;
    let format = check::format_of(&bytes, path)?;
    Ok(Some((bytes, format)))
}

impl Scenario<'_> {
    /// What the run should bring.
    #[must_use]
    pub fn expected(&self) -> Expected {
        Expected {
            host: !self.options.bare,
            guests: if self.options.bare {
                1
            } else {
                self.options.guests
            },
            our_kernel: self.guest.is_none(),
        }
    }

    /// What a debugger wants to know: the image that is booted, and the one that its guests run if it
    /// is ours.
    #[must_use]
    pub fn symbols(&self) -> (&Path, Option<&Path>) {
        let (kernel, host) = (&self.images.kernel, &self.images.host);
        if self.options.bare {
            return (&kernel.with_symbols, None);
        }
        let guests = self.guest.is_none().then_some(&*kernel.with_symbols);
        (&host.with_symbols, guests)
    }

    /// The image whose failure a reason is.
    #[must_use]
    pub fn image_that_failed(&self, reason: &str) -> &Image {
        if reason.starts_with("host:") {
            &self.images.host
        } else {
            &self.images.kernel
        }
    }

    /// Writes what the machine needs into the run's directory and describes the machine.
    ///
    /// # Errors
    /// A file cannot be written, or a parameter is no parameter.
    pub fn machine(&self, qemu: &Path, folder: &mut Folder) -> Result<Machine> {
        let options = self.options;
        let files = self.files_image(folder)?;
        let bundle = self.bundle(&files, folder)?;
        let bundle_size = bundle.as_ref().map_or(0, |(_, size)| *size);
        let memory = if options.bare {
            self.memory() + bundle_size
        } else {
            let shadow = (options.guest_memory / SHADOW_PART).max(LEAST_SHADOW);
            let shadows = shadow * u64::from(options.guests);
            let events = options.trace.unwrap_or(0) * size_of::<Event>() as u64;
            let pages = options.guest_memory / PAGE * u64::from(options.guests);
            let own = HOST_OVERHEAD.max(HOST_ALONE + PAGE_OVERHEAD * pages);
            let own = own + shadows + events;
            let devices = self.paging_overhead()? + self.guest_disks_overhead();
            self.memory() + own + bundle_size + devices
        };
        let image = if options.bare {
            &self.images.kernel
        } else {
            &self.images.host
        };
        Ok(Machine {
            qemu: qemu.to_path_buf(),
            memory_mib: machine_mib(memory),
            cpus: self.machine_cpus(),
            kernel: image.stripped.clone(),
            initrd: bundle.map(|(path, _)| path),
            parameters: self.parameter_line()?,
            disks: if options.memory_disk {
                Vec::new()
            } else {
                self.disks(files, folder)?
            },
            balloon: (options.balloon && options.bare).then(|| options.balloon_properties.clone()),
            qmp: options.qmp.clone(),
            console: options.console,
            accelerator: Accelerator::choose(options.accel, options.icount)?,
            gdb: options.gdb,
            icount: options.icount,
        })
    }

    /// Where the host writes pages.
    fn paging(&self) -> Paging {
        let options = self.options;
        let all_guests = options.guest_memory * u64::from(options.guests);
        match &options.paging {
            Some(paging) => paging.clone(),
            // Keys can take hints and frames away: then pages must have somewhere to go.
            None if options.watch => Paging::Disk(all_guests),
            None if options.bare || !options.work.has_tasks() => Paging::None,
            None if self.memory() < all_guests => Paging::Disk(all_guests),
            None => Paging::None,
        }
    }

    /// What paging needs beside that: the modelled device's storage, and what is kept of each slot and of
    /// each page.
    fn paging_overhead(&self) -> Result<u64> {
        /// Slots and pages of guests take this part of their size.
        const PART: u64 = 100;
        let options = self.options;
        let (slots, model) = match &self.paging() {
            Paging::None => return Ok(0),
            Paging::Disk(bytes) => (*bytes, 0),
            Paging::File(path) => {
                let metadata = fs::metadata(path).map_err(|error| {
                    failure::unusable(format!("--paging {}: {error}", path.display()))
                })?;
                (metadata.len(), 0)
            }
            Paging::Model(bytes, _) => (*bytes, *bytes),
        };
        let guests = options.guest_memory * u64::from(options.guests);
        Ok(model + (slots + guests) / PART)
    }

    /// What disks of guests need that are made of memory: there are two.
    fn guest_disks_overhead(&self) -> u64 {
        match self.options.guest_disks {
            Some(Paging::Model(bytes, _)) => 2 * bytes,
            _ => 0,
        }
    }

    /// CPUs of the machine.
    fn machine_cpus(&self) -> u16 {
        let options = self.options;
        let all = if options.bare { options.cpus } else { 1 };
        options.machine_cpus.unwrap_or(all)
    }

    /// Memory for all guests; without a host, of the machine.
    fn memory(&self) -> u64 {
        let options = self.options;
        let all_guests = options.guest_memory * u64::from(options.guests);
        options.memory.unwrap_or(match options.hinting {
            _ if options.bare => BARE_MEMORY,
            Hinting::Full | Hinting::Extended if options.personality.discards() => {
                HOST_MEMORY.min(all_guests)
            }
            _ if !matches!(options.paging, None | Some(Paging::None)) => {
                HOST_MEMORY.min(all_guests)
            }
            // Nothing can be discarded, and there is no paging: all must fit.
            _ => all_guests,
        })
    }

    /// The packed files, spoilt in a copy if that is asked for.
    fn files_image(&self, folder: &mut Folder) -> Result<PathBuf> {
        let Some(offset) = self.options.flip_byte else {
            return Ok(self.packed.to_path_buf());
        };
        folder.add("files.img", |path| fs::copy(self.packed, path))?;
        let copy = folder.path().join("files.img");
        files::flip_byte(&copy, offset)?;
        Ok(copy)
    }

    /// Writes the bundle, if there is anything to put in; returns path and size in bytes.
    fn bundle(&self, files: &Path, folder: &mut Folder) -> Result<Option<(PathBuf, u64)>> {
        let options = self.options;
        let mut contents = Contents::default();
        if options.memory_disk {
            let disk = fs::read(files).with_context(|| files.display().to_string())?;
            contents.disk = Some(disk);
        }
        if options.bare && contents.disk.is_none() {
            return Ok(None);
        }
        if !options.bare {
            contents.image = Some(match &self.guest {
                Some(guest) => guest.clone(),
                None => (fs::read(&self.images.kernel.stripped)?, Format::Elf),
            });
            contents.script.clone_from(&self.script);
            for guest in 0..options.guests {
                contents
                    .guest_parameters
                    .push(self.kernel_parameters(guest).line()?);
            }
        }
        let size = folder.add("bundle", |path| contents.write(path))?;
        let path = folder.path().join("bundle");
        if let Some(offset) = options.flip_bundle_byte {
            files::flip_byte(&path, offset)?;
        }
        Ok(Some((path, size)))
    }

    /// The line for the image that QEMU boots.
    fn parameter_line(&self) -> Result<String> {
        let options = self.options;
        let mut parameters = if options.bare {
            self.kernel_parameters(0)
        } else {
            self.host_parameters()
        };
        parameters.extend(&options.append)?;
        parameters.line()
    }

    fn host_parameters(&self) -> Parameters {
        let options = self.options;
        let mut parameters = Parameters::default();
        parameters.set("memory", size(self.memory()));
        parameters.set("guest-memory", size(options.guest_memory));
        parameters.set("guests", options.guests);
        parameters.set("hinting", options.hinting.word());
        parameters.set("personality", options.personality.word());
        parameters.set("evict", &options.evict);
        parameters.set("console", options.console.word());
        parameters.set("cpus", options.cpus);
        parameters.set("seed", options.seed);
        if options.balloon {
            parameters.set("balloon", "on");
        }
        match self.paging() {
            Paging::None => {}
            Paging::Disk(_) | Paging::File(_) => parameters.set("paging", "disk"),
            Paging::Model(_, model) => parameters.set("paging", model),
        }
        if let Some(Paging::Model(_, model)) = &options.guest_disks {
            parameters.set("guest-disks", model);
        }
        if let Some(bytes) = options.expanded {
            parameters.set("expanded", size(bytes));
        }
        if options.has_operator() {
            parameters.set("operator", "on");
        }
        if options.watch {
            parameters.set("sample", watch::SAMPLE_MS);
        }
        if let Some(events) = options.trace {
            parameters.set("trace", events);
        }
        if let Some(control) = options.control.filter(|control| control.is_of_host()) {
            parameters.set("control", control.word());
        }
        parameters
    }

    /// The files, and the scratch disks.
    fn disks(&self, files: PathBuf, folder: &mut Folder) -> Result<Vec<Disk>> {
        let mut disks = vec![self.disk(FILES, files, true)];
        let scratch = self.options.scratch * u64::from(self.expected().guests);
        for (number, name) in [(WRITABLE, "guest.img"), (SWAP, "swap.img")] {
            folder.add(name, |path| files::make_sparse(path, scratch))?;
            disks.push(self.disk(number, folder.path().join(name), false));
        }
        if let Some(image) = &self.options.guest_disk {
            let read_only = image.strip_suffix(":ro");
            let path = read_only.unwrap_or(image).into();
            disks.push(self.disk(GUEST_DISK, path, read_only.is_some()));
        }
        let paging = match self.paging() {
            Paging::Disk(bytes) => {
                let name = "paging.img";
                folder.add(name, |path| files::make_sparse(path, bytes))?;
                Some(folder.path().join(name))
            }
            Paging::File(path) => Some(path),
            Paging::Model(..) | Paging::None => None,
        };
        let read_only = self.options.read_only_paging;
        disks.extend(paging.map(|path| self.disk(PAGING, path, read_only)));
        Ok(disks)
    }

    fn disk(&self, number: u16, path: PathBuf, read_only: bool) -> Disk {
        let options = self.options;
        let bad = [options.fail_read, options.fail_write];
        Disk {
            number,
            path,
            read_only,
            bad_blocks: bad.map(|bad| bad.filter(|bad| bad.disk == number).map(|bad| bad.block)),
        }
    }

    /// What our kernel is told; somebody else's image gets only what the user appends.
    fn kernel_parameters(&self, guest: u16) -> Parameters {
        let options = self.options;
        let mut parameters = Parameters::default();
        if self.guest.is_some() {
            return parameters;
        }
        parameters.set("work", options.work.word());
        parameters.set("passes", options.passes);
        parameters.set("seed", options.seed.wrapping_add(u64::from(guest)));
        parameters.set("cmma", options.hinting.kernel_word());
        if options.bare {
            parameters.set("cpus", options.cpus);
        }
        if let Some(events) = options.trace {
            parameters.set("trace", events);
        }
        if let Some([slot, own, written]) = options.farm {
            let (offset, period) = (slot * u64::from(guest), slot * u64::from(options.guests));
            parameters.set("farm", format!("{offset}:{period}:{own}:{written}"));
        }
        if options.hotplug {
            parameters.set("hotplug", "on");
        }
        if let Some(control) = options
            .control
            .filter(|control: &Control| !control.is_of_host())
        {
            parameters.set("control", control.word());
        }
        parameters
    }
}

/// A size as the images read it.
fn size(bytes: u64) -> String {
    match bytes {
        _ if bytes.is_multiple_of(MIB) => format!("{}M", bytes / MIB),
        _ if bytes.is_multiple_of(1024) => format!("{}K", bytes / 1024),
        _ => bytes.to_string(),
    }
}

/// Memory of a machine with at least `bytes`, in MiB: whole increments, as QEMU wants it.
fn machine_mib(bytes: u64) -> u64 {
    let mib = bytes.div_ceil(MIB).max(1);
    let mut increment = 1;
    while mib.div_ceil(increment) > MOST_INCREMENTS {
        increment *= 2;
    }
    mib.next_multiple_of(increment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_and_exact() {
        assert_eq!(size(40 * MIB), "40M");
        assert_eq!(size(MIB + 4096), "1028K");
        assert_eq!(size(4097), "4097");
    }

    #[test]
    fn the_machine_has_whole_increments() {
        assert_eq!(machine_mib(1), 1);
        assert_eq!(machine_mib(40 * MIB + 1), 41);
        assert_eq!(machine_mib(1020 * MIB), 1020);
        assert_eq!(machine_mib(1021 * MIB), 1022);
        assert_eq!(machine_mib(4097 * MIB), 4104);
    }
}
