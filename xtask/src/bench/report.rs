//! Writes docs/benchmarks.md, its pictures, and the README's quotes, from all results that are kept.

mod integrity;
mod readme;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::steps::workspace_root;

use super::build::BUILD;
use super::page::{Page, Quote};
use super::results::{self, Results};
use super::running::data_file;
use super::setting::Setting;
use super::suites::{SUITES, Suite};

const PAGE: &str = "docs/benchmarks.md";
const PICTURES: &str = "docs/benchmarks";
/// Written by hand, where it is there.
const CROWD: &str = "docs/benchmarks/crowd.md";

/// Writes all of it anew.
///
/// # Errors
/// A file of results is not one, or something cannot be written.
pub(crate) fn write() -> Result<()> {
    let root = workspace_root();
    let mut parts = Vec::new();
    for suite in SUITES {
        if let Some(results) = results::read(&data_file(suite.name))? {
            let mut page = Page::default();
            (suite.render)(&results, &mut page);
            parts.push((suite, results, page));
        }
    }
    let pictures = root.join(PICTURES);
    fs::create_dir_all(&pictures)?;
    for picture in parts.iter().flat_map(|(_, _, page)| &page.pictures) {
        let file = pictures.join(format!("{}.svg", picture.name));
        fs::write(&file, &picture.svg).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let crowd = root.join(CROWD).exists();
    let text = text_of(&parts, crowd);
    fs::write(root.join(PAGE), text).with_context(|| format!("cannot write {PAGE}"))?;
    let quotes: Vec<Quote> = parts.into_iter().flat_map(|(_, _, page)| page.quotes).collect();
    readme::write(&root.join("README.md"), &quotes)?;
    println!("\nwritten: {PAGE}, {PICTURES}/*.svg, README.md");
    Ok(())
}

type Part = (&'static Suite, Results, Page);

const INTRODUCTION: &str = "\
# Benchmarks

Linker beside what one would take instead, on one machine. Written by `cargo xtask bench` from the results under
[benchmarks/data](benchmarks/data); do not edit it by hand. Every figure comes from a command of the
[load tester](../README.md#load-tester) that is listed below it, for anyone to repeat.

**Compare within one table only.** What counts is the server's CPU time for a message and ratios in one run; rates follow from them, and latencies
are of a virtual machine. A ratio is taken within each round and then its median, so that drift of the machine cancels out.

";

const METHOD: &str = "\
The server is pinned to core 0 and the tester to the others; idle-priority spinners keep all cores awake. All loads of a case are run in
turn, round by round (A B C, A B C, …); shown are medians of the rounds. Every server is started afresh for each load. CPU time is the server's
own and the kernel's on its behalf. Peers are started by `cargo xtask peers`, each tuned for this comparison. Commands are run in
the repository's root, with `--seconds` and `--warm-up` as shown, after

```sh
cargo BUILD
```

";

fn text_of(parts: &[Part], crowd: bool) -> String {
    let mut text = INTRODUCTION.to_owned();
    append_settings(&mut text, parts);
    text.push_str(&METHOD.replace("BUILD", BUILD));
    append_marks(&mut text, parts);
    for (suite, results, page) in parts {
        let _ = write!(text, "## {}\n\n{}", suite.title, page.text);
        append_findings(&mut text, results);
        append_commands(&mut text, results);
    }
    if crowd {
        text.push_str("## Many nodes, many sessions\n\nSee [benchmarks/crowd.md](benchmarks/crowd.md).\n\n");
    }
    let missing: Vec<&str> = SUITES
        .iter()
        .filter(|suite| !parts.iter().any(|(other, ..)| other.name == suite.name))
        .map(|suite| suite.name)
        .collect();
    if !missing.is_empty() {
        let _ = writeln!(
            text,
            "## Not measured\n\nNo results are kept of: {}.\n",
            missing.join(", ")
        );
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// What is the same for several suites is told once.
fn append_settings(text: &mut String, parts: &[Part]) {
    text.push_str("## How it was measured\n\n");
    let mut told: Vec<&Setting> = Vec::new();
    for (_, results, _) in parts {
        let setting = &results.setting;
        if told.contains(&setting) {
            continue;
        }
        let suites: Vec<&str> = parts
            .iter()
            .filter(|(_, results, _)| results.setting == *setting)
            .map(|(suite, ..)| suite.name)
            .collect();
        told.push(setting);
        append_setting(text, setting, &suites);
    }
}

fn append_setting(text: &mut String, setting: &Setting, suites: &[&str]) {
    let machine = &setting.machine;
    let versions: Vec<String> = setting
        .versions
        .iter()
        .map(|(name, version)| format!("{name}: {version}"))
        .collect();
    let _ = write!(
        text,
        "- **{}** ({}): commit `{}`, rounds of {} s: {}{}. {} cores of {}, {} GiB, {}, Linux {}. {}\n\n",
        suites.join(", "),
        setting.date,
        setting.commit,
        setting.seconds,
        setting.rounds,
        if setting.quick {
            "; **quick: with small counts, which shows that it runs and not how fast anything is**"
        } else {
            ""
        },
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.system,
        machine.kernel,
        versions.join("; "),
    );
}

fn append_marks(text: &mut String, parts: &[Part]) {
    let marks: Vec<_> = parts.iter().flat_map(|(_, _, page)| &page.marks).collect();
    let met = marks.iter().filter(|mark| mark.is_met() == Some(true)).count();
    let missed = marks.iter().filter(|mark| mark.is_met() == Some(false)).count();
    let _ = writeln!(
        text,
        "## Marks\n\nWhat Linker asks of itself: {met} met, {missed} not met, {} not measured.\n",
        marks.len() - met - missed
    );
    let rows: Vec<Vec<String>> = marks.iter().map(|mark| mark.cells()).collect();
    let mut table = Page::default();
    table.table(&["", "mark", "measured", ""], &rows);
    text.push_str(&table.text);
    let missed = marks.iter().filter(|mark| mark.is_met() == Some(false));
    let stopped: Vec<_> = missed
        .filter_map(|mark| Some((&mark.what, mark.stopped_by?)))
        .collect();
    if !stopped.is_empty() {
        text.push_str("What stops those that are not met:\n\n");
        for (what, why) in stopped {
            let _ = writeln!(text, "- *{what}*: {why}");
        }
        text.push('\n');
    }
}

fn append_findings(text: &mut String, results: &Results) {
    let failures = results.failures();
    if !failures.is_empty() {
        text.push_str("Not measured, or not in all rounds, and why:\n\n");
        for failure in failures {
            let _ = writeln!(text, "- {}", failure.replace('\n', " "));
        }
        text.push('\n');
    }
    let findings = integrity::findings(results);
    if !findings.is_empty() {
        text.push_str("To be known of these runs:\n\n");
        for finding in findings {
            let _ = writeln!(text, "- {finding}");
        }
        text.push('\n');
    }
}

fn append_commands(text: &mut String, results: &Results) {
    text.push_str("<details><summary>Commands</summary>\n\n```sh\n");
    for load in results.loads.iter().filter(|load| !load.command.is_empty()) {
        let _ = writeln!(text, "# {}: {}\n{}", load.case, load.name, load.command);
    }
    text.push_str("```\n\n</details>\n\n");
}

/// Replaces what stands between two lines of a file.
///
/// # Errors
/// The file cannot be read or written, or has no such lines.
fn replace_between(file: &Path, [begin, end]: [&str; 2], with: &str) -> Result<()> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let (before, rest) = text
        .split_once(begin)
        .with_context(|| format!("{name} has no line {begin}"))?;
    let (_, after) = rest
        .split_once(end)
        .with_context(|| format!("{name} has no line {end}"))?;
    fs::write(file, format!("{before}{begin}\n{with}{end}{after}"))
        .with_context(|| format!("cannot write {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::Sample;

    fn part(name: &str) -> Part {
        let suite = SUITES.iter().find(|suite| suite.name == name).unwrap();
        let setting = Setting {
            date: "2026-01-01".to_owned(),
            quick: true,
            ..Setting::default()
        };
        let mut results = Results::new(name, setting);
        let failed = Sample {
            error: Some("no such\ntarget".to_owned()),
            ..Sample::default()
        };
        results.add("1000×1", "NATS", "load_tester closed", failed);
        let mut page = Page::default();
        (suite.render)(&results, &mut page);
        (suite, results, page)
    }

    #[test]
    fn a_suite_without_figures_still_has_its_place_its_failures_and_its_commands() {
        for suite in SUITES {
            let text = text_of(&[part(suite.name)], true);
            for wanted in [
                suite.title,
                "no such target: 1000×1, NATS (1 of 1)",
                "load_tester closed\n",
                "quick: with small counts",
                "No results are kept of",
                "benchmarks/crowd.md",
            ] {
                assert!(text.contains(wanted), "{wanted} in {text}");
            }
            assert!(!text.contains("NaN"));
        }
    }

    #[test]
    fn a_setting_of_several_suites_is_told_once() {
        let text = text_of(&[part("messages"), part("groups")], false);
        assert!(text.contains("**messages, groups** (2026-01-01)"));
    }

    #[test]
    fn only_what_is_between_the_lines_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.md");
        fs::write(&file, "a\n<begin>\nold\n<end>\nb\n").unwrap();
        replace_between(&file, ["<begin>", "<end>"], "new\n").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "a\n<begin>\nnew\n<end>\nb\n");
        assert!(replace_between(&file, ["<none>", "<end>"], "").is_err());
    }
}
