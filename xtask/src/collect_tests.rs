//! Recorded and spoilt runs: which outcome each one has.

use serde_json::json;

use super::*;

const HOST: Expected = Expected {
    host: true,
    guests: 2,
    our_kernel: true,
};
const BARE: Expected = Expected {
    host: false,
    guests: 1,
    our_kernel: true,
};

fn guest_line(seq: u64, status: &str) -> String {
    let mut line = json!({"kind":"guest","seq":seq,"status":status,"reason":null,"work":"verify","files":3,
        "passes":2,"bytes_verified":8194,"cache_hits":1,"cache_misses":2,"essa":{"1":2,"6":1},
        "discard_faults":4,"stable_failures":5,"reloads":9,"mismatches":0,
        "fault_tolerant_copies":3,"stable_copies":3,"made_volatile":2,"volatile_refused":1,
        "made_stable":1,"reclaimed":0,"clears_skipped":4,"frames":100,"frames_free":90,
        "page_descriptor_bytes":64,"optimistic_copies":3,"optimistic_failures":1,"work_us":9,"duplicate_fills":0,"late_discard_faults":0,"sign_off_rounds":0,"sign_off_pages":0,"sign_off_waiting":0,"sign_off_longest":0,"sign_off_ticks":[],"ticks":0,"ticks_lost":0,"idle_us":0,"spin_us":0,"switches":0,"cpus_taken_off":0});
    // One macro takes no more fields.
    for field in [
        "frames_cached",
        "frames_anonymous",
        "frames_kernel",
        "frames_reserved",
        "reported_blocks",
        "reported_pages",
        "ballooned_pages",
        "withdrawn_pages",
        "balloon_ns",
        "made_volatile_swap",
        "made_potentially_volatile",
        "refused_locked",
        "minor_faults",
        "read_requests",
        "pages_read_ahead",
        "read_ahead_used",
        "read_ahead_unused",
        "writes_skipped",
        "swapped_in",
        "pages_written",
        "write_errors",
        "swap_full",
        "copies_on_write",
        "pages_reused",
        "pages_remapped",
        "reverse_map_walks",
        "reverse_map_steps",
        "non_linear_steps",
        "user_copies",
        "user_copy_fix_ups",
        "user_copy_faults",
        "page_faults_waited",
        "page_faults_late",
    ] {
        line[field] = json!(0);
    }
    line.to_string()
}

fn host_line(seq: u64, guests: &[u64]) -> String {
    let guests: Vec<_> = guests
        .iter()
        .map(|id| {
            let mut guest = json!({"id":id,"status":"ok","reason":null,
        "discards":12,"evicted":{"Vr":12},"discard_faults":4,"addressing_faults":0,
        "zero_fills":9,"shadow_recycled":0,"exits":{"operation":4},"essa":{"0":1},"diagnose":{},"cpu_us":12});
            for field in [
                "paged_out",
                "expanded_out",
                "expanded_in",
                "expanded_volatile",
                "page_writes",
                "page_reads",
                "page_reads_ahead",
                "page_waits",
                "page_wait_us",
                "page_faults_told",
                "balloon_target",
                "balloon_pages",
                "balloon_available",
                "balloon_inflated",
                "balloon_deflated",
                "balloon_reported",
                "balloon_wake_ups",
                "disk_bytes_written",
                "disk_bytes_read",
                "ran_ns",
                "hinting_ns",
                "virtio_ns",
            ] {
                guest[field] = json!(0);
            }
            guest
        })
        .collect();
    json!({"kind":"host","seq":seq,"status":"ok","reason":null,"frames":10,"frames_free":7,"expanded":0,"expanded_free":0,"slots":0,"slots_free":0,"slots_retired":0,"page_read_errors":0,"page_write_errors":0,"idle_us":4,"reclaimed":6,"reclaim_ns":300,"elapsed_ns":900,"sampling_ns":0,"monitor_ns":0,
        "guests":guests})
    .to_string()
}

fn console(seq: u64, guest: u64, line: &str) -> String {
    json!({"kind":"console","seq":seq,"guest":guest,"line":line}).to_string()
}

fn collect(expected: Expected, lines: &[String]) -> Collector {
    let mut collector = Collector::new(expected);
    for line in lines {
        collector.line(Source::Console, line);
    }
    collector
}

fn good_run() -> Vec<String> {
    vec![
        "host starts".to_owned(),
        console(0, 0, &guest_line(0, "ok")),
        console(1, 1, "text of guest 1"),
        console(2, 1, &guest_line(0, "ok")),
        host_line(3, &[0, 1]),
    ]
}

fn reason(expected: Expected, lines: &[String], end: End) -> String {
    let outcome = collect(expected, lines).outcome(end, 20);
    assert_eq!(outcome.status == Status::Failed, outcome.reason.is_some());
    outcome.reason.unwrap_or_default()
}

const GOOD: End = End::Exit(Some(0));

#[test]
fn both_sides_make_one_outcome() {
    let outcome = collect(HOST, &good_run()).outcome(GOOD, 20);
    assert_eq!(outcome.status, Status::Ok);
    assert_eq!(outcome.reason, None);
    assert_eq!(outcome.guests.len(), 2);
    let guest = &outcome.guests[1];
    assert_eq!(
        (guest.id, guest.bytes_verified, guest.discards),
        (1, 8194, 12)
    );
    assert_eq!(
        (guest.discard_faults, guest.stable_failures, guest.reloads),
        (4, 5, 9)
    );
    assert_eq!(guest.essa["6"], 1);
}

