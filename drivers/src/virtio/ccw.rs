//! The ccw transport: finding a device, channel commands, set-up.

use core::cell::Cell;

use arch::channel::{self, Ccw, Irb, Orb, SUPPRESS_LENGTH, Schib, SubchannelId};
use arch::control::{self, cr6};
use arch::{Absolute, PswMask, clock, cpu, handler};
use virtio_spec::DeviceStatus;

use super::area::{PAYLOAD, Taken};
use super::command;

/// Control-unit type of every virtio device.
const VIRTIO: u16 = 0x3832;
/// Revisions of the transport that will do, the best first. Revision 0 is the one before version 1 of
/// the specification; from revision 2 on the status can be read.
const REVISIONS: [u16; 2] = [STATUS_REVISION, 1];
const STATUS_REVISION: u16 = 2;

/// Feature bit of a device that follows version 1 of the specification.
const VERSION_1: u64 = 1 << 32;
/// The status of a device with whose driver features are agreed.
const AGREED: DeviceStatus = DeviceStatus::ACKNOWLEDGE
    .union(DeviceStatus::DRIVER)
    .union(DeviceStatus::FEATURES_OK);

/// What stands for a device that cannot be used: the step that failed.
pub(super) type Step = &'static str;

/// What there is under a device number.
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A device of another kind.
    Other,
    /// A virtio device, reset.
    Virtio(Device),
}

/// A virtio device at its subchannel.
pub(super) struct Device {
    id: SubchannelId,
    area: Taken,
    revision: u16,
    /// The virtio device type.
    kind: u8,
    /// Whether a command failed such that the device cannot be told to forget the area.
    gone: Cell<bool>,
    /// Whether the configuration has changed, and nobody has asked since.
    changed: Cell<bool>,
}

/// How long a device may take to answer, in TOD units: half a minute.
const PATIENCE: u64 = 30_000_000 * clock::UNITS_PER_MICROSECOND;

/// Makes this CPU one that takes I/O interruptions, while it waits for them.
pub fn take_interruptions() {
    let mask = control::get::<6>();
    if mask & cr6::ALL_SUBCLASSES != cr6::ALL_SUBCLASSES {
        // SAFETY: decides which I/O interruptions come; they have a handler.
        unsafe { control::set::<6>(mask | cr6::ALL_SUBCLASSES) }
    }
}

/// An I/O interruption only wakes whoever waits: status is fetched there.
fn on_io() {}

/// The subchannel of a device number.
#[must_use]
pub fn subchannel(number: u16) -> Option<SubchannelId> {
    for id in (0..=u16::MAX).map(SubchannelId::new) {
        let mut schib = Schib::default();
        // SAFETY: storing a subchannel starts nothing.
        if unsafe { channel::store(id, &mut schib) } == 3 {
            return None;
        }
        if schib.device() == Some(number) {
            return Some(id);
        }
    }
    None
}

/// Enables or disables a subchannel. A virtio device whose subchannel is disabled forgets its revision.
fn enable(id: SubchannelId, enabled: bool) -> Result<(), Step> {
    let mut schib = Schib::default();
    let mut irb = Irb::default();
    // SAFETY: fetches status and settings, and starts nothing.
    unsafe {
        channel::test(id, &mut irb);
        channel::store(id, &mut schib);
    }
    if enabled {
        schib.flags |= Schib::ENABLED;
    } else {
        schib.flags &= !Schib::ENABLED;
    }
    // SAFETY: settings of the subchannel, which starts nothing.
    match unsafe { channel::modify(id, &mut schib) } {
        0 => Ok(()),
        _ => Err("its subchannel cannot be enabled"),
    }
}

impl Device {
    /// What there is under a number; a virtio device is reset and has a revision agreed.
    pub(super) fn find(number: u16) -> Result<Found, Step> {
        let Some(id) = subchannel(number) else {
            return Ok(Found::Nothing);
        };
        // Whoever loaded this image may have used the device.
        enable(id, false)?;
        enable(id, true)?;
        handler::on_io(on_io);
        let mut device = Self {
            id,
            area: Taken::take().ok_or("too many virtio devices are in use")?,
            revision: 0,
            kind: 0,
            gone: Cell::new(false),
            changed: Cell::new(false),
        };
        let sense = device.read::<7>(command::SENSE_ID)?;
        if u16::from_be_bytes([sense[1], sense[2]]) != VIRTIO {
            return Ok(Found::Other);
        }
        // The control-unit model.
        device.kind = sense[3];
        device.revision = REVISIONS
            .into_iter()
            .find(|revision| device.set_revision(*revision).is_ok())
            .ok_or("it is older than version 1 of virtio")?;
        device.reset()?;
        Ok(Found::Virtio(device))
    }

    /// From now on the device's interruptions are of this subclass; those of others are of 0.
    pub(super) fn set_subclass(&self, subclass: u32) -> Result<(), Step> {
        let mut schib = Schib::default();
        self.forget_interruption();
        // SAFETY: settings of the subchannel, which starts nothing.
        let outcome = unsafe {
            channel::store(self.id, &mut schib);
            schib.set_subclass(subclass);
            channel::modify(self.id, &mut schib)
        };
        match outcome {
            0 => Ok(()),
            _ => Err("its interruption subclass cannot be set"),
        }
    }

