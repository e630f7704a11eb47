//! Bars that lie, with their names on the left and their values at their ends.

use super::scale::{tick_text, ticks};
use super::svg::{Hold, Svg};

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// 0 is Linker's.
    pub(crate) colour: usize,
}

const WIDTH: f64 = 760.0;
const NAMES: f64 = 230.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 46.0;
const STEP: f64 = 26.0;
const THICK: f64 = 17.0;
const BELOW: f64 = 48.0;
/// A bar is cut here, in multiples of the median bar, so that one giant does not flatten the others.
const CUT: f64 = 6.0;

/// A picture of bars. `unit` stands under the axis; `mark` is a line that they should not pass, or should reach.
pub(crate) fn bars(title: &str, unit: &str, bars: &[Bar], mark: Option<f64>) -> String {
    let height = TOP + STEP * bars.len() as f64 + BELOW;
    let mut svg = Svg::new(WIDTH, height, title);
    let values: Vec<f64> = bars.iter().map(|bar| bar.value).collect();
    let ticks = ticks(axis_end(&values, mark));
    let end = ticks.last().copied().unwrap_or(1.0);
    let x_of = |value: f64| NAMES + (WIDTH - NAMES - RIGHT) * value.clamp(0.0, end) / end;
    let bottom = height - BELOW;
    svg.write("title", (12.0, 24.0), Hold::Start, title);
    for tick in &ticks {
        let x = x_of(*tick);
        svg.line("grid", (x, TOP - 6.0), (x, bottom));
        svg.write("small", (x, bottom + 16.0), Hold::Middle, &tick_text(*tick));
    }
    svg.line("axis", (NAMES, TOP - 6.0), (NAMES, bottom));
    svg.write(
        "small",
        ((NAMES + WIDTH - RIGHT) / 2.0, bottom + 36.0),
        Hold::Middle,
        unit,
    );
    for (at, bar) in bars.iter().enumerate() {
        let y = TOP + STEP * at as f64;
        svg.write("", (NAMES - 8.0, y + THICK - 4.0), Hold::End, &bar.name);
        svg.bar(bar.colour, (NAMES, y), (x_of(bar.value) - NAMES).max(1.0), THICK);
        let beyond = if bar.value > end { "→ " } else { "" };
        let value = format!("{beyond}{}", crate::bench::page::number(Some(bar.value)));
        svg.write(
            "small",
            (x_of(bar.value) + 6.0, y + THICK - 4.0),
            Hold::Start,
            &value,
        );
    }
    if let Some(mark) = mark {
        let x = x_of(mark);
        svg.line("mark", (x, TOP - 8.0), (x, bottom));
        svg.write("small marktext", (x, TOP - 10.0), Hold::Middle, "mark");
    }
    svg.finish()
}

/// Where the axis ends: at the largest value, unless that is a giant among the others.
fn axis_end(values: &[f64], mark: Option<f64>) -> f64 {
    let all = values.iter().copied().chain(mark);
    let largest = all.fold(0.0, f64::max);
    let usual = crate::bench::statistics::median(values).unwrap_or(largest);
    let kept = |value: &f64| *value <= CUT * usual;
    let cut = values
        .iter()
        .copied()
        .chain(mark)
        .filter(kept)
        .fold(0.0, f64::max);
    if cut > 0.0 { cut } else { largest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, value: f64) -> Bar {
        Bar {
            name: name.to_owned(),
            value,
            colour: 0,
        }
    }

    #[test]
    fn every_bar_has_its_name_its_value_and_the_axis_its_unit() {
        let bar_list = [bar("Linker", 18.2), bar("A & B", 36.4)];
        let svg = bars("CPU", "µs a message", &bar_list, Some(19.0));
        for part in [
            ">Linker<",
            ">18.2<",
            ">A &amp; B<",
            ">36.4<",
            ">µs a message<",
            ">mark<",
            ">40<",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        assert_eq!(svg.matches("<rect class=\"c0\"").count(), 2);
    }

    #[test]
    fn a_giant_does_not_flatten_the_others() {
        assert_eq!(axis_end(&[1.0, 2.0, 3.0, 500.0], None), 3.0);
        assert_eq!(axis_end(&[1.0, 2.0, 10.0], None), 10.0);
        assert_eq!(axis_end(&[1.0, 2.0, 3.0], Some(5.0)), 5.0);
        assert!(bars("x", "y", &[bar("a", 1.0), bar("b", 1.0), bar("c", 100.0)], None).contains("→ 100"));
    }
}
