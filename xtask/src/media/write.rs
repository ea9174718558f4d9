//! What each machine's folder holds.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use super::Load;
use super::deck::deck;
use super::flat::{BUNDLE, LINE, padded};
use crate::accelerator::Accelerator;
use crate::cli::Console;
use crate::machine::Machine;
use crate::process::shell_line;

/// A machine that images are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// QEMU's emulator.
    Qemu,
    /// QEMU with KVM, on an s390x Linux system.
    Kvm,
    /// A guest of z/VM, from its virtual card reader.
    Zvm,
    /// A logical partition, by a load list.
    Lpar,
    /// Hercules, by a load list or from a card reader.
    Hercules,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Qemu, Self::Kvm, Self::Zvm, Self::Lpar, Self::Hercules];

    /// The folder's name, which is the option's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Qemu => "qemu",
            Self::Kvm => "kvm",
            Self::Zvm => "zvm",
            Self::Lpar => "lpar",
            Self::Hercules => "hercules",
        }
    }

    fn readme(self) -> &'static str {
        match self {
            Self::Qemu => include_str!("readme/qemu.md"),
            Self::Kvm => include_str!("readme/kvm.md"),
            Self::Zvm => include_str!("readme/zvm.md"),
            Self::Lpar => include_str!("readme/lpar.md"),
            Self::Hercules => include_str!("readme/hercules.md"),
        }
    }
}

/// Most CPUs that Hercules 3.13 has.
const HERCULES_CPUS: u16 = 8;

/// Writes one machine's folder.
pub(super) fn write(target: Target, folder: &Path, loads: &[Load]) -> Result<()> {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    for load in loads {
        let name = load.name;
        match target {
            Target::Qemu | Target::Kvm => {
                put(&format!("{name}.elf"), &load.elf)?;
                put(&format!("{name}.bundle"), &load.bundle)?;
                put(&format!("{name}.sh"), script(load, target).as_bytes())?;
                make_executable(&folder.join(format!("{name}.sh")))?;
            }
            Target::Zvm => put(&format!("{name}.deck"), &deck(&load.flat, &load.bundle))?,
            Target::Lpar => load_list(load, &put)?,
            Target::Hercules => {
                load_list(load, &put)?;
                put(&format!("{name}.deck"), &deck(&load.flat, &load.bundle))?;
                let list = format!("ipl {name}.ins\n");
                put(&format!("{name}-list.rc"), list.as_bytes())?;
                let reader = format!("attach 000c 3505 {name}.deck ebcdic eof\nipl 000c\n");
                put(&format!("{name}-reader.rc"), reader.as_bytes())?;
            }
        }
    }
    if target == Target::Hercules {
        put("hercules.cnf", configuration(loads).as_bytes())?;
        put("run.sh", include_bytes!("hercules.sh"))?;
        make_executable(&folder.join("run.sh"))?;
    }
    put("README.md", readme(target, loads).as_bytes())
}

