//! Tables for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::iter::once;

use crate::collect::Collector;
use crate::events::{Guest, HostGuest};

/// Lays out rows under a header: the first column to the left, the others to the right.
#[must_use]
pub fn layout(header: &[String], rows: &[Vec<String>]) -> String {
    let all = || once(header).chain(rows.iter().map(Vec::as_slice));
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            all()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let separator = if column == 0 { "" } else { "  " };
            let _ = if column == 0 {
                write!(line, "{cell:width$}")
            } else {
                write!(line, "{separator}{cell:>width$}")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A row of the guests' table: its name, and its cell for a guest.
type Row = (&'static str, Cell);
type Count = fn(&Guest) -> u64;
type HostCount = fn(&HostGuest) -> u64;
type Cell = fn(&Guest, Option<&HostGuest>) -> String;

/// What every guest did, one column a guest; nothing if no guest lived to report.
#[must_use]
pub fn guests(collector: &Collector) -> String {
    let reports: Vec<_> = collector
        .guests()
        .iter()
        .filter_map(|(id, guest)| Some((*id, guest.outcome.as_ref()?)))
        .collect();
    if reports.is_empty() {
        return String::new();
    }
    let mut header = vec![String::new()];
    header.extend(reports.iter().map(|(id, _)| format!("guest {id}")));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (name, cell) in counters() {
        let cells = reports
            .iter()
            .map(|(id, report)| cell(report, collector.host_guest(*id)));
        rows.push(once(name.to_owned()).chain(cells).collect());
    }
    for (name, count) in of_the_balloon() {
        if reports.iter().any(|(_, guest)| count(guest) > 0) {
            let cells = reports.iter().map(|(_, guest)| grouped(count(guest)));
            rows.push(once(name.to_owned()).chain(cells).collect());
        }
    }
    let hosted = reports
        .iter()
        .map(|(id, _)| collector.host_guest(*id))
        .collect::<Option<Vec<_>>>();
    for (name, count) in of_the_pager() {
        let counts = hosted.iter().flatten().map(|guest| count(guest));
        if counts.clone().any(|count| count > 0) {
            rows.push(once(name.to_owned()).chain(counts.map(grouped)).collect());
        }
    }
    let used: BTreeSet<&String> = reports
        .iter()
        .flat_map(|(_, guest)| guest.essa.keys())
        .collect();
    for orc in used {
        let cells = reports
            .iter()
            .map(|(_, guest)| grouped(guest.essa.get(orc).copied().unwrap_or(0)));
        rows.push(
            once(format!("ESSA {orc} {}", orc_name(orc)))
                .chain(cells)
                .collect(),
        );
    }
    layout(&header, &rows)
}

fn counters() -> [Row; 8] {
    [
        ("files", |guest, _| grouped(guest.files)),
        ("bytes verified", |guest, _| grouped(guest.bytes_verified)),
        ("page cache hits / misses", |guest, _| {
            format!(
                "{} / {}",
                grouped(guest.cache_hits),
                grouped(guest.cache_misses)
            )
        }),
        ("discards by the host", |_, host| {
            host.map_or("-".to_owned(), |host| grouped(host.discards))
        }),
        ("discard faults taken", |guest, _| {
            grouped(guest.discard_faults)
        }),
        ("failed make-stables", |guest, _| {
            grouped(guest.stable_failures)
        }),
        ("reloads", |guest, _| grouped(guest.reloads)),
        ("mismatches", |guest, _| grouped(guest.mismatches)),
    ]
}

/// Counters that are 0 without a balloon device.
fn of_the_balloon() -> [(&'static str, Count); 3] {
    [
        ("free pages reported", |guest| guest.reported_pages),
        ("pages in the balloon", |guest| guest.ballooned_pages),
        ("pages taken back in need", |guest| guest.withdrawn_pages),
    ]
}

/// Counters that are 0 in a host without paging.
fn of_the_pager() -> [(&'static str, HostCount); 4] {
    [
        ("pages taken and kept", |guest| guest.paged_out),
        ("pages written by the host", |guest| guest.page_writes),
        ("pages read by the host", |guest| {
            guest.page_reads + guest.page_reads_ahead
        }),
        ("waits for pages", |guest| guest.page_waits),
    ]
}

/// What an operation request code of ESSA asks for.
fn orc_name(orc: &str) -> &'static str {
    match orc {
        "0" => "get state",
        "1" => "set stable",
        "2" => "set unused",
        "3" => "set volatile",
        "4" => "set potentially volatile",
        "5" => "set stable, make resident",
        "6" => "set stable unless discarded",
        "7" => "set stable, no DAT",
        _ => "",
    }
}

/// A number with its digits in groups of three.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }

    #[test]
    fn columns_are_aligned() {
        let words = |list: &[&str]| {
            list.iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let text = layout(
            &words(&["", "guest 0"]),
            &[words(&["files", "12"]), words(&["x", "1"])],
        );
        assert_eq!(text, "       guest 0\nfiles       12\nx            1\n");
    }
}
