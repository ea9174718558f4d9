//! What was measured and is kept: `docs/results`, and the parts of the book that are made from it.
//!
//! ```text
//! bench --record ──► docs/results/bench.json ──► bench ─┐
//! farm ── --farm ──► docs/results/farm.json  ──► farm ──┴─► block ──► README.md, docs/allocator.md, docs/farm.md
//! the same by the wall clock ──► docs/results/wall/farm.json
//! ```

pub mod bench;
mod block;
mod farm;
mod lines;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cli::ResultsOptions;
use crate::farm::store;
use crate::{failure, process, workspace};

/// Where results are kept, below the checkout.
const FOLDER: &str = "docs/results";
/// What a page says of itself where results stand in it.
const README: &str = "README.md";
const ALLOCATOR_PAGE: &str = "docs/allocator.md";
const FARM_PAGE: &str = "docs/farm.md";

/// A page of the book.
struct Page {
    path: PathBuf,
    /// What it says.
    is: String,
    /// What it has to say.
    should_be: String,
}

/// The subcommand `results`.
pub(crate) fn command(options: &ResultsOptions) -> Result<()> {
    let root = workspace::root();
    if let Some(folder) = &options.farm {
        farm::take_over(folder, &root.join(FOLDER))?;
    }
    let stale = stale(&root)?;
    if options.check {
        return match &stale[..] {
            [] => Ok(()),
            pages => {
                let names: Vec<_> = pages.iter().map(|page| name(&root, page)).collect();
                let what = format!(
                    "not as {FOLDER} has it: {}; type `cargo xtask results`",
                    names.join(", ")
                );
                Err(failure::with_status(failure::FAILED, what))
            }
        };
    }
    for page in stale {
        write(&page.path, &page.should_be)?;
        process::say(&format!("{}: written", name(&root, &page)))?;
    }
    Ok(())
}

fn name(root: &Path, page: &Page) -> String {
    let short = page.path.strip_prefix(root);
    short.unwrap_or(&page.path).display().to_string()
}

/// Shows what there is in the book of the checkout.
///
/// # Errors
/// A result is unreadable or of another format, or a page cannot be written.
pub(crate) fn show() -> Result<()> {
    for page in stale(&workspace::root())? {
        write(&page.path, &page.should_be)?;
    }
    Ok(())
}

/// The pages below `root` that are not as the results have it. A result that is not there changes nothing.
fn stale(root: &Path) -> Result<Vec<Page>> {
    let folder = root.join(FOLDER);
    let (mut of_readme, mut of_allocator, mut of_farm) = (Vec::new(), Vec::new(), Vec::new());
    if folder.join(bench::FILE).exists() {
        let bench = bench::read(&folder)?;
        of_readme.push(("bench", bench.shown()?));
        of_allocator.push(("allocators", bench.allocators()?));
    }
    if folder.join(store::RESULT).exists() {
        let farm = store::read(&folder)?;
        of_readme.push(farm::readme_block(&farm));
        of_farm.extend(farm::blocks(&farm));
    }
    let wall = folder.join(farm::WALL);
    if wall.join(store::RESULT).exists() {
        of_farm.extend(farm::wall_blocks(&store::read(&wall)?));
    }
    let mut pages = Vec::new();
    for (name, blocks) in [
        (README, of_readme),
        (ALLOCATOR_PAGE, of_allocator),
        (FARM_PAGE, of_farm),
    ] {
        if !blocks.is_empty() {
            pages.push(page(root.join(name), &blocks)?);
        }
    }
    pages.retain(|page| page.is != page.should_be);
    Ok(pages)
}

/// A page with blocks of these names and contents.
fn page(path: PathBuf, blocks: &[(&str, String)]) -> Result<Page> {
    let unusable = |what: &str| failure::unusable(format!("{}: {what}", path.display()));
    let is = fs::read_to_string(&path).map_err(|error| unusable(&error.to_string()))?;
    let mut should_be = is.clone();
    for (name, content) in blocks {
        should_be = block::replace(&should_be, name, content)
            .ok_or_else(|| unusable(&format!("no place for results: {}", block::begin(name))))?;
    }
    Ok(Page {
        path,
        is,
        should_be,
    })
}

/// Writes a file all at once.
fn write(path: &Path, text: &str) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(cannot)?;
    }
    let unfinished = path.with_extension("tmp");
    fs::write(&unfinished, text)
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(cannot)
}

/// A commit as people quote it.
fn short(commit: Option<&str>) -> String {
    let Some(commit) = commit else {
        return "no commit".to_owned();
    };
    let digits: String = commit.chars().take(12).collect();
    let mark = if commit.ends_with('+') {
        " with changes"
    } else {
        ""
    };
    format!("commit {digits}{mark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_is_as_the_results_have_it() {
        let root = workspace::root();
        assert!(root.join(FOLDER).join(bench::FILE).exists());
        let stale = stale(&root).unwrap();
        let names: Vec<_> = stale.iter().map(|page| name(&root, page)).collect();
        assert!(names.is_empty(), "type `cargo xtask results`: {names:?}");
    }

    /// A book with two pages and the result that belongs to them.
    fn book(result: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(FOLDER)).unwrap();
        for (name, block) in [(README, "bench"), (ALLOCATOR_PAGE, "allocators")] {
            let page = format!("a\n{}\nold\n{}\nb\n", block::begin(block), block::END);
            fs::write(root.path().join(name), page).unwrap();
        }
        fs::write(root.path().join(FOLDER).join(bench::FILE), result).unwrap();
        root
    }

    #[test]
    fn what_was_typed_by_hand_is_stale() {
        let kept = fs::read_to_string(workspace::root().join(FOLDER).join(bench::FILE)).unwrap();
        let root = book(&kept);
        let pages = stale(root.path()).unwrap();
        assert_eq!(pages.len(), 2);
        for page in pages {
            write(&page.path, &page.should_be).unwrap();
            let text = page.should_be;
            assert!(text.starts_with("a\n") && text.ends_with("\nb\n"));
            assert!(!text.contains("old"));
        }
        assert!(stale(root.path()).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_read_ends_with_one_line_and_status_2() {
        for (result, what) in [
            ("{\"format\": 1", "EOF"),
            ("[]", "format"),
            ("{\"format\": 99, \"new\": true}", "format 99, not 1"),
            ("{\"format\": 1, \"figures\": []}", "missing field"),
        ] {
            let Err(error) = stale(book(result).path()) else {
                panic!("{result} was read")
            };
            assert_eq!(failure::status_of(&error), failure::UNUSABLE, "{result}");
            let line = failure::one_line(&error);
            assert!(
                line.contains("bench.json") && line.contains(what) && !line.contains('\n'),
                "{line}"
            );
        }
    }

    #[test]
    fn a_page_without_a_place_is_refused() {
        let root = book("{}");
        fs::write(root.path().join(README), "nothing\n").unwrap();
        let path = root.path().join(README);
        let Err(error) = page(path, &[("bench", String::new())]) else {
            panic!("it has no place")
        };
        assert_eq!(failure::status_of(&error), failure::UNUSABLE);
    }

    #[test]
    fn commits_are_short_and_tell_of_changes() {
        assert_eq!(short(Some("0123456789abcdef")), "commit 0123456789ab");
        assert_eq!(
            short(Some("0123456789abcdef+")),
            "commit 0123456789ab with changes"
        );
        assert_eq!(short(None), "no commit");
    }
}
