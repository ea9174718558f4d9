//! The transition graph as a picture.

use core::fmt::{self, Write};

use crate::Orc;
use crate::essa::{Dialect, essa};
use crate::event::{HostEvent, apply};
use crate::state::PageState;

/// Writes the transition graph of the model in the language of Graphviz.
///
/// Solid edges are the guest's, labelled with the operation request codes that cause them (ORC 4 with
/// the change bit it needs); dashed edges are the host's. What leaves the state alone is left out.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn to_dot(out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "digraph page_states {{")?;
    writeln!(out, "    node [shape=circle fontname=\"monospace\"];")?;
    writeln!(out, "    edge [fontname=\"monospace\" fontsize=10];")?;
    for state in PageState::ALL {
        let style = if state.is_discarded() {
            " [shape=doublecircle]"
        } else {
            ""
        };
        writeln!(out, "    {state}{style};")?;
    }
    for from in PageState::ALL {
        for to in PageState::ALL {
            if from != to {
                edge(out, from, to, "solid", |label| guest_label(label, from, to))?;
                edge(out, from, to, "dashed", |label| host_label(label, from, to))?;
            }
        }
    }
    writeln!(out, "}}")
}

/// Writes one edge if `label` has anything to say about it.
fn edge(
    out: &mut dyn Write,
    from: PageState,
    to: PageState,
    style: &str,
    label: impl Fn(&mut Label<'_>) -> fmt::Result,
) -> fmt::Result {
    let mut text = Label {
        out,
        from,
        to,
        style,
        open: false,
    };
    label(&mut text)?;
    if text.open {
        writeln!(out, "\"];")
    } else {
        Ok(())
    }
}

/// A label in the making; the edge is written with its first part, so an empty one writes nothing.
struct Label<'a> {
    out: &'a mut dyn Write,
    from: PageState,
    to: PageState,
    style: &'a str,
    open: bool,
}

impl Label<'_> {
    fn part(&mut self, text: fmt::Arguments<'_>) -> fmt::Result {
        if self.open {
            self.out.write_str(", ")?;
        } else {
            write!(
                self.out,
                "    {} -> {} [style={} label=\"",
                self.from, self.to, self.style
            )?;
            self.open = true;
        }
        self.out.write_fmt(text)
    }
}

fn guest_label(label: &mut Label<'_>, from: PageState, to: PageState) -> fmt::Result {
    for orc in Orc::ALL {
        let leads = |changed| essa(from, changed, orc, Dialect::Model).new == to;
        match (leads(false), leads(true)) {
            (true, true) => label.part(format_args!("{}", orc.code()))?,
            (true, false) => label.part(format_args!("{} unchanged", orc.code()))?,
            (false, true) => label.part(format_args!("{} changed", orc.code()))?,
            (false, false) => {}
        }
    }
    Ok(())
}

fn host_label(label: &mut Label<'_>, from: PageState, to: PageState) -> fmt::Result {
    let leads = |event| apply(from, event) == Ok(to);
    let evict = |changed| leads(HostEvent::Evict { changed });
    if evict(false) && evict(true) {
        label.part(format_args!("evict"))?;
    }
    for event in HostEvent::ALL {
        let merged = matches!(event, HostEvent::Evict { .. }) && evict(false) && evict(true);
        if leads(event) && !merged {
            label.part(format_args!("{event}"))?;
        }
    }
    Ok(())
}
