//! A machine, its memory manager, and CPUs that do something.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use arch::sim::{self, Machine};
use arch::translation::{self, UserFault};
use arch::{Frame, PAGE_SIZE, storage};
use kernel::mm::{
    Area, Backing, Guard, Hinting, Key, Lookup, MapError, Mm, NotBegun, Optimistic, Page,
    PageFlags, Space, StableRef, Store, StoreError,
};
use kernel::sync;
use shuttle::thread;

/// Frames of the machine, the first of which is not free.
const FRAMES: usize = 12;
/// Slots of the swap area.
const SLOTS: u32 = 4;
/// Pages of the file.
const FILE_PAGES: u32 = 3;
/// The page that most scenarios are about.
pub const KEY: Key = key(0);

/// A page of the only file.
#[must_use]
pub const fn key(index: u32) -> Key {
    Key { file: 1, index }
}

/// What a page of the file holds, everywhere.
fn content(key: Key) -> u8 {
    0x40 + key.index as u8
}

/// The device: it has every page of the file, and keeps what is swapped out.
#[derive(Default)]
struct Device {
    pages: Mutex<HashMap<Key, [u8; PAGE_SIZE]>>,
    /// Who gets records of what is written.
    mm: OnceLock<&'static Mm<'static>>,
}

impl Store for Device {
    fn read(&self, key: Key, to: Frame) -> Result<(), StoreError> {
        // Not locked during the copy, in which other CPUs go on.
        let kept = self.pages.lock().unwrap().get(&key).copied();
        let page = kept.unwrap_or([content(key); PAGE_SIZE]);
        // SAFETY: the page is new and locked.
        unsafe { storage::copy_in(to.address(), &page) }
        Ok(())
    }

    fn write(&self, key: Key, from: Frame) -> Result<(), StoreError> {
        let mut page = [0; PAGE_SIZE];
        // SAFETY: the page is stable while it is written.
        unsafe { storage::copy_out(from.address(), &mut page) }
        self.pages.lock().unwrap().insert(key, page);
        if let Some(mm) = self.mm.get().filter(|_| key.file != Key::SWAP) {
            mm.take_record(from);
            mm.attach_record(from, 1);
        }
        Ok(())
    }

    fn pages(&self, _: u32) -> u32 {
        FILE_PAGES
    }
}

/// A machine under exploration.
pub struct Rig {
    machine: Machine,
    /// Its memory manager.
    pub mm: &'static Mm<'static>,
    device: &'static Device,
    cpus: Cell<usize>,
}

type Cpu = thread::JoinHandle<()>;

shuttle::thread_local! {
    static POINT: shuttle::sync::atomic::AtomicU8 = shuttle::sync::atomic::AtomicU8::new(0);
}

/// A point where another CPU may go on.
fn step() {
    POINT.with(|point| point.load(shuttle::sync::atomic::Ordering::SeqCst));
}

impl Rig {
    /// Makes a machine, plays a scenario on it, and looks at what is left.
    pub(crate) fn play(scenario: fn(&Self), without: Option<Guard>) {
        sim::on_every_step(step);
        let machine = Machine::new(FRAMES, sim::Hinting::Full);
        let entered = machine.enter();
        let pages: &'static mut [Page] = Box::leak((0..FRAMES).map(|_| Page::reserved()).collect());
        let pages_at = &raw mut *pages;
        let mm = Box::into_raw(Box::new(Mm::new(pages, Hinting::Full)));
        // SAFETY: freed below, after everybody who uses it has ended; leaked if the scenario fails.
        let shared: &'static Mm<'static> = unsafe { &*mm };
        shared.add_free(Frame(1), FRAMES as u32 - 1);
        let device = Box::into_raw(Box::<Device>::default());
        // SAFETY: as above.
        let its_device = unsafe { &*device };
        shared.set_store(its_device);
        let _ = its_device.mm.set(shared);
        // Scenarios that are about something else read what they want.
        shared.set_read_ahead(0);
        shared.add_swap(SLOTS).expect("there is memory for it");
        if let Some(guard) = without {
            shared.take_out(guard);
        }
        let rig = Self {
            machine,
            mm: shared,
            device: its_device,
            cpus: Cell::new(0),
        };
        scenario(&rig);
        rig.check_end();
        drop(entered);
        // SAFETY: all CPUs have ended, and nothing of the memory manager is left.
        unsafe {
            drop(Box::from_raw(mm));
            drop(Box::from_raw(device));
            drop(Box::from_raw(pages_at));
        }
    }

    /// Starts a CPU that takes part in sign-off rounds until its work is done.
    pub fn cpu(&self, work: impl FnOnce(&User) + Send + 'static) -> Cpu {
        let user = self.prepare_cpu();
        thread::spawn(move || {
            sync::become_cpu(user.cpu);
            work(&user);
            user.mm.go_offline();
        })
    }

