//! Durations as people write them.

use std::time::Duration;

use linker_core::duration::{DurationError, format_duration, parse_duration};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_number_and_a_unit_are_a_duration(number in 0..1_000_000u64) {
        for (unit, ms) in [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)] {
            let expected = Duration::from_millis(number * ms);
            prop_assert_eq!(parse_duration(&format!("{number}{unit}")), Ok(expected));
        }
    }

    #[test]
    fn what_is_written_is_read_back(number in 0..1_000_000u64) {
        for unit_ms in [1, 1000, 60_000, 3_600_000, 86_400_000] {
            let duration = Duration::from_millis(number * unit_ms);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9]{0,25}[a-zA-Z .+-]{0,3}|\\PC{0,8}") {
        if parse_duration(&text).is_ok() {
            prop_assert!(text.starts_with(|c: char| c.is_ascii_digit()));
            prop_assert!(text.ends_with(['s', 'm', 'h', 'd']));
        }
    }
}

#[test]
fn what_is_not_a_duration() {
    for bad in [
        "",
        "3",
        "s",
        "3 s",
        " 3s",
        "3S",
        "-3s",
        "1.5s",
        "1h30m",
        "3us",
        "18446744073709551616ms",
        "18446744073709551615d",
    ] {
        assert!(parse_duration(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn what_is_wrong_with_a_duration_is_told_apart() {
    assert_eq!(parse_duration("soon"), Err(DurationError::Malformed));
    assert_eq!(parse_duration("30"), Err(DurationError::MissingUnit));
    assert_eq!(
        parse_duration("18446744073709551616ms"),
        Err(DurationError::TooLong)
    );
    // 64 bits of milliseconds, and one day more.
    assert!(parse_duration("213503982334d").is_ok());
    assert_eq!(parse_duration("213503982335d"), Err(DurationError::TooLong));
}

#[test]
fn a_duration_is_written_in_the_largest_unit_that_divides_it() {
    for (ms, text) in [
        (0, "0s"),
        (20, "20ms"),
        (1500, "1500ms"),
        (90_000, "90s"),
        (120_000, "2m"),
        (86_400_000, "1d"),
        (86_400_001, "86400001ms"),
    ] {
        assert_eq!(format_duration(Duration::from_millis(ms)), text);
    }
}
