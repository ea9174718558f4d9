//! What a virtio device is: all in which one kind differs from another.

use super::ring::{Broken, Queue};
use super::{Balloon, Block, Storage};

/// What a device is.
pub enum Device {
    /// A balloon.
    Balloon(Balloon),
    /// A disk.
    Block(Block),
}

impl From<Balloon> for Device {
    fn from(balloon: Balloon) -> Self {
        Self::Balloon(balloon)
    }
}

impl From<Block> for Device {
    fn from(block: Block) -> Self {
        Self::Block(block)
    }
}

/// What came of looking for a request.
#[derive(Default, Debug)]
pub(super) struct Served {
    /// Whether there is another one.
    pub(super) is_more: bool,
    /// Whether the driver is to be told.
    pub(super) is_told: bool,
}

impl Served {
    /// A request was served.
    pub(super) fn one(
        queue: &Queue,
        storage: &mut dyn Storage,
        is_told: bool,
    ) -> Result<Self, Broken> {
        let is_more = queue.is_more(storage)?;
        Ok(Self { is_more, is_told })
    }
}

impl Device {
    /// The specification's number for the kind.
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Balloon(_) => 5,
            Self::Block(_) => 2,
        }
    }

    /// How many queues it has.
    pub(super) fn queues(&self) -> usize {
        match self {
            Self::Balloon(_) => 4,
            Self::Block(_) => 1,
        }
    }

    /// Its own features.
    pub(super) fn features(&self) -> u64 {
        match self {
            Self::Balloon(_) => Balloon::FEATURES,
            Self::Block(block) => block.features(),
        }
    }

    /// Stores its configuration; returns how long that is.
    pub(super) fn config(&self, bytes: &mut [u8]) -> usize {
        match self {
            Self::Balloon(balloon) => {
                let config = balloon.config();
                bytes[..config.len()].copy_from_slice(&config);
                config.len()
            }
            Self::Block(block) => {
                let config = block.config();
                bytes[..config.len()].copy_from_slice(&config);
                config.len()
            }
        }
    }

    /// The driver writes the configuration, of which it may not change all.
    pub(super) fn write_config(&mut self, bytes: &[u8]) {
        if let Self::Balloon(balloon) = self {
            balloon.write_config(bytes);
        }
    }

    /// What the driver has said is forgotten.
    pub(super) fn reset(&mut self) {
        match self {
            Self::Balloon(balloon) => balloon.reset(),
            Self::Block(block) => block.reset(),
        }
    }

    /// Serves the next request of a queue, or a part of it.
    ///
    /// # Errors
    /// It makes no sense, or something has to be waited for.
    pub(super) fn serve(
        &mut self,
        number: usize,
        queue: &mut Queue,
        storage: &mut dyn Storage,
    ) -> Result<Served, Broken> {
        match self {
            Self::Balloon(balloon) => balloon.serve(number, queue, storage),
            Self::Block(block) => block.serve(queue, storage),
        }
    }
}
