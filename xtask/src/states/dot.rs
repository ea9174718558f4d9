//! The graph in the language of Graphviz.

use std::fmt::{self, Display, Formatter};

use cmm::PageState;
use cmm::graph::{Mover, edges, faults};

use super::Fault;

/// Displays as a file for `dot`.
///
/// Solid edges are the guest's, dashed ones the host's; red ones are what an access meets.
pub(super) struct Graph;

impl Display for Graph {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "digraph page_states {{")?;
        writeln!(f, "    node [shape=circle fontname=\"monospace\"];")?;
        writeln!(f, "    edge [fontname=\"monospace\" fontsize=10];")?;
        for state in PageState::ALL {
            let style = if state.is_discarded() {
                " [shape=doublecircle]"
            } else {
                ""
            };
            writeln!(f, "    {state}{style};")?;
        }
        for edge in edges() {
            let style = match edge.by {
                Mover::Guest => "solid",
                Mover::Host => "dashed",
            };
            let (from, to) = (edge.from, edge.to);
            writeln!(f, "    {from} -> {to} [style={style} label=\"{edge}\"];")?;
        }
        for (state, access) in faults() {
            let fault = Fault(access);
            writeln!(
                f,
                "    \"{fault}\" [shape=box color=red fontcolor=red fontsize=10];"
            )?;
            writeln!(
                f,
                "    {state} -> \"{fault}\" [color=red fontcolor=red label=\"access\"];"
            )?;
        }
        writeln!(f, "}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_colours_tell_who_moves() {
        let text = Graph.to_string();
        for line in [
            r#"    Vz [shape=doublecircle];"#,
            r#"    Sp -> Vz [style=solid label="3, 4 unchanged"];"#,
            r#"    Pr -> Sp [style=dashed label="evict changed"];"#,
            r#"    Vz -> "discard fault X'1A'" [color=red fontcolor=red label="access"];"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
