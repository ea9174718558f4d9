//! The ccw transport: finding a device, channel commands, set-up.

use alloc::boxed::Box;
use core::cell::UnsafeCell;

use arch::channel::{self, Ccw, Irb, Orb, SUPPRESS_LENGTH, Schib, SubchannelId};
use arch::control::{self, cr6};
use arch::{Absolute, PswMask, cpu, handler};

/// Channel commands.
mod command {
    pub(super) const SENSE_ID: u8 = 0xe4;
    pub(super) const RESET: u8 = 0x33;
    pub(super) const SET_REVISION: u8 = 0x83;
    pub(super) const READ_FEATURES: u8 = 0x12;
    pub(super) const WRITE_FEATURES: u8 = 0x11;
    pub(super) const READ_CONFIG: u8 = 0x22;
    pub(super) const WRITE_STATUS: u8 = 0x31;
    pub(super) const READ_QUEUE: u8 = 0x32;
    pub(super) const SET_QUEUE: u8 = 0x13;
    pub(super) const SET_INDICATORS: u8 = 0x43;
}

/// Control-unit type of every virtio device.
const VIRTIO: u16 = 0x3832;
/// Device status: the steps of the set-up.
pub(super) mod status {
    pub(in crate::virtio) const ACKNOWLEDGE: u8 = 1;
    pub(in crate::virtio) const DRIVER: u8 = 2;
    pub(in crate::virtio) const DRIVER_OK: u8 = 4;
    pub(in crate::virtio) const FEATURES_OK: u8 = 8;
}

/// What channel programs read and write: below 2 GiB, and for as long as the device lives.
#[repr(C, align(4096))]
struct Area {
    ccw: Ccw,
    indicators: u64,
    payload: [u8; 64],
}

/// A virtio device at its subchannel.
pub(super) struct Device {
    id: SubchannelId,
    kind: u8,
    area: Box<UnsafeCell<Area>>,
}

/// An I/O interruption only wakes whoever waits: status is fetched there.
fn on_io() {}

/// The subchannel of a device number.
fn subchannel(number: u16) -> Option<(SubchannelId, Schib)> {
    for id in (0..=u16::MAX).map(SubchannelId::new) {
        let mut schib = Schib::default();
        // SAFETY: storing a subchannel starts nothing.
        if unsafe { channel::store(id, &mut schib) } == 3 {
            return None;
        }
        if schib.device() == Some(number) {
            return Some((id, schib));
        }
    }
    None
}

