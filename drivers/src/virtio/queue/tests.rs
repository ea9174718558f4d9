//! The queue against a device that reads and writes its rings as bytes.

use core::slice;

use super::*;

/// Entries of the rings here.
const SIZE: u16 = 16;
/// Pieces of a request here.
const CHAIN: usize = 3;
const SLOTS: usize = Queue::SLOTS;

type Queue = super::Queue<{ SIZE as usize }, CHAIN>;

/// The device's side, which knows the rings by the layout in the specification only.
struct Device<'q> {
    queue: &'q Queue,
    /// How many requests it has fetched, modulo 2^16.
    fetched: u16,
    /// How many it has completed, modulo 2^16.
    completed: u16,
}

/// Offsets of the available ring and of the used ring behind the descriptors.
const AVAILABLE: usize = 16 * SIZE as usize;
const USED: usize = AVAILABLE + 4 + 2 * SIZE as usize;

impl<'q> Device<'q> {
    fn new(queue: &'q Queue) -> Self {
        let [descriptors, available, used] = queue.parts().map(|part| part.0 as usize);
        assert!(descriptors.is_multiple_of(16) && available.is_multiple_of(2));
        assert!(used.is_multiple_of(4));
        assert_eq!(available - descriptors, AVAILABLE);
        assert_eq!(used - descriptors, USED);
        Self {
            queue,
            fetched: 0,
            completed: 0,
        }
    }

    fn bytes(&self, at: usize, count: usize) -> Vec<u8> {
        let rings = self.queue.rings.get().cast::<u8>();
        // SAFETY: inside the rings; nobody else accesses them meanwhile.
        unsafe { slice::from_raw_parts(rings.add(at), count).to_vec() }
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        let rings = self.queue.rings.get().cast::<u8>();
        for (number, byte) in bytes.iter().enumerate() {
            // SAFETY: inside the rings; nobody else accesses them meanwhile.
            unsafe { rings.add(at + number).write(*byte) }
        }
    }

    fn half(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at, 2).try_into().unwrap())
    }

    /// The first descriptor of the next request that is offered.
    fn fetch(&mut self) -> Option<u16> {
        if self.half(AVAILABLE + 2) == self.fetched {
            return None;
        }
        let head = self.half(AVAILABLE + 4 + 2 * usize::from(self.fetched % SIZE));
        self.fetched = self.fetched.wrapping_add(1);
        Some(head)
    }

    /// The pieces of a request.
    fn chain(&self, head: u16) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut next = Some(head);
        while let Some(number) = next {
            assert!(number < SIZE && pieces.len() < CHAIN);
            let descriptor = self.bytes(16 * usize::from(number), 16);
            let flags = u16::from_le_bytes([descriptor[12], descriptor[13]]);
            pieces.push(Piece {
                address: Absolute(u64::from_le_bytes(descriptor[..8].try_into().unwrap())),
                length: u32::from_le_bytes(descriptor[8..12].try_into().unwrap()),
                to_driver: flags & 2 != 0,
            });
            let following = u16::from_le_bytes([descriptor[14], descriptor[15]]);
            next = (flags & 1 != 0).then_some(following);
        }
        pieces
    }

    fn complete(&mut self, head: u32) {
        let entry = USED + 4 + 8 * usize::from(self.completed % SIZE);
        self.store(entry, &head.to_le_bytes());
        self.completed = self.completed.wrapping_add(1);
        self.store(USED + 2, &self.completed.to_le_bytes());
    }
}

/// Pieces that tell one request from another.
fn pieces(request: u64) -> [Piece; 3] {
    let piece = |address, length, to_driver| Piece {
        address: Absolute(address),
        length,
        to_driver,
    };
    [
        piece(0x1_0000_0000 + request, 16, false),
        piece(0x2000 + request, 0x1_0000, request.is_multiple_of(2)),
        piece(0x3000 + request, 1, true),
    ]
}

fn offer(queue: &Queue, request: u64) -> Slot {
    let slot = queue.free_slot().expect("a slot is free");
    queue.offer(slot, &pieces(request));
    slot
}

