//! Figures as people read them.

/// What stands where nothing was measured.
const NOTHING: &str = "–";

/// With as many digits as mean something.
pub(crate) fn number(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else {
        return NOTHING.to_owned();
    };
    match value.abs() {
        size if size >= 10_000.0 => grouped((value / 100.0).round() * 100.0),
        size if size >= 1_000.0 => grouped(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}

/// Something that is counted.
pub(crate) fn count(value: u32) -> String {
    grouped(f64::from(value))
}

/// A ratio, to a hundredth.
pub(crate) fn ratio(value: Option<f64>) -> String {
    value
        .filter(|value| value.is_finite())
        .map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.2}"))
}

/// Bytes in the unit that suits.
pub(crate) fn bytes(value: Option<f64>) -> String {
    const KIB: f64 = 1024.0;
    match value {
        Some(bytes) if bytes.abs() >= 10.0 * KIB * KIB => format!("{:.0} MiB", bytes / KIB / KIB),
        Some(bytes) if bytes.abs() >= KIB * KIB => format!("{:.1} MiB", bytes / KIB / KIB),
        Some(bytes) if bytes.abs() >= 10.0 * KIB => format!("{:.1} KiB", bytes / KIB),
        Some(bytes) => format!("{:.2} KiB", bytes / KIB),
        None => NOTHING.to_owned(),
    }
}

/// Digits in threes.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_suit_the_size() {
        for (value, text) in [
            (0.0, "0"),
            (0.1234, "0.12"),
            (5.678, "5.68"),
            (45.67, "45.7"),
            (456.7, "457"),
            (4_567.8, "4 568"),
            (45_678.9, "45 700"),
            (1_234_567.0, "1 234 600"),
            (-12_345.0, "-12 300"),
        ] {
            assert_eq!(number(Some(value)), text);
        }
        assert_eq!(number(None), "–");
        assert_eq!(number(Some(f64::NAN)), "–");
    }

    #[test]
    fn bytes_have_a_unit() {
        assert_eq!(bytes(Some(1638.0)), "1.60 KiB");
        assert_eq!(bytes(Some(45_000.0)), "43.9 KiB");
        assert_eq!(bytes(Some(3e6)), "2.9 MiB");
        assert_eq!(bytes(Some(3e7)), "29 MiB");
    }
}