fn make_executable(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// The files of a load list, and the list: each with its address.
fn load_list(load: &Load, put: &dyn Fn(&str, &[u8]) -> Result<()>) -> Result<()> {
    let name = load.name;
    let parts: [(&str, u64, &[u8]); 3] = [
        ("image", 0, &load.flat.whole()),
        ("line", LINE, &padded(&load.line)),
        ("bundle", BUNDLE, &load.bundle),
    ];
    let mut list = format!("* {name}: an image with its parameter line and its bundle\n");
    for (part, address, bytes) in parts {
        put(&format!("{name}.{part}"), bytes)?;
        list += &format!("{name}.{part} {address:#010x}\n");
    }
    put(&format!("{name}.ins"), list.as_bytes())
}

/// The machine that QEMU is told to be.
fn machine(load: &Load, target: Target) -> Machine {
    let accelerator = match target {
        Target::Kvm => Accelerator::Kvm,
        _ => Accelerator::Tcg,
    };
    Machine {
        initrd: Some(format!("{}.bundle", load.name).into()),
        parameters: load.line.clone(),
        console: Console::Ascii,
        accelerator,
        ..Machine::plain(
            "qemu-system-s390x".into(),
            format!("{}.elf", load.name).into(),
            load.cpus,
            load.memory_mib,
        )
    }
}

/// A script that runs QEMU in the script's own folder.
fn script(load: &Load, target: Target) -> String {
    let command: Command = machine(load, target).command();
    format!(
        "#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 2\nexec {} \"$@\"\n",
        shell_line(&command)
    )
}

fn memory(loads: &[Load]) -> u64 {
    loads.iter().map(|load| load.memory_mib).max().unwrap_or(64)
}

/// Hercules' configuration: a line-mode console and, once a deck is attached, a card reader.
fn configuration(loads: &[Load]) -> String {
    let cpus = loads.iter().map(|load| load.cpus).max().unwrap_or(1);
    include_str!("hercules.cnf")
        .replace("{memory}", &memory(loads).to_string())
        .replace("{cpus}", &cpus.min(HERCULES_CPUS).to_string())
}

fn readme(target: Target, loads: &[Load]) -> String {
    let lines: String = loads
        .iter()
        .map(|load| format!("    {}: {}\n", load.name, load.line))
        .collect();
    let text = target
        .readme()
        .replace("{memory}", &memory(loads).to_string())
        .replace("{lines}", lines.trim_end());
    loads.iter().fold(text, |text, load| {
        let command = shell_line(&machine(load, target).command());
        text.replace(&format!("{{{}-command}}", load.name), &command)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::flat::{Flat, elf};
    use super::*;

    fn loads() -> [Load; 2] {
        ["kernel", "host"].map(|name| {
            let elf = elf(&[7; 3000], 0x10000);
            Load {
                name,
                flat: Flat::of(&elf, "seed=1", 6).unwrap(),
                elf,
                bundle: b"bundle".to_vec(),
                line: "seed=1".to_owned(),
                memory_mib: 70,
                cpus: 4,
            }
        })
    }

    fn written(target: Target) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        write(target, folder.path(), &loads()).unwrap();
        folder
    }

    fn text(folder: &tempfile::TempDir, name: &str) -> String {
        fs::read_to_string(folder.path().join(name)).unwrap()
    }

    /// Every file that is mentioned is there, and every one that is there is mentioned.
    #[test]
    fn each_readme_names_the_files_beside_it() {
        for target in Target::ALL {
            let folder = written(target);
            let readme = text(&folder, "README.md");
            assert!(!readme.contains('{'), "{target:?}: {readme}");
            let there: BTreeSet<_> = fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name != "README.md")
                .collect();
            for name in &there {
                assert!(
                    readme.contains(name.as_str()),
                    "{target:?}: {name} is not told of"
                );
            }
            assert!(readme.contains("seed=1"), "{target:?}: no parameter line");
        }
    }

    #[test]
    fn a_load_list_puts_every_file_at_its_address() {
        for target in [Target::Lpar, Target::Hercules] {
            let folder = written(target);
            let mut memory = vec![0; 0x80_0006];
            for line in text(&folder, "host.ins")
                .lines()
                .filter(|line| !line.starts_with('*'))
            {
                let (name, address) = line.split_once(" 0x").unwrap();
                let address = usize::from_str_radix(address, 16).unwrap();
                let bytes = fs::read(folder.path().join(name)).unwrap();
                memory[address..address + bytes.len()].copy_from_slice(&bytes);
            }
            let [_, host] = loads();
            assert_eq!(memory[..0x10000 + host.flat.0.len()], host.flat.whole());
            assert!(memory.ends_with(b"bundle"));
        }
    }

    #[test]
    fn scripts_run_qemu_with_what_is_beside_them() {
        for (target, accelerated) in [(Target::Qemu, false), (Target::Kvm, true)] {
            let folder = written(target);
            let script = text(&folder, "host.sh");
            assert!(script.starts_with("#!/bin/sh\n"));
            assert!(script.contains("-kernel host.elf -initrd host.bundle -append seed=1"));
            assert_eq!(script.contains("-accel kvm"), accelerated, "{script}");
        }
    }

    #[test]
    fn hercules_is_told_of_memory_and_cpus() {
        let folder = written(Target::Hercules);
        let configuration = text(&folder, "hercules.cnf");
        assert!(
            configuration.contains("MAINSIZE ${MEMORY:=70}\n"),
            "{configuration}"
        );
        assert!(configuration.contains("${CPUS:=4}"), "{configuration}");
        assert!(text(&folder, "host-reader.rc").contains("3505 host.deck"));
        let deck = fs::read(folder.path().join("host.deck")).unwrap();
        assert_eq!(deck.len() % 80, 0);
    }
}
