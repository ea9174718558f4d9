//! Builds the images: kernel and host, with symbols for debuggers and stripped to run.

pub mod check;
mod packed;
mod strip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::cli::{BuildOptions, SetupOptions};
use crate::toolchain::{self, TARGET, Toolchain};
use crate::{events, failure, process, table, workspace};

/// One image.
#[derive(Clone, Debug)]
pub struct Image {
    /// With symbols and line tables, for a debugger.
    pub with_symbols: PathBuf,
    /// What is run.
    pub stripped: PathBuf,
    /// Size of the stripped file in bytes.
    pub size: u64,
    /// What it was before it was packed, if it was.
    pub unpacked: Option<u64>,
}

/// The two images of a build.
#[derive(Clone, Debug)]
pub struct Images {
    /// The guest kernel.
    pub kernel: Image,
    /// The hypervisor.
    pub host: Image,
}

/// What distinguishes one build from another.
#[derive(Clone, Copy, Debug, Default)]
pub struct Variant {
    /// Includes the deliberate mistakes that negative tests ask for by parameter.
    pub controls: bool,
    /// The kernel without the feature that hints, for benchmarks.
    pub plain: bool,
    /// Inlines what the compiler likes, to be fair to code that is not ours.
    pub inlines: bool,
    /// The size profile: compiled to be small, and packed.
    pub small: bool,
    /// Says nothing unless it fails.
    pub quiet: bool,
}

/// The subcommand `build`.
pub(crate) fn command(options: &BuildOptions, json: bool) -> Result<()> {
    let toolchain = toolchain::find(options.setup.toolchain, options.setup.permission())?;
    let variant = Variant {
        controls: options.controls,
        small: options.small,
        quiet: json,
        ..Variant::default()
    };
    let images = build(&toolchain, variant)?;
    for (name, image) in [("kernel", &images.kernel), ("host", &images.host)] {
        let path = image.stripped.display().to_string();
        let unpacked = image
            .unpacked
            .map(|size| format!(", {} unpacked", table::grouped(size)));
        if json {
            let event = events::Image {
                name: name.to_owned(),
                path,
                bytes: image.size,
                unpacked: image.unpacked,
            };
            process::say(&events::Event::Image(event).to_line())?;
        } else {
            process::say(&format!(
                "{name:6} {:>9} bytes{}  {path}",
                table::grouped(image.size),
                unpacked.unwrap_or_default(),
            ))?;
        }
    }
    Ok(())
}

/// The packages of a run.
const PACKAGES: [&str; 2] = ["kernel", "host"];
/// The package with the image that compares allocators.
const ALLOCATORS: &str = "bench-allocators";

/// Builds both images with `toolchain`.
///
/// # Errors
/// Cargo failed (it has said why), or its output cannot be read or written.
pub fn build(toolchain: &Toolchain, variant: Variant) -> Result<Images> {
    let built = build_packages(toolchain, variant, &PACKAGES)?;
    Ok(Images {
        kernel: finish(&built, "kernel", variant)?,
        host: finish(&built, "host", variant)?,
    })
}

/// Builds the image that compares allocators.
///
/// # Errors
/// As [`build`].
pub fn build_allocators(toolchain: &Toolchain) -> Result<Image> {
    let variant = Variant {
        inlines: true,
        quiet: true,
        ..Variant::default()
    };
    let built = build_packages(toolchain, variant, &[ALLOCATORS])?;
    finish(&built, ALLOCATORS, variant)
}

/// Builds the binaries of some packages; returns where they are.
fn build_packages(toolchain: &Toolchain, variant: Variant, packages: &[&str]) -> Result<PathBuf> {
    let suffix = match variant {
        Variant { controls: true, .. } => "-controls",
        Variant { plain: true, .. } => "-plain",
        Variant { inlines: true, .. } => "-inlined",
        Variant { small: true, .. } => "-small",
        _ => "",
    };
    let folder = workspace::target().join(format!("s390x-{}{suffix}", toolchain.name));
    build_at(&workspace::root(), &folder, toolchain, variant, packages)
}

/// Builds both images of a checkout somewhere else, without a word: where they are made must not show.
///
/// # Errors
/// As [`build`].
pub fn build_elsewhere(toolchain: &Toolchain, root: &Path) -> Result<Images> {
    let variant = Variant {
        quiet: true,
        ..Variant::default()
    };
    let built = build_at(root, &root.join("target"), toolchain, variant, &PACKAGES)?;
    Ok(Images {
        kernel: finish(&built, "kernel", variant)?,
        host: finish(&built, "host", variant)?,
    })
}

/// As [`build_packages`], of a checkout to a folder.
fn build_at(
    root: &Path,
    folder: &Path,
    toolchain: &Toolchain,
    variant: Variant,
    packages: &[&str],
) -> Result<PathBuf> {
    let mut cargo = Command::new(&toolchain.cargo);
    let profile = if variant.small { "small" } else { "release" };
    cargo.args(["build", "--profile", profile, "--bins"]);
    describe(&mut cargo, toolchain, root, folder, variant, packages);
    if !variant.quiet && !folder.join(TARGET).exists() {
        eprintln!("building core and alloc for s390x from source, once, then kernel and host");
    }
    let status = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {}", toolchain.cargo.display()))?;
    if !status.success() {
        bail!("the images do not build: cargo has said why");
    }
    Ok(folder.join(TARGET).join(profile))
}