    /// Does something on a CPU before the next ones start.
    pub fn now<T>(&self, work: impl FnOnce(&User) -> T) -> T {
        let user = self.prepare_cpu();
        let outcome = work(&user);
        user.mm.go_offline();
        outcome
    }

    /// A CPU that is online and does nothing so far.
    fn prepare_cpu(&self) -> User {
        let cpu = self.cpus.get();
        self.cpus.set(cpu + 1);
        sync::become_cpu(cpu);
        self.mm.go_online();
        User {
            mm: self.mm,
            device: self.device,
            machine: self.machine.clone(),
            cpu,
        }
    }

    /// The host discards whatever it may, so many times.
    pub fn host(&self, times: usize) -> Cpu {
        let machine = self.machine.clone();
        thread::spawn(move || {
            for _ in 0..times {
                step();
                machine.evict_all();
            }
        })
    }

    /// Discards whatever the host may, now.
    pub fn discard(&self) {
        self.machine.evict_all();
    }

    /// What must be true when all CPUs have ended: no removed page is mapped, none waits or is lost.
    fn check_end(&self) {
        sync::become_cpu(0);
        for frame in 0..FRAMES {
            let flags = self.mm.page(Frame(frame as u32)).flags();
            let carries = flags & (PageFlags::PRIVATE | PageFlags::ACTIVE);
            assert!(
                carries != PageFlags::PRIVATE,
                "an inactive page has a record"
            );
        }
        while self.mm.shrink_cache() > 0 {}
        let stats = self.mm.sign_off_stats();
        assert_eq!(
            stats.waiting(),
            0,
            "pages wait for a sign-off that never comes"
        );
        let (slots, free) = self.mm.swap_slots();
        assert_eq!(slots, free, "a slot has a user that is gone");
        let cached = self.mm.cached_page_count();
        assert_eq!(
            self.mm.free_page_count() + cached,
            FRAMES - 1,
            "pages are lost or there twice ({cached} in the cache)"
        );
    }
}

/// What runs on a CPU: the kernel, or the problem state.
pub struct User {
    /// The memory manager.
    pub mm: &'static Mm<'static>,
    device: &'static Device,
    machine: Machine,
    cpu: usize,
}

