//! The host image.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
boot::entry!(host::start::main);

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is a bare-metal image: run it with `cargo xtask qemu`");
    std::process::exit(2);
}
