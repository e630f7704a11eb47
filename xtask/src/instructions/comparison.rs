//! Counts beside those of the baseline.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A path may differ by so many percent, either way, and nobody is told.
const PERCENT: u64 = 10;

/// One path; at least one of the two is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row<'c> {
    name: &'c str,
    before: Option<u64>,
    now: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    AsBefore,
    More,
    Fewer,
    /// The baseline does not know it.
    New,
    /// Only the baseline knows it.
    Missing,
}

impl Row<'_> {
    fn verdict(&self) -> Verdict {
        let (before, now) = match (self.before, self.now) {
            (None, _) => return Verdict::New,
            (_, None) => return Verdict::Missing,
            (Some(before), Some(now)) => (u128::from(before), u128::from(now)),
        };
        let bound = u128::from(PERCENT);
        if now * 100 > before * (100 + bound) {
            Verdict::More
        } else if now * 100 < before * (100 - bound) {
            Verdict::Fewer
        } else {
            Verdict::AsBefore
        }
    }

    /// `+1.2 %`, or nothing where there is nothing to compare.
    fn change(&self) -> String {
        match (self.before, self.now) {
            (Some(before), Some(now)) => {
                format!("{:+.1} %", (now as f64 / before as f64 - 1.0) * 100.0)
            }
            _ => String::new(),
        }
    }
}

/// All paths of the baseline and of this count, by name.
pub(super) struct Comparison<'c>(Vec<Row<'c>>);

impl<'c> Comparison<'c> {
    pub(super) fn of(before: &'c BTreeMap<String, u64>, now: &'c BTreeMap<String, u64>) -> Self {
        let names: BTreeSet<&str> = before.keys().chain(now.keys()).map(String::as_str).collect();
        let row = |name| Row {
            name,
            before: before.get(name).copied(),
            now: now.get(name).copied(),
        };
        Self(names.into_iter().map(row).collect())
    }

    /// Why this count is not accepted: one sentence a path.
    pub(super) fn problems(&self) -> Vec<String> {
        let problem = |row: &Row<'_>| match row.verdict() {
            Verdict::AsBefore | Verdict::Fewer => None,
            Verdict::More => Some(format!(
                "{} takes more instructions than before by more than {PERCENT} % ({})",
                row.name,
                row.change()
            )),
            Verdict::New => Some(format!("the baseline does not have {}", row.name)),
            Verdict::Missing => Some(format!("{} is in the baseline and was not counted", row.name)),
        };
        self.0.iter().filter_map(problem).collect()
    }

    /// The paths that take fewer by so much that the baseline would hide it if it were lost again.
    pub(super) fn fell(&self) -> Vec<&'c str> {
        let fell = self.0.iter().filter(|row| row.verdict() == Verdict::Fewer);
        fell.map(|row| row.name).collect()
    }
}

/// A table, with a head.
impl fmt::Display for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        writeln!(
            f,
            "{:<20} {:>10} {:>10} {:>9}",
            "instructions of", "before", "now", "change"
        )?;
        for row in &self.0 {
            let remark = match row.verdict() {
                Verdict::AsBefore => "",
                Verdict::More => "  MORE",
                Verdict::Fewer => "  fewer",
                Verdict::New => "  NEW",
                Verdict::Missing => "  MISSING",
            };
            let (before, now) = (count(row.before), count(row.now));
            writeln!(
                f,
                "{:<20} {before:>10} {now:>10} {:>9}{remark}",
                row.name,
                row.change()
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    }

    fn verdict(before: u64, now: u64) -> Verdict {
        Row {
            name: "x",
            before: Some(before),
            now: Some(now),
        }
        .verdict()
    }

    #[test]
    fn more_than_a_tenth_more_is_a_problem_and_a_tenth_is_none() {
        assert_eq!(verdict(10_000, 10_990), Verdict::AsBefore, "+9.9 %");
        assert_eq!(verdict(10_000, 11_000), Verdict::AsBefore, "+10 %");
        assert_eq!(verdict(10_000, 11_001), Verdict::More);
        assert_eq!(verdict(10_000, 11_010), Verdict::More, "+10.1 %");
        assert_eq!(verdict(u64::MAX, u64::MAX), Verdict::AsBefore);
        assert_eq!(verdict(u64::MAX / 2, u64::MAX), Verdict::More);

        let before = counts(&[("bus", 10_000), ("session", 10_000)]);
        let now = counts(&[("bus", 10_990), ("session", 11_010)]);
        assert_eq!(
            Comparison::of(&before, &now).problems(),
            ["session takes more instructions than before by more than 10 % (+10.1 %)"]
        );
    }

    #[test]
    fn what_fell_by_more_than_a_tenth_is_told_and_is_no_problem() {
        assert_eq!(verdict(10_000, 9_000), Verdict::AsBefore, "-10 %");
        assert_eq!(verdict(10_000, 8_999), Verdict::Fewer);
        let before = counts(&[("bus", 10_000), ("session", 10_000)]);
        let now = counts(&[("bus", 5_000), ("session", 9_500)]);
        let comparison = Comparison::of(&before, &now);
        assert_eq!(comparison.fell(), ["bus"]);
        assert_eq!(comparison.problems(), [""; 0]);
    }

    #[test]
    fn both_have_to_have_the_same_paths() {
        let before = counts(&[("bus", 1), ("gone", 1)]);
        let now = counts(&[("bus", 1), ("fresh", 1)]);
        assert_eq!(
            Comparison::of(&before, &now).problems(),
            [
                "the baseline does not have fresh",
                "gone is in the baseline and was not counted"
            ]
        );
    }

    #[test]
    fn the_table_names_path_before_now_and_change() {
        let before = counts(&[("bus", 1000), ("gone", 7), ("session", 2000)]);
        let now = counts(&[("bus", 1200), ("session", 1990)]);
        let table = Comparison::of(&before, &now).to_string();
        assert_eq!(
            table,
            "\
instructions of          before        now    change
bus                        1000       1200   +20.0 %  MORE
gone                          7          -            MISSING
session                    2000       1990    -0.5 %
"
        );
    }
}
