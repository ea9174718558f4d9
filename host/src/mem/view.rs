//! A guest's storage as one of its virtual CPUs sees it: its prefix, and the tables by which it runs.

use arch::PAGE_SHIFT;

use super::tables::Tables;

/// Size of the prefix area, in pages.
const PREFIX_PAGES: u32 = 2;

/// Prefix and tables of one virtual CPU.
pub(super) struct View {
    pub(super) tables: Tables,
    /// Guest absolute address of the prefix area.
    pub(super) prefix: u32,
}

impl View {
    /// A view of `bytes` of storage with prefix 0, nothing mapped.
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            tables: Tables::new(bytes),
            prefix: 0,
        }
    }

    /// The guest absolute page of a guest real page, or the other way round (prefixing).
    pub(super) fn prefixed(&self, page: u32) -> u32 {
        let prefix = self.prefix >> PAGE_SHIFT;
        match page {
            _ if page < PREFIX_PAGES => page + prefix,
            _ if (prefix..prefix + PREFIX_PAGES).contains(&page) => page - prefix,
            _ => page,
        }
    }

    /// Sets the prefix.
    pub(super) fn set_prefix(&mut self, prefix: u32) {
        self.unmap_prefix();
        self.prefix = prefix;
        self.unmap_prefix();
    }

    fn unmap_prefix(&mut self) {
        let first = self.prefix >> PAGE_SHIFT;
        for page in [0, 1, first, first + 1] {
            self.tables.unmap(page);
        }
    }

    /// Takes the translation of a guest absolute page away.
    pub(super) fn unmap(&mut self, page: u32) {
        let real = self.prefixed(page);
        self.tables.unmap(real);
    }
}
