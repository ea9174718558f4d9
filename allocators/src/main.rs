//! Our page allocator beside others, and operations on pages in memories of all sizes, for `cargo xtask bench`.
//!
//! On s390x this is an image: the same churn for each allocator, its instructions counted by the clock
//! of a machine that executes one a nanosecond. On the build machine it is a program, which takes the
//! throughput of one CPU and of two: what they cost one another is a matter of time, not of instructions.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod growth;
#[cfg(target_os = "none")]
mod meter;
#[cfg(target_os = "none")]
mod scan;
#[cfg(target_os = "none")]
mod scenarios;
mod spaces;
#[cfg(not(target_os = "none"))]
mod steps;
#[cfg(target_os = "none")]
mod storage;
#[cfg(target_os = "none")]
mod subjects;
#[cfg(target_os = "none")]
mod suite;
#[cfg(not(target_os = "none"))]
mod threads;

#[cfg(target_os = "none")]
boot::entry!(suite::main);

/// Operations a second, one number a line: one CPU, two of one allocator, two of an allocator each. With
/// the argument `steps`: a line for each operation, with the size of the memory and how often the page is
/// mapped in front of what it is and how many steps it takes, with tabs between them.
#[cfg(not(target_os = "none"))]
fn main() {
    if std::env::args().nth(1).as_deref() == Some("steps") {
        for figure in steps::SIZES.into_iter().flat_map(steps::figures) {
            let steps::Figure {
                mebibytes,
                mappings,
                what,
                steps,
            } = figure;
            println!("{mebibytes}\t{mappings}\t{what}\t{steps}");
        }
    } else {
        for rate in threads::throughput() {
            println!("{rate:.0}");
        }
    }
}
