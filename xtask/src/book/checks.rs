//! What is checked of the chapters: the table of contents, links, and what they name of the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Tag, TagEnd};

use super::text::events;
use super::{Chapter, chapters};
use crate::workspace;

/// Where links and pictures lead, as they are written.
fn links(text: &str) -> Vec<String> {
    let link = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    };
    events(text).filter_map(link).collect()
}

/// What can be linked to: headings, in the form that a browser's address has.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors = Vec::new();
    let mut heading: Option<String> = None;
    for event in events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                anchors.extend(heading.take().map(|text| anchor(&text)));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            _ => {}
        }
    }
    anchors
}

/// A heading as an anchor: lower case, hyphens for spaces, nothing else that is not a letter or a digit.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|character| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        _ => character.is_alphanumeric().then_some(character),
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// Places in the code that a text names, as file and name: `` `a/b.rs`: `name` ``.
fn references(text: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = text.split('`').collect();
    let quoted = parts.windows(3).filter(|part| part[1] == ": ");
    quoted
        .filter(|part| part[0].ends_with(".rs") && !part[2].is_empty())
        .map(|part| (part[0].to_owned(), part[2].to_owned()))
        .collect()
}

/// Whether a source defines a name by a word such as `fn`.
fn defines(source: &str, word: &str, name: &str) -> bool {
    let wanted = format!("{word} {name}");
    source.match_indices(&wanted).any(|(at, _)| {
        let next = source[at + wanted.len()..].chars().next();
        !next.is_some_and(|character| character.is_alphanumeric() || character == '_')
    })
}

/// The chapter's folder, from the root of the checkout.
fn folder(chapter: &Chapter) -> PathBuf {
    Path::new(&chapter.path)
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

#[test]
fn every_chapter_is_in_the_table_of_contents() {
    let all = chapters().unwrap();
    let contents = all.iter().find(|one| one.path == "docs/SUMMARY.md");
    let listed: BTreeSet<String> = links(&contents.unwrap().text).into_iter().collect();
    let there = all.iter().filter_map(|one| {
        let name = one.path.strip_prefix("docs/")?;
        (name != "SUMMARY.md").then(|| name.to_owned())
    });
    assert_eq!(listed, there.collect());
}

#[test]
fn no_link_is_dead() {
    let all = chapters().unwrap();
    let mut count = 0;
    for chapter in &all {
        for link in links(&chapter.text) {
            if link.contains("://") {
                continue;
            }
            count += 1;
            // Pages are made of docs/ alone.
            let leaves = chapter.path.starts_with("docs/") && link.starts_with("..");
            assert!(!leaves, "{}: {link}", chapter.path);
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                PathBuf::from(&chapter.path)
            } else {
                folder(chapter).join(path)
            };
            let target = workspace::root().join(target);
            assert!(target.exists(), "{}: {link}", chapter.path);
            if !anchor.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let is_there = anchors(&text).iter().any(|one| one == anchor);
                assert!(is_there, "{}: {link}", chapter.path);
            }
        }
    }
    assert!(count > 50, "{count} links");
}

#[test]
fn what_the_chapters_name_in_the_code_is_there() {
    let mut count = 0;
    for chapter in chapters().unwrap() {
        for (file, name) in references(&chapter.text) {
            let path = workspace::root().join(&file);
            let source = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {file}: {error}", chapter.path));
            let name = name.rsplit("::").next().unwrap_or_default();
            let defined = ["fn", "struct", "enum", "mod", "macro_rules!", "trait"];
            let is_there = defined.iter().any(|word| defines(&source, word, name));
            assert!(is_there, "{}: {file} has no {name}", chapter.path);
            count += 1;
        }
    }
    assert!(count > 100, "{count} references");
}

const TEXT: &str = "# A `b`: c-d\n\nSee [x](y.md#z), ![p](q.svg); `a/b.rs`: `c`, `d`: `e`.\n\n    \
                        one\n\n```sh\ntwo # why\n```\n\n```text\nthree\n```\n\n| [r](s) |\n| --- |\n| t |\n";

#[test]
fn parts_of_a_text_are_found() {
    assert_eq!(links(TEXT), ["y.md#z", "q.svg", "s"]);
    assert_eq!(anchors(TEXT), ["a-b-c-d"]);
    assert_eq!(references(TEXT), [("a/b.rs".to_owned(), "c".to_owned())]);
}

#[test]
fn a_name_is_defined_as_a_whole() {
    assert!(defines("pub fn one(", "fn", "one"));
    assert!(!defines("pub fn ones(", "fn", "one"));
    assert!(!defines("call one(", "fn", "one"));
}
