//! The channel subsystem that a guest sees: a subchannel for each of its virtio devices (Principles of
//! Operation, "I/O Support Functions" and "I/O Interruptions").
//!
//! A channel program is run to its end by the instruction that starts it. So a subchannel is never busy: it
//! has status for the guest, or nothing to do.

use alloc::vec::Vec;

use arch::Psw;
use arch::PswMask;

use super::virtio::{Balloon, Device, Virtio};

/// Of the flags of a subchannel those that the guest chooses: the interruption subclass, and whether it is
/// enabled.
const CHOSEN: u32 = SUBCLASS | ENABLED;
const SUBCLASS: u32 = 0x3800_0000;
const ENABLED: u32 = 0x0080_0000;
/// The number of the device is valid.
const VALID: u32 = 0x0001_0000;

/// Functions and status in the first word of the status.
const START: u32 = 0x4000;
const HALT: u32 = 0x2000;
const CLEAR: u32 = 0x1000;
const ALERT: u32 = 0x10;
const PRIMARY_AND_SECONDARY: u32 = 0x06;
const PENDING: u32 = 0x01;
/// What of the first word of an ORB is in that of the status: key, and format of the CCWs.
const FROM_ORB: u32 = 0xf080_0000;

/// Words of a subchannel-information block and of an interruption-response block.
pub const SCHIB: usize = 13;
/// As [`SCHIB`].
pub const IRB: usize = 24;

/// How a channel program has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Address behind the last CCW.
    pub behind: u32,
    /// Status of the device.
    pub device: u8,
    /// Status of the subchannel.
    pub subchannel: u8,
    /// Bytes that were not transferred.
    pub residual: u16,
}

/// The device has ended, and the channel.
pub const ENDED: u8 = 0x0c;
/// There is something to sense.
pub const UNIT_CHECK: u8 = 0x02;
/// The channel program makes no sense.
pub const PROGRAM_CHECK: u8 = 0x20;
/// A command and its data differ in length.
pub const INCORRECT_LENGTH: u8 = 0x40;

/// A subchannel and its device.
pub struct Subchannel {
    number: u16,
    parameter: u32,
    flags: u32,
    status: [u32; 3],
    /// Whether an interruption is pending for the status.
    interrupts: bool,
    /// The device.
    pub virtio: Virtio,
}

impl Subchannel {
    /// A subchannel that is not enabled.
    #[must_use]
    pub fn new(number: u16, virtio: Virtio) -> Self {
        Self {
            number,
            parameter: 0,
            flags: 0,
            status: [0; 3],
            interrupts: false,
            virtio,
        }
    }

    /// Whether the guest has enabled it.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.flags & ENABLED != 0
    }

    /// Whether status waits for the guest.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.status[0] & PENDING != 0
    }

    /// What STORE SUBCHANNEL stores.
    #[must_use]
    pub fn information(&self) -> [u32; SCHIB] {
        let mut words = [0; SCHIB];
        words[0] = self.parameter;
        words[1] = self.flags | VALID | u32::from(self.number);
        // One path, which is installed, available and was used last.
        words[2] = 0x8000_8080;
        words[3] = 0x0000_ff80;
        words[7..10].copy_from_slice(&self.status);
        words
    }

    /// MODIFY SUBCHANNEL. A device that is disabled forgets its revision.
    pub fn modify(&mut self, [parameter, flags]: [u32; 2]) {
        self.parameter = parameter;
        self.flags = flags & CHOSEN;
        if !self.is_enabled() {
            self.virtio.forget_revision();
            self.interrupts = false;
        }
    }

    /// A channel program was started and has ended.
    pub fn end(&mut self, parameter: u32, orb: u32, ended: Ended) {
        self.parameter = parameter;
        let is_good = (ended.device, ended.subchannel) == (ENDED, 0);
        let alert = if is_good { 0 } else { ALERT };
        let state = START | PRIMARY_AND_SECONDARY | PENDING | alert;
        let counts = u32::from(ended.device) << 24 | u32::from(ended.subchannel) << 16;
        self.status = [
            orb & FROM_ORB | state,
            ended.behind,
            counts | u32::from(ended.residual),
        ];
        self.interrupts = true;
    }

    /// HALT SUBCHANNEL, when nothing is pending, and CLEAR SUBCHANNEL.
    pub fn stop(&mut self, is_clear: bool) {
        let function = if is_clear { CLEAR } else { HALT };
        self.status = [function | PENDING, 0, 0];
        self.interrupts = true;
    }

    /// The device has something to say that is no end of a program.
    pub fn alert(&mut self) {
        if self.is_enabled() && !self.is_pending() {
            self.status = [ALERT | PENDING, 0, 0];
            self.interrupts = true;
        }
    }

    /// What TEST SUBCHANNEL stores; the status is the guest's then.
    pub fn take_status(&mut self) -> [u32; IRB] {
        let mut words = [0; IRB];
        words[..3].copy_from_slice(&self.status);
        if self.is_pending() {
            self.status = [0; 3];
            self.interrupts = false;
        }
        words
    }

    fn subclass(&self) -> u32 {
        (self.flags & SUBCLASS) >> 27
    }
}

