//! What the host does for a guest, in instructions: as few as were promised.

use libtest_mimic::Trial;
use xtask::events::Host;
use xtask::probe::{self, Probe};

use crate::check;
use crate::files;
use crate::support::{Verdict, folder, run, trial};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("cost::of_exits", exits),
        trial("cost::of_unused_pages_reclaimed", || reclaim(false)),
        trial("cost::of_volatile_pages_reclaimed", || reclaim(true)),
        trial("cost::for_a_guest_that_sleeps", sleeping),
    ]
}

/// Most instructions of reclaim for a page.
const RECLAIM: u64 = 64;

fn exits() -> Verdict {
    let mut bounded = probe::all().iter().filter(|probe| probe.bound.is_some());
    bounded.try_for_each(is_in_bounds)
}

fn is_in_bounds(probe: &Probe) -> Verdict {
    let host = run_guest(&probe.image(), &[])?;
    let reason = host.guests[0].reason.as_deref().unwrap_or_default();
    let count = probe::measured(reason).ok_or("it has measured nothing")?;
    let name = probe.name;
    check!(count > 100, "{name}: {count} instructions are too good");
    check!(
        probe.bound >= Some(count),
        "{name}: {count} instructions, {:?} at most",
        probe.bound
    );
    Ok(())
}

/// A page that nobody has used since costs so much; it is taken while the guest does something else, and the
/// guest has no exit for it.
fn reclaim(is_volatile: bool) -> Verdict {
    let guest = probe::reclaim(is_volatile, is_volatile);
    let host = run_guest(&guest, &probe::RECLAIM_OPTIONS)?;
    check!(host.reclaimed > 10_000, "{} pages", host.reclaimed);
    let most = RECLAIM * host.reclaimed;
    let instructions = host.reclaim_ns;
    check!(
        instructions <= most,
        "{instructions} instructions for {} pages, {most} at most",
        host.reclaimed
    );
    let touched = host.guests[0].zero_fills;
    let faults = host.guests[0].exits.get("translation").copied();
    check!(
        faults.is_some_and(|faults| faults <= touched),
        "{faults:?} faults, {touched} pages touched"
    );
    Ok(())
}

/// A guest that sleeps is not woken when its pages are taken: it has the same exits, and has run as long, as if nobody had
/// taken them.
fn sleeping() -> Verdict {
    let [taken, left] = [beside_another("6M")?, beside_another("16M")?];
    let evicted = |host: &Host| host.guests[0].evicted.values().sum::<u64>();
    check!(evicted(&left) == 0, "{:?}", left.guests[0].evicted);
    let most = probe::GIVEN_UP;
    check!(evicted(&taken) > most / 4, "{:?}", taken.guests[0].evicted);
    let [taken, left] = [taken, left].map(|host| host.guests[0].clone());
    check!(
        taken.exits == left.exits,
        "exits {:?}, {:?} if it keeps its pages",
        taken.exits,
        left.exits
    );
    check!(
        taken.cpu_us.abs_diff(left.cpu_us) <= 1,
        "it ran {} us, {} if it keeps its pages",
        taken.cpu_us,
        left.cpu_us
    );
    Ok(())
}

/// What comes of a guest that sleeps beside one that does not, with so many frames for both.
fn beside_another(memory: &str) -> Result<Host, libtest_mimic::Failed> {
    let more = ["--guest-memory", "16M", "--memory", memory];
    run_guests("2", &probe::sleeping(), &more)
}

fn run_guest(image: &[u8], more: &[&str]) -> Result<Host, libtest_mimic::Failed> {
    run_guests("1", image, more)
}

fn run_guests(count: &str, image: &[u8], more: &[&str]) -> Result<Host, libtest_mimic::Failed> {
    let folder = folder();
    let path = folder.path().join("guest.img");
    std::fs::write(&path, image).map_err(|error| error.to_string())?;
    let path = path.to_str().ok_or("a directory name that is no text")?;
    let arguments = [
        &probe::options(path, count)[..],
        more,
        &["--files", files::directory()],
    ];
    let run = run(&arguments.concat())?;
    run.must_be_good()?;
    Ok(run.host()?.clone())
}
