//! Parts of a Markdown text that are made from results: between two comments, which readers do not see.

/// The line behind a block.
pub(super) const END: &str = "<!-- end of results -->";

/// The line in front of the block with this name.
pub(super) fn begin(name: &str) -> String {
    format!("<!-- results: {name}; made by `cargo xtask results` -->")
}

/// The text with another content of a block, which ends without a line end; `None` if it has no such block.
pub(super) fn replace(text: &str, name: &str, content: &str) -> Option<String> {
    let begin = begin(name) + "\n";
    let start = text.find(&begin)? + begin.len();
    let end = start + text[start..].find(END)?;
    Some(format!("{}{content}\n{}", &text[..start], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_block_of_that_name_changes() {
        let block = |name, content: &str| format!("{}\n{content}\n{END}\n", begin(name));
        let text = format!("1\n{}2\n{}3\n", block("a", "x"), block("b", "y\nz"));
        let changed = replace(&text, "b", "new").unwrap();
        assert_eq!(
            changed,
            format!("1\n{}2\n{}3\n", block("a", "x"), block("b", "new"))
        );
        assert_eq!(replace(&changed, "b", "new"), Some(changed.clone()));
    }

    #[test]
    fn a_block_that_does_not_begin_or_end_is_none() {
        assert_eq!(replace("text", "a", ""), None);
        assert_eq!(replace(&(begin("a") + "\nx\n"), "a", ""), None);
    }
}
