//! The files under docs/benchmarks/data: one for each suite, a line for each run.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::Results;

/// Reads the results of a suite; `None` if it has never been run.
///
/// # Errors
/// The file cannot be read or is not such a file.
pub(crate) fn read(file: &Path) -> Result<Option<Results>> {
    if !file.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let results = serde_json::from_str(&text)
        .with_context(|| format!("{} is not a file of results", file.display()))?;
    Ok(Some(results))
}

/// Replaces the results of a suite.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(file: &Path, results: &Results) -> Result<()> {
    let folder = file.parent().context("a file has a folder")?;
    std::fs::create_dir_all(folder)?;
    std::fs::write(file, text_of(results)?).with_context(|| format!("cannot write {}", file.display()))
}

fn text_of(results: &Results) -> Result<String> {
    let json = serde_json::to_string::<str>;
    let mut text = format!("{{\"suite\": {},\n", json(&results.suite)?);
    writeln!(text, "\"setting\": {},", serde_json::to_string(&results.setting)?)?;
    text.push_str("\"loads\": [");
    for (at, load) in results.loads.iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        writeln!(
            text,
            "{{\"case\": {}, \"name\": {},\n \"command\": {},\n \"samples\": [",
            json(&load.case)?,
            json(&load.name)?,
            json(&load.command)?
        )?;
        let samples: Result<Vec<String>, _> = load.samples.iter().map(serde_json::to_string).collect();
        text.push_str(&samples?.join(",\n"));
        text.push_str("]}");
    }
    text.push_str("]}\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::{Row, Sample};
    use super::*;
    use crate::bench::setting::Setting;

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data/messages.json");
        assert_eq!(read(&file).unwrap(), None);
        let mut results = Results::new("messages", Setting::default());
        let mut sample = Sample::default();
        sample.rows.push(Row {
            label: "FAST \"1\"".to_owned(),
            figures: [("x".to_owned(), 0.5)].into(),
        });
        let failed = Sample {
            error: Some("line\nline".to_owned()),
            ..Sample::default()
        };
        results.add("1×1", "linker", "load --spawn 'x y'", sample);
        results.add("1×1", "linker", "load --spawn 'x y'", failed);
        results.add("1×1", "echo", "load", Sample::default());
        write(&file, &results).unwrap();
        assert_eq!(read(&file).unwrap(), Some(results));
    }

    #[test]
    fn another_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.json");
        std::fs::write(&file, "{}").unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("x.json"));
    }
}
