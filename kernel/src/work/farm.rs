//! What a machine of a web farm does: files on request, some memory of its own for each of them, some
//! stores into a mapped file; for a while, and then it rests, while others of the farm are busy.
//!
//! A task asks for the next request, which the kernel answers with the file, and then does the dynamic
//! part. The requests are the same in each run with a seed, however long they take and whatever is hinted;
//! only when they are made depends on the clock.

use alloc::boxed::Box;
use alloc::string::ToString;

use arch::call::supervisor_call;
use arch::clock;

use crate::control::Farm;
use crate::fs::archive::{Archive, Copy};
use crate::fs::writable::WritableFiles;
use crate::mm::{Area, Backing, Key, Mm, OutOfMemory};
use crate::report;
use crate::task::{self, Stack};
use crate::time::{MILLISECOND, nanoseconds};
use crate::user::{Event, STACK_PAGES, Task};
use crate::work::latency::Histogram;
use crate::work::serve::Server;
use crate::work::swap::Memory;
use crate::work::tasks::{Done, EXIT, WORDS, next_random};
use crate::work::verify::Failure;

/// Call: the request is answered, and the next one wanted; the answer is a random number for its dynamic part,
/// or 0 if there is none.
const NEXT: u16 = 2;
/// The task's own pages that a request uses.
const USED: u64 = 4;
/// One request in so many stores into the file.
const STORING: u64 = 4;
/// Of the task's own pages this part is used by most requests.
const HOT_PART: u64 = 4;

/// How much there is to do.
#[derive(Clone, Copy)]
pub struct Plan {
    /// How often it is busy, and for how many requests.
    pub phases: u64,
    /// Requests of a phase.
    pub requests: u64,
    /// When, and with how much memory.
    pub farm: Farm,
    /// Pages of memory of the task's own.
    pub own: u64,
    /// Pages of the file that is written.
    pub written: u64,
}

/// What a request needs besides its file, in the problem state.
extern "C" fn program(start: u64, own: u64, written: u64, seed: u64) -> ! {
    let mut memory = Memory::new(start, own, seed);
    let mut file = Memory::new(memory.end(), written, !seed & !0xfff);
    memory.write_all();
    loop {
        let mut random = supervisor_call::<NEXT>(0, 0);
        if random == 0 {
            break;
        }
        let mut below = |most: u64| (next_random(&mut random) >> 33) % most;
        for _ in 0..USED {
            let is_hot = below(8) != 0;
            let page = below(if is_hot { own / HOT_PART } else { own });
            memory.check(page);
            if below(2) == 0 {
                memory.write(page);
            }
        }
        if below(STORING) == 0 {
            let page = below(written);
            file.check(page);
            file.write(page);
        }
    }
    memory.check_all();
    file.check_all();
    memory.add(&file);
    memory.exit()
}

/// The kernel's side of the task.
struct Clerk {
    server: Server<'static>,
    plan: Plan,
    /// When its work began.
    start: u64,
    /// Phases that have begun, and requests that are left of the latest.
    phase: u64,
    left: u64,
    /// When the latest request began, and the first.
    began: u64,
    first: u64,
    /// How long requests took, in TOD units.
    busy: u64,
    latency: Box<Histogram>,
}

impl Clerk {
    /// Waits for the next phase; what is dirty goes to the disk before.
    fn next_phase(&mut self, mm: &Mm<'_>) {
        let file = WritableFiles::key(0, 0).file;
        // The store has said what went wrong; the page stays dirty, and the account is not complete.
        let _ = mm.write_back_range(file, 0..self.plan.written as u32);
        let Farm { offset, period, .. } = self.plan.farm;
        let at = self.start + (offset + self.phase * period) * MILLISECOND;
        if at > clock::now() {
            task::sleep_until(at);
        }
        self.phase += 1;
        self.left = self.plan.requests;
    }

    /// The request that was under way is answered, and the next one begins. Returns a random number for it, or 0
    /// if there is none.
    fn next(&mut self, mm: &Mm<'_>) -> Result<u64, Failure> {
        let now = clock::now();
        if self.began == 0 {
            self.first = now;
        } else {
            let took = now - self.began;
            self.busy += took;
            self.latency.add(nanoseconds(took));
        }
        if self.left == 0 {
            if self.phase == self.plan.phases {
                return Ok(0);
            }
            self.next_phase(mm);
        }
        self.left -= 1;
        self.began = clock::now();
        self.server.serve(Copy::FaultTolerant)
    }

    /// Runs the task to its end.
    fn run(mut self, mm: &'static Mm<'static>, mut task: Task) -> Done {
        let mut done = Done::default();
        loop {
            let outcome = match task.run(mm) {
                Event::Call(EXIT) => {
                    [done.checked, done.wrong] = task.arguments();
                    break;
                }
                Event::Call(_) => self.next(mm).map_err(|failure| failure.to_string()),
                Event::Failed(reason) => Err(reason),
            };
            match outcome {
                Ok(answer) => task.answer(answer),
                Err(reason) => {
                    done.reason = Some(reason);
                    break;
                }
            }
        }
        task.end(mm);
        let times = [self.began - self.first, self.busy].map(nanoseconds);
        report::requests(self.server.served.bytes, times, &self.latency);
        done
    }
}

/// Runs it.
///
/// # Errors
/// There is no memory for it.
pub fn run(
    archive: &'static Archive<'static>,
    files: &WritableFiles,
    plan: Plan,
    seed: u64,
) -> Result<Done, OutOfMemory> {
    let mm = archive.mm();
    let plan = Plan {
        written: plan.written.min(files.pages().into()),
        ..plan
    };
    let table = |pages: u64| pages.div_ceil(WORDS) as usize;
    let own = table(plan.own) + plan.own as usize + table(plan.written);
    let Key { file, index } = WritableFiles::key(0, 0);
    let shown = Area {
        backing: Backing::File { file, first: index },
        shared: true,
        ..Area::memory(STACK_PAGES + own, plan.written as usize)
    };
    let areas = [Area::memory(STACK_PAGES, own), shown];
    let arguments = [Task::address(0), plan.own, plan.written, seed << 12];
    let clerk = Clerk {
        server: Server::new(archive, seed, 0)?,
        plan,
        start: clock::now(),
        phase: 0,
        left: 0,
        began: 0,
        first: 0,
        busy: 0,
        latency: Box::new(Histogram::new()),
    };
    // Deep below here a table of checksums is made on the stack: it needs one of its own.
    let stack = Stack::new()?;
    let pages = own + plan.written as usize;
    let task = Task::new(mm, pages, areas.into(), program, arguments)?;
    Ok(task::spawn_on(stack, move || clerk.run(mm, task)).join())
}
