//! The images build and boot with every toolchain that `xtask` can find or install.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Completion, Failed, Trial};
use xtask::images::{self, Variant};
use xtask::packages::Permission;
use xtask::toolchain::{self, Choice};
use xtask::workspace;

use crate::check;
use crate::files;
use crate::support::{Done, Verdict, finish, folder, run, trial, xtask};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        Trial::ignorable_test("toolchains::rustup_adds_the_library_sources", rustup),
        Trial::ignorable_test("toolchains::debian_packages", debian),
        trial("toolchains::without_permission_the_commands_are_told", told),
        trial(
            "toolchains::images_are_small_and_tell_nothing_of_this_machine",
            images,
        ),
        trial(
            "toolchains::images_are_the_same_wherever_they_are_built",
            reproducible,
        ),
    ]
}

/// A copy of the toolchain in use, without the sources of its libraries.
fn copy_without_sources(home: &Path) -> Result<Option<PathBuf>, Failed> {
    let rustup_home = env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let user_home = env::var_os("HOME").map(|home| Path::new(&home).join(".rustup"));
    let Some(rustup_home) = rustup_home.or(user_home) else {
        return Ok(None);
    };
    let rustc = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = rustc.map_err(|error| error.to_string())?.stdout;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot).trim());
    let Some(name) = sysroot
        .file_name()
        .filter(|_| sysroot.starts_with(&rustup_home))
    else {
        return Ok(None);
    };
    let copy = home.join("toolchains").join(name);
    fs::create_dir_all(&copy).map_err(|error| error.to_string())?;
    for part in ["bin", "lib"] {
        let mut cp = Command::new("cp");
        cp.args(["-a", "--reflink=auto"])
            .arg(sysroot.join(part))
            .arg(&copy);
        check!(
            cp.status().is_ok_and(|status| status.success()),
            "cp failed"
        );
    }
    let settings = fs::copy(
        rustup_home.join("settings.toml"),
        home.join("settings.toml"),
    );
    settings.map_err(|error| error.to_string())?;
    // As if the component had never been there: its files, its manifest, its entry.
    let rustlib = copy.join("lib/rustlib");
    for gone in ["src", "manifest-rust-src"] {
        let path = rustlib.join(gone);
        let removed = if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
        // A toolchain that came without them has nothing to remove.
        let _ = removed;
    }
    let components = rustlib.join("components");
    let list = fs::read_to_string(&components).map_err(|error| error.to_string())?;
    let rest: Vec<_> = list.lines().filter(|line| *line != "rust-src").collect();
    fs::write(components, rest.join("\n") + "\n").map_err(|error| error.to_string())?;
    forget_component(&rustlib.join("multirust-config.toml"))?;
    Ok(Some(copy))
}

/// Takes the entry of rust-src out of rustup's list of installed components.
fn forget_component(config: &Path) -> Verdict {
    let text = fs::read_to_string(config).map_err(|error| error.to_string())?;
    let (head, entries) = text
        .split_once("[[components]]")
        .ok_or("no list of components")?;
    let entries = entries
        .split("[[components]]")
        .filter(|entry| !entry.contains("\"rust-src\""));
    let text = entries.fold(head.to_owned(), |text, entry| {
        text + "[[components]]" + entry
    });
    fs::write(config, text).map_err(|error| error.to_string().into())
}

fn built(done: &Done) -> Verdict {
    check!(done.status == Some(0), "{done:#?}");
    check!(done.stdout.lines().count() == 2, "two images: {done:#?}");
    Ok(())
}

fn rustup() -> Result<Completion, Failed> {
    let home = folder();
    let Some(toolchain) = copy_without_sources(home.path())? else {
        return Ok(Completion::ignored_with(
            "rustup does not manage the toolchain in use",
        ));
    };
    let sources = toolchain.join("lib/rustlib/src/rust/library/core/src/lib.rs");
    let command = |arguments: &[&str]| {
        let mut command = xtask(arguments);
        command
            .env("RUSTUP_HOME", home.path())
            .env("CARGO", toolchain.join("bin/cargo"));
        command.env("CARGO_TARGET_DIR", home.path().join("target"));
        command
    };
    // Asked not to, it installs nothing and says what to type.
    let done = finish(command(&[
        "build",
        "--json",
        "--toolchain",
        "rustup",
        "--no-install",
    ]))?;
    check!(done.status == Some(2) && !sources.exists(), "{done:#?}");
    let error = done.only_error()?;
    check!(
        error.contains("rustup component add rust-src --toolchain"),
        "{error}"
    );

    let done = finish(command(&["build", "--json", "--toolchain", "rustup"]))?;
    if done.status == Some(2)
        && ["download", "network", "resolve"]
            .iter()
            .any(|word| done.stderr.contains(word))
    {
        return Ok(Completion::ignored_with(format!(
            "rustup cannot deliver: {}",
            done.stderr
        )));
    }
    built(&done)?;
    check!(sources.exists(), "no sources, but a build: {done:#?}");
    let said = "installing rust-src with rustup: core and alloc for s390x are built from source";
    check!(done.stderr.contains(said), "{done:#?}");
    Ok(Completion::Completed)
}

