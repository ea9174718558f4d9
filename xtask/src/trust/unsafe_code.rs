//! The subcommand `unsafe`: how much of the code the compiler does not check, by file, and a ceiling for each.
//!
//! Sources are parsed, not searched: words in comments and texts do not count. What is in macros is a sequence of words to
//! a parser, and each `unsafe` there counts as a block.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use proc_macro2::{TokenStream, TokenTree};
use serde::{Deserialize, Serialize};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::cli::UnsafeOptions;
use crate::table::grouped;
use crate::{failure, process, workspace};

/// Where the ceilings stand, from the root.
const CEILINGS: &str = "docs/unsafe.json";

/// What of a file, or of more, is unsafe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Blocks, and words in macros.
    pub blocks: usize,
    /// Functions that only callers can make sound.
    pub functions: usize,
    /// Implementations of unsafe traits, and such traits.
    pub impls: usize,
    /// Blocks of foreign items.
    pub foreign: usize,
}

impl Count {
    /// All places.
    #[must_use]
    pub fn total(self) -> usize {
        self.blocks + self.functions + self.impls + self.foreign
    }

    fn parts(self) -> [usize; 4] {
        [self.blocks, self.functions, self.impls, self.foreign]
    }

    fn add(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.functions += other.functions;
        self.impls += other.impls;
        self.foreign += other.foreign;
    }

    /// Whether there is no more of any part than in another count.
    fn is_within(self, ceiling: Self) -> bool {
        let mut pairs = self.parts().into_iter().zip(ceiling.parts());
        pairs.all(|(is, most)| is <= most)
    }
}

/// What a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Unsafe places.
    pub count: Count,
    /// Lines in them.
    pub unsafe_lines: usize,
    /// Lines that are neither empty nor comments.
    pub lines: usize,
}

/// What all files have, by path from the root.
pub type Survey = BTreeMap<String, Source>;

struct Finder {
    count: Count,
    /// Numbers of lines in unsafe places.
    lines: BTreeSet<usize>,
}

impl Finder {
    fn cover(&mut self, what: &impl Spanned) {
        let span = what.span();
        self.lines.extend(span.start().line..=span.end().line);
    }

    fn words(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(word) if word == "unsafe" => {
                    self.count.blocks += 1;
                    self.cover(&word);
                }
                TokenTree::Group(group) => self.words(group.stream()),
                _ => {}
            }
        }
    }

    /// A signature; what is in its function is covered if that is unsafe.
    fn signature(&mut self, signature: &syn::Signature, whole: &impl Spanned) {
        if signature.unsafety.is_some() {
            self.count.functions += 1;
            self.cover(whole);
        }
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.count.blocks += 1;
        self.cover(block);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.signature(&function.sig, function);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.signature(&function.sig, function);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.signature(&function.sig, function);
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if item.unsafety.is_some() {
            self.count.impls += 1;
            self.cover(item);
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.count.impls += usize::from(item.unsafety.is_some());
        visit::visit_item_trait(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast syn::ItemForeignMod) {
        self.count.foreign += 1;
        self.cover(item);
        visit::visit_item_foreign_mod(self, item);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.words(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

fn is_code(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("//")
}

/// What a source has.
///
/// # Errors
/// It is no Rust.
pub fn source(text: &str) -> Result<Source> {
    let file = syn::parse_file(text)?;
    let mut finder = Finder {
        count: Count::default(),
        lines: BTreeSet::new(),
    };
    finder.visit_file(&file);
    let numbered = (1..).zip(text.lines()).filter(|(_, line)| is_code(line));
    let (mut lines, mut unsafe_lines) = (0, 0);
    for (number, _) in numbered {
        lines += 1;
        unsafe_lines += usize::from(finder.lines.contains(&number));
    }
    Ok(Source {
        count: finder.count,
        unsafe_lines,
        lines,
    })
}

/// The sources below a folder, but for what is built there.
fn sources(folder: &Path, all: &mut Vec<PathBuf>) -> Result<()> {
    for file in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = file?.path();
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, all)?;
        } else if is_source {
            all.push(path);
        }
    }
    Ok(())
}

/// What every source of every package of a checkout has.
///
/// # Errors
/// A file cannot be read, or is no Rust.
pub fn survey(root: &Path) -> Result<Survey> {
    let mut survey = Survey::new();
    for folder in fs::read_dir(root)? {
        let folder = folder?.path();
        if !folder.join("Cargo.toml").is_file() {
            continue;
        }
        let mut files = Vec::new();
        sources(&folder, &mut files)?;
        for path in files {
            let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).with_context(|| name.clone())?;
            survey.insert(name.clone(), source(&text).context(name)?);
        }
    }
    Ok(survey)
}

/// What is allowed, by path from the root.
type Ceilings = BTreeMap<String, Count>;

