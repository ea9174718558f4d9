//! What the device and its driver say to each other.

use arch::Frame;
use virtio_spec::le32;

/// Most pages that go into the balloon, or come from it, with one request.
pub const AT_A_TIME: usize = 256;
/// Most blocks that one request reports; it is all that QEMU's queue holds.
pub const BLOCKS_AT_A_TIME: usize = 32;

/// Feature bits.
pub(super) mod feature {
    /// Pages are the driver's again only after the device has been told.
    pub(in super::super) const MUST_TELL_HOST: u64 = 1 << 0;
    /// The device asks how memory is used.
    pub(in super::super) const STATISTICS: u64 = 1 << 1;
    /// Pages may be taken back whenever memory is short.
    pub(in super::super) const DEFLATE_ON_OOM: u64 = 1 << 2;
    /// A queue for hints about free pages, of which this driver gives none.
    pub(in super::super) const FREE_PAGE_HINT: u64 = 1 << 3;
    /// Free pages can be reported.
    pub(in super::super) const REPORTING: u64 = 1 << 5;
}

/// Number of the queue for pages that go into the balloon.
pub(super) const INFLATE: u16 = 0;
/// Number of the queue for pages that come back.
pub(super) const DEFLATE: u16 = 1;
/// Number of the queue for statistics, if the device has it.
pub(super) const STATISTICS: u16 = 2;

/// Number of the queue for reports. A queue that the device does not have has no number either, so it
/// depends on what the device offers.
pub(super) fn reporting_queue(offered: u64) -> u16 {
    let count = |feature| u16::from(offered & feature != 0);
    DEFLATE + 1 + count(feature::STATISTICS) + count(feature::FREE_PAGE_HINT)
}

/// Page numbers as the device reads them, and how many bytes they take.
pub(super) fn page_numbers(frames: &[Frame]) -> ([le32; AT_A_TIME], u32) {
    let mut numbers = [le32::from(0); AT_A_TIME];
    for (number, frame) in numbers.iter_mut().zip(frames) {
        *number = le32::from(frame.0);
    }
    (numbers, (frames.len() * size_of::<le32>()) as u32)
}

/// How memory is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statistics {
    /// All memory, in bytes.
    pub total: u64,
    /// Memory that nobody uses, in bytes.
    pub free: u64,
    /// Memory that can be had without harm, in bytes.
    pub available: u64,
    /// Memory of caches that can be filled again, in bytes.
    pub caches: u64,
}

/// Bytes of one value: a tag of two and the value of eight.
const ENTRY: usize = 10;
/// Bytes of all values.
pub(super) const STATISTICS_BYTES: usize = 4 * ENTRY;

impl Statistics {
    /// As the device reads them.
    pub(super) fn to_bytes(self) -> [u8; STATISTICS_BYTES] {
        // In the order of the specification's list of tags.
        let entries = [
            (4_u16, self.free),
            (5, self.total),
            (6, self.available),
            (7, self.caches),
        ];
        let mut bytes = [0; STATISTICS_BYTES];
        for (place, (tag, value)) in bytes.chunks_exact_mut(ENTRY).zip(entries) {
            place[..2].copy_from_slice(&tag.to_le_bytes());
            place[2..].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table and list of the specification, 5.5.2 and 5.5.3.
    #[test]
    fn numbers_are_those_of_the_specification() {
        assert_eq!([INFLATE, DEFLATE, STATISTICS], [0, 1, 2]);
        let features = [
            feature::MUST_TELL_HOST,
            feature::STATISTICS,
            feature::DEFLATE_ON_OOM,
            feature::FREE_PAGE_HINT,
            feature::REPORTING,
        ];
        assert_eq!(features.map(u64::trailing_zeros), [0, 1, 2, 3, 5]);
    }

    #[test]
    fn queues_that_are_not_there_have_no_number() {
        assert_eq!(reporting_queue(feature::REPORTING), 2);
        assert_eq!(reporting_queue(feature::REPORTING | feature::STATISTICS), 3);
        let all = feature::REPORTING | feature::STATISTICS | feature::FREE_PAGE_HINT;
        assert_eq!(reporting_queue(all), 4);
        assert_eq!(reporting_queue(feature::DEFLATE_ON_OOM), 2);
    }

    #[test]
    fn page_numbers_are_words() {
        let (numbers, bytes) = page_numbers(&[Frame(0x0102_0304), Frame(7)]);
        assert_eq!(bytes, 8);
        assert_eq!(u32::from(numbers[0]), 0x0102_0304);
        assert_eq!(u32::from(numbers[1]), 7);
        let (_, bytes) = page_numbers(&[Frame(1); AT_A_TIME]);
        assert_eq!(bytes, 1024);
    }

    #[test]
    fn statistics_are_tags_and_values() {
        let bytes = Statistics {
            total: 0x0102_0304_0506_0708,
            free: 1,
            available: 2,
            caches: 3,
        }
        .to_bytes();
        assert_eq!(bytes[..10], [4, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[10..20], [5, 0, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(bytes[20..30], [6, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[30..], [7, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    }
}
