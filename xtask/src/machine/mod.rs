//! A machine as QEMU offers it: its command line, and running it to its end.

mod child;
pub mod debugger;
mod freeze;
mod pieces;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use child::{End, Source, operate, run};
pub use freeze::Freeze;
pub use pieces::Pieces;

use crate::accelerator::Accelerator;
use crate::cli::Console;
use crate::emulator::MACHINE;

/// Device number of the files, read-only and shared.
pub const FILES: u16 = 0x0100;
/// Device number of the image that guests may write.
pub const WRITABLE: u16 = 0x0101;
/// Device number of the guests' swap space.
pub const SWAP: u16 = 0x0102;
/// Device number of the disk that guests have for programs of others.
pub const GUEST_DISK: u16 = 0x0103;

/// Device number of the host's own paging space.
pub const PAGING: u16 = 0x0200;

/// Device number of the balloon.
pub const BALLOON: u16 = 0x0110;

/// A disk of the machine: a raw image.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Device number in channel subsystem image 0.
    pub number: u16,
    /// The image.
    pub path: PathBuf,
    /// Whether the machine may only read it.
    pub read_only: bool,
    /// A block that it fails to read, and one that it fails to write.
    pub bad_blocks: [Option<u64>; 2],
}

/// A machine before it is started.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The QEMU to run.
    pub qemu: PathBuf,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// CPUs.
    pub cpus: u16,
    /// The image that it boots.
    pub kernel: PathBuf,
    /// What it finds in memory beside the image.
    pub initrd: Option<PathBuf>,
    /// The parameter line.
    pub parameters: String,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// Properties of its balloon device, if it has one.
    pub balloon: Option<String>,
    /// Where QEMU listens for commands, of which the first has to start the machine.
    pub qmp: Option<PathBuf>,
    /// Its console.
    pub console: Console,
    /// Who executes its instructions.
    pub accelerator: Accelerator,
    /// Whether it waits for a debugger at port 1234.
    pub gdb: bool,
    /// Whether one instruction takes one nanosecond of its time.
    pub icount: bool,
}

impl Machine {
    /// A machine with nothing but CPUs, memory in MiB, and a console of text.
    #[must_use]
    pub fn plain(qemu: PathBuf, kernel: PathBuf, cpus: u16, memory_mib: u64) -> Self {
        Self {
            qemu,
            memory_mib,
            cpus,
            kernel,
            initrd: None,
            parameters: String::new(),
            disks: Vec::new(),
            balloon: None,
            qmp: None,
            console: Console::Ascii,
            accelerator: Accelerator::Tcg,
            gdb: false,
            icount: false,
        }
    }

    /// The command that runs it.
    ///
    /// A disabled wait ends QEMU: with 0 if the instruction address ends in fff, else, by
    /// `-action panic=exit-failure`, with 1; `-no-reboot` makes a reset an end as well.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.qemu);
        command.args([
            "-machine",
            MACHINE,
            "-smp",
            &self.cpus.to_string(),
            "-m",
            &format!("{}M", self.memory_mib),
        ]);
        if self.accelerator == Accelerator::Kvm {
            command.args(["-accel", "kvm"]);
        }
        command.args([
            "-nodefaults",
            "-nographic",
            "-chardev",
            "stdio,id=console,signal=off",
        ]);
        let console = format!("{},chardev=console", self.console.device());
        command.args(["-device", &console]);
        command.arg("-kernel").arg(&self.kernel);
        if let Some(initrd) = &self.initrd {
            command.arg("-initrd").arg(initrd);
        }
        for disk in &self.disks {
            command.args(disk.arguments());
        }
        if let Some(properties) = &self.balloon {
            let device = format!("virtio-balloon-ccw,id=balloon,devno=fe.0.{BALLOON:04x}");
            command.args(["-device", &format!("{device},{properties}")]);
        }
        if let Some(socket) = &self.qmp {
            let mut address = OsString::from("unix:");
            address.push(escape(socket));
            address.push(",server=on,wait=off");
            command.arg("-qmp").arg(address).arg("-S");
        }
        if !self.parameters.is_empty() {
            command.args(["-append", &self.parameters]);
        }
        command.args([
            "-action",
            "panic=exit-failure",
            "-no-reboot",
            "-d",
            "guest_errors",
        ]);
        if self.icount {
            command.args(["-icount", "shift=0,sleep=off"]);
        }
        if self.gdb {
            command.args(["-s", "-S"]);
        }
        command
    }
}

