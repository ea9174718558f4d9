//! The host's parameter line: what is accepted means the same however it is spaced and ordered, and what is for guests
//! changes nothing of the host's.

use host::control::Control;

use super::{assert_is_one_line, parameters};

fn read(line: &str) -> Result<Control, String> {
    let mut control = Control::default();
    control.read(line).map(|()| control)
}

/// Tries a line.
pub fn run(data: &[u8]) {
    let Ok(line) = str::from_utf8(data) else {
        return;
    };
    let lines = parameters::check(line);
    match read(line) {
        Ok(control) => {
            for other in lines.expect("it is a parameter line") {
                assert_eq!(read(&other), Ok(control));
                assert_eq!(
                    read(&format!("{other} g.x=1 g0.y=2")).ok(),
                    without_guests(&other, control)
                );
            }
            check(&control);
        }
        Err(error) => assert_is_one_line(&error),
    }
}

/// The same again, unless what was added to the line was there before.
fn without_guests(line: &str, control: Control) -> Option<Control> {
    let is_new = |word: &str| !word.starts_with("g.x=") && !word.starts_with("g0.y=");
    line.split_ascii_whitespace().all(is_new).then_some(control)
}

/// What the rest of the host relies on.
fn check(control: &Control) {
    assert!((1..=64).contains(&control.guests) && (1..=64).contains(&control.cpus));
    assert!(control.guest_memory.is_multiple_of(1 << 20) && control.guest_memory > 0);
    let pages = u64::from(control.guests) * (control.guest_memory >> 12);
    assert_eq!(control.guests_pages(), pages);
    assert!(control.shadow().is_multiple_of(4096) && control.shadow() > 0);
    for paging in [control.paging, control.guest_disks] {
        let is_whole = |(bytes, _): (u64, _)| bytes > 0 && bytes.is_multiple_of(4096);
        assert!(paging.model().is_none_or(is_whole));
    }
    assert!(!control.hinting_name().is_empty());
}

/// Lines with every key, and some that are refused.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        "",
        "memory=40M guest-memory=24MiB guests=2 cpus=4 shadow=64K console=line hinting=full",
        "evict=random:500 paging=model:1M:200:30 guest-disks=disk sample=100 expanded=4096",
        "operator=on backend=sie balloon=on disks=virtio limits=100:5 trace=10 seed=0x7",
        "hinting=balloon monitor=50:10 personality=kvm evict=steal:5 g.passes=2 g1.seed=9 g.seed=3",
        "evict=steal:spare paging=none hinting=full+extended",
        "guests=0",
        "paging=model:1M:1:2:3",
        "g.=1 g01.x=2 g4294967295.y=3",
    ];
    lines.map(Vec::from).to_vec()
}
