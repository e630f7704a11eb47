//! Lines over a logarithmic axis: how something grows.

use super::scale::{decades, tick_text, ticks};
use super::svg::{Hold, Svg};

/// One line, with its points from left to right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) colour: usize,
    pub(crate) points: Vec<(f64, f64)>,
}

/// What the axes are called, with units.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis<'a> {
    pub(crate) across: &'a str,
    pub(crate) up: &'a str,
    /// Whether the upright axis grows by powers of ten too.
    pub(crate) up_by_powers: bool,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 54.0;

/// A picture of lines; the axis across grows by powers of ten.
pub(crate) fn lines(title: &str, axis: Axis<'_>, lines: &[Line]) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT, title);
    svg.write("title", (12.0, 24.0), Hold::Start, title);
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let least = |of: fn((f64, f64)) -> f64| points().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn((f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
    let (x, y) = (|(x, _): (f64, f64)| x, |(_, y): (f64, f64)| y);
    let across = decades(least(x), most(x));
    let up = if axis.up_by_powers {
        decades(least(y), most(y))
    } else {
        ticks(most(y))
    };
    let right = WIDTH - RIGHT;
    let bottom = HEIGHT - BOTTOM;
    let x_of = |value: f64| LEFT + (right - LEFT) * by_powers(value, &across);
    let y_of = |value: f64| {
        let part = if axis.up_by_powers {
            by_powers(value, &up)
        } else {
            evenly(value, &up)
        };
        bottom - (bottom - TOP) * part
    };
    for tick in &across {
        let x = x_of(*tick);
        svg.line("grid", (x, TOP), (x, bottom));
        svg.write("small", (x, bottom + 18.0), Hold::Middle, &tick_text(*tick));
    }
    for tick in &up {
        let y = y_of(*tick);
        svg.line("grid", (LEFT, y), (right, y));
        svg.write("small", (LEFT - 8.0, y + 4.0), Hold::End, &tick_text(*tick));
    }
    svg.line("axis", (LEFT, TOP), (LEFT, bottom));
    svg.line("axis", (LEFT, bottom), (right, bottom));
    svg.write("small", (12.0, TOP - 14.0), Hold::Start, axis.up);
    svg.write(
        "small",
        (f64::midpoint(LEFT, right), bottom + 40.0),
        Hold::Middle,
        axis.across,
    );
    for (at, line) in lines.iter().enumerate() {
        let places: Vec<(f64, f64)> = line.points.iter().map(|(x, y)| (x_of(*x), y_of(*y))).collect();
        svg.path(line.colour, &places);
        let y = TOP + 10.0 + 22.0 * at as f64;
        svg.bar(line.colour, (right + 18.0, y - 9.0), 16.0, 10.0);
        svg.write("small", (right + 40.0, y), Hold::Start, &line.name);
    }
    svg.finish()
}

fn by_powers(value: f64, decades: &[f64]) -> f64 {
    let (first, last) = ends(decades);
    (value.max(1e-9).log10() - first.log10()) / (last.log10() - first.log10())
}

fn evenly(value: f64, ticks: &[f64]) -> f64 {
    let (first, last) = ends(ticks);
    (value - first) / (last - first)
}

fn ends(ticks: &[f64]) -> (f64, f64) {
    let first = ticks.first().copied().unwrap_or(1.0);
    (first, ticks.last().copied().unwrap_or(first * 10.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXIS: Axis<'_> = Axis {
        across: "recipients",
        up: "µs a delivery",
        up_by_powers: false,
    };

    #[test]
    fn points_lie_where_their_values_say() {
        let line = Line {
            name: "Linker".to_owned(),
            colour: 0,
            points: vec![(1.0, 0.0), (10.0, 10.0), (100.0, 5.0)],
        };
        let svg = lines("Groups", AXIS, &[line]);
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        let middle = f64::midpoint(LEFT, right);
        let wanted = format!(
            "points=\"{LEFT:.1},{bottom:.1} {middle:.1},{TOP:.1} {right:.1},{:.1}\"",
            f64::midpoint(TOP, bottom)
        );
        assert!(svg.contains(&wanted), "{wanted} in {svg}");
        for part in [">recipients<", ">µs a delivery<", ">Linker<", ">100<"] {
            assert!(svg.contains(part), "{part}");
        }
    }

    #[test]
    fn nothing_measured_is_an_empty_picture() {
        let svg = lines(
            "x",
            Axis {
                up_by_powers: true,
                ..AXIS
            },
            &[],
        );
        assert!(svg.starts_with("<svg") && !svg.contains("NaN") && !svg.contains("inf"));
    }
}
