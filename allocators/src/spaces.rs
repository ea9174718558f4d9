//! What is asked of address spaces: pages of a file that are mapped so often, beside many other areas.

extern crate alloc;

use alloc::sync::Arc;
use alloc::vec::Vec;

use kernel::mm::{Area, Backing, Key, Mm, Space};

/// How often pages are mapped.
pub(crate) const MAPPINGS: [usize; 3] = [1, 4, 16];
/// Pages that are mapped.
pub(crate) const PAGES: usize = 64;
/// The file that is mapped.
const FILE: u32 = 2;
/// Other spaces, areas of each, and pages of those.
const OTHERS: usize = 64;
const AREAS: usize = 16;
const AREA: usize = 16;

/// A page of the file.
pub(crate) fn key(page: usize) -> Key {
    Key {
        file: FILE,
        index: page as u32,
    }
}

fn area(start: usize, pages: usize, first: usize) -> Area {
    let Key { file, index } = key(first);
    Area {
        start,
        pages,
        backing: Backing::File { file, first: index },
        writable: false,
        shared: true,
        locked: false,
    }
}

/// Spaces that show other pages of the file.
pub(crate) fn others(mm: &Mm<'_>) -> Vec<Arc<Space>> {
    let space = |number: usize| {
        let first = |area: usize| PAGES + (number * AREAS + area) * AREA;
        let areas = (0..AREAS).map(|number| area(number * AREA, AREA, first(number)));
        let areas: Vec<_> = areas.collect();
        mm.new_space(AREAS * AREA, &areas).unwrap()
    };
    (0..OTHERS).map(space).collect()
}

pub(crate) fn end(mm: &Mm<'_>, spaces: &[Arc<Space>]) {
    spaces.iter().for_each(|space| mm.end_space(space));
}

/// Spaces that have mapped all pages, whose content is in the cache then.
pub(crate) fn mapped(mm: &Mm<'_>, count: usize) -> Vec<Arc<Space>> {
    let spaces: Vec<_> = (0..count).map(|_| unmapped(mm)).collect();
    spaces.iter().for_each(|space| map(mm, space));
    spaces
}

fn unmapped(mm: &Mm<'_>) -> Arc<Space> {
    mm.new_space(PAGES, &[area(0, PAGES, 0)]).unwrap()
}

fn map(mm: &Mm<'_>, space: &Space) {
    for page in 0..PAGES {
        mm.map_page(space, page, false)
            .expect("the file has the page");
    }
}

/// Asks for everything that touches no page. `count` does some work for all of the pages, and counts
/// what it takes.
pub(crate) fn ask(mm: &Mm<'_>, mappings: usize, count: &mut dyn FnMut(&str, &dyn Fn())) {
    let spaces = mapped(mm, mappings);
    let one = unmapped(mm);
    count("page mapped", &|| map(mm, &one));
    count("page unmapped", &|| mm.unmap_range(&one, 0..PAGES).unwrap());
    mm.end_space(&one);
    count("page removed", &|| mm.truncate(FILE, 0..PAGES as u32));
    end(mm, &spaces);
}
