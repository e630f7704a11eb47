//! What a suite measured: every sample of every round, kept as JSON so that the page can be written again without measuring again.

mod file;
mod reading;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::setting::Setting;
use super::statistics::{median, median_ratio};

pub(crate) use self::file::{read, write};
pub(crate) use self::reading::sample_of;

/// Figures by name, as `server.cpuUsPerWork`.
pub(crate) type Figures = BTreeMap<String, f64>;

/// All of one suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) suite: String,
    pub(crate) setting: Setting,
    pub(crate) loads: Vec<LoadResults>,
}

/// One load on one server, in all rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LoadResults {
    /// What is compared with each other has the same case.
    pub(crate) case: String,
    /// Which of those this is.
    pub(crate) name: String,
    /// How anyone can repeat it.
    pub(crate) command: String,
    pub(crate) samples: Vec<Sample>,
}

/// One run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) round: u32,
    #[serde(default)]
    pub(crate) rows: Vec<Row>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// Why there is nothing, or not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// One line of what a run brought.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) figures: Figures,
}

impl Sample {
    /// A figure of the row whose label begins so.
    pub(crate) fn figure(&self, label: &str, figure: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.label.starts_with(label))?;
        row.figures.get(figure).copied()
    }

    /// Adds a figure that was not the load tester's to the first row.
    pub(crate) fn add(&mut self, figure: &str, value: f64) {
        if self.rows.is_empty() {
            self.rows.push(Row::default());
        }
        if let Some(row) = self.rows.first_mut() {
            row.figures.insert(figure.to_owned(), value);
        }
    }
}

/// Where a figure is found: case, name, and what the row's label begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot<'a>(pub(crate) &'a str, pub(crate) &'a str, pub(crate) &'a str);

impl Results {
    pub(crate) fn new(suite: &str, setting: Setting) -> Self {
        Self {
            suite: suite.to_owned(),
            setting,
            loads: Vec::new(),
        }
    }

    /// Notes a run.
    pub(crate) fn add(&mut self, case: &str, name: &str, command: &str, sample: Sample) {
        let known = self
            .loads
            .iter_mut()
            .find(|load| load.case == case && load.name == name);
        match known {
            Some(load) => load.samples.push(sample),
            None => self.loads.push(LoadResults {
                case: case.to_owned(),
                name: name.to_owned(),
                command: command.to_owned(),
                samples: vec![sample],
            }),
        }
    }

    pub(crate) fn load(&self, case: &str, name: &str) -> Option<&LoadResults> {
        self.loads
            .iter()
            .find(|load| load.case == case && load.name == name)
    }

    /// A figure in each round that has it.
    pub(crate) fn values(&self, Spot(case, name, label): Spot<'_>, figure: &str) -> Vec<(u32, f64)> {
        let samples = self.load(case, name).map_or(&[][..], |load| &load.samples);
        samples
            .iter()
            .filter_map(|sample| Some((sample.round, sample.figure(label, figure)?)))
            .collect()
    }

    pub(crate) fn median(&self, spot: Spot<'_>, figure: &str) -> Option<f64> {
        let values: Vec<f64> = self
            .values(spot, figure)
            .into_iter()
            .map(|(_, value)| value)
            .collect();
        median(&values)
    }

    /// The largest of all rounds: for what must not be there in any, as losses.
    pub(crate) fn worst(&self, spot: Spot<'_>, figure: &str) -> Option<f64> {
        self.values(spot, figure)
            .into_iter()
            .map(|(_, value)| value)
            .max_by(f64::total_cmp)
    }

    pub(crate) fn ratio(&self, spot: Spot<'_>, to: Spot<'_>, figure: &str) -> Option<f64> {
        median_ratio(&self.values(spot, figure), &self.values(to, figure))
    }

    /// One figure by another of the same spot, within each round.
    pub(crate) fn ratio_of(&self, spot: Spot<'_>, figure: &str, to: &str) -> Option<f64> {
        median_ratio(&self.values(spot, figure), &self.values(spot, to))
    }

    /// Why loads failed, and which: those with the same reason together.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
        for load in &self.loads {
            let errors: Vec<&str> = load
                .samples
                .iter()
                .filter_map(|sample| sample.error.as_deref())
                .collect();
            let Some(reason) = errors.first() else { continue };
            let whom = format!(
                "{}, {} ({} of {})",
                load.case,
                load.name,
                errors.len(),
                load.samples.len()
            );
            match reasons.iter_mut().find(|(known, _)| known == reason) {
                Some((_, whoms)) => whoms.push(whom),
                None => reasons.push((reason, vec![whom])),
            }
        }
        let told = reasons
            .iter()
            .map(|(reason, whoms)| format!("{reason}: {}", whoms.join("; ")));
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(round: u32, label: &str, value: f64) -> Sample {
        Sample {
            round,
            rows: vec![Row {
                label: label.to_owned(),
                figures: Figures::from([("x".to_owned(), value)]),
            }],
            ..Sample::default()
        }
    }

    fn results() -> Results {
        let mut results = Results::new("messages", Setting::default());
        for (round, linker, echo) in [(0, 10.0, 5.0), (1, 30.0, 10.0), (2, 20.0, 10.0)] {
            results.add("1", "linker", "load …", sample(round, "FAST 1", linker));
            results.add("1", "echo", "load …", sample(round, "- 1", echo));
        }
        results
    }

    #[test]
    fn figures_are_found_by_case_name_and_label() {
        let results = results();
        assert_eq!(results.median(Spot("1", "linker", ""), "x"), Some(20.0));
        assert_eq!(results.median(Spot("1", "linker", "FAST"), "x"), Some(20.0));
        assert_eq!(results.median(Spot("1", "linker", "RELIABLE"), "x"), None);
        assert_eq!(results.worst(Spot("1", "linker", ""), "x"), Some(30.0));
        assert_eq!(
            results.ratio(Spot("1", "linker", ""), Spot("1", "echo", ""), "x"),
            Some(2.0)
        );
        assert_eq!(
            results.ratio(Spot("1", "linker", ""), Spot("2", "echo", ""), "x"),
            None
        );
    }

    #[test]
    fn a_failure_is_told_once_with_how_often() {
        let mut results = results();
        for round in 0..2 {
            let failed = Sample {
                round,
                error: Some("nobody there".to_owned()),
                ..Sample::default()
            };
            results.add("1", "mosquitto", "load …", failed.clone());
            results.add("2", "mosquitto", "load …", failed);
        }
        let wanted = "nobody there: 1, mosquitto (2 of 2); 2, mosquitto (2 of 2)";
        assert_eq!(results.failures(), [wanted]);
    }
}
