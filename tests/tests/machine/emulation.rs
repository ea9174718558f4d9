//! Each instruction that the host emulates, in many states: all registers, what is stored, the interruption
//! and its details are inside the host what they are on the bare emulator, but for differences that are
//! listed by name.

pub(crate) mod case;
pub(crate) mod differences;
mod programs;
pub(crate) mod result;
mod specs;

use std::fs;
use std::path::Path;

use host::emulate::listing::{Fate, rows};
use libtest_mimic::{Failed, Trial};

use crate::check;
use crate::runs::leak;
use crate::shadow::bare_lines;
use crate::support::{Verdict, folder, run, trial};
use case::Case;
use differences::{DIFFERENCES, Difference};
use result::Result as Found;
use xtask::events::Event;

/// Most cases that a failure tells about.
const MOST_TOLD: usize = 40;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("emulation::every_emulated_instruction_has_cases", complete),
        trial("emulation::as_on_the_bare_emulator", same),
        trial("emulation::operands_in_a_discarded_page", discarded),
    ]
}

fn complete() -> Verdict {
    for row in rows() {
        let is_emulated = matches!(row.fate, Fate::Emulated { .. });
        let mut specs = specs::SPECS.iter().map(|spec| spec.name.split(' ').next());
        let has_cases = specs.any(|name| name == Some(row.name));
        check!(!is_emulated || has_cases, "no case of {}", row.name);
    }
    Ok(())
}

fn same() -> Verdict {
    let cases = case::all();
    let folder = folder();
    let path = folder.path().join("guest.img");
    fs::write(&path, case::image(&cases)).map_err(|error| error.to_string())?;
    let bare = results(bare_lines(&path)?, cases.len())?;
    let hosted = results(hosted(&path, "lru")?, cases.len())?;
    compare(&cases, &bare, &hosted, DIFFERENCES)
}

/// Fails unless all that differs between two lists of results is explained, and each explanation is of use.
pub(crate) fn compare(
    cases: &[Case],
    bare: &[Found],
    hosted: &[Found],
    differences: &[Difference],
) -> Verdict {
    let (mut told, mut used) = (Vec::new(), vec![false; differences.len()]);
    for ((case, bare), hosted) in cases.iter().zip(bare).zip(hosted) {
        let differing = bare.differing(hosted);
        if differing.is_empty() {
            continue;
        }
        match differences
            .iter()
            .position(|difference| difference.explains(case, bare, &differing))
        {
            Some(number) => used[number] = true,
            None => told.push(format!("{}: {}", case.name, bare.tell(hosted, &differing))),
        }
    }
    let count = told.len();
    told.truncate(MOST_TOLD);
    check!(
        told.is_empty(),
        "{count} of {} cases differ:\n{}",
        cases.len(),
        told.join("\n")
    );
    for (difference, used) in differences.iter().zip(used) {
        check!(
            used,
            "there is no such difference any more: {}",
            difference.reason
        );
    }
    Ok(())
}

/// Who gets at a page that has been discarded gets a discard fault with its address, and nothing has changed.
fn discarded() -> Verdict {
    let cases = case::lost();
    let folder = folder();
    let path = folder.path().join("guest.img");
    fs::write(&path, case::image_of_lost(&cases)).map_err(|error| error.to_string())?;
    must_be_lost(&cases, &results(hosted(&path, "steal")?, cases.len())?)
}

/// Fails unless each case has ended in a discard fault that left no trace.
pub(crate) fn must_be_lost(cases: &[Case], results: &[Found]) -> Verdict {
    for (case, result) in cases.iter().zip(results) {
        let (registers, psw) = case.untouched();
        let expected: [(&str, &[u8]); 4] = [
            ("program-interruption code", &[0, 0x1a]),
            (
                "translation-exception identification",
                &[0, 0, 0, 0, 0, 2, 0xe0, 0],
            ),
            ("general registers", &registers),
            ("program old PSW", &psw),
        ];
        for (part, bytes) in expected {
            let found = result.part(part);
            check!(found == bytes, "{}: {part} {found:x?}", case.name);
        }
    }
    Ok(())
}

/// What the image prints inside the host.
fn hosted(path: &Path, policy: &'static str) -> Result<Vec<String>, Failed> {
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    let arguments = [
        "--guests",
        "1",
        "--guest-memory",
        "16M",
        "--guest",
        path,
        "--evict",
        policy,
    ];
    let files = ["--files", crate::files::directory()];
    let run = run(&[&arguments[..], &files[..]].concat())?;
    run.must_be_good()?;
    let lines = run.events.into_iter().filter_map(|event| match event {
        Event::Console(console) => Some(console.line),
        _ => None,
    });
    Ok(lines.collect())
}

pub(crate) fn results(lines: Vec<String>, count: usize) -> Result<Vec<Found>, Failed> {
    let found: Vec<_> = lines.iter().filter_map(|line| Found::parse(line)).collect();
    check!(
        found.len() == count,
        "{} results of {count} cases",
        found.len()
    );
    Ok(found)
}

impl Case {
    /// The instruction's mnemonic.
    pub(crate) fn mnemonic(&self) -> &str {
        let end = self.name.find([' ', ',']).unwrap_or(self.name.len());
        &self.name[..end]
    }
}
