use std::path::Path;

use super::defaults::SPELLED_OUT;
use super::{FILE, Start};
use crate::config::load;

/// Loads `text` and checks the form of what is said about it, whatever that is.
fn load_or_be_told(text: &str) {
    let start = Start::with(text);
    if let Err(mistakes) = load(Some(Path::new(FILE)), &start.overrides, &start.surroundings) {
        assert!(
            mistakes.iter().next().is_some(),
            "an error without a mistake: {text}"
        );
        let lines = mistakes.to_string();
        assert_eq!(lines.lines().count(), mistakes.iter().count(), "{lines}");
        assert!(lines.lines().all(|line| line.starts_with(FILE)), "{lines}");
    }
}

#[test]
fn a_file_cut_anywhere_is_read_or_told_about() {
    for end in 0..SPELLED_OUT.len() {
        load_or_be_told(&SPELLED_OUT[..end]);
    }
}

#[test]
fn a_file_with_a_character_changed_is_read_or_told_about() {
    let replacements = [
        "", ":", "\n", "{", "]", "&a ", "*a", "'", "-", "\0", "\u{85}", "🦀",
    ];
    for (offset, replacement) in replacements.into_iter().enumerate() {
        // Each replacement at other positions: together they meet every place several times, in a quarter of the time.
        for position in (offset % 4..SPELLED_OUT.len()).step_by(4) {
            let (before, after) = (&SPELLED_OUT[..position], &SPELLED_OUT[position + 1..]);
            load_or_be_told(&format!("{before}{replacement}{after}"));
        }
    }
}
