//! The main job on the simulated machine: whole files through the page cache, under hosts that
//! discard, and damage that it must find.

mod support;

use arch::sim::{self, Entered, Eviction, Machine};
use drivers::block::{Disk, MemoryDisk};
use kernel::fs::archive::{Archive, ReadError};
use kernel::fs::image::BLOCK;
use kernel::mm::{Hinting, Mm, Page};
use kernel::work::verify::{Failure, Progress, Verify};
use support::{File, write};

/// Files of all sizes around those that matter, none like another.
fn files() -> Vec<File> {
    [
        0, 1, 511, 512, 513, 4095, 4096, 4097, 8192, 20_000, 65_536, 65_537,
    ]
    .iter()
    .enumerate()
    .map(|(number, size)| {
        let byte = |at: usize| (at as u64 * 0x9e37_79b9 + number as u64 * 77) as u32 >> 11;
        let content = (0..*size).map(|at| byte(at) as u8).collect();
        (format!("folder/{number}-{size}.bin"), content)
    })
    .collect()
}

/// A simulated machine, entered, and a memory manager for it.
struct Rig {
    machine: Machine,
    mm: &'static Mm<'static>,
    _entered: Entered,
}

fn rig(frames: usize, hinting: Hinting) -> Rig {
    let machine = Machine::new(
        frames,
        match hinting {
            Hinting::Off => sim::Hinting::None,
            Hinting::Unused => sim::Hinting::Unused,
            Hinting::Full => sim::Hinting::Full,
        },
    );
    let entered = machine.enter();
    let pages: Vec<Page> = (0..frames).map(|_| Page::reserved()).collect();
    let mm: &Mm<'_> = Box::leak(Box::new(Mm::new(pages.leak(), hinting)));
    mm.add_free(arch::Frame(1), frames as u32 - 1);
    Rig {
        machine,
        mm,
        _entered: entered,
    }
}

fn open(rig: &Rig, image: Vec<u8>) -> Result<Archive<'static>, ReadError> {
    Archive::open(Disk::Memory(MemoryDisk::new(image.leak())), rig.mm)
}

fn size(files: &[File]) -> u64 {
    files.iter().map(|(_, content)| content.len() as u64).sum()
}

/// Runs the job; returns bytes verified and what was reported on the way.
fn run(archive: &Archive<'_>, passes: u64, seed: u64) -> (Result<(), Failure>, u64, Vec<Progress>) {
    let mut progress = Vec::new();
    let mut work = Verify::new(archive, passes, seed);
    let outcome = work.run(|now| {
        progress.push(now);
        true
    });
    (outcome, work.bytes_verified, progress)
}

#[test]
fn all_files_are_verified_under_every_hinting_and_eviction() {
    let files = files();
    let image = write(&files);
    for hinting in [Hinting::Off, Hinting::Unused, Hinting::Full] {
        for eviction in [Eviction::Never, Eviction::OneIn(30), Eviction::Always] {
            let rig = rig(30, hinting);
            rig.machine.set_eviction(eviction, 5);
            let archive = open(&rig, image.clone()).expect("the image is sound");
            let (outcome, bytes, progress) = run(&archive, 3, 9);
            outcome.expect("every byte is what it was");
            assert!(bytes >= 3 * size(&files));
            assert_eq!(progress.len(), 3 * files.len());
            let last = progress.last().expect("there is progress");
            assert_eq!((last.pass, last.files_done), (3, files.len()));
            let stats = &rig.mm.stats;
            assert!(
                stats.reclaimed.get() > 0,
                "the cache cannot hold everything"
            );
            assert!(stats.stable_copies.get() > 0 && stats.fault_tolerant_copies.get() > 0);
            let noticed = stats.discard_faults.get() + stats.stable_failures.get();
            let expected = hinting == Hinting::Full && eviction != Eviction::Never;
            assert_eq!(noticed > 0, expected, "{hinting:?}, {eviction:?}");
            assert_eq!(stats.reloads.get(), noticed);
        }
    }
}

/// With room for all files no page goes, unless passes begin with an empty cache: then all pages of the pass before do.
#[test]
fn a_cold_pass_begins_with_an_empty_cache() {
    let files = files();
    let pages: usize = files.iter().map(|(_, it)| it.len().div_ceil(4096)).sum();
    for (cold, times) in [(false, 0), (true, 2)] {
        let rig = rig(2 * pages + 64, Hinting::Unused);
        let archive = open(&rig, write(&files)).expect("the image is sound");
        let mut work = Verify::new(&archive, 3, 9).cold(cold);
        work.run(|_| true).expect("every byte is what it was");
        assert_eq!(rig.mm.stats.reclaimed.get(), (times * pages) as u64);
    }
}

/// The same seed is the same run, another is another.
#[test]
fn the_seed_decides() {
    let image = write(&files());
    let misses = |seed| {
        let rig = rig(30, Hinting::Full);
        let archive = open(&rig, image.clone()).expect("the image is sound");
        run(&archive, 1, seed).0.expect("every byte is what it was");
        (
            rig.mm.stats.cache_misses.get(),
            rig.mm.stats.stable_copies.get(),
        )
    };
    assert_eq!(misses(1), misses(1));
    assert_ne!(misses(1), misses(2));
}

