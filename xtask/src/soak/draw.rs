//! Draws a configuration: all of it from one seed.

use host::evict::Policy;
use rand_core::Rng as _;
use rand_pcg::Pcg64Mcg;

use super::config::{Config, Extra, Fault, Files, PagingSpace};
use crate::cli::{Hinting, Personality, Work};
use crate::machine::{FILES, PAGING, SWAP, WRITABLE};

/// Chance, not dice: uniform numbers from a seed.
struct Chance(Pcg64Mcg);

impl Chance {
    fn new(seed: u64) -> Self {
        // Seeds that are close to one another are not so any more, and none is zero.
        let spread = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = Pcg64Mcg::new(u128::from(spread) << 64 | u128::from(!spread) | 1);
        random.next_u64();
        Self(random)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }
}

/// Works, some of them more often than others: those with tasks do most.
const WORKS: [Work; 11] = [
    Work::Verify,
    Work::Verify,
    Work::Verify,
    Work::Swap,
    Work::Swap,
    Work::Churn,
    Work::Churn,
    Work::Serve,
    Work::Farm,
    Work::Disks,
    Work::Idle,
];
const HINTING: [Hinting; 8] = [
    Hinting::Full,
    Hinting::Full,
    Hinting::Full,
    Hinting::Full,
    Hinting::Unused,
    Hinting::None,
    Hinting::Extended,
    Hinting::Balloon,
];
const PERSONALITIES: [Personality; 7] = [
    Personality::Model,
    Personality::Model,
    Personality::Model,
    Personality::Model,
    Personality::Kvm,
    Personality::KvmNew,
    Personality::Zvm,
];

/// Parameters that no option is for, by who takes them.
const OF_KERNELS: [(&str, &str); 12] = [
    ("without", "swap-cache"),
    ("without", "writable"),
    ("without", "minor-faults"),
    ("without", "mlock"),
    ("without", "swap-cache,writable,minor-faults,mlock"),
    ("readahead", "0"),
    ("readahead", "3"),
    ("pfault", "off"),
    ("cold", "on"),
    ("files", "disjoint"),
    ("reporting", "on"),
    ("reporting-ms", "20"),
];
const OF_HOST: [(&str, &str); 8] = [
    ("disks", "virtio"),
    ("sample", "20"),
    ("sample", "100"),
    ("shadow", "64K"),
    ("shadow", "128K"),
    ("g0.cmma", "off"),
    ("g0.cmma", "unused"),
    ("monitor", "20:50:10"),
];

impl Config {
    /// The configuration of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        loop {
            let config = draw(&mut chance, seed);
            if config.complaint().is_none() {
                return config;
            }
        }
    }
}

/// One that may not make sense.
fn draw(chance: &mut Chance, seed: u64) -> Config {
    let mut config = Config::plain(seed);
    config.work = chance.of(&WORKS);
    config.files = chance.of(&Files::ALL);
    config.passes = chance.between(1, 3) as u32;
    config.steps = chance.between(20, 90);
    config.guest_mib = chance.between(6, 24);
    config.cpus = chance.of(&[1, 1, 1, 2, 2, 3, 4, 8]);
    config.bare = chance.one_in(10);
    if config.bare {
        config.machine_cpus = config.cpus + u16::from(chance.one_in(4));
    } else {
        host(chance, &mut config);
    }
    config.hotplug = config.cpus > 1 && chance.one_in(2);
    config.balloon = chance.one_in(6);
    config.line_console = chance.one_in(8);
    config.memory_disk = chance.one_in(8);
    config.icount = chance.one_in(12);
    if chance.one_in(10) {
        config.trace = chance.between(64, 4096);
    }
    config.extras = extras(chance, config.bare);
    if chance.one_in(5) {
        config.fault = Some(fault(chance));
    }
    if chance.one_in(4) {
        config.freezes = freezes(chance);
    }
    config
}

