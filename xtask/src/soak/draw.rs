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
        // Once and for all, or work that suits few machines would be rare.
        let work = chance.of(&WORKS);
        let fails = chance.one_in(5);
        loop {
            let config = draw(&mut chance, seed, work, fails);
            if config.complaint().is_none() {
                return config;
            }
        }
    }
}

/// One that may not make sense.
fn draw(chance: &mut Chance, seed: u64, work: Work, fails: bool) -> Config {
    let mut config = Config::plain(seed);
    config.work = work;
    config.files = chance.of(&Files::ALL);
    // A pass of few files is soon over.
    let is_short = matches!(config.work, Work::Verify | Work::Serve) && config.files < Files::Host;
    config.passes = chance.between(1, if is_short { 20 } else { 3 }) as u32;
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
    if fails {
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
        2 | 3 => {
            Policy::Random(10_u32.pow(chance.between(2, 4) as u32) * chance.between(1, 9) as u32)
        }
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
        let policy = chance
            .of(&["lru", "steal", "steal:spare", "steal:5"])
            .to_owned();
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
        steps.extend([
            format!("wait {}", chance.between(1, 1000)),
            "resume".to_owned(),
        ]);
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
    if chance.one_in(2) {
        vec![first]
    } else {
        vec![first, second]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use boot::params::Params;
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Arguments, Command};

    /// Enough for everything to be drawn.
    const SEEDS: std::ops::Range<u64> = 0..3000;
    /// Enough where each takes its time.
    const FEWER: std::ops::Range<u64> = 0..800;

    /// The options as they are typed, each once.
    fn parsed(config: &Config) -> crate::cli::QemuOptions {
        let words = config.words();
        let words = ["xtask", "qemu"]
            .into_iter()
            .chain(words.iter().map(String::as_str));
        let arguments = Arguments::try_parse_from(words);
        match arguments
            .unwrap_or_else(|error| panic!("{config:?}: {error}"))
            .command
        {
            Command::Qemu(options) => *options,
            _ => unreachable!("the words say qemu"),
        }
    }

    #[test]
    fn every_configuration_is_a_command_line_that_is_accepted() {
        for seed in FEWER {
            let config = Config::draw(seed);
            assert_eq!(config.complaint(), None, "{config:?}");
            let options = parsed(&config);
            assert_eq!(options.bare, config.bare);
            assert_eq!(
                options.evict,
                if config.bare {
                    "random:6000".to_owned()
                } else {
                    config.evict.to_string()
                }
            );
            assert_eq!(options.seed, seed);
            if let Some(script) = &options.script {
                let script = script.to_str().unwrap().replace(';', "\n");
                host::operator::parse(&script).unwrap();
            }
        }
    }

    #[test]
    fn every_parameter_is_one_that_its_image_knows() {
        for seed in FEWER {
            let config = Config::draw(seed);
            let line = parsed(&config).append;
            let params = Params::parse(&line).unwrap();
            let own: Vec<String> = params
                .iter()
                .map(|parameter| format!("{}={}", parameter.key, parameter.value))
                .collect();
            let of_guests = |word: &String| word.split_once('.').map(|(_, word)| word.to_owned());
            let is_of_guest =
                |word: &&String| word.starts_with('g') && word.find('.') < word.find('=');
            let kernel: Vec<String> = if config.bare {
                own.clone()
            } else {
                own.iter()
                    .filter(is_of_guest)
                    .filter_map(of_guests)
                    .collect()
            };
            // Guest 0 has parameters of its own beside those of all.
            for word in &kernel {
                kernel::control::Control::read(word)
                    .unwrap_or_else(|error| panic!("{line}: {error}"));
            }
            if !config.bare {
                host::control::Control::default()
                    .read(&line)
                    .unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        }
    }

    #[test]
    fn a_seed_is_a_configuration() {
        for seed in SEEDS.step_by(7) {
            assert_eq!(Config::draw(seed), Config::draw(seed));
            let next = Config {
                seed,
                ..Config::draw(seed + 1)
            };
            assert_ne!(Config::draw(seed), next, "neighbours are strangers");
        }
    }

    /// What a configuration has of everything that there is to draw.
    fn drawn(config: &Config) -> Vec<String> {
        let mut all = vec![
            format!("work {:?}", config.work),
            format!("files {:?}", config.files),
            format!("guests {}", config.guests),
            format!("cpus {}", config.cpus),
            format!("machine cpus {}", config.machine_cpus),
            format!("hinting {:?}", config.hinting),
            format!("personality {:?}", config.personality),
            format!(
                "evict {}",
                config
                    .evict
                    .to_string()
                    .split(':')
                    .next()
                    .unwrap_or_default()
            ),
            format!("paging {:?}", config.paging.map(|paging| paging.is_model)),
        ];
        let mut flag = |name: &str, is_set: bool| {
            if is_set {
                all.push(name.to_owned());
            }
        };
        flag("bare", config.bare);
        flag("short", config.is_short());
        flag(
            "short without paging",
            config.is_short() && config.paging.is_none(),
        );
        flag("expanded", config.expanded > 0);
        flag("hotplug", config.hotplug);
        flag("balloon", config.balloon);
        flag("line", config.line_console);
        flag("memory disk", config.memory_disk);
        flag("icount", config.icount);
        flag("trace", config.trace > 0);
        flag("freeze", config.freezes.len() == 1);
        flag("freezes", config.freezes.len() > 1);
        flag("spare", config.evict == Policy::StealSpare);
        flag("after", matches!(config.evict, Policy::StealAfter(_)));
        let faults = config.fault.iter();
        all.extend(faults.map(|fault| format!("fault {:04x} {}", fault.disk, fault.is_write)));
        let extras = config.extras.iter();
        all.extend(extras.map(|extra| format!("extra {:?}", extra.words)));
        let first = |step: &String| step.split(' ').next().unwrap_or_default().to_owned();
        all.extend(
            config
                .script
                .iter()
                .map(|step| format!("op {}", first(step))),
        );
        all
    }

    #[test]
    fn everything_is_drawn() {
        let all: BTreeSet<String> = SEEDS.flat_map(|seed| drawn(&Config::draw(seed))).collect();
        let mut expected: Vec<String> = Vec::new();
        expected.extend(WORKS.map(|work| format!("work {work:?}")));
        expected.extend(Files::ALL.map(|files| format!("files {files:?}")));
        expected.extend([1, 2, 3, 4, 6].map(|number| format!("guests {number}")));
        expected.extend([1, 2, 3, 4, 8].map(|number| format!("cpus {number}")));
        expected.extend([1, 2, 3, 4].map(|number| format!("machine cpus {number}")));
        expected.extend(HINTING.map(|hinting| format!("hinting {hinting:?}")));
        expected.extend(PERSONALITIES.map(|name| format!("personality {name:?}")));
        expected.extend(OF_KERNELS.map(|words| format!("extra {words:?}")));
        expected.extend(OF_HOST.map(|words| format!("extra {words:?}")));
        let faults = [
            (FILES, false),
            (WRITABLE, true),
            (SWAP, false),
            (SWAP, true),
            (PAGING, false),
            (PAGING, true),
        ];
        expected.extend(faults.map(|(disk, is_write)| format!("fault {disk:04x} {is_write}")));
        expected.extend(
            [
                "evict lru",
                "evict random",
                "evict steal",
                "evict hold",
                "spare",
                "after",
                "paging None",
                "paging Some(true)",
                "paging Some(false)",
                "bare",
                "short",
                "short without paging",
                "expanded",
                "hotplug",
                "balloon",
                "line",
                "memory disk",
                "icount",
                "trace",
                "freeze",
                "freezes",
                "op pause",
                "op resume",
                "op evict",
                "op list",
                "op states",
                "op map",
                "op dump",
                "op policy",
                "op hinting",
                "op withhold",
                "op wait",
            ]
            .map(str::to_owned),
        );
        let missing: Vec<&String> = expected
            .iter()
            .filter(|what| !all.contains(*what))
            .collect();
        assert!(missing.is_empty(), "never drawn: {missing:?}");
    }
}
