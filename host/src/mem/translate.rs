//! A guest's virtual addresses: from its own tables to the shadow tables by which it runs.

use arch::{PAGE_SHIFT, Psw, PswMask, program, storage};

use super::shadow::Key;
use super::walk::{self, Nowhere, Space, Translation};
use super::{AccessError, GuestFault, GuestMemory};
use crate::memory::FramePool;

/// Bits of a translation-exception identification.
mod identification {
    /// The access was a store.
    pub(super) const STORE: u64 = 0x400;
    /// The access was a fetch.
    pub(super) const FETCH: u64 = 0x800;
    /// With a protection exception: the address is that of the access, and DAT forbade it.
    pub(super) const BY_DAT: u64 = 0x4;
    /// With a protection exception: the address is that of the access, which is a low one.
    pub(super) const LOW_ADDRESS: u64 = 0x80;
}

/// An access to a virtual address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Virtual {
    /// The space.
    pub space: Space,
    /// Which of a CPU's spaces that is, as in a PSW: 0 primary, 2 secondary, 3 home.
    pub control: u8,
    /// The address.
    pub address: u64,
    /// Whether it is a store.
    pub store: bool,
}

impl Virtual {
    /// What tells the guest which access had an exception.
    fn identification(&self) -> u64 {
        let kind = if self.store {
            identification::STORE
        } else {
            identification::FETCH
        };
        self.address & !0xfff | kind | u64::from(self.control)
    }

    fn fault(&self, code: u16) -> AccessError {
        let identification = match code {
            program::TRANSLATION_SPECIFICATION => None,
            _ => Some(self.identification()),
        };
        GuestFault {
            code,
            identification,
        }
        .into()
    }

    /// The exception of a store to a low address that is protected.
    #[must_use]
    pub fn low_address_protection(&self) -> GuestFault {
        GuestFault {
            code: program::PROTECTION,
            identification: Some(self.identification() | identification::LOW_ADDRESS),
        }
    }

    fn protection(&self) -> AccessError {
        GuestFault {
            code: program::PROTECTION,
            identification: Some(self.identification() | identification::BY_DAT),
        }
        .into()
    }
}

/// The address-space control of a PSW: 0 primary, 1 access register, 2 secondary, 3 home.
#[must_use]
pub fn address_space_control(psw: &Psw) -> u8 {
    let high = u8::from(psw.contains(PswMask::ASC_HIGH));
    high << 1 | u8::from(psw.contains(PswMask::ASC_LOW))
}

impl GuestMemory {
    /// Where the guest's tables say that a virtual address leads to. They are at absolute addresses.
    ///
    /// # Errors
    /// What prevents it: an exception of the translation, or one of an access to a table, which are
    /// pages like others.
    pub fn walk(
        &mut self,
        pool: &mut FramePool,
        space: Space,
        address: u64,
    ) -> Result<Translation, Nowhere> {
        walk::walk(space, address, &mut |at| self.table_entry(pool, at))
    }

    fn table_entry(&mut self, pool: &mut FramePool, at: u64) -> Result<u64, AccessError> {
        let page =
            u32::try_from(at >> PAGE_SHIFT).map_err(|_| GuestFault::plain(program::ADDRESSING))?;
        let (frame, _) = self.bring_in(pool, page, false)?;
        let mut entry = [0; 8];
        // SAFETY: the frame belongs to this guest. Its CPUs may use it meanwhile, as those of any
        // machine may change a table while one of them translates.
        unsafe { storage::copy_out(frame.address() + (at & 0xfff), &mut entry) }
        Ok(u64::from_be_bytes(entry))
    }

    /// The guest real address of an access that the guest's tables allow, and whether they would allow
    /// stores.
    ///
    /// # Errors
    /// The exception that the access is for the guest, or there is no frame for a table.
    pub fn translate(
        &mut self,
        pool: &mut FramePool,
        access: &Virtual,
    ) -> Result<Translation, AccessError> {
        match self.walk(pool, access.space, access.address) {
            Ok(to) if to.protected && access.store => Err(access.protection()),
            Ok(to) => Ok(to),
            Err(Nowhere::Exception(code, _)) => Err(access.fault(code)),
            Err(Nowhere::Table(error)) => Err(error),
        }
    }

    /// Makes an access of a CPU with DAT on possible.
    ///
    /// # Errors
    /// As for [`GuestMemory::translate`] and [`GuestMemory::resolve`].
    pub fn resolve_virtual(
        &mut self,
        pool: &mut FramePool,
        cpu: usize,
        access: &Virtual,
    ) -> Result<(), AccessError> {
        let to = self.translate(pool, access)?;
        let page = self.page_of(cpu, to.real)?;
        let (frame, protected) = self.bring_in(pool, page, access.store)?;
        let key = Key {
            prefix: self.prefix(cpu),
            space: access.space,
        };
        let protected = protected || to.protected;
        let mut shadow = self.translations.shadow();
        // It does not run now, and there is more room without what it ran by.
        shadow.leave(cpu);
        // Without room the access is done again, until other CPUs have left theirs.
        let _is_done = shadow.map(&key, access.address, &to, page, frame, protected);
        Ok(())
    }

    /// What control registers 1, 7 and 13 must hold while a CPU runs: with DAT on, by these spaces.
    pub fn enter(&mut self, cpu: usize, spaces: Option<[Space; 3]>) -> [u64; 3] {
        let prefix = self.prefix(cpu);
        let mut shadow = self.translations.shadow();
        match spaces {
            Some(spaces) => shadow.enter(cpu, spaces.map(|space| Key { prefix, space })),
            None => {
                let [_, secondary, home] = shadow.nothing();
                [self.asce(cpu), secondary, home]
            }
        }
    }

    /// A CPU does not run any more.
    pub fn leave(&mut self, cpu: usize) {
        self.translations.shadow().leave(cpu);
    }

    /// A CPU purges its TLB.
    pub fn purge(&mut self, cpu: usize) {
        let prefix = self.prefix(cpu);
        self.translations
            .shadow()
            .purge(&|key| key.prefix == prefix);
    }

    /// All CPUs purge their TLBs.
    pub fn purge_all(&mut self) {
        self.translations.shadow().purge(&|_| true);
    }

    /// All CPUs forget the translations of a space.
    pub fn purge_space(&mut self, asce: u64) {
        /// Origin and type of the first table, or that there is none.
        const DESIGNATION: u64 = !0xfff | 0x2c;
        self.translations
            .shadow()
            .purge(&|key| (key.space.asce ^ asce) & DESIGNATION == 0);
    }

    /// All CPUs forget what an entry of the guest's page table at an address says.
    pub fn invalidate(&mut self, page_table: u64, address: u64) {
        self.translations.shadow().invalidate(page_table, address);
    }

    /// Page tables that have gone because there was no room for more.
    #[must_use]
    pub fn recycled(&self) -> u64 {
        self.translations.shadow().recycled
    }
}
