//! The page: head, targets, charts, tables.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::style::RGBColor;

use super::chart::{Axes, lines, short, stacked};
use super::curves::{CURVES, Curve, colour, points};
use super::states::{STATES, chosen, free, layers};
use super::{Run, compare};
use crate::events::Status;
use crate::farm::point::{Clock, Farm, Mode, Target, Value, Verdict};

const STYLE: &str = include_str!("page.css");

/// The whole page about some runs, of which the first is the one that the others are compared with.
pub(super) fn page(runs: &[Run]) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Guest page hinting: a farm" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Guest page hinting: a farm of guests on too little memory" }
                @for run in runs { (head(run)) }
                @if let Some((first, others)) = runs.split_first() {
                    (targets(&first.farm.targets))
                    @for clock in [Clock::Virtual, Clock::Wall] { (clock_section(runs, clock)) }
                    @for other in others { (comparison(first, other)) }
                    (sweeps(&first.farm))
                    @for run in runs { (numbers(run)) }
                }
            }
        }
    };
    markup.into_string()
}

/// What a run is: where, of what, and whether it is whole.
fn head(run: &Run) -> Markup {
    let farm = &run.farm;
    let machine = &farm.machine;
    let versions = farm.versions.iter();
    let versions = versions.map(|(name, version)| format!("{name} {version}"));
    html! {
        section {
            h2 { (run.name) }
            @if !farm.complete {
                p.partial {
                    "This run was cut off: " (farm.points.len()) " of " (farm.planned) " points are there."
                }
            }
            p {
                (machine.processor) ", " (machine.cpus) " CPUs, " (short(machine.memory as f64 / f64::from(1 << 30)))
                " GiB; " (versions.collect::<Vec<_>>().join(", ")) "; commit "
                (farm.commit.as_deref().unwrap_or("unknown")) "."
            }
            @if !farm.settings.is_empty() {
                details {
                    summary { "Settings" }
                    table { @for (name, value) in &farm.settings {
                        tr { td { (name) } td.text { (value) } }
                    } }
                }
            }
        }
    }
}

fn targets(targets: &[Target]) -> Markup {
    if targets.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "What was aimed at" }
            div.wide { table {
                tr { th { "" } th { "measure" } th { "aim" } th { "values" } th { "" } }
                @for target in targets { tr {
                    td { (target.number) }
                    td.text { (target.what) }
                    td.text { (target.aim) }
                    td.text { @for value in &target.values { (value_line(value)) } @if !target.note.is_empty() {
                        p { (target.note) }
                    } }
                    (verdict(target.verdict))
                } }
            } }
        }
    }
}

fn value_line(value: &Value) -> Markup {
    html! { div { (value.name) ": " strong { (short(value.value)) } } }
}

fn verdict(verdict: Verdict) -> Markup {
    match verdict {
        Verdict::Met => html! { td.met { "met" } },
        Verdict::Missed => html! { td.missed { "missed" } },
        Verdict::NotMeasured => html! { td { "not measured" } },
    }
}

/// All charts by one clock, if there are points by it.
fn clock_section(runs: &[Run], clock: Clock) -> Markup {
    let first = &runs[0].farm;
    if points(first, clock).next().is_none() {
        return html! {};
    }
    let (title, what) = match clock {
        Clock::Virtual => (
            "By the virtual clock",
            "One instruction is one nanosecond, on one CPU, and disks are models with stated latency: repeatable to \
             the last digit.",
        ),
        Clock::Wall => (
            "By the wall clock",
            "On the build machine, with 2 CPUs and QEMU's disks: what else runs there shows.",
        ),
    };
    html! {
        section {
            h2 { (title) }
            p { (what) " A point is the median of its seeds, a bar reaches from the least to the most." }
            (mode_legend(runs, clock))
            div.charts { @for curve in &CURVES { (curve_figure(curve, runs, clock)) } }
            (state_section(first, clock))
        }
    }
}

