//! The kernel image.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
boot::entry!(kernel::start::main);

// `cargo run` builds for the build machine.
#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    boot::launch::qemu(&["--bare"])
}
