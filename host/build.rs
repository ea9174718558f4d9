//! Links the bare-metal image by its linker script.

fn main() {
    println!("cargo:rerun-if-changed=link.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts");
        println!("cargo:rustc-link-arg-bins=-T{folder}/link.ld");
        // Segments need not begin at a page of the file.
        println!("cargo:rustc-link-arg-bins=--nmagic");
    }
}