fn host(chance: &mut Chance, config: &mut Config) {
    config.guests = chance.of(&[1, 1, 2, 2, 3, 4, 6]);
    config.machine_cpus = chance.of(&[1, 1, 1, 2, 2, 3, 4]);
    config.hinting = chance.of(&HINTING);
    config.personality = chance.of(&PERSONALITIES);
    config.evict = match chance.below(9) {
        0 | 1 => Policy::Lru,
        2 | 3 => Policy::Random(10_u32.pow(chance.between(2, 4) as u32) * chance.between(1, 9) as u32),
        4 | 5 => Policy::Steal,
        6 => Policy::StealSpare,
        7 => Policy::StealAfter(chance.between(1, 50) as u32),
        _ => Policy::Hold,
    };
    if chance.one_in(2) {
        config.paging = Some(PagingSpace {
            is_model: chance.one_in(3),
            room_mib: chance.of(&[1, 2, 8]),
        });
        if config.hinting == Hinting::Extended || chance.one_in(3) {
            config.expanded = chance.between(2, 40);
        }
    }
    if !chance.one_in(3) {
        config.share = chance.between(30, 100);
    }
    if chance.one_in(3) {
        config.script = script(chance, config.guests);
    }
}

/// What an operator does meanwhile; in the end all guests run.
fn script(chance: &mut Chance, guests: u16) -> Vec<String> {
    let mut steps = Vec::new();
    for _ in 0..chance.between(1, 5) {
        steps.push(format!("wait {}", chance.between(20, 500)));
        let guest = chance.below(guests.into());
        let random = 10_u64.pow(chance.between(2, 4) as u32);
        let policy = chance.of(&["lru", "steal", "steal:spare", "steal:5"]).to_owned();
        let policy = chance.of(&[policy, format!("random:{random}")]);
        let all = [
            format!("pause {guest}"),
            "pause".to_owned(),
            format!("resume {guest}"),
            "evict".to_owned(),
            format!("evict {guest}"),
            "list".to_owned(),
            "states".to_owned(),
            format!("map {guest}"),
            format!("dump {guest}"),
            format!("dump {guest} 0x{:x}", chance.below(1 << 23)),
            format!("policy {policy}"),
            "hinting unused".to_owned(),
            "hinting full".to_owned(),
            format!("withhold {}", chance.below(500)),
        ];
        steps.push(chance.of(&all));
    }
    if steps.iter().any(|step| step.starts_with("pause")) {
        steps.extend([format!("wait {}", chance.between(1, 1000)), "resume".to_owned()]);
    }
    steps
}

fn extras(chance: &mut Chance, bare: bool) -> Vec<Extra> {
    let mut extras: Vec<Extra> = Vec::new();
    for _ in 0..chance.below(4) {
        let of_host = !bare && chance.one_in(2);
        let words = if of_host {
            chance.of(&OF_HOST)
        } else {
            chance.of(&OF_KERNELS)
        };
        // A key counts once.
        if extras.iter().all(|extra| extra.words.0 != words.0) {
            extras.push(Extra { of_host, words });
        }
    }
    extras
}

fn fault(chance: &mut Chance) -> Fault {
    let disk = chance.of(&[FILES, WRITABLE, SWAP, SWAP, PAGING, PAGING]);
    // The first blocks of a disk are used most.
    let most = chance.of(&[64, 1000, 5000]);
    Fault {
        is_write: chance.one_in(2),
        disk,
        block: chance.below(most),
    }
}

/// Milliseconds: the machine stands still once or several times, never twice at a time.
fn freezes(chance: &mut Chance) -> Vec<(u64, u64)> {
    let mut at = 0;
    let mut one = || {
        at += chance.between(100, 1500);
        let time = chance.between(20, 1500);
        let freeze = (at, time);
        at += time;
        freeze
    };
    let first = one();
    let second = one();
    if chance.one_in(2) { vec![first] } else { vec![first, second] }
}
