//! Our page allocator beside others, and operations on pages in memories of all sizes, for `cargo xtask bench`.
//!
//! On s390x this is an image: the same churn for each allocator, its instructions counted by the clock
//! of a machine that executes one a nanosecond. On the build machine it is a program, which takes the
//! throughput of one CPU and of two: what they cost one another is a matter of time, not of instructions.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(not(target_os = "none"))]
mod clock;
#[cfg(not(target_os = "none"))]
mod cpus;
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
#[cfg_attr(not(target_os = "none"), path = "storage_of_program.rs")]
mod storage;
mod subjects;
#[cfg(target_os = "none")]
mod suite;
#[cfg(not(target_os = "none"))]
mod threads;
#[cfg(not(target_os = "none"))]
mod times;

#[cfg(target_os = "none")]
boot::entry!(suite::main);

/// One line for each figure, with tabs between its words. What is taken depends on the argument:
///
/// - none: operations a second of our allocator: one CPU, two, two of an allocator each;
/// - `times`: an allocator, and nanoseconds for an allocation and a free;
/// - `steps`: size of the memory in MiB, how often the page is mapped, what is done, steps;
/// - `cpus`: number of CPUs, what is done, how much, of what.
#[cfg(not(target_os = "none"))]
fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("steps") => {
            for figure in steps::SIZES.into_iter().flat_map(steps::figures) {
                let steps::Figure {
                    mebibytes,
                    mappings,
                    what,
                    steps,
                } = figure;
                println!("{mebibytes}\t{mappings}\t{what}\t{steps}");
            }
        }
        Some("cpus") => {
            for cpus in cpus::CPUS {
                for (what, value, unit) in cpus::figures(cpus) {
                    println!("{cpus}\t{what}\t{value}\t{unit}");
                }
            }
        }
        Some("times") => {
            for (name, time) in times::figures() {
                println!("{name}\t{time:.1}");
            }
        }
        _ => {
            for rate in threads::throughput() {
                println!("{rate:.0}");
            }
        }
    }
}
