//! The kernel's parameter line: what is accepted means the same however it is spaced and ordered.

use kernel::control::Control;

use super::{assert_is_one_line, parameters};

/// Tries a line.
pub fn run(data: &[u8]) {
    let Ok(line) = str::from_utf8(data) else {
        return;
    };
    let lines = parameters::check(line);
    match Control::read(line) {
        Ok(control) => {
            for other in lines.expect("it is a parameter line") {
                assert_eq!(Control::read(&other), Ok(control));
            }
        }
        Err(error) => assert_is_one_line(&error),
    }
}

/// Lines with every key, and some that are refused.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        "",
        "cmma=full work=verify passes=2 seed=0x10 cpus=4 hotplug=on files=disjoint cold=on",
        " cmma=off\twork=farm farm=5:100:20:2 trace=100 steps=7 from=3 ",
        "disk=virtio pfault=off readahead=0 without=swap-cache,mlock",
        "reporting=on reporting-order=5 reporting-ms=20 balloon=off",
        "cmma=force cmma=off",
        "work",
        "=1",
        "colour=blue",
    ];
    lines.map(Vec::from).to_vec()
}
