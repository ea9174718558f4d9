//! Charts as SVG text: lines with the range of their seeds, and stacked areas.
//!
//! Colours of axes and texts are those of [`INK`] and [`GRID`] here and become the page's own by its style sheet, so
//! that a chart can be read on light and on dark ground. Series keep theirs.

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

/// Size of a chart in its own units; pages scale it.
const SIZE: (u32, u32) = (640, 360);
/// What axes and texts are drawn with.
pub(super) const INK: RGBColor = RGBColor(0, 0, 0);
/// What the lines behind a chart are drawn with.
pub(super) const GRID: RGBColor = RGBColor(204, 204, 204);
/// Least of a logarithmic axis, for values below.
const LEAST: f64 = 1e-3;

/// What stands on the axes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axes<'a> {
    /// Of the horizontal axis, with its unit.
    pub(super) x: &'a str,
    /// Of the vertical one.
    pub(super) y: &'a str,
    /// Whether the vertical axis is logarithmic.
    pub(super) is_logarithmic: bool,
}

/// A value that was measured several times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) x: f64,
    pub(super) least: f64,
    pub(super) median: f64,
    pub(super) most: f64,
}

/// A series of a chart of lines.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) colour: RGBColor,
    /// Drawn with gaps: it belongs to another run.
    pub(super) is_dashed: bool,
    /// By x.
    pub(super) points: Vec<Measured>,
}

/// A layer of stacked areas, on top of those before it.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) colour: RGBColor,
    /// A value for each time.
    pub(super) values: Vec<f64>,
}

/// Draws lines; `None` if there is nothing to draw.
pub(super) fn lines(axes: Axes<'_>, lines: &[Line]) -> Option<String> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (left, right) = range(points().map(|point| point.x))?;
    let (_, top) = range(points().map(|point| point.most))?;
    let x = padded(left, right);
    if axes.is_logarithmic {
        let least = points().map(|point| point.least.max(LEAST));
        let bottom = least.fold(f64::INFINITY, f64::min);
        let y = (bottom * 0.8..top.max(bottom) * 1.25).log_scale();
        draw(axes, x, y, |chart| {
            lines.iter().try_for_each(|line| add_line(chart, line))
        })
    } else {
        let y = 0.0..if top > 0.0 { top * 1.05 } else { 1.0 };
        draw(axes, x, y, |chart| {
            lines.iter().try_for_each(|line| add_line(chart, line))
        })
    }
}

/// Draws layers on top of one another, over the times; `None` if there is nothing to draw.
pub(super) fn stacked(axes: Axes<'_>, times: &[f64], layers: &[Layer]) -> Option<String> {
    let (first, last) = range(times.iter().copied()).filter(|(first, last)| first < last)?;
    let mut below = vec![0.0; times.len()];
    let sums = layers.iter().map(|layer| {
        for (sum, value) in below.iter_mut().zip(&layer.values) {
            *sum += value;
        }
        below.clone()
    });
    let sums: Vec<Vec<f64>> = sums.collect();
    let (_, top) = range(sums.last()?.iter().copied())?;
    let y = 0.0..top.max(1.0) * 1.02;
    draw(axes, first..last, y, |chart| {
        // From the top, so that each layer covers what is below it but its own part.
        for (layer, sum) in layers.iter().zip(&sums).rev() {
            let points = times.iter().copied().zip(sum.iter().copied());
            chart.draw_series(AreaSeries::new(points, 0.0, layer.colour.filled()))?;
        }
        Ok(())
    })
}

type Chart<'a, 'b, Y> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Draws axes, and on them what `add` adds.
fn draw<Y>(
    axes: Axes<'_>,
    x: std::ops::Range<f64>,
    y: Y,
    add: impl FnOnce(&mut Chart<'_, '_, Y::CoordDescType>) -> Drawn,
) -> Option<String>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .x_label_area_size(48)
            .y_label_area_size(80)
            .build_cartesian_2d(x, y)
            .ok()?;
        let font = ("sans-serif", 17).into_font().color(&INK);
        let drawn = chart
            .configure_mesh()
            .x_desc(axes.x)
            .y_desc(axes.y)
            .x_label_formatter(&|value| short(*value))
            .y_label_formatter(&|value| short(*value))
            .axis_style(INK)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .label_style(font.clone())
            .axis_desc_style(font)
            .draw();
        drawn.and_then(|()| add(&mut chart)).ok()?;
        area.present().ok()?;
    }
    Some(text)
}