impl Device {
    /// The virtio device with a number, reset and at revision 1.
    pub(super) fn find(number: u16) -> Result<Option<Self>, &'static str> {
        let Some((id, mut schib)) = subchannel(number) else {
            return Ok(None);
        };
        schib.flags |= Schib::ENABLED;
        // SAFETY: enables the subchannel, which starts nothing.
        if unsafe { channel::modify(id, &mut schib) } != 0 {
            return Err("its subchannel cannot be enabled");
        }
        handler::on_io(on_io);
        // SAFETY: decides which I/O interruptions come; they have a handler now.
        unsafe { control::set::<6>(control::get::<6>() | cr6::ALL_SUBCLASSES) }
        let area = Area {
            ccw: Ccw::default(),
            indicators: 0,
            payload: [0; 64],
        };
        let mut device = Self {
            id,
            kind: 0,
            area: Box::new(UnsafeCell::new(area)),
        };
        let sense = device.read::<7>(command::SENSE_ID)?;
        if u16::from_be_bytes([sense[1], sense[2]]) != VIRTIO {
            return Err("it is not a virtio device");
        }
        device.kind = sense[3];
        device
            .run(command::SET_REVISION, &[0, 1, 0, 0], 0)
            .map_err(|_| "it has no revision 1")?;
        device.run(command::RESET, &[], 0)?;
        Ok(Some(device))
    }

    /// The virtio device type.
    pub(super) fn kind(&self) -> u8 {
        self.kind
    }

    pub(super) fn set_status(&self, value: u8) -> Result<(), &'static str> {
        self.run(command::WRITE_STATUS, &[value], 0)
    }

    /// Features, 32 of them by `index`.
    pub(super) fn features(&self, index: u8) -> Result<u32, &'static str> {
        self.transfer(command::READ_FEATURES, &[0, 0, 0, 0, index], 5)?;
        let bytes = self.payload::<4>();
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn accept_features(&self, index: u8, features: u32) -> Result<(), &'static str> {
        let [a, b, c, d] = features.to_le_bytes();
        self.run(command::WRITE_FEATURES, &[a, b, c, d, index], 0)
    }

    /// The first bytes of the configuration space.
    pub(super) fn config<const N: usize>(&self) -> Result<[u8; N], &'static str> {
        self.read(command::READ_CONFIG)
    }

    /// Most entries of a queue.
    pub(super) fn queue_size(&self, queue: u16) -> Result<u16, &'static str> {
        let [high, low] = queue.to_be_bytes();
        self.transfer(command::READ_QUEUE, &[high, low, 0, 0], 4)?;
        let [_, _, high, low] = self.payload::<4>();
        Ok(u16::from_be_bytes([high, low]))
    }

    /// Tells where the parts of a queue are.
    pub(super) fn set_queue(
        &self,
        queue: u16,
        size: u16,
        [descriptors, available, used]: [Absolute; 3],
    ) -> Result<(), &'static str> {
        let mut block = [0; 32];
        block[0..8].copy_from_slice(&descriptors.0.to_be_bytes());
        block[12..14].copy_from_slice(&queue.to_be_bytes());
        block[14..16].copy_from_slice(&size.to_be_bytes());
        block[16..24].copy_from_slice(&available.0.to_be_bytes());
        block[24..32].copy_from_slice(&used.0.to_be_bytes());
        self.run(command::SET_QUEUE, &block, 0)?;
        // SAFETY: only the address is taken.
        let indicators = Absolute::of(unsafe { &raw const (*self.area.get()).indicators });
        self.run(command::SET_INDICATORS, &indicators.0.to_be_bytes(), 0)
    }

    /// Tells the device that a queue has new buffers.
    pub(super) fn notify(&self, queue: u16) {
        channel::notify_virtio(self.id, queue);
    }

    /// Waits for an interruption of this device, unless one has come already.
    pub(super) fn wait(&self) {
        let mut irb = Irb::default();
        // SAFETY: fetches and clears status.
        if unsafe { channel::test(self.id, &mut irb) } == 1 {
            cpu::wait(PswMask::IO);
        }
    }

    fn payload<const N: usize>(&self) -> [u8; N] {
        // SAFETY: no channel program runs; the payload is larger than any answer.
        let bytes = unsafe { (&raw const (*self.area.get()).payload).read_volatile() };
        core::array::from_fn(|at| bytes[at])
    }

    fn read<const N: usize>(&self, command: u8) -> Result<[u8; N], &'static str> {
        self.transfer(command, &[], N)?;
        Ok(self.payload())
    }

    fn run(&self, command: u8, bytes: &[u8], more: usize) -> Result<(), &'static str> {
        self.transfer(command, bytes, bytes.len() + more)
    }

    /// Runs one command on a payload of `count` bytes that starts with `bytes`.
    fn transfer(&self, command: u8, bytes: &[u8], count: usize) -> Result<(), &'static str> {
        let mut payload = [0; 64];
        payload[..bytes.len()].copy_from_slice(bytes);
        let area = self.area.get();
        // SAFETY: no channel program runs, so the area is ours to write; only addresses are taken.
        let program = unsafe {
            (&raw mut (*area).payload).write_volatile(payload);
            let address = channel::address31(Absolute::of(&raw const (*area).payload));
            let ccw = Ccw {
                command,
                flags: SUPPRESS_LENGTH,
                count: count as u16,
                address,
            };
            (&raw mut (*area).ccw).write_volatile(ccw);
            channel::address31(Absolute::of(&raw const (*area).ccw))
        };
        // SAFETY: the program reads and writes the area, which lives as long as the device.
        if unsafe { channel::start(self.id, &mut Orb::new(program)) } != 0 {
            return Err("a channel program cannot be started");
        }
        let mut irb = Irb::default();
        // SAFETY: fetches and clears status.
        while unsafe { channel::test(self.id, &mut irb) } == 1 {
            cpu::wait(PswMask::IO);
        }
        const CHANNEL_AND_DEVICE_END: u8 = 0x0c;
        match irb.status() {
            (CHANNEL_AND_DEVICE_END, 0 | 0x40) => Ok(()),
            _ => Err("it refused a command"),
        }
    }
}
