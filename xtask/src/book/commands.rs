//! The command lines that the chapters tell people to type.

use super::Chapter;
use super::text::code_lines;

/// How command lines of this project begin.
const BEGINNINGS: [&str; 4] = ["cargo ", "target/", "gdb-multiarch ", "(gdb) "];

/// A command line of a chapter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Typed {
    /// As it is to be typed, without a comment.
    pub line: String,
    /// The chapter's file.
    pub chapter: String,
}

/// All of them, each once.
#[must_use]
pub fn typed(chapters: &[Chapter]) -> Vec<Typed> {
    let mut all: Vec<Typed> = Vec::new();
    for chapter in chapters {
        for line in code_lines(&chapter.text) {
            if let Some(line) = command(&line)
                && all.iter().all(|one| one.line != line)
            {
                let chapter = chapter.path.clone();
                all.push(Typed { line, chapter });
            }
        }
    }
    all
}

/// The command of a line, if it is one.
fn command(line: &str) -> Option<String> {
    let line = line.split(" #").next()?.trim();
    let mut rest = line;
    // Variables that are set for it.
    while let Some((first, more)) = rest.split_once(' ')
        && first.contains('=')
        && !first.starts_with('-')
    {
        rest = more;
    }
    let is_command = BEGINNINGS.iter().any(|one| rest.starts_with(one));
    is_command.then(|| line.to_owned())
}

/// The words of a line as a shell has them: quotes keep blanks together.
#[must_use]
pub fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            _ => words.last_mut().expect("there is one").push(character),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::chapters;
    use super::*;
    use crate::cli::Arguments;

    #[test]
    fn commands_are_told_from_what_they_print() {
        assert_eq!(
            command("cargo xtask qemu   # why").unwrap(),
            "cargo xtask qemu"
        );
        assert_eq!(
            command("A=b cargo test -p c").unwrap(),
            "A=b cargo test -p c"
        );
        assert_eq!(command("guest 0 pass 3/3"), None);
        assert_eq!(command("$ qemu-system-s390x"), None);
        let quoted = words("cargo xtask qemu --append 'a=1 b=2'");
        assert_eq!(quoted, ["cargo", "xtask", "qemu", "--append", "a=1 b=2"]);
    }

    #[test]
    fn every_command_of_the_book_is_one() {
        let all = typed(&chapters().unwrap());
        let mut count = 0;
        for Typed { line, chapter } in all {
            let words = words(&line);
            let at = words.iter().position(|word| word == "xtask");
            if let Some(at) = at {
                let parsed = Arguments::try_parse_from(&words[at..]);
                assert!(parsed.is_ok(), "{chapter}: {line}: {parsed:?}");
                count += 1;
            }
        }
        assert!(count > 20, "{count} commands");
    }
}
