//! What is asked of a figure, and whether it is so.

use super::numbers::number;

/// A bound, with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    AtMost(f64, &'static str),
    AtLeast(f64, &'static str),
}

/// A line of the table of marks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    pub(crate) what: String,
    pub(crate) limit: Limit,
    /// None: not measured.
    pub(crate) measured: Option<f64>,
    /// What stops it, told where it is not met.
    pub(crate) stopped_by: Option<&'static str>,
}

impl Mark {
    /// None: not measured.
    pub(crate) fn is_met(&self) -> Option<bool> {
        let measured = self.measured?;
        Some(match self.limit {
            Limit::AtMost(most, _) => measured <= most,
            Limit::AtLeast(least, _) => measured >= least,
        })
    }

    /// What, the mark, what was measured, and the verdict.
    pub(crate) fn cells(&self) -> Vec<String> {
        let (sign, bound, unit) = match self.limit {
            Limit::AtMost(most, unit) => ("≤", most, unit),
            Limit::AtLeast(least, unit) => ("≥", least, unit),
        };
        let verdict = match self.is_met() {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "not measured",
        };
        let with_unit = |text: String| format!("{text} {unit}").trim_end().to_owned();
        vec![
            self.what.clone(),
            with_unit(format!("{sign} {}", bound_text(bound))),
            with_unit(number(self.measured)),
            verdict.to_owned(),
        ]
    }
}

/// Bounds are round numbers.
fn bound_text(bound: f64) -> String {
    if bound >= 1000.0 {
        number(Some(bound))
    } else {
        bound.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(limit: Limit, measured: Option<f64>) -> String {
        let mark = Mark {
            what: "x".to_owned(),
            limit,
            measured,
            stopped_by: None,
        };
        mark.cells()[1..].join(", ")
    }

    #[test]
    fn marks_are_met_on_their_side_of_the_bound() {
        assert_eq!(
            verdict(Limit::AtMost(19.0, "µs"), Some(18.2)),
            "≤ 19 µs, 18.2 µs, met"
        );
        assert_eq!(
            verdict(Limit::AtMost(1.05, ""), Some(1.2)),
            "≤ 1.05, 1.20, **not met**"
        );
        assert_eq!(
            verdict(Limit::AtLeast(9000.0, "/s"), Some(11_000.0)),
            "≥ 9 000 /s, 11 000 /s, met"
        );
        assert_eq!(
            verdict(Limit::AtLeast(9000.0, "/s"), None),
            "≥ 9 000 /s, – /s, not measured"
        );
    }
}
