//! Accesses by real addresses.

use super::*;

const PAGE: u32 = PAGES[0];
const ADDRESS: u64 = (PAGE as u64) << PAGE_SHIFT;

impl World {
    fn write(&mut self, real: u64, bytes: &[u8]) -> Result<(), AccessError> {
        self.memory.write(&mut self.pool, 0, real, bytes)
    }

    fn read<const N: usize>(&mut self, real: u64) -> [u8; N] {
        let mut bytes = [0; N];
        let outcome = self.memory.read(&mut self.pool, 0, real, &mut bytes);
        outcome.unwrap();
        bytes
    }
}

#[test]
fn a_range_of_storage_is_cut_where_pages_begin() {
    let cut: Vec<_> = pieces(0xffe, 0x1004).collect();
    let expected = [(0xffe, 0..2), (0x1000, 2..0x1002), (0x2000, 0x1002..0x1004)];
    assert_eq!(cut, expected);
    assert_eq!(
        pieces(0x1000, 0x1000).collect::<Vec<_>>(),
        [(0x1000, 0..0x1000)]
    );
    assert_eq!(pieces(5, 0).count(), 0);
    assert!(is_in_one_page(0xff0, 16) && !is_in_one_page(0xff0, 17));
}

#[test]
fn what_is_written_is_read_across_pages_too() {
    on_a_machine(|mut world| {
        let at = ADDRESS + 0xffe;
        world.write(at, &[1, 2, 3, 4]).unwrap();
        assert_eq!(world.read(at), [1, 2, 3, 4]);
        assert_eq!(world.read(at + 2), [3, 4]);
    });
}

#[test]
fn nothing_is_stored_unless_all_of_it_can_be() {
    on_a_machine(|mut world| {
        let at = ADDRESS + 0xffe;
        world.write(at, &[1, 2, 3, 4]).unwrap();
        world.essa(PAGE + 1, Orc::SetVolatile);
        assert!(world.memory.evict(&mut world.pool, PAGE + 1));
        let fault = GuestFault::discarded(ADDRESS + 0x1000);
        assert_eq!(world.write(at, &[9; 4]), Err(AccessError::Fault(fault)));
        assert_eq!(world.read(at), [1, 2]);
    });
}

#[test]
fn there_is_nothing_behind_the_last_page() {
    on_a_machine(|mut world| {
        let last = (SIZE >> PAGE_SHIFT) as u32 - 1;
        assert_eq!(world.memory.page_of(0, SIZE - 1), Ok(last));
        let beyond = GuestFault::plain(program::ADDRESSING);
        assert_eq!(world.memory.page_of(0, SIZE), Err(beyond));
        assert_eq!(
            world.write(SIZE - 1, &[1, 2]),
            Err(AccessError::Fault(beyond))
        );
    });
}

#[test]
fn who_only_looks_sees_what_is_resident_and_brings_nothing_in() {
    on_a_machine(|mut world| {
        world.write(ADDRESS + 3, &[7, 8]).unwrap();
        let peek = |world: &World, address| {
            let mut bytes = [0; 2];
            let outcome = world.memory.peek(address, &mut bytes);
            outcome.map(|()| bytes)
        };
        assert_eq!(peek(&world, ADDRESS + 3), Ok([7, 8]));
        let untouched = ADDRESS + (1 << PAGE_SHIFT);
        let state = PageState::SZ.to_string();
        assert_eq!(peek(&world, untouched), Err(state));
        assert_eq!(peek(&world, SIZE), Err("not there".to_string()));
        assert_eq!(peek(&world, u64::MAX - 1), Err("not there".to_string()));
    });
}

#[test]
fn what_the_host_stores_for_a_cpu_goes_to_its_own_prefix_area() {
    on_a_machine(|mut world| {
        let first = PREFIX >> PAGE_SHIFT;
        let at = world.memory.lowcore(&mut world.pool, 2).unwrap();
        let entry = &world.memory.pages[first as usize];
        assert_eq!(Some(at), entry.resident().map(Frame::address));
        assert!(world.memory.is_changed(first));
    });
}
