//! Prefixing (Principles of Operation, "Prefixing"): where a CPU's first 8 KiB are.

use arch::PAGE_SHIFT;

/// Size of the prefix area, in pages.
const PAGES: u32 = 2;

/// The absolute page of a real page on a CPU with this prefix, or the other way round.
#[must_use]
#[inline]
pub fn swap(prefix: u32, page: u32) -> u32 {
    let first = prefix >> PAGE_SHIFT;
    match page {
        _ if page < PAGES => page + first,
        _ if (first..first + PAGES).contains(&page) => page - first,
        _ => page,
    }
}

/// The pages whose real and absolute addresses differ, unless the prefix is zero.
#[must_use]
pub fn pages(prefix: u32) -> [u32; 4] {
    let first = prefix >> PAGE_SHIFT;
    [0, 1, first, first + 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pages_change_places_with_the_prefix_area() {
        assert_eq!([0, 1, 2].map(|page| swap(0x4000, page)), [4, 5, 2]);
        assert_eq!([3, 4, 5, 6].map(|page| swap(0x4000, page)), [3, 0, 1, 6]);
        assert_eq!([0, 1, 2].map(|page| swap(0, page)), [0, 1, 2]);
    }

    #[test]
    fn prefixing_undoes_itself() {
        for page in 0..16 {
            assert_eq!(swap(0x6000, swap(0x6000, page)), page);
            assert_eq!(pages(0x6000).contains(&page), swap(0x6000, page) != page);
        }
    }
}