/// The subcommand `lint`.
pub(crate) fn lint(options: &SetupOptions) -> Result<()> {
    let toolchain = toolchain::find(options.toolchain, options.permission())?;
    let clippy = toolchain.cargo.with_file_name("cargo-clippy");
    if !clippy.is_file() {
        return Err(failure::unusable(
            "no cargo-clippy beside cargo: rustup component add clippy",
        ));
    }
    let folder = workspace::target().join("s390x-lint");
    let packages = [PACKAGES.as_slice(), &[ALLOCATORS]].concat();
    // What only the mistakes of tests change is a warning without them.
    for controls in [false, true] {
        let variant = Variant {
            controls,
            ..Variant::default()
        };
        let mut command = Command::new(&clippy);
        command.arg("clippy");
        describe(
            &mut command,
            &toolchain,
            &workspace::root(),
            &folder,
            variant,
            &packages,
        );
        let status = command
            .env("CARGO", &toolchain.cargo)
            .args(["--", "--deny", "warnings"])
            .status()?;
        if !status.success() {
            bail!("the images have lint: clippy has said what");
        }
    }
    Ok(())
}

/// What every cargo command on the images is told: packages, target, and how to get its libraries.
fn describe(
    command: &mut Command,
    toolchain: &Toolchain,
    root: &Path,
    folder: &Path,
    variant: Variant,
    packages: &[&str],
) {
    process::sanitize(command);
    command.current_dir(root);
    for package in packages {
        command.args(["--package", package]);
    }
    // Relative to where the user is, not to the root that cargo runs in.
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    command
        .args(["--target", TARGET, "--target-dir"])
        .arg(folder);
    command.args(["-Zbuild-std=core,alloc,compiler_builtins"]);
    command.args(["-Zbuild-std-features=compiler-builtins-mem,optimize_for_size"]);
    if variant.controls {
        command.args(["--features", "kernel/controls,host/controls"]);
    }
    if variant.plain {
        command.arg("--no-default-features");
    }
    if variant.quiet {
        command.arg("--quiet");
    }
    // Building the standard libraries is not stable yet, nor is what `flags` has with -Z.
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", &toolchain.rustc);
    command.env(
        "CARGO_ENCODED_RUSTFLAGS",
        flags(toolchain, root, variant).join("\x1f"),
    );
}

/// Compiler flags: the oldest machine to run on, which is what Hercules 3.13 is, and paths that do not tell where it was built.
fn flags(toolchain: &Toolchain, root: &Path, variant: Variant) -> Vec<String> {
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    // Without instructions that add into another register than they add from: QEMU 7.2 has been seen to lose
    // the carry of a sum, rarely, and to stop at that (`cc_calc_addu`), with images that use them.
    // The compiler warns of a feature that it hands on without knowing it, in each crate; our own code's warnings are
    // what `lint` is for, which denies them behind this.
    let target = [
        "-Ctarget-cpu=z196",
        "-Ctarget-feature=-distinct-ops",
        "-Awarnings",
    ];
    let mut flags = target.map(str::to_owned).to_vec();
    if !variant.inlines {
        // Of what could be copied to where it is called only what is marked `#[inline]`, or is no larger for
        // it, is: what runs often is marked, and all the rest makes images smaller.
        flags.push("-Cllvm-args=-inline-threshold=5".to_owned());
        // Functions of the same instructions become one: nobody compares their addresses.
        flags.push("-Clink-arg=--icf=all".to_owned());
    }
    // Where a panic is in the sources: `calls` finds it by the return addresses. And derived texts of
    // values, of which only the few that a failure is to tell are worth their bytes: these have `Display`.
    flags.push("-Zlocation-detail=none".to_owned());
    flags.push("-Zfmt-debug=none".to_owned());
    let registry = cargo_home().join("registry/src");
    // The last one that matches counts, and Debian's sysroot is all of /usr.
    flags.push(remap(&toolchain.sysroot, "/rust"));
    flags.push(remap(&registry, "/registry"));
    flags.push(remap(root, "/source"));
    if let Ok(library) = toolchain.library_sources().canonicalize() {
        // Debian's sysroot links to the sources; the compiler resolves the link.
        flags.push(remap(&library, "/rust/lib/rustlib/src/rust/library"));
    }
    if let Some(linker) = &toolchain.linker {
        flags.push(format!("-Clinker={}", linker.display()));
        flags.push("-Clinker-flavor=ld.lld".to_owned());
    }
    flags
}

fn cargo_home() -> PathBuf {
    let set = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    set.or_else(home).unwrap_or_default()
}

/// Makes the stripped copy beside the image that cargo wrote, packed if the variant says so.
fn finish(folder: &Path, name: &str, variant: Variant) -> Result<Image> {
    let with_symbols = folder.join(name);
    let stripped = folder.join(format!("{name}.stripped"));
    let linked = fs::read(&with_symbols)
        .with_context(|| format!("the build left no {}", with_symbols.display()))?;
    let whose = || with_symbols.display().to_string();
    let mut bytes = strip::strip(&linked).with_context(whose)?;
    let unpacked = variant.small.then_some(bytes.len() as u64);
    if variant.small {
        bytes = packed::pack(&bytes, &linked).with_context(whose)?;
    }
    // Renamed into place: a run that starts meanwhile never sees half an image.
    let partial = folder.join(format!("{name}.{}", std::process::id()));
    fs::write(&partial, &bytes)
        .and_then(|()| fs::rename(&partial, &stripped))
        .with_context(|| format!("cannot write {}", stripped.display()))?;
    Ok(Image {
        with_symbols,
        stripped,
        size: bytes.len() as u64,
        unpacked,
    })
}
