//! One sample line of every kind: read, written back, and looked up in the documentation.

use std::fs;

use super::*;
use crate::workspace;

const SAMPLES: &[&str] = &[
    r#"{"kind":"boot","seq":0,"image":"kernel","version":"0.1.0","memory":25165824,"cpus":4,"cpus_used":2,"console":"ascii","essa":true,"discards":"not probed","hinting":"full","back_end":"essa","disk":"diag250","files":3,"bytes":4097,"pfault":true}"#,
    r#"{"kind":"cp","seq":1,"command":"QUERY CPLEVEL","code":0,"response":"z/VM Version 7"}"#,
    r#"{"kind":"work","seq":1,"work":"verify","since_entry_us":8123}"#,
    r#"{"kind":"progress","seq":2,"pass":1,"passes":2,"files_done":1,"files":3,"bytes_verified":17}"#,
    r#"{"kind":"mismatch","seq":3,"file":"a/b","offset":4096,"length":100,"page_state":"Vr","copy":"fault-tolerant"}"#,
    r#"{"kind":"measure","seq":4,"name":"essa","count":1000,"instructions":120000}"#,
    r#"{"kind":"tally","seq":4,"name":"ESSA of churn","count":1000,"events":120}"#,
    r#"{"kind":"requests","seq":4,"bytes":81920,"elapsed_ns":90000,"busy_ns":80000,"latency":{"98":7,"101":1}}"#,
    r#"{"kind":"guest","seq":5,"status":"failed","reason":"mismatch","work":"verify","files":3,"passes":2,"bytes_verified":8194,"cache_hits":1,"cache_misses":2,"essa":{"1":2,"6":1},"discard_faults":1,"stable_failures":1,"reloads":2,"mismatches":1,"fault_tolerant_copies":3,"stable_copies":3,"made_volatile":2,"made_volatile_swap":1,"made_potentially_volatile":0,"refused_locked":0,"minor_faults":6,"volatile_refused":1,"made_stable":1,"reclaimed":0,"clears_skipped":4,"frames":100,"frames_free":90,"frames_cached":1,"frames_anonymous":0,"frames_kernel":4,"frames_reserved":5,"page_descriptor_bytes":64,"optimistic_copies":3,"optimistic_failures":1,"work_us":9,"duplicate_fills":1,"late_discard_faults":0,"sign_off_rounds":2,"sign_off_pages":3,"sign_off_waiting":0,"sign_off_longest":2,"sign_off_ticks":[1,2],"ticks":10,"ticks_lost":1,"idle_us":5,"spin_us":4,"switches":9,"cpus_taken_off":2,"page_faults_waited":1,"page_faults_late":1,"reported_blocks":3,"reported_pages":96,"ballooned_pages":5,"withdrawn_pages":1,"balloon_ns":8,"read_requests":5,"pages_read_ahead":9,"read_ahead_used":7,"read_ahead_unused":1,"writes_skipped":2,"swapped_in":0,"pages_written":0,"write_errors":0,"swap_full":0,"copies_on_write":0,"pages_reused":0,"pages_remapped":0,"reverse_map_walks":3,"reverse_map_steps":9,"non_linear_steps":0,"user_copies":7,"user_copy_fix_ups":2,"user_copy_faults":3}"#,
    r#"{"kind":"check_begin","seq":5,"check":901}"#,
    r#"{"kind":"check","seq":5,"check":103,"case":"Sr","observed":"Sr>Vr"}"#,
    r#"{"kind":"validation","check":103,"case":"Sr","name":"ESSA 3 set volatile","sources":"facts 2","model":"Sr>Vr","documents":null,"observed":"Sr>Vr","profile":"Sr>Vr","verdict":"same"}"#,
    r#"{"kind":"file","seq":6,"disk":257,"first":0,"blocks":8,"crc64":"0123456789abcdef"}"#,
    r#"{"kind":"error","seq":6,"reason":"no disk"}"#,
    r#"{"kind":"trace","seq":6,"lost":3,"events":"d0000000000000000003000000000040"}"#,
    r#"{"kind":"host_boot","seq":0,"image":"host","version":"0.1.0","memory":67108864,"cpus":2,"vcpus":4,"frames":10240,"guests":2,"evict":"random:2000","hinting":"full","personality":"kvm","backend":"trap","paging":"disk","expanded":256,"slots":16384}"#,
    r#"{"kind":"console","seq":1,"guest":0,"line":"hello"}"#,
    r#"{"kind":"sample","seq":1,"time_ns":1000,"states":{"Sr":5,"Vz":2},"counts":{"frames_free":3}}"#,
    r#"{"kind":"operator","seq":1,"command":"list","guest":0,"status":"ok","text":"runs","counts":{"cpus":1,"pages":6144}}"#,
    r#"{"kind":"guest_end","seq":2,"guest":0,"status":"ok","reason":"disabled wait 0xfff"}"#,
    r#"{"kind":"host","seq":3,"status":"ok","reason":null,"frames":10240,"frames_free":7,"expanded":256,"expanded_free":9,"slots":16384,"slots_free":16000,"slots_retired":1,"page_read_errors":0,"page_write_errors":1,"idle_us":4,"reclaimed":6,"reclaim_ns":300,"elapsed_ns":900,"sampling_ns":5,"monitor_ns":0,"guests":[{"id":0,"status":"ok","reason":null,"discards":5,"evicted":{"Vr":5},"discard_faults":3,"addressing_faults":0,"zero_fills":9,"shadow_recycled":1,"paged_out":3,"expanded_out":2,"expanded_in":1,"expanded_volatile":1,"page_writes":2,"page_reads":1,"page_reads_ahead":1,"page_waits":2,"page_wait_us":300,"page_faults_told":1,"balloon_target":3,"balloon_pages":2,"balloon_available":4096,"balloon_inflated":2,"balloon_deflated":1,"balloon_reported":5,"balloon_wake_ups":1,"exits":{"operation":4},"essa":{"0":1},"diagnose":{"x250":2},"cpu_us":12,"disk_bytes_written":512,"disk_bytes_read":4096,"ran_ns":9000,"hinting_ns":40,"virtio_ns":0}]}"#,
    r#"{"kind":"result","status":"ok","reason":null,"guests":[{"id":0,"bytes_verified":1,"mismatches":0,"discards":5,"discard_faults":3,"stable_failures":2,"reloads":5,"essa":{"1":2}}]}"#,
    r#"{"kind":"image","name":"kernel","path":"target/kernel","bytes":100000,"unpacked":null}"#,
    r#"{"kind":"figure","name":"boot","value":0.125,"unit":"s","bound":0.3}"#,
];

