//! What a reader has to know besides the figures: messages that went astray, and whether the tester was itself the limit.

use super::super::results::{LoadResults, Results};

/// What must not happen, as the load tester counts it, and how it is called here.
const FAULTS: [(&str, &str); 9] = [
    ("counts.lost", "lost"),
    ("counts.duplicates", "repeated"),
    ("counts.outOfOrder", "out of order"),
    ("counts.misdelivered", "misdelivered"),
    ("counts.unanswered", "unanswered"),
    ("counts.answeredTooEarly", "answered too early"),
    ("counts.refused", "refused"),
    ("counts.skipped", "not sent in time"),
    ("counts.late", "late"),
];

/// A line for each load of which there is something to say.
pub(super) fn findings(results: &Results) -> Vec<String> {
    let told = |load: &LoadResults| {
        let words: Vec<String> = faults(load)
            .into_iter()
            .chain(limit(load))
            .chain(endings(load))
            .collect();
        (!words.is_empty()).then(|| format!("{}, {}: {}", load.case, load.name, words.join("; ")))
    };
    results.loads.iter().filter_map(told).collect()
}

/// Over all rounds and rows.
fn faults(load: &LoadResults) -> Vec<String> {
    let rows = || load.samples.iter().flat_map(|sample| &sample.rows);
    FAULTS
        .iter()
        .filter_map(|(figure, name)| {
            let count: f64 = rows().filter_map(|row| row.figures.get(*figure)).sum();
            (count > 0.0).then(|| format!("{count:.0} {name}"))
        })
        .collect()
}

fn limit(load: &LoadResults) -> Option<String> {
    let limited = |row: &&super::super::results::Row| row.figures.get("tester.wasTheLimit") == Some(&1.0);
    let rows = load.samples.iter().flat_map(|sample| &sample.rows);
    let (all, limited) = rows.fold((0, 0), |(all, count), row| {
        (all + 1, count + usize::from(limited(&row)))
    });
    (limited > 0).then(|| format!("the tester itself was the limit in {limited} of {all} runs"))
}

/// Errors and ended connections, of the first run that had any.
fn endings(load: &LoadResults) -> Option<String> {
    let notes = load.samples.iter().flat_map(|sample| &sample.notes);
    let mut told = notes.filter(|note| note.contains(": errors: ") || note.contains("ended connections: "));
    told.next().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::{Row, Sample};
    use crate::bench::setting::Setting;

    #[test]
    fn faults_of_all_rounds_are_added_up_and_clean_runs_are_silent() {
        let mut results = Results::new("messages", Setting::default());
        for (round, lost) in [(0, 2.0), (1, 3.0)] {
            let figures = [
                ("counts.lost", lost),
                ("counts.late", 0.0),
                ("tester.wasTheLimit", 1.0),
            ];
            let row = Row {
                label: "FAST".to_owned(),
                figures: figures.map(|(name, value)| (name.to_owned(), value)).into(),
            };
            let sample = Sample {
                round,
                rows: vec![row],
                notes: vec![
                    "200 messages now wait".to_owned(),
                    "linker FAST: errors: UNAVAILABLE × 3".to_owned(),
                ],
                error: None,
            };
            results.add("1×1", "x", "", sample);
        }
        results.add("1×1", "clean", "", Sample::default());
        assert_eq!(
            findings(&results),
            [
                "1×1, x: 5 lost; the tester itself was the limit in 2 of 2 runs; linker FAST: errors: UNAVAILABLE × 3"
            ]
        );
    }
}