fn mode_legend(runs: &[Run], clock: Clock) -> Markup {
    let is_there = |mode: &Mode| points(&runs[0].farm, clock).any(|point| point.mode == *mode);
    html! {
        (legend(Mode::ALL.into_iter().filter(is_there).map(|mode| (mode.word(), colour(mode)))))
        @if runs.len() > 1 { p { "Lines with gaps: " (runs[1..].iter().map(|run| run.name.as_str())
            .collect::<Vec<_>>().join(", ")) "." } }
    }
}

fn legend<'a>(entries: impl Iterator<Item = (&'a str, RGBColor)>) -> Markup {
    html! { ul.legend { @for (name, RGBColor(red, green, blue)) in entries {
        li { i style=(format!("background:rgb({red},{green},{blue})")) {} (name) }
    } } }
}

/// A chart with its caption; nothing if there is nothing to draw.
fn figure(title: &str, note: &str, chart: Option<String>) -> Markup {
    let Some(chart) = chart else {
        return html! {};
    };
    html! {
        figure {
            figcaption { (title) }
            div role="img" aria-label=(title) { (PreEscaped(chart)) }
            @if !note.is_empty() { p { (note) } }
        }
    }
}

fn curve_figure(curve: &Curve, runs: &[Run], clock: Clock) -> Markup {
    let axes = Axes {
        x: if curve.is_by_resident {
            "pages with content / those in frames"
        } else {
            "pages that guests see / frames"
        },
        y: curve.y,
        is_logarithmic: curve.is_logarithmic,
    };
    let all = runs.iter().enumerate();
    let all = all.flat_map(|(number, run)| curve.lines(&run.farm, clock, number > 0));
    figure(
        curve.title,
        curve.note,
        lines(axes, &all.collect::<Vec<_>>()),
    )
}

/// How the states of pages went over time.
fn state_section(farm: &Farm, clock: Clock) -> Markup {
    let chosen = chosen(farm, clock);
    let Some(first) = chosen.first() else {
        return html! {};
    };
    let axes = Axes {
        x: "seconds of the machine's clock",
        y: "pages",
        is_logarithmic: false,
    };
    let free_axes = Axes {
        y: "frames",
        ..axes
    };
    html! {
        h2 { "States of pages over time, " (first.guests) " guests" }
        p {
            "All guests together, overcommit " (short(first.overcommit_defined)) ", seed " (first.seed) ". r: in a \
             frame; p: paged out; z: neither, Vz is discarded."
        }
        (legend(STATES.iter().map(|(state, colour)| (*state, *colour))))
        div.charts {
            @for point in &chosen {
                @let (times, layers) = layers(point);
                @let layers: Vec<_> = layers.into_iter().map(|(_, layer)| layer).collect();
                (figure(point.mode.word(), "", stacked(axes, &times, &layers)))
            }
            (figure("Frames that nobody has", "", lines(free_axes, &free(&chosen))))
        }
    }
}

fn comparison(first: &Run, other: &Run) -> Markup {
    let rows = compare::rows(&first.farm, &other.farm);
    html! {
        section {
            h2 { (other.name) " against " (first.name) }
            p {
                "Ratios of what is the same in both: geometric means over the points of a mode, 1 is no change. Commits "
                (other.farm.commit.as_deref().unwrap_or("unknown")) " and "
                (first.farm.commit.as_deref().unwrap_or("unknown")) "."
            }
            @if rows.is_empty() { p { "They have no point in common." } } @else {
                div.wide { table {
                    tr { th { "mode" } th { "clock" } th { "points" } @for name in compare::names() { th { (name) } } }
                    @for row in rows { tr {
                        td { (row.mode.word()) } td { (row.clock.word()) } td { (row.points) }
                        @for ratio in row.ratios { td { (ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.3}"))) } }
                    } }
                } }
            }
        }
    }
}

fn sweeps(farm: &Farm) -> Markup {
    if farm.sweeps.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Settings of the rivals that were tried" }
            p { "The best ones are those that the rivals ran with. Higher is better." }
            @for sweep in &farm.sweeps {
                h3 { (sweep.mode.word()) ", " (sweep.guests) " guests" }
                div.wide { table {
                    tr { th { "setting" } th { "score" } }
                    @for tried in &sweep.tried { tr {
                        td { (tried.settings) @if tried.settings == sweep.best { strong { " best" } } }
                        td { (tried.score.map_or("failed".to_owned(), short)) }
                    } }
                } }
            }
        }
    }
}

