//! From the load tester's JSON to a sample. What is not known is carried along or left out, never an error: the tester grows.

use serde_json::Value;

use super::{Figures, Row, Sample};

/// Parts of a name that would only make the files longer.
const LEFT_OUT: [&str; 4] = ["meanMs", "p90Ms", "sendDelay.p50Ms", "size"];

/// What one run of the load tester (or of anything that writes as it does) brought.
pub(crate) fn sample_of(round: u32, json: &Value) -> Sample {
    let rows = |key: &str| json[key].as_array().map_or(&[][..], Vec::as_slice);
    let notes = rows("notes");
    Sample {
        round,
        rows: rows("rows").iter().chain(rows("sessions")).map(row_of).collect(),
        notes: notes
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        error: None,
    }
}

fn row_of(json: &Value) -> Row {
    let text = |key: &str| json[key].as_str().unwrap_or_default();
    let label = match text("stage") {
        "" => format!("{} {}", text("feature"), text("load")),
        stage => stage.to_owned(),
    };
    let mut figures = Figures::new();
    flatten(json, "", &mut figures);
    Row {
        label: label.trim().to_owned(),
        figures,
    }
}

/// Every number, under its path; what was true or false as 1 or 0.
fn flatten(json: &Value, path: &str, into: &mut Figures) {
    let number = match json {
        Value::Number(number) => number.as_f64(),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flatten(value, &path, into);
            }
            None
        }
        _ => None,
    };
    if let Some(number) = number
        && !LEFT_OUT.iter().any(|end| path.ends_with(end))
    {
        // A thousandth is more than was measured.
        into.insert(path.to_owned(), (number * 1000.0).round() / 1000.0);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_read_with_whatever_numbers_they_have() {
        let json = json!({
            "scenario": "closed",
            "rows": [{
                "target": "linker", "feature": "FAST", "load": "1000×1", "size": 1000, "work": "delivered",
                "workPerSecond": 54321.98765, "latency": {"p99Ms": 1.5, "meanMs": 1.0}, "answer": null,
                "counts": {"lost": 0}, "tester": {"wasTheLimit": true}, "someday": {"new": [1, 2], "figure": 7},
            }],
            "sessions": [{"target": "linker", "stage": "idle", "bytesPerSession": 1600.0}],
            "notes": ["a note", 7],
        });
        let sample = sample_of(2, &json);
        assert_eq!(sample.round, 2);
        assert_eq!(sample.notes, ["a note"]);
        assert_eq!(sample.figure("FAST 1000×1", "workPerSecond"), Some(54321.988));
        assert_eq!(sample.figure("FAST", "latency.p99Ms"), Some(1.5));
        assert_eq!(sample.figure("FAST", "tester.wasTheLimit"), Some(1.0));
        assert_eq!(sample.figure("FAST", "someday.figure"), Some(7.0));
        assert_eq!(sample.figure("FAST", "latency.meanMs"), None);
        assert_eq!(sample.figure("idle", "bytesPerSession"), Some(1600.0));
    }

    #[test]
    fn what_is_no_report_has_no_rows() {
        assert_eq!(sample_of(0, &json!({"rows": 1, "x": []})), Sample::default());
        assert_eq!(sample_of(0, &json!([])), Sample::default());
    }
}
