//! What a run is summed up to: columns of a table for people, and JSON for programs.

mod row;
mod sessions_row;

use std::fmt::Write as _;

use serde_json::{Value, json};

pub(crate) use row::{Label, Row, Span, Work};
pub(crate) use sessions_row::SessionsRow;

/// Columns printed side by side.
const COLUMNS_ACROSS: usize = 6;
const MIB: f64 = 1_048_576.0;

/// All runs of one call of the tester.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) scenario: &'static str,
    pub(crate) kept_awake: bool,
    pub(crate) rows: Vec<Row>,
    pub(crate) sessions: Vec<SessionsRow>,
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn new(scenario: &'static str, kept_awake: bool) -> Self {
        Self {
            scenario,
            kept_awake,
            rows: Vec::new(),
            sessions: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Relates every run to the one on the echo server under the same load.
    pub(crate) fn compare_with_echo(&mut self) {
        let echoes: Vec<Row> = self
            .rows
            .iter()
            .filter(|row| row.target == "echo")
            .cloned()
            .collect();
        for row in self.rows.iter_mut().filter(|row| row.target != "echo") {
            let Some(echo) = echoes
                .iter()
                .find(|echo| echo.load == row.load && echo.size == row.size)
            else {
                continue;
            };
            if let (Some(own), Some(other)) = (&row.server, &echo.server) {
                row.cpu_of_echo = Some(own.cpu_us_per_work / other.cpu_us_per_work);
            }
            if let (Some(own), Some(other)) = (&row.latency, &echo.latency) {
                row.p99_of_echo = Some(own.p99_ms / other.p99_ms);
            }
        }
    }

    /// All notes, those of the rows included.
    fn all_notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        notes.extend(self.rows.iter().flat_map(Row::notes));
        if self.rows.iter().any(|row| row.server.is_none()) {
            notes.push(
                "the server's process was not found, so its CPU and memory are not known: name it by --pid"
                    .to_owned(),
            );
        }
        if !self.kept_awake && !self.rows.is_empty() {
            notes.push(
                "the cores were not kept awake (--keep-awake): latencies at low rates include waking them up"
                    .to_owned(),
            );
        }
        notes
    }

    /// The table, with notes below it.
    pub(crate) fn table(&self) -> String {
        let mut columns: Vec<Vec<(&'static str, String)>> = self.rows.iter().map(Row::cells).collect();
        columns.extend(self.sessions.iter().map(SessionsRow::cells));
        let mut text = String::new();
        for group in columns.chunks(COLUMNS_ACROSS) {
            append_table(&mut text, group);
        }
        for note in self.all_notes() {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "scenario": self.scenario,
            "keptAwake": self.kept_awake,
            "rows": self.rows,
            "sessions": self.sessions,
            "notes": self.all_notes(),
        })
    }
}

/// Appends runs as columns, with one line a figure; figures that no run has are left out.
fn append_table(text: &mut String, columns: &[Vec<(&'static str, String)>]) {
    let mut labels: Vec<&str> = Vec::new();
    for cells in columns {
        let mut after = 0;
        for (label, _) in cells {
            match labels.iter().position(|known| known == label) {
                Some(at) => after = at + 1,
                None => {
                    labels.insert(after, label);
                    after += 1;
                }
            }
        }
    }
    let widest =
        |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| text.chars().count()).max().unwrap_or(0);
    let label_width = widest(&mut labels.iter().copied());
    let widths: Vec<usize> = columns
        .iter()
        .map(|cells| widest(&mut cells.iter().map(|(_, value)| value.as_str())))
        .collect();
    for label in labels {
        let _ = write!(text, "{label:<label_width$}");
        for (cells, width) in columns.iter().zip(&widths) {
            let value = cells
                .iter()
                .find(|(known, _)| *known == label)
                .map_or("", |(_, value)| value);
            let _ = write!(text, "  {value:>width$}");
        }
        text.push('\n');
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_keep_the_order_of_their_figures() {
        let mut text = String::new();
        let one = vec![("a", "1".to_owned()), ("c", "333".to_owned())];
        let two = vec![
            ("a", "22".to_owned()),
            ("b", "2".to_owned()),
            ("c", "3".to_owned()),
        ];
        append_table(&mut text, &[one, two]);
        assert_eq!(text, "a    1  22\nb        2\nc  333   3\n\n");
    }
}