impl User {
    /// Brings a page of the file into the cache.
    pub fn fill(&self, key: Key) -> Option<StableRef<'static>> {
        let filling = match self.mm.begin_fill(key) {
            Ok(filling) => filling,
            Err(NotBegun::Filled(page)) => return Some(page),
            Err(NotBegun::OutOfMemory) => return None,
        };
        // SAFETY: the page is new and locked.
        unsafe { storage::copy_in(filling.address(), &[content(key); PAGE_SIZE]) }
        filling.complete()
    }

    /// Begins to bring a page of the file into the cache, and fails.
    pub fn fill_in_vain(&self, key: Key) {
        drop(self.mm.begin_fill(key));
    }

    /// Reads a page through a stable reference; its content must be the file's.
    pub fn read(&self, key: Key) {
        let page = match self.mm.lookup_stable(key) {
            Lookup::Hit(page) => Some(page),
            Lookup::Miss | Lookup::WasDiscarded => self.fill(key),
        };
        let page = page.expect("there is memory");
        let mut byte = [0];
        page.read(0, &mut byte);
        assert_eq!(
            byte[0],
            content(key),
            "a stable page has somebody else's content"
        );
    }

    /// Reads a page as it is, if it is there.
    pub fn try_read(&self, key: Key) {
        let mut byte = [0];
        if let Some(page) = self.mm.lookup_no_discard(key)
            && page.try_read(0, &mut byte).is_ok()
        {
            assert_eq!(
                byte[0],
                content(key),
                "a volatile page has somebody else's content"
            );
        }
    }

    /// Reads a page without a reference to it, if it is there.
    pub fn read_optimistic(&self, key: Key) {
        let mut byte = [0];
        if self.mm.read_optimistic(key, 0, &mut byte) == Optimistic::Read {
            assert_eq!(
                byte[0],
                content(key),
                "an optimistic copy is somebody else's content"
            );
        }
    }

    /// Writes a page of the file in the kernel: the only copy until it is written to the device.
    pub fn write(&self, page: StableRef<'_>, byte: u8) {
        page.set_dirty();
        // SAFETY: the page is stable, and other CPUs of the scenario only read.
        unsafe { storage::copy_in(page.frame().address(), &[byte]) }
    }

    /// Writes a page of the file to the device, if it is dirty.
    pub fn write_back(&self, key: Key) {
        self.mm.write_back(key).expect("the device works");
    }

    /// What the file holds by now, in the cache if it was written.
    pub fn expect(&self, key: Key, byte: u8) {
        let Lookup::Hit(page) = self.mm.lookup_stable(key) else {
            panic!("what was written is lost");
        };
        let mut found = [0];
        page.read(0, &mut found);
        assert_eq!(found[0], byte, "what was written is lost");
        page.set_clean();
    }

    /// Ends a space that shows the file's first page, and has the host discard the page if it may. What the file holds
    /// there then, in the cache or on the device, must be this.
    pub fn end_with(&self, space: &Arc<Space>, byte: u8) {
        self.mm.end_space(space);
        drop(self.mm.lookup_stable(KEY));
        self.discard();
        let space = self.space(1, false);
        assert_eq!(self.look(&space, 0), byte, "what was written is lost");
        self.mm.end_space(&space);
        if let Lookup::Hit(page) = self.mm.lookup_stable(KEY) {
            page.set_clean();
        }
    }

    /// Makes a page of the file end where it begins: from now on it reads as zero.
    pub fn truncate(&self, key: Key) {
        self.device
            .pages
            .lock()
            .unwrap()
            .insert(key, [0; PAGE_SIZE]);
        self.mm.truncate(key.file, key.index..key.index + 1);
    }

    /// Reads a page through a mapping, whatever it holds.
    pub fn look(&self, space: &Space, page: usize) -> u8 {
        self.access(space, page, || translation::load(space.tables(), page, 0))
    }

    /// The host discards whatever it may, at this moment.
    pub fn discard(&self) {
        self.machine.evict_all();
    }

    /// Signs off, as a tick does.
    pub fn tick(&self, tick: u32) {
        self.mm.sign_off(tick);
    }

    /// Maps the file's first pages.
    pub fn space(&self, pages: usize, writable: bool) -> Arc<Space> {
        let area = Area {
            start: 0,
            pages,
            backing: Backing::File { file: 1, first: 0 },
            writable,
            shared: true,
            locked: false,
        };
        self.mm.new_space(pages, &[area]).unwrap()
    }

    /// As [`User::space`], of one page that shows another page of the file than the first.
    pub fn space_of(&self, shown: Key) -> Arc<Space> {
        let space = self.space(1, false);
        let remapped = self.mm.remap_range(&space, 0..1, shown.index);
        assert_eq!(remapped, Ok::<(), MapError>(()), "the area is of a file");
        space
    }

    /// Maps a page, for stores too if it is `store`.
    pub fn map(&self, space: &Space, page: usize, store: bool) {
        let mapped = self.mm.map_page(space, page, store);
        assert_eq!(mapped, Ok::<(), MapError>(()), "the page can be mapped");
    }

    /// What the problem state does with a page: the access itself is one step, the interruption another.
    fn access<T>(
        &self,
        space: &Space,
        page: usize,
        mut access: impl FnMut() -> Result<T, UserFault>,
    ) -> T {
        for _ in 0..100 {
            let store = match access() {
                Ok(value) => return value,
                Err(UserFault::Discarded(address)) => {
                    self.mm.discard_fault(address.frame());
                    // Whoever is removing the page has to get on.
                    sync::relax();
                    continue;
                }
                Err(UserFault::NotMapped) => false,
                Err(UserFault::Protected) => true,
            };
            self.map(space, page, store);
        }
        panic!("an access of the problem state is not done after a hundred interruptions");
    }

    /// Loads from a page of a space; its content must be the file's.
    pub fn load(&self, space: &Space, page: usize) {
        self.load_of(space, page, key(page as u32));
    }

    /// Loads from a page of a space; its content must be that of this page of the file.
    pub fn load_of(&self, space: &Space, page: usize, shown: Key) {
        let byte = self.access(space, page, || translation::load(space.tables(), page, 0));
        assert_eq!(byte, content(shown), "a mapping shows somebody else's page");
    }

    /// A space of so many pages of anonymous memory.
    pub fn memory(&self, pages: usize) -> Arc<Space> {
        let area = Area {
            start: 0,
            pages,
            backing: Backing::Anonymous,
            writable: true,
            shared: false,
            locked: false,
        };
        self.mm.new_space(pages, &[area]).unwrap()
    }

    /// Takes what memory can do without, anonymous pages too.
    pub fn swap_out(&self) {
        while self.mm.shrink_cache() > 0 {}
    }

    /// Loads from a page of memory, which must be what was stored.
    pub fn load_byte(&self, space: &Space, page: usize, expected: u8) {
        let byte = self.access(space, page, || translation::load(space.tables(), page, 0));
        assert_eq!(byte, expected, "memory has changed");
    }

    /// Stores into a page of a space, where [`User::load_byte`] does not look.
    pub fn store_beside(&self, space: &Space, page: usize, byte: u8) {
        self.access(space, page, || {
            translation::store(space.tables(), page, 99, byte)
        });
    }

    /// Stores into a page of a space.
    pub fn store(&self, space: &Space, page: usize, byte: u8) {
        self.access(space, page, || {
            translation::store(space.tables(), page, 0, byte)
        });
    }
}
