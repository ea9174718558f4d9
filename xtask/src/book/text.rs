//! Markdown, taken apart.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd, TextMergeStream};

/// Parses with tables, which most of the links are in.
pub(super) fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    let options = Options::ENABLE_TABLES;
    TextMergeStream::new(Parser::new_ext(text, options))
}

/// Lines of blocks of code that are for a shell, or for nothing in particular.
#[must_use]
pub(super) fn code_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut is_shell = false;
    for event in events(text) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                is_shell = match kind {
                    CodeBlockKind::Indented => true,
                    CodeBlockKind::Fenced(language) => language.is_empty() || &*language == "sh",
                };
            }
            Event::End(TagEnd::CodeBlock) => is_shell = false,
            Event::Text(text) if is_shell => lines.extend(text.lines().map(str::to_owned)),
            _ => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_for_a_shell_is_found() {
        let text = "a\n\n    one\n\n```sh\ntwo # why\n```\n\n```text\nthree\n```\n";
        assert_eq!(code_lines(text), ["one", "two # why"]);
    }
}
