//! What is expected, where not all of it is known: `*` stands for anything.

/// Whether a text is as expected.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(first) else {
        return false;
    };
    (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .any(|at| matches(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("done cc0", "done cc0", true),
            ("done cc0", "done cc1", false),
            ("done cc* >Sr", "done cc3 >Sr", true),
            ("done cc* >Sr", "done cc3 >Sz", false),
            ("*", "", true),
            (
                "001a*a8=page*",
                "001a before ilc6 a8=page+000 a0=00 >Vz",
                true,
            ),
            ("0005*", "001a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
