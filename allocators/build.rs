//! Links the bare-metal image as the kernel is linked.

fn main() {
    println!("cargo:rerun-if-changed=../kernel/link.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts");
        println!("cargo:rustc-link-arg-bins=-T{folder}/../kernel/link.ld");
    }
}