/// The subchannels of a guest, by number.
#[derive(Default)]
pub struct Channel(pub Vec<Subchannel>);

impl Channel {
    /// The subchannel whose interruption comes first of those that a control register 6 is open for.
    #[must_use]
    pub fn pending(&self, control: u64) -> Option<usize> {
        let is_open = |at: &usize| {
            let one = &self.0[*at];
            one.interrupts && control >> (31 - one.subclass()) & 1 != 0
        };
        let open = (0..self.0.len()).filter(is_open);
        open.min_by_key(|at| self.0[*at].subclass())
    }

    /// I/O-system reset: all is as at the start.
    pub fn reset(&mut self) {
        for one in &mut self.0 {
            one.virtio.reset();
            one.modify([0, 0]);
            one.status = [0; 3];
        }
    }

    /// The balloon, if there is one.
    #[must_use]
    pub fn balloon(&self) -> Option<&Balloon> {
        // It comes first.
        match &self.0.first()?.virtio.device {
            Device::Balloon(balloon) => Some(balloon),
            Device::Block(_) => None,
        }
    }

    /// Whether a CPU with this PSW and control register 6 is open for interruptions of a subchannel that
    /// is there.
    #[must_use]
    pub fn is_open(&self, at: usize, psw: &Psw, control: u64) -> bool {
        psw.contains(PswMask::IO) && control >> (31 - self.0[at].subclass()) & 1 != 0
    }

    /// As [`Channel::pending`], if the PSW is open for I/O interruptions.
    #[must_use]
    pub fn due(&self, psw: &Psw, control: u64) -> Option<usize> {
        psw.contains(PswMask::IO).then(|| self.pending(control))?
    }

    /// What an interruption of a subchannel stores: identification, parameter and subclass.
    #[must_use]
    pub fn identification(&self, at: usize) -> [u32; 3] {
        let one = &self.0[at];
        [0x0001_0000 | at as u32, one.parameter, one.subclass() << 27]
    }

    /// The interruption of a subchannel is taken.
    pub fn take(&mut self, at: usize) {
        self.0[at].interrupts = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Ended = Ended {
        behind: 0x1008,
        device: ENDED,
        subchannel: 0,
        residual: 2,
    };

    fn enabled(subclass: u32) -> Subchannel {
        let mut one = Subchannel::new(0x110, Virtio::new(Balloon::default().into()));
        one.modify([0x1234, 0x0084_5678 | subclass << 27]);
        one
    }

    #[test]
    fn only_some_flags_are_the_guests() {
        let one = enabled(3);
        assert_eq!(one.information()[..2], [0x1234, 0x1881_0110]);
    }

    #[test]
    fn status_is_stored_once() {
        let mut one = enabled(0);
        one.end(7, 0x00c0_ff00, END);
        assert!(one.is_pending());
        assert_eq!(one.take_status()[..3], [0x0080_4007, 0x1008, 0x0c00_0002]);
        assert!(!one.is_pending());
        assert_eq!(one.take_status(), [0; IRB]);
    }

    #[test]
    fn a_check_is_an_alert() {
        let mut one = enabled(0);
        let refused = Ended {
            device: ENDED | UNIT_CHECK,
            ..END
        };
        one.end(7, 0, refused);
        assert_eq!(one.take_status()[0], 0x4017);
    }

    #[test]
    fn the_lowest_subclass_that_is_open_interrupts_once() {
        let mut channel = Channel(vec![enabled(5), enabled(2), enabled(5)]);
        channel.0[0].alert();
        channel.0[1].alert();
        let open = |subclass: u32| 1_u64 << (31 - subclass);
        assert_eq!(channel.pending(open(3)), None);
        assert_eq!(channel.pending(open(5)), Some(0));
        assert_eq!(channel.pending(open(5) | open(2)), Some(1));
        assert_eq!(channel.identification(1), [0x0001_0001, 0x1234, 2 << 27]);
        channel.take(1);
        assert_eq!(channel.pending(u64::MAX), Some(0));
        let mut psw = Psw::default();
        assert_eq!(channel.due(&psw, u64::MAX), None);
        psw.set(PswMask::IO, true);
        assert_eq!(channel.due(&psw, u64::MAX), Some(0));
        channel.0[0].take_status();
        assert_eq!(channel.pending(u64::MAX), None);
    }

    #[test]
    fn a_reset_leaves_nothing() {
        let mut channel = Channel(vec![enabled(2)]);
        channel.0[0].alert();
        channel.reset();
        assert_eq!(channel.pending(u64::MAX), None);
        let new = Subchannel::new(0x110, Virtio::new(Balloon::default().into()));
        assert_eq!(channel.0[0].information(), new.information());
    }

    #[test]
    fn a_subchannel_that_is_disabled_says_nothing() {
        let mut one = enabled(0);
        one.modify([0, 0]);
        one.alert();
        assert!(!one.is_pending());
    }
}
