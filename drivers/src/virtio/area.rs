//! Storage that channel programs and what they name lie in.
//!
//! It is static, because the channel subsystem takes addresses below 2 GiB only, and the image lies
//! there wherever the heap may be.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arch::Absolute;
use arch::channel::Ccw;

/// Most virtio devices in use at a time.
const AREAS: usize = 8;
/// Longest data of a channel program, in bytes.
pub(super) const PAYLOAD: usize = 64;

/// One device's area.
#[repr(C)]
struct Area {
    ccw: UnsafeCell<Ccw>,
    /// In words: a volatile access to bytes is one for each byte.
    payload: UnsafeCell<[u64; PAYLOAD / 8]>,
    /// The device sets bits here when it has used buffers of its queues.
    queue_indicators: AtomicU64,
    /// The device sets bits here when its configuration or status has changed.
    device_indicators: AtomicU64,
    taken: AtomicBool,
}

// SAFETY: `taken` gives an area to one device at a time, whose driver is used by one CPU at a time.
unsafe impl Sync for Area {}

impl Area {
    const fn new() -> Self {
        Self {
            ccw: UnsafeCell::new(Ccw {
                command: 0,
                flags: 0,
                count: 0,
                address: 0,
            }),
            payload: UnsafeCell::new([0; PAYLOAD / 8]),
            queue_indicators: AtomicU64::new(0),
            device_indicators: AtomicU64::new(0),
            taken: AtomicBool::new(false),
        }
    }
}

static POOL: [Area; AREAS] = [const { Area::new() }; AREAS];

/// Whether the configuration or status of any device has changed, and nobody has taken notice yet.
#[must_use]
pub fn has_news() -> bool {
    POOL.iter()
        .any(|area| area.device_indicators.load(Ordering::Relaxed) != 0)
}

/// An area that one device has. It is given back by [`Taken::give_back`] only: a device that cannot be
/// told to forget it keeps it.
pub(super) struct Taken(&'static Area);

impl Taken {
    /// Takes an area that no device has.
    pub(super) fn take() -> Option<Self> {
        let area = POOL
            .iter()
            .find(|area| !area.taken.swap(true, Ordering::Acquire))?;
        area.queue_indicators.store(0, Ordering::Relaxed);
        area.device_indicators.store(0, Ordering::Relaxed);
        Some(Self(area))
    }

    /// Gives the area to whoever wants one.
    ///
    /// # Safety
    /// The device must have forgotten the area: it stores there no more. Nor may the caller use it.
    pub(super) unsafe fn give_back(&self) {
        self.0.taken.store(false, Ordering::Release);
    }

    /// Writes data for a channel program; returns where it is.
    ///
    /// # Safety
    /// No channel program of this device may be running.
    pub(super) unsafe fn put_payload(&self, bytes: [u8; PAYLOAD]) -> Absolute {
        let payload = self.0.payload.get();
        // SAFETY: the area is this device's, and the caller vouches that nobody else stores there.
        unsafe { payload.write_volatile(zerocopy::transmute!(bytes)) }
        Absolute::of(payload)
    }

    /// The data that a channel program has left.
    ///
    /// # Safety
    /// As for [`Taken::put_payload`].
    pub(super) unsafe fn payload(&self) -> [u8; PAYLOAD] {
        // SAFETY: the area is this device's, and the caller vouches that nobody stores there.
        let words = unsafe { self.0.payload.get().read_volatile() };
        zerocopy::transmute!(words)
    }

    /// Writes a channel program of one command; returns where it is.
    ///
    /// # Safety
    /// As for [`Taken::put_payload`].
    pub(super) unsafe fn put_command(&self, command: Ccw) -> Absolute {
        let ccw = self.0.ccw.get();
        // SAFETY: the area is this device's, and the caller vouches that no program is read there.
        unsafe { ccw.write_volatile(command) }
        Absolute::of(ccw)
    }

    /// Where the device says that it has used buffers.
    pub(super) fn queue_indicators(&self) -> Absolute {
        Absolute::of(&raw const self.0.queue_indicators)
    }

    /// Where the device says that its configuration or status has changed.
    pub(super) fn device_indicators(&self) -> Absolute {
        Absolute::of(&raw const self.0.device_indicators)
    }

    /// Whether configuration or status has changed since this was asked last.
    pub(super) fn take_device_change(&self) -> bool {
        self.0.device_indicators.swap(0, Ordering::AcqRel) != 0
    }
}
