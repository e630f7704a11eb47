//! Round numbers along an axis.

/// Ticks from 0 to at least `max`, four to eight of them.
pub(super) fn ticks(max: f64) -> Vec<f64> {
    let max = if max.is_finite() && max > 0.0 { max } else { 1.0 };
    let rough = max / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * power);
    let count = (max / step).ceil() as u32;
    (0..=count).map(|at| f64::from(at) * step).collect()
}

/// Powers of ten that enclose the values.
pub(super) fn decades(min: f64, max: f64) -> Vec<f64> {
    // Of no points at all, the least is infinite.
    let min = if min.is_finite() { min.max(1e-9) } else { 1.0 };
    let max = max.max(min);
    let first = min.log10().floor() as i32;
    let last = (max.log10().ceil() as i32).max(first + 1);
    (first..=last).map(|power| 10_f64.powi(power)).collect()
}

/// A tick's number, without digits that say nothing.
pub(super) fn tick_text(value: f64) -> String {
    match value {
        value if value >= 1_000_000.0 => format!("{} M", rounded(value / 1_000_000.0)),
        value if value >= 1_000.0 => format!("{} k", rounded(value / 1_000.0)),
        value => rounded(value),
    }
}

fn rounded(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_beyond() {
        assert_eq!(ticks(19.0), [0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(ticks(100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(0.0).first(), Some(&0.0));
        for max in [0.003, 0.7, 1.0, 3.3, 47.0, 999.0, 1e6] {
            let ticks = ticks(max);
            assert!(ticks.last().unwrap() >= &(max * 0.999_999), "{max}");
            assert!((4..=8).contains(&ticks.len()), "{max}: {ticks:?}");
        }
    }

    #[test]
    fn decades_enclose() {
        assert_eq!(decades(1.0, 1000.0), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(decades(30.0, 40.0), [10.0, 100.0]);
        assert_eq!(decades(10.0, 10.0), [10.0, 100.0]);
    }

    #[test]
    fn numbers_on_an_axis_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (20.0, "20"),
            (1500.0, "1.5 k"),
            (2e6, "2 M"),
        ] {
            assert_eq!(tick_text(value), text);
        }
    }
}
