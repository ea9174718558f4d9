//! Reading frames that are anybody's or nobody's.

use arch::{Frame, PAGE_SIZE};
use cmm::PageState;

use super::super::{Hinting, Unreadable};
use super::{Rig, key};

/// A frame that is free.
const FREE: Frame = Frame(20);

impl Rig {
    /// What reading a frame comes to: its first and last byte.
    fn look(&self, frame: Frame) -> Result<[u8; 2], Unreadable> {
        let mut buffer = [0x33; PAGE_SIZE];
        self.mm.read_frame(frame, &mut buffer)?;
        Ok([buffer[0], buffer[PAGE_SIZE - 1]])
    }
}

#[test]
fn an_unused_page_reads_as_long_as_it_has_a_frame() {
    let rig = Rig::new(32, Hinting::Full);
    assert_eq!(rig.machine.state(FREE), PageState::UR);
    assert!(rig.look(FREE).is_ok());
    assert!(rig.machine.evict(FREE));
    assert_eq!(rig.machine.state(FREE), PageState::UZ);
    assert_eq!(rig.look(FREE), Err(Unreadable::Absent));
    assert_eq!(
        rig.machine.state(FREE),
        PageState::UZ,
        "a look changes nothing"
    );
}

#[test]
fn a_host_that_fills_unused_pages_with_zeroes_lets_them_be_read() {
    let rig = Rig::new(32, Hinting::Unused);
    assert!(rig.machine.evict(FREE));
    assert_eq!(rig.look(FREE), Ok([0, 0]));
}

#[test]
fn a_volatile_page_reads_until_it_is_discarded_and_is_its_users_then() {
    let rig = Rig::new(32, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    assert_eq!(rig.machine.state(frame), PageState::VR);
    assert_eq!(rig.look(frame), Ok([0xa5, 0xa5]));
    assert_eq!(
        rig.machine.state(frame),
        PageState::VR,
        "and stays volatile"
    );
    assert!(rig.machine.evict(frame));
    assert_eq!(rig.look(frame), Err(Unreadable::Discarded));
    assert!(
        rig.mm.lookup_no_discard(key(0)).is_some(),
        "it is not removed"
    );
}

#[test]
fn a_frame_that_does_not_exist_is_absent() {
    let rig = Rig::new(32, Hinting::Full);
    assert_eq!(rig.look(Frame(32)), Err(Unreadable::Absent));
}

#[test]
fn all_frames_can_be_looked_at_whatever_the_host_takes() {
    let rig = Rig::new(64, Hinting::Full);
    let held = rig.fill(key(0), 0x11);
    for index in 1..8 {
        rig.fill_and_leave(key(index));
    }
    rig.machine.evict_all();
    let outcomes: Vec<_> = (0..64).map(|number| rig.look(Frame(number))).collect();
    let count = |wanted| outcomes.iter().filter(|found| **found == wanted).count();
    assert_eq!(count(Err(Unreadable::Discarded)), 7);
    assert!(count(Err(Unreadable::Absent)) > 40);
    assert_eq!(outcomes[held.frame().index()], Ok([0x11, 0x11]));
}
