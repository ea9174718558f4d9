//! How operations on pages grow with the CPUs of the simulated machine: from 1 to 64, all of which are online.
//!
//! What one CPU does to a page takes as many steps whatever the others are; what they have to do together is to
//! sign off, before a page that was discarded is free.

use arch::sim;
use kernel::mm::Mm;

use crate::spaces::{self, PAGES};
use crate::steps::{self, Rig};

/// Numbers of CPUs.
pub(crate) const CPUS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// The machine's memory, in MiB.
const MEBIBYTES: usize = 64;

/// What is counted: its name, how much, of what.
pub(crate) type Figure = (&'static str, f64, &'static str);

/// All figures of a machine with so many CPUs.
pub(crate) fn figures(cpus: usize) -> Vec<Figure> {
    steps::on_machine(MEBIBYTES, |rig| {
        on_each(cpus, |_| rig.mm.go_online());
        let figures = ask(rig, cpus);
        on_each(cpus, |cpu| {
            // The first one takes part from the beginning.
            if cpu > 0 {
                rig.mm.go_offline();
            }
        });
        figures
    })
}

/// Does something as each of the CPUs; this one is the first again then.
fn on_each(cpus: usize, mut work: impl FnMut(usize)) {
    for cpu in 0..cpus {
        sim::become_cpu(cpu);
        work(cpu);
    }
    sim::become_cpu(0);
}

fn ask(rig: &Rig, cpus: usize) -> Vec<Figure> {
    // The first one is for the list of the CPU.
    rig.allocate_and_free();
    let allocated = rig.count(|| (0..PAGES).for_each(|_| rig.allocate_and_free()));
    let mapped = spaces::mapped(rig.mm, 1);
    let looked_at = rig.count(|| rig.look_at_all());
    let discarded = rig.count(|| rig.discard_all());
    let signed_off = sign_offs(rig.mm, cpus);
    spaces::end(rig.mm, &mapped);
    vec![
        ("page allocated and freed", allocated, "steps"),
        ("page made stable and volatile", looked_at, "steps"),
        ("page discarded", discarded, "steps"),
        (
            "sign-offs until discarded pages are free",
            signed_off,
            "sign-offs",
        ),
    ]
}

/// How often CPUs sign off, one after another, until no page waits.
fn sign_offs(mm: &Mm<'_>, cpus: usize) -> f64 {
    let mut count = 0;
    while mm.sign_off_stats().waiting() > 0 {
        sim::become_cpu(count % cpus);
        mm.sign_off(0);
        count += 1;
    }
    sim::become_cpu(0);
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_do_not_grow_with_the_cpus() {
        let alone = figures(1);
        for cpus in [2, 64] {
            for (one, many) in alone.iter().zip(figures(cpus)) {
                if one.2 == "steps" {
                    assert_eq!(*one, many, "{cpus} CPUs");
                }
            }
        }
    }

    /// Nobody waits if nobody else could have a fault before it; else for the rest of a round, and a round.
    #[test]
    fn pages_wait_for_two_rounds_at_most() {
        for cpus in CPUS {
            let all = figures(cpus);
            let (_, count, _) = all.last().unwrap();
            let (least, most) = if cpus == 1 { (0, 0) } else { (cpus, 2 * cpus) };
            assert!(
                (least as f64..=most as f64).contains(count),
                "{cpus} CPUs: {count}"
            );
        }
    }
}