/// The sample line of a kind.
pub(crate) fn sample(kind: &str) -> Event {
    let mut all = SAMPLES.iter().map(|line| parse(line).unwrap());
    all.find(|event| event.kind() == kind).unwrap()
}

#[test]
fn there_is_a_sample_of_every_kind() {
    let kinds: Vec<_> = SAMPLES
        .iter()
        .map(|line| parse(line).unwrap().kind())
        .collect();
    assert_eq!(
        kinds
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        kinds.len()
    );
    assert_eq!(kinds.len(), KINDS.len());
    assert!(KINDS.iter().all(|kind| kinds.contains(kind)));
}

#[test]
fn samples_are_read_and_written_without_loss() {
    for sample in SAMPLES {
        let event = parse(sample).unwrap();
        let written: Value = serde_json::from_str(&event.to_line()).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(sample).unwrap());
        assert_eq!(event.seq(), written.get("seq").and_then(Value::as_u64));
    }
}

#[test]
fn an_answer_of_the_operator_is_a_line_for_people() {
    let line = |text: &str| match parse(text).unwrap() {
        Event::Operator(answer) => answer.to_string(),
        event => panic!("{event:?}"),
    };
    let list = r#"{"kind":"operator","seq":1,"command":"list","guest":0,"status":"ok","text":"runs","counts":{"cpus":1,"pages":6}}"#;
    assert_eq!(line(list), "guest 0: list: runs, cpus 1, pages 6");
    let pause = r#"{"kind":"operator","seq":1,"command":"pause","guest":3,"status":"ok","text":null,"counts":{}}"#;
    assert_eq!(line(pause), "guest 3: pause: done");
    let wrong = r#"{"kind":"operator","seq":1,"command":"","guest":null,"status":"failed","text":"\"halt\": expected","counts":{}}"#;
    assert_eq!(line(wrong), "operator: \"halt\": expected");
}

#[test]
fn unknown_kinds_and_fields_and_missing_fields_are_refused() {
    assert!(
        parse(r#"{"kind":"news","seq":0}"#)
            .unwrap_err()
            .contains("unknown kind")
    );
    assert!(parse(r#"{"seq":0}"#).unwrap_err().contains("no kind"));
    assert!(parse("{").unwrap_err().contains("not JSON"));
    for sample in SAMPLES {
        let mut value: Value = serde_json::from_str(sample).unwrap();
        value["surprise"] = Value::from(1);
        assert!(
            parse(&value.to_string())
                .unwrap_err()
                .contains("unknown field `surprise`")
        );
        let fields: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        for field in fields {
            let mut less: Value = serde_json::from_str(sample).unwrap();
            // A field that may be null may also be left out; every other one must be there.
            let may_be_null: &[&str] = match parse(sample) {
                Ok(Event::Operator(_)) => &["guest", "text"],
                Ok(Event::Validation(_)) => &["model", "documents", "profile"],
                Ok(Event::Image(_)) => &["unpacked"],
                _ => &["reason", "bound"],
            };
            if !may_be_null.contains(&field.as_str())
                && less.as_object_mut().unwrap().remove(&field).is_some()
            {
                assert!(
                    parse(&less.to_string()).is_err(),
                    "{sample} without {field}"
                );
            }
        }
    }
}

/// All keys of a sample, those inside lists of objects too, but not those of counts.
fn keys(value: &Value, found: &mut Vec<String>) {
    for (key, inner) in value.as_object().unwrap() {
        found.push(key.clone());
        if let Some(first) = inner
            .as_array()
            .and_then(|list| list.first())
            .filter(|first| first.is_object())
        {
            keys(first, found);
        }
    }
}

#[test]
fn the_documentation_names_every_kind_and_every_field() {
    let text = fs::read_to_string(workspace::root().join("docs/output.md")).unwrap();
    let sections: Vec<&str> = text.split("\n### ").collect();
    for sample in SAMPLES {
        let value: Value = serde_json::from_str(sample).unwrap();
        let kind = value["kind"].as_str().unwrap();
        let heading = format!("`{kind}`");
        let section = sections
            .iter()
            .find(|section| section.starts_with(&heading));
        let section = section.unwrap_or_else(|| panic!("docs/output.md has no section {heading}"));
        let mut fields = Vec::new();
        keys(&value, &mut fields);
        for field in fields
            .iter()
            .filter(|field| *field != "kind" && *field != "seq")
        {
            assert!(
                section.contains(&format!("`{field}`")),
                "{heading} lacks `{field}`"
            );
        }
    }
}
