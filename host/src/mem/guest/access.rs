//! Accesses by a CPU's real addresses: those of CPUs with DAT off, and the host's own for any of them.

use alloc::string::{String, ToString};
use core::ops::Range;

use arch::{Absolute, Frame, PAGE_SHIFT, PAGE_SIZE, program, storage};

use super::GuestMemory;
use crate::mem::{AccessError, GuestFault, prefix};
use crate::memory::FramePool;

impl GuestMemory {
    /// What control register 1 must hold while a CPU of the guest runs.
    #[must_use]
    pub fn asce(&self, cpu: usize) -> u64 {
        self.translations.tables().asce(cpu)
    }

    /// The guest absolute address of a CPU's real address.
    #[must_use]
    pub fn absolute(&self, cpu: usize, real: u64) -> u64 {
        match u32::try_from(real >> PAGE_SHIFT) {
            Ok(page) => {
                let page = prefix::swap(self.prefix(cpu), page);
                (u64::from(page) << PAGE_SHIFT) | offset(real)
            }
            Err(_) => real,
        }
    }

    /// Sets a CPU's prefix, an address that is a multiple of 8 KiB and inside the guest. The TLB is to
    /// be purged before that CPU runs again.
    pub fn set_prefix(&mut self, cpu: usize, prefix: u32) {
        let old = core::mem::replace(&mut self.prefixes[cpu], prefix);
        self.translations.set_prefix(cpu, old, prefix);
    }

    /// A CPU's prefix.
    #[must_use]
    #[inline]
    pub fn prefix(&self, cpu: usize) -> u32 {
        self.prefixes[cpu]
    }

    /// Makes a guest absolute page available for an access and maps it for a CPU with DAT off.
    ///
    /// # Errors
    /// The exception that the access is for the guest, or there is no frame.
    pub fn resolve(
        &mut self,
        pool: &mut FramePool,
        cpu: usize,
        page: u32,
        store: bool,
    ) -> Result<Frame, AccessError> {
        let (frame, protected) = self.bring_in(pool, page, store)?;
        let mut tables = self.translations.tables();
        tables.map(cpu, page, frame, protected);
        Ok(frame)
    }

    /// The first page of a CPU's prefix area, for stores of the host's: it is mapped when the CPU asks for it.
    ///
    /// # Errors
    /// As for [`GuestMemory::resolve`].
    pub fn lowcore(&mut self, pool: &mut FramePool, cpu: usize) -> Result<Absolute, AccessError> {
        let page = self.page_of(cpu, 0)?;
        let (frame, _) = self.bring_in(pool, page, true)?;
        Ok(frame.address())
    }

    /// By what frame a CPU gets at a page, and whether it may store there.
    #[cfg(test)]
    pub fn mapped(&self, cpu: usize, page: u32) -> Option<(Frame, bool)> {
        let tables = self.translations.tables();
        let entry = tables.get(cpu, page);
        Some((entry.frame()?, !entry.is_protected()))
    }

    /// Copies out of a CPU's real storage.
    ///
    /// # Errors
    /// As for [`GuestMemory::resolve`]; the buffer is partly written then.
    pub fn read(
        &mut self,
        pool: &mut FramePool,
        cpu: usize,
        real: u64,
        buffer: &mut [u8],
    ) -> Result<(), AccessError> {
        for (at, range) in pieces(real, buffer.len()) {
            let page = self.page_of(cpu, at)?;
            let frame = self.resolve(pool, cpu, page, false)?;
            // SAFETY: the frame belongs to this guest. Its CPUs may use it meanwhile, as those of any
            // machine may use storage while one of them executes an instruction.
            unsafe { storage::copy_out(frame.address() + offset(at), &mut buffer[range]) }
        }
        Ok(())
    }

    /// Copies out of guest absolute storage inside one page for whoever only looks: nothing is brought in.
    ///
    /// # Errors
    /// What the page is instead of resident: its state, or not there.
    pub fn peek(&self, absolute: u64, buffer: &mut [u8]) -> Result<(), String> {
        let page = u32::try_from(absolute >> PAGE_SHIFT).ok();
        let Some(entry) = page.and_then(|page| self.page(page)) else {
            return Err("not there".to_string());
        };
        let frame = entry.resident().ok_or_else(|| entry.state.to_string())?;
        // SAFETY: the frame belongs to this guest, whose CPUs may use it meanwhile.
        unsafe { storage::copy_out(frame.address() + offset(absolute), buffer) }
        Ok(())
    }

    /// Copies into a CPU's real storage; nothing is stored unless all of it can be.
    ///
    /// # Errors
    /// As for [`GuestMemory::resolve`].
    pub fn write(
        &mut self,
        pool: &mut FramePool,
        cpu: usize,
        real: u64,
        bytes: &[u8],
    ) -> Result<(), AccessError> {
        if !is_in_one_page(real, bytes.len()) {
            for (at, _) in pieces(real, bytes.len()) {
                let page = self.page_of(cpu, at)?;
                self.resolve(pool, cpu, page, true)?;
            }
        }
        for (at, range) in pieces(real, bytes.len()) {
            let page = self.page_of(cpu, at)?;
            let frame = self.resolve(pool, cpu, page, true)?;
            // SAFETY: the frame belongs to this guest. Its CPUs may use it meanwhile, as those of any
            // machine may use storage while one of them executes an instruction.
            unsafe { storage::copy_in(frame.address() + offset(at), &bytes[range]) }
        }
        Ok(())
    }

    /// The guest absolute page of a CPU's real address.
    ///
    /// # Errors
    /// An addressing exception if the guest does not have it.
    #[inline]
    pub fn page_of(&self, cpu: usize, real: u64) -> Result<u32, GuestFault> {
        let page = self.absolute(cpu, real) >> PAGE_SHIFT;
        if page < self.pages.len() as u64 {
            Ok(page as u32)
        } else {
            Err(GuestFault::plain(program::ADDRESSING))
        }
    }
}

fn offset(address: u64) -> u64 {
    address & (PAGE_SIZE as u64 - 1)
}

/// Whether all of a range of storage is in the page that it begins in.
#[must_use]
pub fn is_in_one_page(start: u64, length: usize) -> bool {
    offset(start) as usize + length <= PAGE_SIZE
}

/// Cuts a range of storage at page boundaries: address and range of the buffer.
pub fn pieces(start: u64, length: usize) -> impl Iterator<Item = (u64, Range<usize>)> {
    let mut done = 0;
    core::iter::from_fn(move || {
        (done < length).then(|| {
            let at = start.wrapping_add(done as u64);
            let piece = (PAGE_SIZE - offset(at) as usize).min(length - done);
            let range = done..done + piece;
            done += piece;
            (at, range)
        })
    })
}
