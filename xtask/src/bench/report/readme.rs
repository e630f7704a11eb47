//! The README's quotes: ratios only, since those hold on other machines too.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::super::page::Quote;
use super::replace_between;

const LINES: [&str; 2] = [
    "<!-- measured: written by cargo xtask bench -->",
    "<!-- end of measured -->",
];

/// # Errors
/// The README cannot be read or written, or has no place for it.
pub(super) fn write(readme: &Path, quotes: &[Quote]) -> Result<()> {
    replace_between(readme, LINES, &text_of(quotes))
}

fn text_of(quotes: &[Quote]) -> String {
    let mut text = String::from("\n| Linker's … | ratio |\n|---|---:|\n");
    for quote in quotes {
        let _ = writeln!(text, "| {} | {} |", quote.what, quote.ratio);
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_lines_of_a_table() {
        let quote = Quote {
            what: "CPU, of a bare echo's".to_owned(),
            ratio: "1.02".to_owned(),
        };
        assert!(text_of(&[quote]).ends_with("|---|---:|\n| CPU, of a bare echo's | 1.02 |\n\n"));
    }
}
