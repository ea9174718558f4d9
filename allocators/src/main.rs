//! Our page allocator beside others, for `cargo xtask bench`.
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
mod scenarios;
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

/// Operations a second, one number a line: one CPU, two of one allocator, two of an allocator each.
#[cfg(not(target_os = "none"))]
fn main() {
    for rate in threads::throughput() {
        println!("{rate:.0}");
    }
}
