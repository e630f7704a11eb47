//! Sizes as the configuration writes them: a number of bytes, or `64KiB`, `1MiB`, `2GiB`.

use std::fmt;

use super::mistake::{Wrong, shown};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(u64);

/// The units, largest first, in bytes.
const UNITS: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

const ALLOWED: &str = "a whole number of bytes, or one with KiB, MiB, GiB or TiB, such as 65536 or 64KiB";

impl ByteSize {
    pub(crate) const fn bytes(count: u64) -> Self {
        Self(count)
    }

    pub(crate) const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    pub(crate) const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    pub(crate) const fn gib(count: u64) -> Self {
        Self(count << 30)
    }

    pub(crate) const fn as_bytes(self) -> u64 {
        self.0
    }

    /// Reads a size.
    ///
    /// # Errors
    /// An unknown unit (`KB` and `kB` included: they mean 1000 to some and 1024 to others), a fraction, a sign, or more
    /// than 64 bits hold.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(digits_end);
        let unit_bytes = match unit {
            "" => Some(1),
            _ => UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, bytes)| *bytes),
        };
        let Some(unit_bytes) = unit_bytes.filter(|_| !digits.is_empty()) else {
            return Err(Wrong::new(format!("{} is not a size", shown(text)), ALLOWED));
        };
        let bytes = digits
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(unit_bytes));
        bytes
            .map(Self)
            .ok_or_else(|| Wrong::new(format!("{} is too large", shown(text)), ALLOWED))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS
            .iter()
            .find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes))
        {
            Some((unit, bytes)) if *bytes > 1 => write!(out, "{}{unit}", self.0 / bytes),
            _ => write!(out, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_binary_units_are_read() {
        let cases = [
            ("0", 0),
            ("65536", 65_536),
            ("12B", 12),
            ("64KiB", 65_536),
            ("1MiB", 1 << 20),
            ("2GiB", 2 << 30),
            ("1TiB", 1 << 40),
        ];
        for (text, bytes) in cases {
            assert_eq!(ByteSize::parse(text), Ok(ByteSize::bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_units() {
        let bad = [
            "",
            "KiB",
            "-1",
            "1.5MiB",
            "64 KiB",
            "64KB",
            "64kib",
            "64k",
            "1PiB",
            "many",
            "18446744073709551616",
        ];
        for text in bad {
            let wrong = ByteSize::parse(text).unwrap_err();
            assert!(
                wrong.allowed.contains("KiB, MiB, GiB or TiB"),
                "{text}: {wrong:?}"
            );
        }
        assert!(
            ByteSize::parse("16777216TiB")
                .unwrap_err()
                .what
                .contains("too large")
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        for size in [
            ByteSize::bytes(0),
            ByteSize::bytes(1000),
            ByteSize::kib(64),
            ByteSize::mib(256),
            ByteSize::gib(3),
        ] {
            assert_eq!(ByteSize::parse(&size.to_string()), Ok(size));
        }
        assert_eq!(ByteSize::kib(64).to_string(), "64KiB");
        assert_eq!(ByteSize::bytes(1500).to_string(), "1500");
    }
}
