//! What the suite found: for people, for test harnesses, for programs.

use anyhow::Result;

use super::pattern;
use crate::cli::Format;
use crate::events::{Event, Validation, Verdict};
use crate::{process, table};

/// Prints all cases in the form asked for.
pub(super) fn all(judged: &[Validation], format: Option<Format>, json: bool) -> Result<()> {
    if json {
        for one in judged {
            process::say(&Event::Validation(one.clone()).to_line())?;
        }
        return Ok(());
    }
    match format {
        Some(Format::Tap) => process::say(tap(judged).trim_end()),
        None | Some(Format::Table) => process::say(people(judged).trim_end()),
    }
}

/// The word for a verdict.
pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "same",
        Verdict::Different => "DIFFERENT",
        Verdict::New => "NEW",
        Verdict::NotObserved => "not observed",
        Verdict::Skipped => "skipped",
        Verdict::Leak => "leak",
        Verdict::Recorded => "recorded",
    }
}

/// An expectation, marked if what was observed is something else.
fn beside(expected: Option<&String>, observed: &str) -> String {
    match expected {
        None => "open".to_owned(),
        Some(pattern) if pattern::matches(pattern, observed) => "=".to_owned(),
        Some(pattern) => pattern.clone(),
    }
}

fn people(judged: &[Validation]) -> String {
    let header = ["check, case", "model", "documents", "observed", ""].map(str::to_owned);
    let rows: Vec<_> = judged
        .iter()
        .map(|one| {
            vec![
                format!("{} {}, {}", one.check, one.name, one.case),
                beside(one.model.as_ref(), &one.observed),
                beside(one.documents.as_ref(), &one.observed),
                one.observed.clone(),
                word(one.verdict).to_owned(),
            ]
        })
        .collect();
    let count = |verdict| judged.iter().filter(|one| one.verdict == verdict).count();
    let verdicts = [
        Verdict::Same,
        Verdict::Different,
        Verdict::New,
        Verdict::Recorded,
        Verdict::NotObserved,
        Verdict::Skipped,
        Verdict::Leak,
    ];
    let counts: Vec<String> = verdicts
        .into_iter()
        .filter(|verdict| count(*verdict) > 0)
        .map(|verdict| format!("{} {}", count(verdict), word(verdict)))
        .collect();
    let text = table::layout(&header, &rows);
    let meaning = "=: as expected; open: the documents do not say; 001a: discard fault; a number of four digits: program-interruption code";
    format!(
        "{text}{meaning}\n{} cases: {}\n",
        judged.len(),
        counts.join(", ")
    )
}

/// Test Anything Protocol, version 13.
fn tap(judged: &[Validation]) -> String {
    let mut text = format!("TAP version 13\n1..{}\n", judged.len());
    for (number, one) in (1..).zip(judged) {
        let bad = matches!(one.verdict, Verdict::Different | Verdict::New);
        let ok = if bad { "not ok" } else { "ok" };
        let why = match one.verdict {
            Verdict::NotObserved | Verdict::Skipped | Verdict::Leak => {
                format!(" # SKIP {}", word(one.verdict))
            }
            Verdict::Different => format!(" (profile: {})", one.profile.as_deref().unwrap_or("")),
            _ => String::new(),
        };
        text += &format!(
            "{ok} {number} - {} {}, {}: {}{why}\n",
            one.check, one.name, one.case, one.observed
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(verdict: Verdict) -> Validation {
        Validation {
            check: 101,
            case: "Sr".to_owned(),
            name: "ESSA 1 set stable".to_owned(),
            sources: "facts 2".to_owned(),
            model: Some("Sr>Sr".to_owned()),
            documents: None,
            observed: "Sr>Ur".to_owned(),
            profile: Some("Sr>Sr".to_owned()),
            verdict,
        }
    }

    #[test]
    fn people_see_what_is_expected_only_where_it_differs() {
        let text = people(&[one(Verdict::Different)]);
        assert!(text.contains("Sr>Sr  ") && text.contains("open"), "{text}");
        assert!(text.ends_with("1 cases: 1 DIFFERENT\n"), "{text}");
    }

    #[test]
    fn what_was_not_found_out_never_passes_in_tap() {
        let text = tap(&[
            one(Verdict::Leak),
            one(Verdict::Different),
            one(Verdict::Same),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["TAP version 13", "1..3"]);
        assert!(lines[2].ends_with("# SKIP leak"), "{text}");
        assert!(lines[3].starts_with("not ok 2 - 101 "), "{text}");
        assert!(lines[4].starts_with("ok 3 - "), "{text}");
    }
}
