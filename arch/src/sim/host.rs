//! The host of the simulated machine: it owns the storage and the content half of every page state.

use std::collections::BTreeMap;

use cmm::{Access, Content, Dialect, EssaResult, HostEvent, Orc, PageState, Usage};

use super::machine::{Eviction, Hinting};
use crate::addr::{Absolute, Frame, PAGE_SIZE};
use crate::fault::Fault;
use crate::program;

/// What storage holds that the host has taken away; whoever sees it has read what is not there.
const POISON: u8 = 0xdb;

/// The bytes of a page.
type Bytes = [u8; PAGE_SIZE];

pub(super) struct Host {
    /// What pages hold; those that nobody has stored into hold poison, and take no memory of ours.
    storage: Vec<Option<Box<Bytes>>>,
    pages: Vec<HostPage>,
    /// What was paged out.
    paged_out: BTreeMap<Frame, Box<Bytes>>,
    hinting: Hinting,
    eviction: Eviction,
    /// Whether DIAGNOSE X'10' does nothing.
    pub(super) keeps_released: bool,
    random: u64,
    pub(super) essa_counts: [u64; 8],
    pub(super) key_count: u64,
    pub(super) discards: u64,
    pub(super) discard_faults: u64,
}

#[derive(Clone, Copy)]
struct HostPage {
    state: PageState,
    /// The change bit of the storage key.
    changed: bool,
    /// Its reference bit.
    referenced: bool,
    /// Its access-control bits and fetch protection.
    protection: u8,
}

fn fault(code: u16, page: Absolute) -> Fault {
    Fault {
        code,
        identification: page.0,
    }
}

impl Host {
    pub(super) fn new(frames: usize, hinting: Hinting) -> Self {
        let page = HostPage {
            state: PageState::SR,
            changed: false,
            referenced: false,
            protection: 0,
        };
        Self {
            storage: vec![None; frames],
            pages: vec![page; frames],
            paged_out: BTreeMap::new(),
            hinting,
            eviction: Eviction::Never,
            keeps_released: false,
            random: 1,
            essa_counts: [0; 8],
            key_count: 0,
            discards: 0,
            discard_faults: 0,
        }
    }

    pub(super) fn set_eviction(&mut self, eviction: Eviction, seed: u64) {
        self.eviction = eviction;
        // The generator's state must not be zero.
        self.random = seed << 1 | 1;
    }

    pub(super) fn state(&self, frame: Frame) -> PageState {
        self.pages[frame.index()].state
    }

    pub(super) fn is_changed(&self, frame: Frame) -> bool {
        self.pages[frame.index()].changed
    }

    pub(super) fn set_changed(&mut self, frame: Frame, changed: bool) {
        self.pages[frame.index()].changed = changed;
    }

    pub(super) fn protection(&self, frame: Frame) -> u8 {
        self.pages[frame.index()].protection
    }

    pub(super) fn set_protection(&mut self, frame: Frame, protection: u8) {
        self.pages[frame.index()].protection = protection;
    }

    pub(super) fn is_referenced(&self, frame: Frame) -> bool {
        self.pages[frame.index()].referenced
    }

    pub(super) fn set_referenced(&mut self, frame: Frame, referenced: bool) {
        self.pages[frame.index()].referenced = referenced;
    }

    pub(super) fn evict(&mut self, frame: Frame) -> bool {
        let page = self.pages[frame.index()];
        let may = page.state.content() == Content::Resident
            && match (page.state.usage(), self.hinting) {
                (_, Hinting::None) | (Usage::Stable, _) => false,
                (Usage::Unused, _) => true,
                (_, Hinting::Kvm) => true,
                (Usage::Volatile, hinting) => hinting == Hinting::Full,
                (Usage::PotentiallyVolatile, hinting) => hinting == Hinting::Full && !page.changed,
            };
        if may {
            let changed = page.changed;
            self.apply(frame, HostEvent::Evict { changed });
            self.discards += u64::from(self.state(frame) == PageState::VZ);
        }
        may
    }

    pub(super) fn evict_all(&mut self) -> usize {
        let frames = self.pages.len() as u32;
        (0..frames)
            .filter(|frame| self.evict(Frame(*frame)))
            .count()
    }

    /// What the host does of its own accord whenever it may have control.
    pub(super) fn interfere(&mut self) {
        match self.eviction {
            Eviction::Never => {}
            Eviction::Always => {
                self.evict_all();
            }
            Eviction::OneIn(rate) => {
                if self.random().is_multiple_of(u64::from(rate)) {
                    // One page mostly; all at once now and then, for what depends on two pages.
                    match self.random() % 8 {
                        0 => {
                            self.evict_all();
                        }
                        _ => {
                            let frame = self.random() as usize % self.pages.len();
                            self.evict(Frame(frame as u32));
                        }
                    }
                }
            }
        }
    }

