//! The picture of the transition graph, against edges written by hand and the copy in the book.

fn graph() -> String {
    let mut text = String::new();
    cmm::to_dot(&mut text).expect("writing to a string cannot fail");
    text
}

/// The edges out of the preserved and the potentially volatile state: every kind of label.
#[test]
fn edges_carry_the_requests_and_events_that_cause_them() {
    let graph = graph();
    let edges_from = |state: &str| -> Vec<String> {
        let start = format!("    {state} -> ");
        graph
            .lines()
            .filter(|line| line.starts_with(&start))
            .map(|line| line.trim().into())
            .collect()
    };
    assert_eq!(
        edges_from("Sp"),
        [
            r#"Sp -> Sr [style=solid label="5"];"#,
            r#"Sp -> Sr [style=dashed label="page in"];"#,
            r#"Sp -> Sz [style=dashed label="release"];"#,
            r#"Sp -> Uz [style=solid label="2"];"#,
            r#"Sp -> Vz [style=solid label="3, 4 unchanged"];"#,
        ]
    );
    assert_eq!(
        edges_from("Pr"),
        [
            r#"Pr -> Sr [style=solid label="1, 5, 6, 7"];"#,
            r#"Pr -> Sp [style=dashed label="evict changed"];"#,
            r#"Pr -> Ur [style=solid label="2"];"#,
            r#"Pr -> Vr [style=solid label="3"];"#,
            r#"Pr -> Vz [style=dashed label="evict clean, release"];"#,
        ]
    );
    assert_eq!(
        edges_from("Vz"),
        [
            r#"Vz -> Sz [style=solid label="1, 5, 7"];"#,
            r#"Vz -> Uz [style=solid label="2"];"#,
        ]
    );
}

/// Regenerate with `cargo run -p cmm --example page-states-dot > docs/page-states.dot`.
#[test]
fn picture_in_the_book_is_current() {
    assert_eq!(graph(), include_str!("../../docs/page-states.dot"));
}
