//! What the host keeps for a guest, measured: no more than was promised.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use host::mem::GuestMemory;
use host::mem::shadow::quota;
use host::personality::{Hinting, Hypervisor, Personality};

thread_local! {
    static ALLOCATED: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    ALLOCATED.set(ALLOCATED.get() + bytes);
}

/// Counts what a thread has taken of the heap; what it gives back may be another one's.
struct Counting;

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as the caller vouches for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as the caller vouches for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as the caller vouches for.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

const MIB: u64 = 1 << 20;
const SIZES: [u64; 6] = [
    4 * MIB,
    64 * MIB,
    512 * MIB,
    1024 * MIB,
    1536 * MIB,
    2048 * MIB,
];
/// State of a page, and DAT-off tables for it.
const PAGE: u64 = 16 + 16;
/// Tables of each further CPU.
const CPU: u64 = 16 << 10;
/// What is neither for pages nor tables: of the guest, and of each CPU.
const REST: u64 = 1 << 10;
const REST_CPU: u64 = 256;

/// Bytes of the heap that a guest's memory takes.
fn metadata(bytes: u64, cpus: u64, shadow: u64) -> u64 {
    let before = ALLOCATED.get();
    let personality = Personality::new(Hypervisor::Model, Hinting::Full);
    let memory = GuestMemory::new(0, bytes, personality, cpus as usize, shadow);
    let after = ALLOCATED.get();
    drop(memory);
    (after - before) as u64
}

#[test]
fn pages_and_cpus_take_what_was_promised() {
    for bytes in SIZES {
        for cpus in [1, 2, 4, 16, 64] {
            let shadow = quota(bytes);
            let most = bytes / 4096 * PAGE + shadow + (cpus - 1) * CPU + REST + cpus * REST_CPU;
            let taken = metadata(bytes, cpus, shadow);
            assert!(
                taken <= most,
                "{bytes} bytes, {cpus} CPUs: {taken}, {most} at most"
            );
        }
    }
}

/// A segment table for more than 1.5 GiB is all that a further CPU may take, and cannot be in parts; its two page
/// tables are of what the first CPU leaves.
#[test]
fn a_further_cpu_takes_its_segment_table_and_two_page_tables() {
    for bytes in SIZES {
        let of = |cpus| metadata(bytes, cpus, quota(bytes));
        let each = of(3) - of(2);
        let tables = bytes.div_ceil(512 * MIB) * 4096 + 2 * 2048;
        assert!(
            (tables..=tables + REST_CPU).contains(&each),
            "{bytes} bytes: {each}"
        );
    }
}

#[test]
fn shadow_tables_with_all_that_is_known_of_them_stay_in_their_quota() {
    for (less, more) in [(MIB / 4, MIB), (MIB, 32 * MIB)] {
        let of = |shadow| metadata(64 * MIB, 1, shadow);
        let taken = of(more) - of(less);
        let allowed = more - less;
        assert!(taken <= allowed + 4096, "{taken} of {allowed}");
        assert!(taken >= allowed - 8192, "{taken} of {allowed}: too little");
    }
}
