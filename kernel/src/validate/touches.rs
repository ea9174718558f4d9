//! Each way of touching a page that is not there.

use arch::dat::{SHORT_SEGMENT_TABLE_ENTRIES, SegmentEntry, short_segment_table_asce};
use arch::{Absolute, Frame, PswMask, storage, translation};
use cmm::PageState;

use super::stage::{Seen, Stage};

/// First check: one for each way.
const FIRST: u16 = 300;

/// Check of a page table that is not there.
const TABLE: u16 = 350;
/// Command of SCLP that writes into its block.
const READ_SCP_INFO: u64 = 0x0002_0001;

/// One way: the program, and what its registers are: the page's address in register 2, or the place 8 bytes
/// before it, which is in the page in front.
struct Way {
    code: &'static [u8],
    /// Whether register 2 says the place before the page.
    crossing: bool,
}

const fn way(code: &'static [u8]) -> Way {
    Way {
        code,
        crossing: false,
    }
}

const fn crossing(code: &'static [u8]) -> Way {
    Way {
        code,
        crossing: true,
    }
}

/// All ways; register 5 is the address of another page, registers 8 and 10 are those of 2 and 5 with their lengths
/// behind them, register 4 is 0, register 6 a command of SCLP. `xtask` has their names.
const WAYS: [Way; 26] = [
    way(&[0xe3, 0x40, 0x20, 0x00, 0x00, 0x04]),      // LG
    way(&[0xe3, 0x40, 0x20, 0x00, 0x00, 0x24]),      // STG
    way(&[0x07, 0xf2]),                              // BR: execution
    crossing(&[0xd2, 0x0f, 0x50, 0x00, 0x20, 0x00]), // MVC from
    crossing(&[0xd2, 0x0f, 0x20, 0x00, 0x50, 0x00]), // MVC to
    crossing(&[0x0e, 0x8a]),                         // MVCL to
    crossing(&[0x0e, 0xa8]),                         // MVCL from
    crossing(&[0xa8, 0x8a, 0x00, 0x00, 0xa7, 0x14, 0xff, 0xfe]), // MVCLE to, JO back
    crossing(&[0xa8, 0xa8, 0x00, 0x00, 0xa7, 0x14, 0xff, 0xfe]), // MVCLE from, JO back
    crossing(&[0x0f, 0x8a]),                         // CLCL
    way(&[0xba, 0x46, 0x20, 0x00]),                  // CS
    way(&[0x44, 0x00, 0x20, 0x00]),                  // EX
    way(&[0xd7, 0x07, 0x20, 0x00, 0x20, 0x00]),      // XC
    way(&[0xb2, 0x54, 0x00, 0x52]),                  // MVPG from
    way(&[0xb2, 0x54, 0x00, 0x25]),                  // MVPG to
    way(&[0xb1, 0x40, 0x20, 0x00]),                  // LRA
    way(&[0xe5, 0x01, 0x20, 0x00, 0x00, 0x00]),      // TPROT
    way(&[0xb2, 0x29, 0x00, 0x42]),                  // ISKE
    way(&[0xb2, 0x2b, 0x00, 0x42]),                  // SSKE
    way(&[0xb2, 0x2a, 0x00, 0x42]),                  // RRBE
    way(&[0xb2, 0x4b, 0x00, 0x42]),                  // LURA
    way(&[0xb2, 0x46, 0x00, 0x42]),                  // STURA
    way(&[0xb2, 0x2c, 0x00, 0x42]),                  // TB
    way(&[0x83, 0x22, 0x00, 0x10]),                  // DIAGNOSE X'10'
    way(&[0x83, 0x24, 0x02, 0x50]),                  // DIAGNOSE X'250', initialize
    way(&[0xb2, 0x20, 0x00, 0x62]),                  // SERVC: read SCP info
];

/// States that are not there: a guest may touch none of them, or does not notice, or needs the hypervisor.
const STATES: [PageState; 4] = [PageState::SP, PageState::SZ, PageState::UZ, PageState::VZ];

pub(super) fn run(stage: &mut Stage<'_>) {
    for (number, way) in (FIRST..).zip(&WAYS) {
        for state in STATES {
            for (mode, mask) in [("real", PswMask::empty()), ("DAT", PswMask::DAT)] {
                let case = &format_args!("{state} {mode}");
                let Some(page) = stage.prepare(number, case, state) else {
                    continue;
                };
                let other = stage.take();
                let seen = touch(stage, mask, way, page, other);
                stage.tell_end(number, case, &seen);
                stage.give_back(other);
                stage.give_back(page);
            }
        }
    }
}

/// A fetch through a page table in each state.
pub(super) fn tables(stage: &mut Stage<'_>) {
    let segments = stage.take();
    for state in STATES {
        let case = &format_args!("{state}");
        let Some(table) = stage.prepare(TABLE, case, state) else {
            continue;
        };
        let entries =
            (0..SHORT_SEGMENT_TABLE_ENTRIES).map(|number| (number, SegmentEntry::INVALID));
        let known = stage.page_tables().map(SegmentEntry::new).enumerate();
        let last = SHORT_SEGMENT_TABLE_ENTRIES - 1;
        let own = (last, SegmentEntry::new(table.address()));
        for (number, entry) in entries.chain(known).chain([own]) {
            let at = Absolute(segments.address().0 + 8 * number as u64);
            // SAFETY: the page is the stage's.
            unsafe { storage::copy_in(at, &entry.0.to_be_bytes()) };
        }
        stage.space = Some(short_segment_table_asce(segments.address()));
        translation::purge_tlb();
        let fetch = WAYS[0].code;
        let seen = stage.attempt(PswMask::DAT, fetch, table, &[(2, (last as u64) << 20)]);
        stage.space = None;
        stage.tell_end(TABLE, case, &seen);
        stage.give_back(table);
    }
    stage.give_back(segments);
}

fn touch(stage: &Stage<'_>, mask: PswMask, way: &Way, page: Frame, other: Frame) -> Seen {
    let back = if way.crossing { 8 } else { 0 };
    let (at, other) = (page.address().0 - back, other.address().0);
    let registers = [
        (2, at),
        (5, other),
        (6, READ_SCP_INFO),
        (8, at),
        (9, 16),
        (10, other),
        (11, 16),
    ];
    stage.attempt(mask, way.code, page, &registers)
}
