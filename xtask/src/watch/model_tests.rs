use super::*;
use crate::collect::{Collector, Expected, Seen};
use crate::events;
use crate::machine::Source;

/// A model of a run whose host is up, with 10,240 frames.
pub(in crate::watch) fn booted(guests: u16) -> Model {
    let mut model = Model::new(guests);
    let line = format!(
        r#"{{"kind":"host_boot","seq":0,"image":"host","version":"0.1.0","memory":76546048,"cpus":1,"vcpus":1,"frames":10240,"guests":{guests},"evict":"random:6000","hinting":"full","personality":"model","backend":"trap","paging":"none","expanded":0,"slots":0}}"#
    );
    take(&mut model, 0, None, &line);
    model
}

fn take(model: &mut Model, ms: u64, emitter: Option<u64>, line: &str) {
    let event = events::parse(line).unwrap();
    model.event(Duration::from_millis(ms), emitter, &event);
}

/// An answer of the host, at time 0.
pub(in crate::watch) fn answer(
    model: &mut Model,
    command: &str,
    guest: Option<u64>,
    text: Option<&str>,
    counts: &[(&str, u64)],
) {
    answer_at(model, 0, command, guest, text, counts);
}

/// An answer of the host.
pub(in crate::watch) fn answer_at(
    model: &mut Model,
    ms: u64,
    command: &str,
    guest: Option<u64>,
    text: Option<&str>,
    counts: &[(&str, u64)],
) {
    let answer = Operator {
        seq: 0,
        command: command.to_owned(),
        guest,
        status: Status::Ok,
        text: text.map(str::to_owned),
        counts: counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect(),
    };
    model.event(Duration::from_millis(ms), None, &Event::Operator(answer));
}

/// Lines of a real run of two guests: `cargo xtask qemu --watch --passes 8`, with the keys h, h, o and +.
const RECORDED: &str = include_str!("recorded.jsonl");
/// Time between two polls.
const POLL_MS: u64 = 500;

/// The model after the recorded lines.
pub(in crate::watch) fn recorded() -> Model {
    let mut model = Model::new(2);
    let mut collector = Collector::new(Expected {
        host: true,
        guests: 2,
        our_kernel: true,
    });
    let asked = [
        Setting::Hinting("unused".to_owned()),
        Setting::Hinting("full".to_owned()),
        Setting::Policy("steal:20".to_owned()),
        Setting::Withheld(640),
    ];
    for setting in asked {
        model.ask(setting);
    }
    let mut now = Duration::ZERO;
    for line in RECORDED.lines() {
        if line.contains(r#""command":"list","guest":0"#) {
            now += Duration::from_millis(POLL_MS);
            model.poll();
        }
        match collector.line(Source::Console, line) {
            Seen::Text(guest, text) => model.text(guest, &text),
            Seen::Event(guest, event) => model.event(now, guest, &event),
        }
    }
    model
}

#[test]
fn recorded_lines_make_the_picture() {
    let model = recorded();
    let boot = model.boot.as_ref().unwrap();
    assert_eq!((boot.guests, boot.frames), (2, 10240));
    assert!(model.frames_free.is_some());
    for guest in &model.guests {
        assert_eq!((guest.map.len(), guest.pages_of_a_letter), (512, 12));
        assert_eq!(guest.counts.latest("pages"), 6144);
        assert_eq!(guest.condition, "runs");
        assert!(
            guest
                .resident_percent()
                .is_some_and(|part| (10..100).contains(&part))
        );
        assert!(guest.progress.is_some());
        assert_eq!(guest.counts.rate("page_writes"), Some(0.0));
        assert!(guest.verified.rate("bytes").unwrap() > 0.0);
        let kinds: Vec<u8> = guest.essa_rates().map(|(code, _)| code).collect();
        assert_eq!(kinds, [1, 2, 3, 6]);
    }
    for name in ["discards", "discard_faults"] {
        let rates = model.guests.iter().map(|guest| guest.counts.rate(name));
        let sum: f64 = rates.map(Option::unwrap).sum();
        assert!(sum > 0.0 && model.rate(name) == Some(sum), "{name}: {sum}");
    }
    assert!(model.essa_rate() > 0.0 && !model.trend.is_empty());
    // What was asked for by keys meanwhile, and confirmed.
    assert_eq!(
        model.settings,
        Settings {
            policy: "steal:20".to_owned(),
            hinting: "full".to_owned(),
            withheld: 640
        }
    );
}

#[test]
fn a_setting_holds_when_the_host_says_so() {
    let mut model = booted(1);
    assert_eq!(model.ask(Setting::Policy("lru".to_owned())), "policy lru");
    model.ask(Setting::Withheld(99));
    assert_eq!(model.settings.policy, "random:6000");
    assert_eq!(
        (&*model.wanted().policy, model.wanted().withheld),
        ("lru", 99)
    );
    answer(&mut model, "policy", None, None, &[]);
    assert_eq!(
        (&*model.settings.policy, model.settings.withheld),
        ("lru", 0)
    );
    let refusal = r#"{"kind":"operator","seq":1,"command":"withhold","guest":null,"status":"failed","text":"an eighth of the frames is the least that is left","counts":{}}"#;
    take(&mut model, 1, None, refusal);
    assert_eq!((model.settings.withheld, model.wanted().withheld), (0, 0));
    let line = model.lines.back().unwrap();
    assert_eq!(
        line,
        "withhold 99: an eighth of the frames is the least that is left"
    );
}

#[test]
fn a_setting_that_nobody_asked_for_here_is_only_told() {
    let mut model = booted(1);
    answer(&mut model, "policy", None, None, &[]);
    assert_eq!(model.settings.policy, "random:6000");
    assert_eq!(model.lines.back().unwrap(), "policy: done");
}

#[test]
fn a_poll_is_answered_when_the_last_guest_has() {
    let mut model = booted(2);
    assert!(model.is_answered());
    model.poll();
    answer(&mut model, "map", Some(0), Some("SV"), &[("pages", 12)]);
    assert!(!model.is_answered());
    answer(&mut model, "map", Some(1), Some("SV"), &[("pages", 12)]);
    assert!(model.is_answered());
    // Nor does an answer too many do harm, or one about a guest that is none.
    answer(&mut model, "map", Some(1), Some("SV"), &[("pages", 12)]);
    answer(&mut model, "list", Some(9), None, &[]);
    assert!(model.is_answered());
}

#[test]
fn the_end_of_a_guest_is_shown() {
    let mut model = booted(2);
    take(
        &mut model,
        5,
        None,
        r#"{"kind":"guest_end","seq":1,"guest":1,"status":"failed","reason":"stopped by the operator"}"#,
    );
    assert_eq!(
        (model.guests[1].end, model.guests[0].end),
        (Some(false), None)
    );
    assert_eq!(model.guests[1].condition, "stopped by the operator");
    assert_eq!(
        model.lines.back().unwrap(),
        "guest 1: stopped by the operator"
    );
}

#[test]
fn only_the_latest_text_is_kept() {
    let mut model = booted(1);
    for number in 0..=LINES {
        model.text(Some(0), &number.to_string());
    }
    assert_eq!(model.lines.len(), LINES);
    assert_eq!(model.lines.front().unwrap(), "guest 0: 1");
}