fn ceilings(root: &Path) -> Result<Ceilings> {
    let path = root.join(CEILINGS);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// What is above its ceiling: a line each.
fn excess(survey: &Survey, ceilings: &Ceilings) -> Vec<String> {
    let places = |count: Count| {
        let [blocks, functions, impls, foreign] = count.parts();
        format!(
            "{blocks} blocks, {functions} functions, {impls} implementations, {foreign} foreign"
        )
    };
    let unsafe_files = survey.iter().filter(|(_, source)| source.count.total() > 0);
    let above = unsafe_files.filter_map(|(name, source)| match ceilings.get(name) {
        None => Some(format!(
            "{name} is not among those that may have unsafe code"
        )),
        Some(most) if source.count.is_within(*most) => None,
        Some(most) => {
            let (is, most) = (places(source.count), places(*most));
            Some(format!("{name} has {is}; {most} are allowed"))
        }
    });
    above.collect()
}

/// The ceilings that a survey leaves: never above those that were.
fn lowered(survey: &Survey, ceilings: &Ceilings) -> Ceilings {
    let least = |(name, most): (&String, &Count)| {
        let is = survey.get(name)?.count;
        let lower = Count {
            blocks: is.blocks.min(most.blocks),
            functions: is.functions.min(most.functions),
            impls: is.impls.min(most.impls),
            foreign: is.foreign.min(most.foreign),
        };
        (lower.total() > 0).then(|| (name.clone(), lower))
    };
    ceilings.iter().filter_map(least).collect()
}

/// Package, file, or all, and what it has.
fn row(name: &str, source: Source) -> String {
    let Source {
        count,
        unsafe_lines,
        lines,
    } = source;
    let [blocks, functions, impls, foreign] = count.parts();
    let share = 100.0 * unsafe_lines as f64 / lines.max(1) as f64;
    format!(
        "{name:44}{blocks:>7}{functions:>11}{impls:>7}{foreign:>9}{unsafe_lines:>7}{:>9}{share:>7.1}%",
        grouped(lines as u64)
    )
}

fn add(sum: &mut Source, source: Source) {
    sum.count.add(source.count);
    sum.unsafe_lines += source.unsafe_lines;
    sum.lines += source.lines;
}

/// The subcommand.
pub(crate) fn command(options: &UnsafeOptions, json: bool) -> Result<()> {
    let root = workspace::root();
    let survey = survey(&root)?;
    if options.lower {
        let lower = lowered(&survey, &ceilings(&root)?);
        fs::write(
            root.join(CEILINGS),
            serde_json::to_string_pretty(&lower)? + "\n",
        )?;
    }
    if json {
        let found = survey.iter().filter(|(_, source)| source.count.total() > 0);
        let found: BTreeMap<_, _> = found.map(|(name, source)| (name, source.count)).collect();
        process::say(&serde_json::to_string(&found)?)?;
    } else {
        print(&survey, options.files)?;
    }
    let excess = excess(&survey, &ceilings(&root)?);
    for line in &excess {
        eprintln!("{line}");
    }
    if !excess.is_empty() {
        bail!(
            "{} files have more unsafe code than {CEILINGS} allows",
            excess.len()
        );
    }
    Ok(())
}

fn print(survey: &Survey, is_by_file: bool) -> Result<()> {
    let (mut packages, mut all) = (BTreeMap::<&str, Source>::new(), Source::default());
    for (name, source) in survey {
        let package = name.split('/').next().unwrap_or_default();
        add(packages.entry(package).or_default(), *source);
        add(&mut all, *source);
    }
    process::say(&format!(
        "{:44}{:>7}{:>11}{:>7}{:>9}{:>7}{:>9}{:>8}",
        "", "blocks", "functions", "impls", "foreign", "lines", "of all", "share"
    ))?;
    for (package, source) in packages {
        process::say(&row(package, source))?;
        let prefix = format!("{package}/");
        let within = survey.iter().filter(|(name, source)| {
            is_by_file && name.starts_with(&prefix) && source.count.total() > 0
        });
        for (name, source) in within {
            process::say(&row(&format!("  {name}"), *source))?;
        }
    }
    process::say(&row("all", all))
}

/// Checks the ceilings.
///
/// # Errors
/// What is above them.
pub fn check(root: &Path) -> Result<()> {
    let excess = excess(&survey(root)?, &ceilings(root)?);
    if excess.is_empty() {
        return Ok(());
    }
    Err(failure::unusable(excess.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
//! unsafe { }
extern "C" { fn far(); }
/// unsafe
unsafe fn f() {
    let _ = "unsafe { }";
    // unsafe {}
    unsafe { far() }
}
struct S;
unsafe impl Send for S {}
macro_rules! m { () => { unsafe { far() } }; }
fn safe() {
    m!();
}
"#;

    #[test]
    fn what_is_unsafe_is_counted_and_what_only_says_so_is_not() {
        let found = source(TEXT).unwrap();
        let expected = Count {
            blocks: 2,
            functions: 1,
            impls: 1,
            foreign: 1,
        };
        assert_eq!(found.count, expected);
        assert_eq!((found.unsafe_lines, found.lines), (7, 11));
    }

    #[test]
    fn more_than_is_allowed_is_named_and_less_lowers_the_ceiling() {
        let ceiling = |blocks| {
            Ceilings::from([(
                "a.rs".to_owned(),
                Count {
                    blocks,
                    ..Count::default()
                },
            )])
        };
        let found = |blocks| {
            let count = Count {
                blocks,
                ..Count::default()
            };
            Survey::from([(
                "a.rs".to_owned(),
                Source {
                    count,
                    ..Source::default()
                },
            )])
        };
        assert!(excess(&found(2), &ceiling(2)).is_empty());
        assert!(excess(&found(3), &ceiling(2))[0].starts_with("a.rs has 3 blocks"));
        assert!(excess(&found(1), &Ceilings::new())[0].starts_with("a.rs is not among"));
        assert_eq!(lowered(&found(1), &ceiling(2)), ceiling(1));
        assert_eq!(lowered(&found(3), &ceiling(2)), ceiling(2));
        assert_eq!(lowered(&found(0), &ceiling(2)), Ceilings::new());
    }

    #[test]
    fn the_share_of_unsafe_code_does_not_grow() {
        check(&workspace::root()).unwrap();
    }
}
