//! Tables for people.

use std::fmt::Write as _;

use crate::collect::Collector;
use crate::events::Counts;

/// Lays out rows under a header: the first column to the left, the others to the right.
#[must_use]
pub fn layout(header: &[String], rows: &[Vec<String>]) -> String {
    let all = || std::iter::once(header).chain(rows.iter().map(Vec::as_slice));
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

/// What every guest did, one column a guest.
#[must_use]
pub fn guests(collector: &Collector) -> String {
    let mut header = vec![String::new()];
    let mut rows: Vec<Vec<String>> = ROWS.iter().map(|row| vec![(*row).to_owned()]).collect();
    for (id, guest) in collector.guests() {
        let Some(own) = &guest.outcome else { continue };
        header.push(format!("guest {id}"));
        let host = collector.host_guest(*id);
        let of_host = |count: Option<u64>| count.map_or("-".to_owned(), grouped);
        let cells = [
            grouped(own.files),
            grouped(own.bytes_verified),
            format!(
                "{} / {}",
                grouped(own.cache_hits),
                grouped(own.cache_misses)
            ),
            essa(&own.essa),
            of_host(host.map(|host| host.discards)),
            grouped(own.discard_faults),
            grouped(own.stable_failures),
            grouped(own.reloads),
            grouped(own.mismatches),
        ];
        for (row, cell) in rows.iter_mut().zip(cells) {
            row.push(cell);
        }
    }
    if header.len() == 1 {
        String::new()
    } else {
        layout(&header, &rows)
    }
}

const ROWS: [&str; 9] = [
    "files",
    "bytes verified",
    "page cache hits / misses",
    "ESSA by ORC",
    "discards by the host",
    "discard faults taken",
    "failed make-stables",
    "reloads",
    "mismatches",
];

fn essa(counts: &Counts) -> String {
    let each = counts
        .iter()
        .map(|(orc, count)| format!("{orc}:{}", grouped(*count)));
    let text = each.collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        "none".to_owned()
    } else {
        text
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
