//! Durations as the configuration writes them: `20ms`, `30s`, `5m`, `1h`, `7d`.

use std::time::Duration;

use linker_core::duration::{DurationError, parse_duration};

use super::mistake::{Wrong, shown};

const ALLOWED: &str = "a whole number with ms, s, m, h or d, such as 20ms, 30s, 5m, 1h, 7d";

/// Reads a duration.
///
/// # Errors
/// As [`parse_duration`], in the words of a configuration's mistakes.
pub(crate) fn parse(text: &str) -> Result<Duration, Wrong> {
    parse_duration(text).map_err(|error| {
        let what = match error {
            DurationError::MissingUnit => "has no unit",
            DurationError::TooLong => "is too long",
            _ => "is not a duration",
        };
        Wrong::new(format!("{} {what}", shown(text)), ALLOWED)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        let cases = [
            ("20ms", 20),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
            ("0s", 0),
            ("007s", 7_000),
        ];
        for (text, ms) in cases {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_units() {
        let bad = [
            "",
            "s",
            "30",
            "-1s",
            "+1s",
            "1.5s",
            "30 s",
            "30S",
            "1h30m",
            "1w",
            "soon",
            "٣s",
            "99999999999999999999s",
        ];
        for text in bad {
            let wrong = parse(text).unwrap_err();
            assert!(wrong.allowed.contains("ms, s, m, h or d"), "{text}: {wrong:?}");
        }
        // One day more than 64 bits of milliseconds hold.
        assert!(parse("213503982335d").unwrap_err().what.contains("too long"));
    }
}