    pub(super) fn essa(&mut self, orc: Orc, address: Absolute) -> Result<EssaResult, Fault> {
        if self.hinting == Hinting::None {
            return Err(fault(program::OPERATION, Absolute(0)));
        }
        self.interfere();
        self.essa_counts[usize::from(orc.code())] += 1;
        let page = &mut self.pages[address.frame().index()];
        let dialect = match self.hinting {
            Hinting::Kvm => Dialect::Kvm,
            _ => Dialect::Model,
        };
        let transition = cmm::essa(page.state, page.changed, orc, dialect);
        page.state = transition.new;
        if transition.new.content() == Content::Zero {
            self.paged_out.remove(&address.frame());
        }
        // The host may act before the guest's next instruction.
        self.interfere();
        Ok(transition.result())
    }

    /// DIAGNOSE X'10' for one page.
    pub(super) fn release(&mut self, frame: Frame) {
        if !self.keeps_released {
            self.apply(frame, HostEvent::Release);
        }
    }

    /// Copies out of one page, as far as the page is there.
    pub(super) fn load(&mut self, from: Absolute, to: &mut [u8]) -> Result<(), Fault> {
        self.touch(from)?;
        match &self.storage[from.frame().index()] {
            Some(bytes) => to.copy_from_slice(&bytes[from.offset()..from.offset() + to.len()]),
            None => to.fill(POISON),
        }
        Ok(())
    }

    /// Copies into one page, as far as the page is there.
    pub(super) fn store(&mut self, to: Absolute, from: &[u8]) -> Result<(), Fault> {
        self.touch(to)?;
        self.bytes(to.frame())[to.offset()..to.offset() + from.len()].copy_from_slice(from);
        self.pages[to.frame().index()].changed = true;
        Ok(())
    }

    /// What an access to a page meets.
    fn touch(&mut self, address: Absolute) -> Result<(), Fault> {
        self.interfere();
        let frame = address.frame();
        let page = self
            .pages
            .get_mut(frame.index())
            .ok_or(fault(program::ADDRESSING, Absolute(0)))?;
        page.referenced = true;
        let page = *page;
        // A host that does not discard has no discard faults either: what it drops reads as zeroes.
        let dialect = match self.hinting {
            Hinting::Full => Dialect::Model,
            Hinting::Unused | Hinting::Kvm | Hinting::None => Dialect::Kvm,
        };
        match cmm::access(page.state, dialect) {
            Access::Ok => Ok(()),
            Access::ZeroFill => {
                self.pages[frame.index()].state = match dialect {
                    Dialect::Model => cmm::apply(page.state, HostEvent::FirstTouch),
                    _ => cmm::kvm::apply(page.state, HostEvent::FirstTouch),
                }
                .expect("a page that is to be filled with zeroes can be touched");
                self.bytes(frame).fill(0);
                Ok(())
            }
            Access::DiscardFault => {
                self.discard_faults += 1;
                Err(fault(program::BLOCK_VOLATILITY, frame.address()))
            }
            Access::AddressingException => Err(fault(program::ADDRESSING, Absolute(0))),
            Access::PageIn => {
                self.storage[frame.index()] = self.paged_out.remove(&frame);
                self.pages[frame.index()].state = cmm::kvm::apply(page.state, HostEvent::PageIn)
                    .expect("a page that is preserved can be paged in");
                Ok(())
            }
        }
    }

    /// Takes the content of a page away, or pages it out.
    fn apply(&mut self, frame: Frame, event: HostEvent) {
        let page = &mut self.pages[frame.index()];
        let new = match self.hinting {
            Hinting::Kvm => cmm::kvm::apply(page.state, event),
            _ => cmm::apply(page.state, event),
        };
        page.state = new.expect("the caller has looked at the state");
        let is_preserved = page.state.content() == Content::Preserved;
        page.changed &= is_preserved;
        let content = self.storage[frame.index()].take();
        if let Some(content) = content.filter(|_| is_preserved) {
            self.paged_out.insert(frame, content);
        }
    }

    /// What a page holds, to be changed.
    fn bytes(&mut self, frame: Frame) -> &mut Bytes {
        self.storage[frame.index()].get_or_insert_with(|| Box::new([POISON; PAGE_SIZE]))
    }

    /// Xorshift: good enough to choose victims, and the same on every run.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