    /// The device interrupts again for what it does from now on.
    pub(super) fn forget_interruption(&self) {
        // SAFETY: clears status, which no command waits for.
        unsafe { channel::test(self.id, &mut Irb::default()) };
    }

    /// Whether the subchannel still has a device.
    pub(super) fn is_there(&self) -> bool {
        let mut schib = Schib::default();
        // SAFETY: storing a subchannel starts nothing.
        let stored = unsafe { channel::store(self.id, &mut schib) };
        stored == 0 && schib.device().is_some()
    }

    /// The virtio device type.
    pub(super) fn kind(&self) -> u8 {
        self.kind
    }

    fn set_revision(&self, revision: u16) -> Result<(), Step> {
        let [high, low] = revision.to_be_bytes();
        self.run(command::SET_REVISION, &[high, low, 0, 0])
    }

    /// Makes the device forget all it was told; it stores nowhere any more.
    pub(super) fn reset(&self) -> Result<(), Step> {
        self.run(command::RESET, &[])
    }

    /// Agrees on those of the features `wanted` that the device offers; returns all that it offers,
    /// and those.
    pub(super) fn agree(&self, wanted: u64) -> Result<(u64, u64), Step> {
        self.set_status(AGREED - DeviceStatus::FEATURES_OK)?;
        let offered = self.features()?;
        if offered & VERSION_1 == 0 {
            return Err("it does not follow version 1 of virtio");
        }
        let features = offered & (VERSION_1 | wanted);
        self.accept_features(features)?;
        self.set_status(AGREED)?;
        match self.status()? {
            Some(now) if !now.contains(DeviceStatus::FEATURES_OK) => {
                Err("it does not agree to the features")
            }
            _ => Ok((offered, features)),
        }
    }

    /// Says that the driver is ready; queues and indicators are known to the device by now.
    pub(super) fn start_working(&self) -> Result<(), Step> {
        self.set_status(AGREED | DeviceStatus::DRIVER_OK)
    }

    fn set_status(&self, status: DeviceStatus) -> Result<(), Step> {
        self.run(command::WRITE_STATUS, &[status.bits()])
    }

    /// The status, where the device lets it be read.
    fn status(&self) -> Result<Option<DeviceStatus>, Step> {
        if self.revision < STATUS_REVISION {
            return Ok(None);
        }
        let [status] = self.read(command::READ_STATUS)?;
        Ok(Some(DeviceStatus::from_bits_retain(status)))
    }

    /// Whether the device says that it has not failed.
    pub(super) fn is_well(&self) -> bool {
        let status = self.status().ok().flatten();
        status.is_some_and(|status| !status.contains(DeviceStatus::DEVICE_NEEDS_RESET))
    }

    /// The features that the device offers, of the first 64.
    pub(super) fn features(&self) -> Result<u64, Step> {
        let mut features = 0;
        for index in 0..2 {
            self.transfer(command::READ_FEATURES, &[0, 0, 0, 0, index], 5)?;
            let word = u64::from(u32::from_le_bytes(self.payload()));
            features |= word << (32 * index);
        }
        Ok(features)
    }

    /// Tells the device which of its features are used.
    fn accept_features(&self, features: u64) -> Result<(), Step> {
        for index in 0..2 {
            let [a, b, c, d] = ((features >> (32 * index)) as u32).to_le_bytes();
            self.run(command::WRITE_FEATURES, &[a, b, c, d, index])?;
        }
        Ok(())
    }

    /// The first bytes of the configuration space.
    pub(super) fn config<const N: usize>(&self) -> Result<[u8; N], Step> {
        self.read(command::READ_CONFIG)
    }

    /// Overwrites the first bytes of the configuration space.
    pub(super) fn write_config(&self, bytes: &[u8]) -> Result<(), Step> {
        self.run(command::WRITE_CONFIG, bytes)
    }

    /// Whether the configuration may have changed since this was asked last.
    pub(super) fn take_config_change(&self) -> bool {
        self.note_change();
        self.changed.replace(false)
    }

    /// Takes notice of a change of configuration or status; returns whether there was one.
    fn note_change(&self) -> bool {
        let changed = self.area.take_device_change();
        self.changed.set(self.changed.get() || changed);
        changed
    }

    /// Most entries of a queue.
    pub(super) fn queue_size(&self, queue: u16) -> Result<u16, Step> {
        self.transfer(command::READ_QUEUE, &queue.to_be_bytes(), 4)?;
        let [_, _, high, low] = self.payload::<4>();
        Ok(u16::from_be_bytes([high, low]))
    }