#[test]
fn a_flipped_byte_of_a_file_is_found() {
    let files = files();
    let sound = write(&files);
    let rig = rig(64, Hinting::Full);
    for (number, (path, content)) in files.iter().enumerate() {
        for at in [0, content.len() / 2, content.len().saturating_sub(1)] {
            if content.is_empty() {
                continue;
            }
            let offset = open(&rig, sound.clone())
                .expect("the image is sound")
                .index()
                .file(number)
                .offset;
            let mut image = sound.clone();
            image[offset as usize + at] ^= 0x10;
            while rig.mm.shrink_cache() > 0 {}
            let archive = open(&rig, image).expect("the index is sound");
            let (outcome, _, _) = run(&archive, 1, 3);
            let Err(Failure::Mismatch(found)) = outcome else {
                panic!("byte {at} of {path} is wrong, and the outcome is {outcome:?}")
            };
            assert_eq!(&found.file, path);
            assert_eq!(found.offset, at as u64 / 4096 * 4096);
            assert_eq!(
                found.length as u64,
                (content.len() as u64 - found.offset).min(4096)
            );
            while rig.mm.shrink_cache() > 0 {}
        }
    }
}

/// A range that is read in between is checked by itself. The sound file has 1000 bytes and is all that
/// may ever count as verified; a range of the damaged file that passed would add its 4096.
#[test]
fn a_flipped_byte_is_found_by_a_single_range_too() {
    let files = [
        ("sound".to_owned(), vec![1; 1000]),
        ("damaged".to_owned(), vec![2; 4096]),
    ];
    let mut image = write(&files);
    let rig = rig(64, Hinting::Full);
    let sound = open(&rig, image.clone()).expect("the image is sound");
    image[sound.index().file(1).offset as usize + 100] = 3;
    let archive = open(&rig, image).expect("the index is sound");
    for seed in 0..100 {
        let (outcome, bytes, _) = run(&archive, 1, seed);
        assert!(matches!(outcome, Err(Failure::Mismatch(_))), "{outcome:?}");
        assert_eq!(bytes % 1000, 0, "seed {seed}");
    }
}

#[test]
fn a_flipped_byte_between_files_is_found() {
    let files = files();
    let sound = write(&files);
    let rig = rig(64, Hinting::Full);
    let gaps: Vec<_> = {
        let archive = open(&rig, sound.clone()).expect("the image is sound");
        (0..=files.len())
            .map(|number| archive.index().gap(number))
            .collect()
    };
    for gap in gaps {
        let mut image = sound.clone();
        image[gap.offset as usize + gap.length as usize / 2] ^= 1;
        let archive = open(&rig, image).expect("the index is sound");
        let (outcome, _, _) = run(&archive, 1, 3);
        assert!(matches!(outcome, Err(Failure::Gap(..))), "{outcome:?}");
        while rig.mm.shrink_cache() > 0 {}
    }
}

#[test]
fn a_disk_that_was_cut_short_is_refused() {
    let image = write(&files());
    let rig = rig(64, Hinting::Full);
    let error = open(&rig, image[..image.len() - 2 * BLOCK].to_vec())
        .err()
        .expect("it is short");
    assert!(matches!(error, ReadError::Short(..)), "{error}");
    let error = open(&rig, image[..BLOCK].to_vec())
        .err()
        .expect("it is short");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[test]
fn a_machine_without_a_page_to_spare_says_so() {
    let rig = rig(8, Hinting::Full);
    let archive = open(&rig, write(&files())).expect("the image is sound");
    let _all: Vec<_> = core::iter::from_fn(|| rig.mm.allocate_page()).collect();
    let (outcome, _, _) = run(&archive, 1, 3);
    assert!(
        matches!(outcome, Err(Failure::Read(_, ReadError::OutOfMemory))),
        "{outcome:?}"
    );
}

/// What the deliberate mistakes are for: the job notices them.
#[cfg(feature = "controls")]
mod without_guards {
    use kernel::mm::Guard;

    use super::*;

    fn run_without(guard: Option<Guard>) -> Result<(), Failure> {
        let rig = rig(60, Hinting::Full);
        rig.machine.set_eviction(Eviction::OneIn(20), 5);
        if let Some(guard) = guard {
            rig.mm.take_out(guard);
        }
        let archive = open(&rig, write(&files())).expect("the image is sound");
        run(&archive, 5, 9).0
    }

    #[test]
    fn all_in_place_is_good() {
        run_without(None).expect("every byte is what it was");
    }

    #[test]
    fn an_ignored_discard_fault_is_a_mismatch() {
        let outcome = run_without(Some(Guard::DiscardFault));
        assert!(matches!(outcome, Err(Failure::Mismatch(_))), "{outcome:?}");
    }

    #[test]
    #[should_panic(expected = "in the supervisor state: block-volatility")]
    fn a_page_used_without_being_made_stable_is_a_discard_fault() {
        let _ = run_without(Some(Guard::MakeStable));
    }
}