#[test]
fn the_device_sees_what_was_offered() {
    let queue = Queue::new();
    let mut device = Device::new(&queue);
    assert_eq!(device.fetch(), None);
    for request in 0..2 {
        offer(&queue, request);
        let head = device.fetch().expect("it was offered");
        assert_eq!(device.chain(head), pieces(request));
    }
    let slot = queue.free_slot().unwrap();
    queue.offer(slot, &pieces(2)[..1]);
    let head = device.fetch().expect("it was offered");
    assert_eq!(device.chain(head), pieces(2)[..1]);
    assert_eq!(device.fetch(), None);
    assert_eq!(queue.take(), Ok(None));
}

#[test]
fn rings_and_indexes_wrap() {
    let queue = Queue::new();
    let mut device = Device::new(&queue);
    for request in 0..70_000 {
        let slot = offer(&queue, request);
        let head = device.fetch().expect("it was offered");
        assert_eq!(device.chain(head), pieces(request));
        assert_eq!(queue.take(), Ok(None), "not complete yet");
        device.complete(head.into());
        assert_eq!(queue.take(), Ok(Some(slot)));
        assert_eq!(queue.take(), Ok(None), "taken once");
    }
}

#[test]
fn requests_complete_in_any_order() {
    let queue = Queue::new();
    let mut device = Device::new(&queue);
    // Many rounds, so that the order changes across the rings' ends too.
    for round in 0..100 {
        let mut slots: Vec<_> = (0..SLOTS as u64).map(|at| offer(&queue, at)).collect();
        assert_eq!(queue.free_slot(), None, "all are under way");
        let mut heads: Vec<_> = slots.iter().map(|_| device.fetch().unwrap()).collect();
        heads.rotate_left(round % SLOTS);
        slots.rotate_left(round % SLOTS);
        heads.swap(0, 1);
        slots.swap(0, 1);
        device.complete(heads[0].into());
        assert_eq!(queue.take(), Ok(Some(slots[0])));
        assert_eq!(queue.free_slot(), Some(slots[0]), "the only free one");
        for head in &heads[1..] {
            device.complete((*head).into());
        }
        for slot in &slots[1..] {
            assert_eq!(queue.take(), Ok(Some(*slot)));
        }
        assert_eq!(queue.take(), Ok(None));
    }
}

#[test]
fn what_is_not_under_way_cannot_be_complete() {
    let bogus = |head| {
        let queue = Queue::new();
        let mut device = Device::new(&queue);
        offer(&queue, 0);
        device.complete(head);
        queue.take()
    };
    assert_eq!(bogus(0), Ok(Some(Slot(0))));
    assert_eq!(bogus(1), Err(Bogus), "in the middle of a chain");
    assert_eq!(bogus(CHAIN as u32), Err(Bogus), "another slot");
    assert_eq!(bogus(0x1_0000), Err(Bogus), "no descriptor");
}

#[test]
fn a_request_completes_once() {
    let queue = Queue::new();
    let mut device = Device::new(&queue);
    let slot = offer(&queue, 0);
    device.complete(0);
    device.complete(0);
    assert_eq!(queue.take(), Ok(Some(slot)));
    assert_eq!(queue.take(), Err(Bogus));
}

#[test]
#[should_panic(expected = "free_slot")]
fn a_slot_is_used_once() {
    let queue = Queue::new();
    let slot = offer(&queue, 0);
    queue.offer(slot, &pieces(1));
}

#[test]
fn a_request_may_fill_the_whole_queue() {
    let queue = super::Queue::<32, 32>::new();
    let all: Vec<Piece> = (0..32)
        .map(|number| Piece {
            address: Absolute(number << 20),
            length: 4096 << (number % 13),
            to_driver: true,
        })
        .collect();
    // Twice around, so that the rings wrap with it.
    for round in 0..64_u16 {
        let slot = queue.free_slot().expect("nothing is under way");
        queue.offer(slot, &all[..1 + usize::from(round) % 32]);
        assert_eq!(queue.free_slot(), None);
        let rings = queue.rings.get();
        // SAFETY: nobody else accesses the rings.
        unsafe {
            (*rings).used.ring[usize::from(round % 32)].id = le32::from(0);
            (*rings).used.index = le16::from(round + 1);
            let last = usize::from(round) % 32;
            let flags = (*rings).descriptors[last].flags;
            assert_eq!(flags, DescF::WRITE, "the chain ends there");
            assert!(last == 0 || (*rings).descriptors[last - 1].flags.contains(DescF::NEXT));
            assert_eq!(
                u64::from((*rings).descriptors[last].addr),
                (last as u64) << 20
            );
        }
        assert_eq!(queue.take(), Ok(Some(slot)));
    }
}