impl Disk {
    fn arguments(&self) -> [OsString; 4] {
        let id = format!("disk{:04x}", self.number);
        let options = if self.read_only {
            "read-only=on"
        } else {
            "cache=unsafe,discard=unmap"
        };
        let path = escape(&self.path);
        let faults = self.faults();
        let drive = if faults.is_empty() {
            format!("file={path},if=none,id={id},format=raw,{options}")
        } else {
            format!(
                "driver=raw,if=none,id={id},{options},file.driver=blkdebug,file.image.driver=file,file.image.filename={path}{faults}"
            )
        };
        let device = format!("virtio-blk-ccw,devno=fe.0.{:04x},drive={id}", self.number);
        [
            "-drive".into(),
            drive.into(),
            "-device".into(),
            device.into(),
        ]
    }

    /// What QEMU is told about blocks that are to fail: each time, with an I/O error.
    fn faults(&self) -> String {
        let kinds = ["read", "write"].into_iter().zip(self.bad_blocks);
        let bad = kinds.filter_map(|(kind, block)| Some((kind, block?)));
        bad.enumerate()
            .map(|(number, (kind, block))| {
                let fault = format!("file.inject-error.{number}");
                format!(
                    ",{fault}.event=none,{fault}.iotype={kind},{fault}.sector={block},{fault}.errno=5"
                )
            })
            .collect()
    }
}

/// QEMU ends an option's value at a comma, unless it is doubled.
fn escape(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::shell_line;

    fn machine() -> Machine {
        Machine {
            parameters: "cmma=full passes=2".into(),
            disks: vec![Disk {
                number: FILES,
                path: "a,b.img".into(),
                read_only: true,
                bad_blocks: [None; 2],
            }],
            ..Machine::plain("qemu-system-s390x".into(), "kernel".into(), 4, 64)
        }
    }

    #[test]
    fn the_line_names_every_part_of_the_machine() {
        let line = shell_line(&machine().command());
        for part in [
            "qemu-system-s390x -machine s390-ccw-virtio -smp 4 -m 64M",
            "-kernel kernel",
            "file=a,,b.img,if=none,id=disk0100,format=raw,read-only=on",
            "virtio-blk-ccw,devno=fe.0.0100,drive=disk0100",
            "-append 'cmma=full passes=2'",
            "-action panic=exit-failure -no-reboot",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        assert!(!line.contains("-accel"));
        assert!(!line.contains("-icount") && !line.contains("-initrd") && !line.contains(" -s "));
    }

    #[test]
    fn a_balloon_and_a_monitor_are_options() {
        let without = shell_line(&machine().command());
        assert!(!without.contains("balloon") && !without.contains("-qmp"));
        let line = shell_line(
            &Machine {
                balloon: Some("free-page-reporting=on".into()),
                qmp: Some("a,b/qmp".into()),
                ..machine()
            }
            .command(),
        );
        for part in [
            "virtio-balloon-ccw,id=balloon,devno=fe.0.0110,free-page-reporting=on",
            "-qmp unix:a,,b/qmp,server=on,wait=off -S",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }

    #[test]
    fn kvm_is_an_option() {
        let machine = Machine {
            accelerator: Accelerator::Kvm,
            ..machine()
        };
        let line = shell_line(&machine.command());
        assert!(line.contains("-m 64M -accel kvm -nodefaults"), "{line}");
    }

    #[test]
    fn counting_and_debugging_are_options() {
        let line = shell_line(
            &Machine {
                gdb: true,
                icount: true,
                ..machine()
            }
            .command(),
        );
        assert!(line.ends_with("-icount shift=0,sleep=off -s -S"), "{line}");
    }
}
