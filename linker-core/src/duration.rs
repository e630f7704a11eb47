//! Durations as people write them in a configuration: `20ms`, `30s`, `5m`, `1h`, `7d`.

use std::time::Duration;

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// Why a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// It is no number with a unit.
    #[error("is not a duration; allowed: a whole number and a unit, as 20ms, 30s, 5m, 1h, 7d")]
    Malformed,
    /// It is a bare number.
    #[error("is not a duration; allowed: a whole number and a unit, as 20ms, 30s, 5m, 1h, 7d")]
    MissingUnit,
    /// It has more milliseconds than 64 bits hold.
    #[error("is too long a duration; allowed: a whole number and a unit, as 20ms, 30s, 5m, 1h, 7d")]
    TooLong,
}

/// Reads a whole number followed by `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// [`DurationError`] for anything else: no or an unknown unit, a fraction, a sign, or more milliseconds than 64 bits hold.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    if digits.is_empty() {
        return Err(DurationError::Malformed);
    }
    if unit.is_empty() {
        return Err(DurationError::MissingUnit);
    }
    let (_, unit_ms) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or(DurationError::Malformed)?;
    let ms = digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(*unit_ms));
    ms.map(Duration::from_millis).ok_or(DurationError::TooLong)
}

/// Writes a duration the way [`parse_duration`] reads it, in the largest unit that divides it; parts of a millisecond are dropped.
pub fn format_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms == 0 {
        return "0s".to_owned();
    }
    let unit = UNITS
        .iter()
        .find(|(_, unit_ms)| ms.is_multiple_of(u128::from(*unit_ms)));
    unit.map_or_else(
        || format!("{ms}ms"),
        |(name, unit_ms)| format!("{}{name}", ms / u128::from(*unit_ms)),
    )
}