#[test]
fn bare_there_is_one_guest_without_discards() {
    let outcome = collect(BARE, &[guest_line(0, "ok")]).outcome(GOOD, 20);
    assert_eq!((outcome.status, outcome.guests.len()), (Status::Ok, 1));
    assert_eq!((outcome.guests[0].id, outcome.guests[0].discards), (0, 0));
}

#[test]
fn text_is_told_by_whom_it_is() {
    let mut collector = Collector::new(HOST);
    let seen = collector.line(Source::Console, &console(0, 1, "hello"));
    assert_eq!(seen, Seen::Text(Some(1), "hello".to_owned()));
    let seen = collector.line(Source::Console, "I am the host");
    assert_eq!(seen, Seen::Text(None, "I am the host".to_owned()));
}

#[test]
fn a_bad_exit_fails_a_run_whose_lines_are_good() {
    assert!(reason(HOST, &good_run(), End::Exit(Some(1))).contains("status 1"));
    assert!(reason(HOST, &good_run(), End::Exit(None)).contains("signal"));
    assert!(reason(HOST, &good_run(), End::TimedOut).contains("after 20 s"));
}

#[test]
fn every_missing_line_fails_the_run() {
    for missing in [1, 3, 4] {
        let mut lines = good_run();
        lines.remove(missing);
        assert!(!reason(HOST, &lines, GOOD).is_empty(), "line {missing}");
    }
    assert!(reason(BARE, &[], GOOD).contains("did not report its outcome"));
    let mut lines = good_run();
    lines[4] = host_line(3, &[0]);
    assert_eq!(
        reason(HOST, &lines, GOOD),
        "the host did not report on guest 1"
    );
}

#[test]
fn a_lost_line_shows_by_the_sequence() {
    let mut lines = good_run();
    lines.remove(2);
    assert!(reason(HOST, &lines, GOOD).contains("line 1 is missing"));
}

#[test]
fn either_side_can_say_that_it_failed() {
    let mut lines = good_run();
    lines[1] = console(0, 0, &guest_line(0, "failed"));
    assert!(reason(HOST, &lines, GOOD).starts_with("guest 0: "));
    let mut lines = good_run();
    lines[4] = host_line(3, &[0, 1]).replacen("\"status\":\"ok\"", "\"status\":\"failed\"", 3);
    assert!(reason(HOST, &lines, GOOD).starts_with("host: "));
}

#[test]
fn an_error_line_is_the_reason() {
    let error = json!({"kind":"error","seq":0,"reason":"memory too small"}).to_string();
    assert_eq!(
        reason(BARE, std::slice::from_ref(&error), End::Exit(Some(1))),
        "memory too small"
    );
    assert_eq!(
        reason(HOST, std::slice::from_ref(&error), End::Exit(Some(1))),
        "host: memory too small"
    );
    let wrapped = console(0, 1, &error);
    assert_eq!(
        reason(HOST, &[wrapped], End::Exit(Some(1))),
        "guest 1: memory too small"
    );
}

#[test]
fn a_mismatch_names_file_and_offset() {
    let mismatch = json!({"kind":"mismatch","seq":0,"file":"core/src/lib.rs","offset":4096,
        "length":100,"page_state":"Vr","copy":"fault-tolerant"});
    let reason = reason(
        HOST,
        &[console(0, 1, &mismatch.to_string())],
        End::Exit(Some(1)),
    );
    assert!(
        reason.starts_with("guest 1: mismatch in core/src/lib.rs at offset 4096"),
        "{reason}"
    );
    assert!(reason.contains("page state Vr"));
}

#[test]
fn lines_that_should_not_be_fail_the_run() {
    for bad in [
        json!({"kind":"news","seq":0}).to_string(),
        "{broken".to_owned(),
        json!({"kind":"result","status":"ok","reason":null,"guests":[]}).to_string(),
        console(0, 7, "who is that?"),
        json!({"kind":"work","seq":0,"work":"verify","since_entry_us":1}).to_string(),
    ] {
        let mut lines = good_run();
        lines[1] = bad.clone();
        assert!(!reason(HOST, &lines, GOOD).is_empty(), "{bad}");
    }
}

#[test]
fn a_foreign_image_may_print_what_it_likes() {
    let expected = Expected {
        our_kernel: false,
        ..HOST
    };
    let lines = [console(0, 0, "{strange"), host_line(1, &[0, 1])];
    assert_eq!(reason(expected, &lines, GOOD), "");
}

#[test]
fn what_qemu_says_explains_its_status() {
    let mut collector = Collector::new(BARE);
    collector.line(Source::Emulator, "qemu-system-s390x: could not open disk");
    let reason = collector.outcome(End::Exit(Some(1)), 20).reason.unwrap();
    assert!(reason.contains("could not open disk"), "{reason}");
    assert!(
        Collector::new(BARE)
            .outcome(End::Exit(Some(1)), 20)
            .reason
            .is_some()
    );
}

#[test]
fn the_table_shows_both_sides() {
    let table = crate::table::guests(&collect(HOST, &good_run()));
    for row in [
        "guest 0  guest 1",
        "discards by the host",
        "12       12",
        "ESSA 6 set stable",
    ] {
        assert!(table.contains(row), "{row:?} is not in\n{table}");
    }
    assert_eq!(crate::table::guests(&Collector::new(HOST)), "");
    let bare = crate::table::guests(&collect(BARE, &[guest_line(0, "ok")]));
    assert!(bare.contains("guest 0"), "{bare}");
}