fn debian() -> Result<Completion, Failed> {
    let done = finish(xtask(&["build", "--json", "--toolchain", "debian"]))?;
    if done.status == Some(2) {
        return Ok(Completion::ignored_with(done.stderr));
    }
    built(&done)?;
    let arguments = [
        "--toolchain",
        "debian",
        "--bare",
        "--passes",
        "1",
        "--files",
        files::directory(),
    ];
    run(&arguments)?.must_be_good()?;
    Ok(Completion::Completed)
}

/// With nothing of rustup or Debian within reach, the commands to type are the error.
fn told() -> Verdict {
    let empty = folder();
    let mut command = xtask(&["setup", "--no-install"]);
    command.env("PATH", empty.path()).env_remove("QEMU");
    // Nor of what was unpacked.
    command.env("CARGO_TARGET_DIR", empty.path());
    let done = finish(command)?;
    check!(done.status == Some(2), "{done:#?}");
    let error = done.only_error()?;
    check!(
        error.contains("sudo apt-get install -y") && error.contains("qemu-system"),
        "{error}"
    );
    Ok(())
}

fn images() -> Verdict {
    let done = finish(xtask(&["build", "--json"]))?;
    built(&done)?;
    let (mut total, root) = (0, workspace::root());
    for line in done.stdout.lines() {
        let xtask::events::Event::Image(image) = xtask::events::parse(line)? else {
            return Err(format!("not an image: {line}").into());
        };
        let bytes = fs::read(root.join(&image.path)).map_err(|error| error.to_string())?;
        check!(
            bytes.len() as u64 == image.bytes,
            "{image:?} has {} bytes",
            bytes.len()
        );
        let here = root
            .to_str()
            .ok_or("a directory name that is no text")?
            .as_bytes();
        let leaks = bytes.windows(here.len()).any(|window| window == here);
        check!(!leaks, "{} names the directory it was built in", image.path);
        total += image.bytes;
    }
    check!(total <= 512 * 1024, "both images have {total} bytes");
    Ok(())
}

/// Copies what git has of the checkout, as it is now.
fn copy_sources(to: &Path) -> Verdict {
    let root = workspace::root();
    let mut list = Command::new("git");
    list.current_dir(&root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let list = list
        .output()
        .map_err(|error| format!("git: {error}"))?
        .stdout;
    let names = list
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    for name in names {
        let name = std::str::from_utf8(name).map_err(|error| error.to_string())?;
        // What was removed since is in the list, too.
        if !root.join(name).is_file() {
            continue;
        }
        let file = to.join(name);
        let folder = file.parent().ok_or("a file has a folder")?;
        let copied = fs::create_dir_all(folder).and_then(|()| fs::copy(root.join(name), &file));
        copied.map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn reproducible() -> Verdict {
    let toolchain =
        toolchain::find(Choice::Auto, Permission::Tell).map_err(|error| error.to_string())?;
    let place = folder();
    // Deeper and longer, too: paths have lengths.
    let copy = place.path().join("of/the/same/sources");
    copy_sources(&copy)?;
    let quiet = Variant {
        quiet: true,
        ..Variant::default()
    };
    let here = images::build(&toolchain, quiet);
    let there = images::build_elsewhere(&toolchain, &copy);
    let (here, there) = here
        .and_then(|here| Ok((here, there?)))
        .map_err(|error| format!("{error:#}"))?;
    for (one, other) in [(here.kernel, there.kernel), (here.host, there.host)] {
        let read = |image: &Path| fs::read(image).map_err(|error| error.to_string());
        let (one_bytes, other_bytes) = (
            read(&workspace::root().join(&one.stripped))?,
            read(&other.stripped)?,
        );
        let differs = one_bytes.iter().zip(&other_bytes).position(|(a, b)| a != b);
        check!(
            one_bytes == other_bytes,
            "{} is another one elsewhere, from byte {differs:?} on",
            one.stripped.display()
        );
    }
    Ok(())
}