/// All points in numbers.
fn numbers(run: &Run) -> Markup {
    let columns = [
        "point",
        "clock",
        "overcommit",
        "requests/s",
        "per 10⁹ instr.",
        "p50 ms",
        "p99 ms",
        "written",
        "read",
        "discards",
        "faults",
        "reread",
        "ESSA",
        "wake-ups",
        "fairness",
        "outcome",
    ];
    html! {
        section {
            h2 { "All points of " (run.name) }
            details { summary { (run.farm.points.len()) " points" }
                div.wide { table {
                    tr { @for column in columns { th { (column) } } }
                    @for point in &run.farm.points { tr {
                        td { (point.id) } td { (point.clock.word()) } td { (short(point.overcommit_defined)) }
                        @if let Some(measures) = &point.measures {
                            @for value in [
                                Some(measures.requests_per_second), measures.requests_per_1e9_instructions,
                                Some(measures.latency.p50 as f64 / 1e6), Some(measures.latency.p99 as f64 / 1e6),
                                Some(measures.page_writes as f64), Some(measures.page_reads as f64),
                                Some(measures.discards as f64), Some(measures.discard_faults as f64),
                                Some(measures.reload_reads as f64), Some(measures.essa.values().sum::<u64>() as f64),
                                Some(measures.wake_ups as f64), Some(measures.fairness),
                            ] { td { (value.map_or("–".to_owned(), short)) } }
                        } @else { td colspan="12" { "nothing was measured" } }
                        td.text { @if point.status == Status::Ok { "ok" } @else {
                            span.missed { (point.reason.as_deref().unwrap_or("failed")) }
                        } }
                    } }
                } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{farm, point};
    use super::*;

    fn run(name: &str, farm: Farm) -> Run {
        Run {
            name: name.to_owned(),
            farm,
        }
    }

    fn both() -> Farm {
        let guests = [1, 2, 4];
        let all = guests.map(|guests| [point(Mode::None, guests, 1), point(Mode::Full, guests, 1)]);
        farm(all.into_iter().flatten().collect())
    }

    #[test]
    fn a_page_has_all_charts_and_nothing_from_elsewhere() {
        let text = page(&[run("a", both())]);
        // Curves, two charts of states, free frames.
        assert_eq!(text.matches("<svg").count(), CURVES.len() + 3);
        assert!(text.contains("a &lt;processor&gt;"), "texts are escaped");
        let without_names = text.replace("http://www.w3.org/2000/svg", "");
        for foreign in ["http:", "https:", "<script", "src=", "url("] {
            assert!(!without_names.contains(foreign), "{foreign}");
        }
        assert!(!text.contains("cut off"));
    }

    #[test]
    fn a_partial_run_says_so_and_has_what_there_is() {
        let mut farm = both();
        (farm.complete, farm.planned) = (false, 24);
        assert!(page(&[run("a", farm)]).contains("6 of 24 points"));
        let mut nothing = super::super::tests::farm(Vec::new());
        (nothing.complete, nothing.planned) = (false, 24);
        let text = page(&[run("a", nothing)]);
        assert!(text.contains("0 of 24 points") && !text.contains("<svg"));
    }

    #[test]
    fn two_runs_are_compared() {
        let text = page(&[run("a", both()), run("b", both())]);
        assert!(text.contains("b against a") && text.contains("1.000"));
        assert!(text.contains("Lines with gaps: b."));
    }

    #[test]
    fn a_failed_point_says_why() {
        let mut failed = point(Mode::Full, 8, 1);
        (failed.status, failed.measures) = (Status::Failed, None);
        failed.reason = Some("guest 3: no frame".to_owned());
        let text = page(&[run("a", farm(vec![failed]))]);
        assert!(text.contains("nothing was measured") && text.contains("guest 3: no frame"));
    }
}
