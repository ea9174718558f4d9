//! The graph as a picture for browsers, laid out by usage (columns) and content (rows).
//!
//! Three rows and four columns have room for curves that a general layout would not find: long
//! ones go over the first row, below the last one and round the left. What nobody has foreseen, a
//! new edge, is drawn straight.

use std::fmt::{self, Display, Formatter};

use cmm::graph::{Edge, Mover, edges, faults};
use cmm::{Content, PageState, Usage};

use super::Fault;

/// Size of the picture.
const SIZE: (f64, f64) = (1040.0, 820.0);
/// Radius of a state.
const RADIUS: f64 = 30.0;
/// What an arrow's head keeps from it.
const GAP: f64 = 3.0;

/// Colours and lines; by day and by night.
const STYLE: &str = "
  text { font: 15px ui-monospace, 'DejaVu Sans Mono', monospace; text-anchor: middle; }
  .title { font: 600 15px system-ui, 'DejaVu Sans', sans-serif; }
  .note { font: 13px system-ui, 'DejaVu Sans', sans-serif; }
  .left { text-anchor: start; } .right { text-anchor: end; }
  .state { font-size: 20px; font-weight: 700; }
  .label { font-size: 13px; }
  path, circle, .box { fill: none; stroke-width: 1.7; }
  .host path { stroke-dasharray: 6 4; }
  marker path { stroke: none; }
  .paper { fill: #ffffff; }
  text { fill: #1f2328; } .title, .note { fill: #59636e; }
  circle { fill: #ffffff; stroke: #1f2328; }
  .guest path { stroke: #0550ae; } .guest text, .guest-head { fill: #0550ae; }
  .host path { stroke: #6e5494; } .host text, .host-head { fill: #6e5494; }
  .fault path, .fault .box { stroke: #cf222e; } .fault text, .fault-head { fill: #cf222e; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; }
    text { fill: #e6edf3; } .title, .note { fill: #9198a1; }
    circle { fill: #0d1117; stroke: #e6edf3; }
    .guest path { stroke: #79c0ff; } .guest text, .guest-head { fill: #79c0ff; }
    .host path { stroke: #d2a8ff; } .host text, .host-head { fill: #d2a8ff; }
    .fault path, .fault .box { stroke: #ff7b72; } .fault text, .fault-head { fill: #ff7b72; }
  }
";

#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    x: f64,
    y: f64,
}

impl Point {
    fn towards(self, other: Self, distance: f64) -> Self {
        let (dx, dy) = (other.x - self.x, other.y - self.y);
        let part = distance / dx.hypot(dy);
        at(self.x + dx * part, self.y + dy * part)
    }
}

impl Display for Point {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} {:.0}", self.x, self.y)
    }
}

fn at(x: f64, y: f64) -> Point {
    Point { x, y }
}

/// Which column a usage state has; the most useful content stands on the left.
fn column(usage: Usage) -> i32 {
    match usage {
        Usage::Stable => 0,
        Usage::Unused => 1,
        Usage::Volatile => 2,
        Usage::PotentiallyVolatile => 3,
    }
}

fn column_x(usage: Usage) -> f64 {
    190.0 + 245.0 * f64::from(column(usage))
}

fn row_y(content: Content) -> f64 {
    match content {
        Content::Resident => 270.0,
        Content::Zero => 480.0,
        Content::Preserved => 690.0,
    }
}

fn place(state: PageState) -> Point {
    at(column_x(state.usage()), row_y(state.content()))
}

/// A curve's two control points, and which part of the way its label stands.
struct Curve(Point, Point, f64);

impl Curve {
    /// One that is bent to its left by so much.
    fn bent(from: Point, to: Point, by: f64, label: f64) -> Self {
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let length = dx.hypot(dy);
        let (left_x, left_y) = (dy / length * by, -dx / length * by);
        let control = |part: f64| at(from.x + dx * part + left_x, from.y + dy * part + left_y);
        Self(control(0.3), control(0.7), label)
    }

    /// One that goes over both ends by so much.
    fn over(from: Point, to: Point, by: f64, label: f64) -> Self {
        let slant = (to.x - from.x) * 0.12;
        let (first, second) = (from.x + slant, to.x - slant);
        Self(at(first, from.y - by), at(second, to.y - by), label)
    }

    /// One that goes round both ends on the left by so much.
    fn around(from: Point, to: Point, by: f64, label: f64) -> Self {
        let slant = (to.y - from.y) * 0.15;
        let (first, second) = (from.y + slant, to.y - slant);
        Self(at(from.x - by, first), at(to.x - by, second), label)
    }
}

/// How an edge goes.
fn curve(edge: Edge) -> Curve {
    let (from, to) = (place(edge.from), place(edge.to));
    let columns = column(edge.to.usage()) - column(edge.from.usage());
    match (edge.from.content(), edge.to.content(), columns) {
        (Content::Resident, Content::Resident, 2) => Curve::over(from, to, 95.0, 0.5),
        (Content::Resident, Content::Resident, -2) => Curve::over(from, to, 150.0, 0.5),
        (Content::Resident, Content::Resident, 3) => Curve::over(from, to, 210.0, 0.5),
        (Content::Resident, Content::Resident, -3) => Curve::over(from, to, 260.0, 0.5),
        (Content::Zero, Content::Zero, 2) => Curve::over(from, to, 80.0, 0.36),
        (Content::Zero, Content::Zero, -2) => Curve::over(from, to, 125.0, 0.64),
        (Content::Resident, Content::Preserved, 0) => Curve::around(from, to, 165.0, 0.5),
        (Content::Preserved, Content::Resident, 0) if edge.by == Mover::Host => {
            Curve::around(from, to, 112.0, 0.36)
        }
        (Content::Preserved, Content::Resident, 0) => Curve::around(from, to, 218.0, 0.5),
        // Under everything else.
        (Content::Resident, Content::Preserved, _) => {
            Curve(at(from.x + 15.0, to.y + 90.0), at(700.0, to.y + 15.0), 0.6)
        }
        (Content::Preserved, Content::Zero, 0) => Curve::bent(from, to, 0.0, 0.5),
        // Between the boxes of the faults.
        (Content::Preserved, Content::Zero, 2) => Curve(
            at(from.x + 290.0, from.y),
            at(to.x - 130.0, to.y + 150.0),
            0.42,
        ),
        (Content::Resident, Content::Zero, 0) if edge.from.usage() != Usage::Stable => {
            Curve::bent(from, to, 0.0, 0.36)
        }
        _ if from.x == to.x => Curve::bent(from, to, -34.0, 0.36),
        _ if from.y == to.y => Curve::bent(from, to, 24.0, 0.5),
        _ => Curve::bent(from, to, 0.0, 0.5),
    }
}

/// A path from state to state, with its label.
fn path(f: &mut Formatter<'_>, edge: Edge) -> fmt::Result {
    let Curve(first, second, part) = curve(edge);
    let (from, to) = (place(edge.from), place(edge.to));
    let start = from.towards(first, RADIUS);
    let ring = if edge.to.is_discarded() { 5.0 } else { 0.0 };
    let end = to.towards(second, RADIUS + GAP + ring);
    let (who, rest) = (class(edge.by), 1.0 - part);
    let weigh = |a: f64, b: f64, c: f64, d: f64| {
        a * rest.powi(3)
            + 3.0 * b * rest.powi(2) * part
            + 3.0 * c * rest * part.powi(2)
            + d * part.powi(3)
    };
    let middle = at(
        weigh(start.x, first.x, second.x, end.x),
        weigh(start.y, first.y, second.y, end.y) + 4.0,
    );
    writeln!(f, "<g class=\"{who}\">")?;
    writeln!(
        f,
        "<path d=\"M{start} C{first} {second} {end}\" marker-end=\"url(#{who})\"/>"
    )?;
    plate(f, middle, edge.to_string().chars().count())?;
    let (from, to) = (edge.from, edge.to);
    writeln!(
        f,
        "{}<title>{from} to {to}: {edge}</title>{edge}</text></g>",
        open_text("label", middle)
    )
}

/// Hides the line behind a label of so many characters.
fn plate(f: &mut Formatter<'_>, place: Point, characters: usize) -> fmt::Result {
    /// Width of a character, and height of a label.
    const CHARACTER: (f64, f64) = (7.9, 18.0);
    let width = CHARACTER.0 * characters as f64 + 6.0;
    let (left, top) = (place.x - width / 2.0, place.y - 4.0 - CHARACTER.1 / 2.0);
    writeln!(
        f,
        "<rect class=\"paper\" x=\"{left:.0}\" y=\"{top:.0}\" width=\"{width:.0}\" height=\"{:.0}\"/>",
        CHARACTER.1
    )
}

fn class(mover: Mover) -> &'static str {
    match mover {
        Mover::Guest => "guest",
        Mover::Host => "host",
    }
}

fn open_text(class: &str, Point { x, y }: Point) -> String {
    format!("<text class=\"{class}\" x=\"{x:.0}\" y=\"{y:.0}\">")
}

fn text(f: &mut Formatter<'_>, class: &str, place: Point, text: impl Display) -> fmt::Result {
    writeln!(f, "{}{text}</text>", open_text(class, place))
}

fn state(f: &mut Formatter<'_>, state: PageState) -> fmt::Result {
    let centre = place(state);
    let Point { x, y } = centre;
    if state.is_discarded() {
        let outer = RADIUS + 5.0;
        writeln!(f, "<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"{outer:.0}\"/>")?;
    }
    writeln!(f, "<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"{RADIUS:.0}\"/>")?;
    text(f, "state", at(x, y + 7.0), state)
}

/// What an access to a state meets, in a box below it.
fn fault(f: &mut Formatter<'_>, from: PageState, fault: &Fault) -> fmt::Result {
    let Point { x, y } = place(from);
    let (start, end, left) = (y + RADIUS, y + 100.0, x - 92.0);
    let start = if from.is_discarded() {
        start + 5.0
    } else {
        start
    };
    writeln!(f, "<g class=\"fault\">")?;
    writeln!(
        f,
        "<path d=\"M{x:.0} {start:.0} V{:.0}\" marker-end=\"url(#fault)\"/>",
        end - GAP
    )?;
    writeln!(
        f,
        "<rect class=\"box\" x=\"{left:.0}\" y=\"{end:.0}\" width=\"184\" height=\"32\" rx=\"5\"/>"
    )?;
    let label = at(x, end - 36.0);
    plate(f, label, "access".len())?;
    text(f, "label", label, "access")?;
    text(f, "label", at(x, end + 21.0), fault)?;
    writeln!(f, "</g>")
}

/// Names of columns and rows.
fn names(f: &mut Formatter<'_>) -> fmt::Result {
    let usages = Usage::ALL.map(|usage| {
        let name = match usage {
            Usage::Stable => "S stable",
            Usage::Unused => "U unused",
            Usage::Volatile => "V volatile",
            Usage::PotentiallyVolatile => "P potentially volatile",
        };
        (column_x(usage), name)
    });
    for (x, name) in usages {
        text(f, "title", at(x, 34.0), name)?;
    }
    for content in Content::ALL {
        let (y, name) = match content {
            Content::Resident => (row_y(content), "r resident"),
            Content::Preserved => (row_y(content), "p preserved"),
            Content::Zero => (row_y(content), "z zero"),
        };
        text(f, "title right", at(SIZE.0 - 14.0, y - 52.0), name)?;
    }
    Ok(())
}

/// What lines and colours say.
fn legend(f: &mut Formatter<'_>) -> fmt::Result {
    let y = SIZE.1 - 22.0;
    let lines = [
        (
            "guest",
            40.0,
            "guest: ESSA with these operation request codes",
        ),
        ("host", 420.0, "host, of its own accord or asked to"),
        ("fault", 740.0, "what an access meets instead"),
    ];
    for (class, x, words) in lines {
        let (end, height) = (x + 44.0, y - 5.0);
        writeln!(
            f,
            "<g class=\"{class}\"><path d=\"M{x:.0} {height:.0} H{end:.0}\" marker-end=\"url(#{class})\"/></g>"
        )?;
        text(f, "note left", at(x + 58.0, y), words)?;
    }
    Ok(())
}

/// Displays as a file for browsers.
pub(super) struct Graph;

impl Display for Graph {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (width, height) = SIZE;
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">"
        )?;
        writeln!(
            f,
            "<title>Page states and what moves a page from one to another</title>"
        )?;
        writeln!(f, "<style>{STYLE}</style>\n<defs>")?;
        for class in ["guest", "host", "fault"] {
            writeln!(
                f,
                "<marker id=\"{class}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"11\" \
                 markerHeight=\"11\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
                 <path class=\"{class}-head\" d=\"M0 1 L10 5 L0 9 Z\"/></marker>"
            )?;
        }
        writeln!(f, "</defs>")?;
        writeln!(
            f,
            "<rect class=\"paper\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"10\"/>"
        )?;
        names(f)?;
        edges().try_for_each(|edge| path(f, edge))?;
        faults().try_for_each(|(from, access)| fault(f, from, &Fault(access)))?;
        PageState::ALL
            .into_iter()
            .try_for_each(|each| state(f, each))?;
        legend(f)?;
        writeln!(f, "</svg>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(class: &str) -> Vec<String> {
        let picture = Graph.to_string();
        let start = format!("<text class=\"{class}\"");
        let lines = picture.lines().filter(|line| line.starts_with(&start));
        lines
            .filter_map(|line| line.strip_suffix("</text>")?.rsplit('>').next())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn every_state_is_drawn_once_inside_the_picture() {
        assert_eq!(
            texts("state"),
            PageState::ALL.map(|state| state.to_string())
        );
        for state in PageState::ALL {
            let Point { x, y } = place(state);
            assert!((0.0..SIZE.0).contains(&x) && (0.0..SIZE.1).contains(&y));
        }
    }

    /// Two labels that touch, or a label in a state, cannot be read.
    #[test]
    fn no_two_edges_have_the_same_place() {
        let picture = Graph.to_string();
        let paths: Vec<_> = picture
            .lines()
            .filter(|line| line.starts_with("<path d=\"M") && line.contains(" C"))
            .collect();
        assert_eq!(paths.len(), edges().count());
        for (index, path) in paths.iter().enumerate() {
            assert!(!paths[..index].contains(path), "{path}");
        }
    }

    #[test]
    fn each_edge_is_told_with_both_its_ends() {
        let picture = Graph.to_string();
        for edge in edges() {
            let title = format!("<title>{} to {}: {edge}</title>", edge.from, edge.to);
            assert_eq!(picture.matches(&title).count(), 1, "{title}");
        }
        for (_, access) in faults() {
            assert!(picture.contains(&format!(">{}</text>", Fault(access))));
        }
    }
}