    /// Tells where the parts of a queue are.
    pub(super) fn set_queue(
        &self,
        queue: u16,
        size: u16,
        [descriptors, available, used]: [Absolute; 3],
    ) -> Result<(), Step> {
        let mut block = [0; 32];
        block[0..8].copy_from_slice(&descriptors.0.to_be_bytes());
        block[12..14].copy_from_slice(&queue.to_be_bytes());
        block[14..16].copy_from_slice(&size.to_be_bytes());
        block[16..24].copy_from_slice(&available.0.to_be_bytes());
        block[24..32].copy_from_slice(&used.0.to_be_bytes());
        self.run(command::SET_QUEUE, &block)
    }

    /// Tells where the device sets bits when something has happened.
    pub(super) fn set_indicators(&self) -> Result<(), Step> {
        let queues = self.area.queue_indicators().0.to_be_bytes();
        self.run(command::SET_QUEUE_INDICATORS, &queues)?;
        let device = self.area.device_indicators().0.to_be_bytes();
        self.run(command::SET_DEVICE_INDICATORS, &device)
    }

    /// Tells the device that a queue has new buffers.
    pub(super) fn notify(&self, queue: u16) -> Result<(), Step> {
        channel::notify_virtio(self.id, queue).map_err(|_| "it cannot be notified")
    }

    /// Waits until something may have happened at this device: the caller looks at its queues.
    ///
    /// The error says that nothing will: the device is in need of a reset, or gone.
    pub(super) fn wait(&self, began: u64) -> Result<(), Step> {
        self.fetch_status(began)?;
        if self.note_change()
            && let Some(status) = self.status()?
            && status.contains(DeviceStatus::DEVICE_NEEDS_RESET)
        {
            return Err("it failed and needs a reset");
        }
        Ok(())
    }

    /// Fetches the subchannel's status; if none is pending, waits for an I/O interruption, which may
    /// be another device's, and returns nothing.
    ///
    /// `began` is when the wait for the device began, in TOD units.
    fn fetch_status(&self, began: u64) -> Result<Option<Irb>, Step> {
        let mut irb = Irb::default();
        // SAFETY: fetches and clears status.
        match unsafe { channel::test(self.id, &mut irb) } {
            0 => Ok(Some(irb)),
            1 if clock::now().wrapping_sub(began) > PATIENCE => {
                self.gone.set(true);
                Err("it does not answer")
            }
            1 => {
                take_interruptions();
                // Ticks come meanwhile, and let us look at the clock.
                cpu::wait(PswMask::IO | PswMask::EXTERNAL);
                Ok(None)
            }
            _ => {
                self.gone.set(true);
                Err("its subchannel is gone")
            }
        }
    }

    /// The first bytes of what the last command has left.
    fn payload<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= PAYLOAD, "no answer is longer") };
        // SAFETY: no channel program runs between commands.
        let bytes = unsafe { self.area.payload() };
        core::array::from_fn(|at| bytes[at])
    }

    fn read<const N: usize>(&self, command: u8) -> Result<[u8; N], Step> {
        self.transfer(command, &[], N)?;
        Ok(self.payload())
    }

    fn run(&self, command: u8, bytes: &[u8]) -> Result<(), Step> {
        self.transfer(command, bytes, bytes.len())
    }

    /// Runs one command on a payload of `count` bytes that starts with `bytes`.
    // Called from everywhere, and never in a hurry.
    #[inline(never)]
    fn transfer(&self, command: u8, bytes: &[u8], count: usize) -> Result<(), Step> {
        let mut payload = [0; PAYLOAD];
        payload[..bytes.len()].copy_from_slice(bytes);
        // SAFETY: a program is waited for before the next is written, so none runs.
        let program = unsafe {
            let address = channel::address31(self.area.put_payload(payload));
            self.area.put_command(Ccw {
                command,
                flags: SUPPRESS_LENGTH,
                count: count as u16,
                address,
            })
        };
        let began = clock::now();
        self.start(&mut Orb::new(channel::address31(program)), began)?;
        loop {
            let Some(irb) = self.fetch_status(began)? else {
                continue;
            };
            const CHANNEL_AND_DEVICE_END: u8 = 0x0c;
            const INCORRECT_LENGTH: u8 = 0x40;
            match irb.status() {
                // Only an alert: a queue has used buffers.
                (0, 0) => {}
                (CHANNEL_AND_DEVICE_END, 0 | INCORRECT_LENGTH) => return Ok(()),
                _ => return Err("it refused a command"),
            }
        }
    }

    /// Starts a channel program; status that is pending, such as a queue's alert, is cleared first.
    fn start(&self, orb: &mut Orb, began: u64) -> Result<(), Step> {
        loop {
            // SAFETY: the program reads and writes the area, which is this device's.
            match unsafe { channel::start(self.id, orb) } {
                0 => return Ok(()),
                3 => {
                    self.gone.set(true);
                    return Err("its subchannel is gone");
                }
                _ => self.fetch_status(began)?,
            };
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // A device of another kind knows the area no more than one that was reset.
        let forgotten = self.revision == 0 || self.reset().is_ok();
        if enable(self.id, false).is_ok() && forgotten && !self.gone.get() {
            // SAFETY: the device was reset, and its subchannel is disabled.
            unsafe { self.area.give_back() }
        }
    }
}
