//! Counting instructions exactly: a child does the work, its parent has it execute one at a time.
//!
//! The build machine need not have counters for that, which virtual machines often lack, and the counts
//! are the same every time. A word of memory that both share says which operation the child is in.

use std::cell::Cell;
use std::io::{Error, Result};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// No operation is being counted.
const NONE: u32 = 0;

/// Stays on one CPU from now on, with all children: parent and child take turns at every instruction,
/// which is many times faster where no other CPU has to be woken for it.
pub(crate) fn stay_on_one_cpu() -> Result<()> {
    // SAFETY: a set of CPUs is plain numbers; it is empty.
    let mut cpus: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: asks only where we are; the number is that of a CPU, and the set is ours.
    let outcome = unsafe {
        libc::CPU_SET(libc::sched_getcpu() as usize, &mut cpus);
        libc::sched_setaffinity(0, size_of_val(&cpus), &raw const cpus)
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(Error::last_os_error())
    }
}

/// The child's side: says when an operation begins and ends.
pub(crate) struct Meter {
    /// The operation, from 1, or [`NONE`].
    current: &'static AtomicU32,
    operations: Cell<u32>,
}

impl Meter {
    /// Counting begins: what was before took no part in it.
    pub(crate) fn begin(&self) {
        // SAFETY: the parent waits for this signal, and lets the child go on.
        unsafe { libc::raise(libc::SIGSTOP) };
        // What counting itself costs.
        self.operation(|| ());
    }

    /// Counts an operation.
    pub(crate) fn operation<T>(&self, work: impl FnOnce() -> T) -> T {
        let number = self.operations.get() + 1;
        self.operations.set(number);
        self.current.store(number, Relaxed);
        let outcome = std::hint::black_box(work());
        self.current.store(NONE, Relaxed);
        outcome
    }
}

/// A word that a child made later has in common with its parent; it is never given back.
fn shared_word() -> Result<&'static AtomicU32> {
    let (access, kind) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_SHARED | libc::MAP_ANONYMOUS,
    );
    // SAFETY: memory of its own, at an address that the system chooses.
    let word = unsafe { libc::mmap(ptr::null_mut(), size_of::<AtomicU32>(), access, kind, -1, 0) };
    if word == libc::MAP_FAILED {
        return Err(Error::last_os_error());
    }
    // SAFETY: it is mapped for good, zeroed, aligned to a page, and only accessed as this.
    Ok(unsafe { &*word.cast() })
}

/// Does `work` in a child, and counts the instructions of each of its operations, in their order.
///
/// # Errors
/// The system does not let us, or the child failed.
pub(crate) fn count(work: impl FnOnce(&Meter)) -> Result<Vec<u32>> {
    let current = shared_word()?;
    // SAFETY: the child uses nothing of other threads but the heap, which the system keeps usable.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error()),
        0 => {
            let operations = Cell::new(0);
            // SAFETY: asks for nothing but to be traced; the parent does.
            unsafe { libc::ptrace(libc::PTRACE_TRACEME) };
            work(&Meter {
                current,
                operations,
            });
            // SAFETY: ends the child, without what the parent has registered for its own end.
            unsafe { libc::_exit(0) }
        }
        child => follow(child, current),
    }
}

/// Waits until the child stops; returns `None` when it has ended.
fn wait(child: libc::pid_t) -> Result<Option<i32>> {
    let mut status = 0;
    // SAFETY: the status is ours.
    if unsafe { libc::waitpid(child, &raw mut status, 0) } != child {
        return Err(Error::last_os_error());
    }
    if libc::WIFSTOPPED(status) {
        return Ok(Some(libc::WSTOPSIG(status)));
    }
    if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
        return Ok(None);
    }
    Err(Error::other(format!(
        "the child failed: status {status:#x}"
    )))
}

/// The parent's side.
fn follow(child: libc::pid_t, current: &AtomicU32) -> Result<Vec<u32>> {
    let mut counts: Vec<u32> = Vec::new();
    while let Some(signal) = wait(child)? {
        if signal != libc::SIGTRAP && signal != libc::SIGSTOP {
            // SAFETY: it is our child, which has failed.
            unsafe { libc::kill(child, libc::SIGKILL) };
            return Err(Error::other(format!("the child got signal {signal}")));
        }
        if let Some(index) = current.load(Relaxed).checked_sub(1) {
            counts.resize(counts.len().max(index as usize + 1), 0);
            counts[index as usize] += 1;
        }
        // SAFETY: the child is stopped, and is our child; no address and no signal are passed.
        let step = unsafe {
            let nothing = ptr::null_mut::<libc::c_void>();
            libc::ptrace(libc::PTRACE_SINGLESTEP, child, nothing, nothing)
        };
        if step != 0 {
            return Err(Error::last_os_error());
        }
    }
    let Some((counting, counts)) = counts.split_first() else {
        return Err(Error::other("the child counted nothing"));
    };
    Ok(counts
        .iter()
        .map(|count| count.saturating_sub(*counting))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loop of ten times as many turns takes ten times the instructions that its turns take.
    #[test]
    fn instructions_are_counted() {
        let turns = |turns: u32| {
            move || (0..turns).fold(1_u32, |sum, turn| std::hint::black_box(sum ^ turn))
        };
        let counts = count(|meter| {
            meter.begin();
            for number in [0, 10, 20, 10] {
                meter.operation(turns(number));
            }
        });
        let counts = counts.expect("a child can be traced");
        assert_eq!(counts.len(), 4);
        assert!(counts[1] >= counts[0] + 20);
        assert_eq!(counts[2] - counts[1], counts[1] - counts[0]);
        assert_eq!(counts[1], counts[3], "each time the same");
    }

    #[test]
    fn a_child_that_fails_is_an_error() {
        assert!(count(|_| panic!("on purpose")).is_err());
    }
}