fn add_line<Y>(chart: &mut Chart<'_, '_, Y>, line: &Line) -> Drawn
where
    Y: Ranged<ValueType = f64>,
{
    let style = line.colour.stroke_width(2);
    let medians = line.points.iter().map(|point| (point.x, point.median));
    if line.is_dashed {
        chart.draw_series(DashedLineSeries::new(medians, 6, 4, style))?;
    } else {
        chart.draw_series(LineSeries::new(medians, style))?;
    }
    let (bars, marks): (Vec<&Measured>, Vec<&Measured>) = line
        .points
        .iter()
        .partition(|point| point.least < point.most);
    chart.draw_series(bars.into_iter().map(|point| {
        let Measured {
            x,
            least,
            median,
            most,
        } = *point;
        ErrorBar::new_vertical(x, least, median, most, line.colour.filled(), 6)
    }))?;
    let marks = marks.into_iter().map(|point| (point.x, point.median));
    chart.draw_series(marks.map(|at| Circle::new(at, 3, line.colour.filled())))?;
    Ok(())
}

/// Least and greatest.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .filter(|value| value.is_finite())
        .fold(None, |range, value| {
            let (least, most) = range.unwrap_or((value, value));
            Some((least.min(value), most.max(value)))
        })
}

/// A range that shows its ends, and one value, too.
fn padded(least: f64, most: f64) -> std::ops::Range<f64> {
    let margin = if least < most {
        (most - least) * 0.04
    } else {
        0.5
    };
    least - margin..most + margin
}

/// A number with few characters.
pub(super) fn short(value: f64) -> String {
    let (divided, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = match divided.abs() {
        size if size >= 100.0 || divided == divided.trunc() => format!("{divided:.0}"),
        size if size >= 10.0 => format!("{divided:.1}"),
        _ => format!("{divided:.2}"),
    };
    text + unit
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXES: Axes<'static> = Axes {
        x: "x",
        y: "y",
        is_logarithmic: false,
    };

    fn line(values: &[(f64, f64)]) -> Line {
        let measured = |(x, y): &(f64, f64)| Measured {
            x: *x,
            least: *y,
            median: *y,
            most: y * 2.0,
        };
        Line {
            colour: RED,
            is_dashed: false,
            points: values.iter().map(measured).collect(),
        }
    }

    #[test]
    fn a_chart_has_a_mark_for_each_point() {
        let chart = lines(AXES, &[line(&[(0.5, 1.0), (8.0, 3.0)])]).expect("there are points");
        assert_eq!(chart.matches("<circle").count(), 2);
        assert!(chart.starts_with("<svg ") && chart.contains("</svg>"));
        for text in ["x", "y"] {
            assert!(chart.contains(&format!("\n{text}\n")), "{text}: {chart}");
        }
    }

    #[test]
    fn what_has_no_values_is_no_chart() {
        assert_eq!(lines(AXES, &[]), None);
        assert_eq!(lines(AXES, &[line(&[])]), None);
        assert_eq!(lines(AXES, &[line(&[(1.0, f64::NAN)])]), None);
        let layer = Layer {
            colour: RED,
            values: vec![1.0],
        };
        assert_eq!(
            stacked(AXES, &[1.0], &[layer]),
            None,
            "a moment has no area"
        );
    }

    #[test]
    fn one_point_and_zeroes_can_be_drawn() {
        for is_logarithmic in [false, true] {
            let axes = Axes {
                is_logarithmic,
                ..AXES
            };
            assert!(lines(axes, &[line(&[(1.0, 0.0)])]).is_some());
        }
    }

    #[test]
    fn layers_are_drawn_from_the_top() {
        let layer = |colour, value| Layer {
            colour,
            values: vec![value; 2],
        };
        let all = [layer(RED, 1.0), layer(BLUE, 2.0)];
        let chart = stacked(AXES, &[0.0, 1.0], &all).expect("there are values");
        let place = |colour: &str| chart.find(colour).expect("it is there");
        assert!(place("#0000FF") < place("#FF0000"));
    }

    #[test]
    fn numbers_are_short() {
        let all = [
            (0.0, "0"),
            (0.25, "0.25"),
            (12.34, "12.3"),
            (1500.0, "1500"),
            (12_300.0, "12.3k"),
            (4.5e6, "4.50M"),
            (2e9, "2G"),
        ];
        for (value, text) in all {
            assert_eq!(short(value), text);
        }
    }
}
