//! Reads the values of a section as what their keys are: texts, numbers, durations, sizes, lists, files.
//!
//! Each reader reports what is wrong and then answers with the default, so that all mistakes are found in one go.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use linker_core::duration::format_duration;

use super::byte_size::ByteSize;
use super::duration;
use super::mistake::{Place, Wrong, shown};
use super::reader::{Found, Section, parsed};
use super::secret::Secret;
use super::yaml::{Node, Value};

/// The largest secret or key file that is read, in bytes.
const SECRET_FILE_MAX: u64 = 64 * 1024;

/// A single value and how it was written.
pub(super) struct Scalar {
    pub(super) text: String,
    /// It can only be text: a number or `true` it is not.
    quoted: bool,
    pub(super) place: Place,
}

impl Section<'_> {
    /// A single value; `expected` says what it should be where it is none.
    fn scalar(&mut self, name: &'static str, expected: &str) -> Option<Scalar> {
        let found = self.find(name)?;
        match scalar_of(found, expected) {
            Ok(scalar) => Some(scalar),
            Err(wrong) => {
                self.wrong(name, wrong);
                None
            }
        }
    }

    /// A value that `parse` understands, or `None` when it is absent or wrong.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let scalar = self.scalar(name, expected)?;
        match parse(&scalar.text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.wrong(name, wrong);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, name: &'static str, default: bool) -> bool {
        const ALLOWED: &str = "true or false";
        let Some(scalar) = self.scalar(name, ALLOWED) else {
            return default;
        };
        match (scalar.quoted, scalar.text.as_str()) {
            (false, "true" | "True" | "TRUE") => true,
            (false, "false" | "False" | "FALSE") => false,
            _ => {
                self.wrong(
                    name,
                    Wrong::new(format!("{} is not a yes or no", scalar.shown()), ALLOWED),
                );
                default
            }
        }
    }

    /// A whole number within `range`.
    pub(super) fn integer(&mut self, name: &'static str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        let Some(scalar) = self.scalar(name, &allowed) else {
            return default;
        };
        let digits = scalar.text.strip_prefix('-').unwrap_or(&scalar.text);
        let is_number = !scalar.quoted && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let what = match scalar.text.parse::<u64>() {
            Ok(number) if is_number && range.contains(&number) => return number,
            _ if is_number => format!("{} is out of range", scalar.text),
            _ => format!("{} is not a whole number", scalar.shown()),
        };
        self.wrong(name, Wrong::new(what, allowed));
        default
    }

    /// A whole number within `range` that fits 32 bits.
    pub(super) fn integer_u32(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
        default: u32,
    ) -> u32 {
        let wide = u64::from(*range.start())..=u64::from(*range.end());
        u32::try_from(self.integer(name, wide, u64::from(default))).unwrap_or(default)
    }

    /// A duration within `range`.
    pub(super) fn duration(
        &mut self,
        name: &'static str,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let allowed = format!(
            "from {} to {}",
            format_duration(*range.start()),
            format_duration(*range.end())
        );
        let expected = format!("a duration such as {}, {allowed}", format_duration(default));
        let parse = |text: &str| within(duration::parse(text)?, &range, text, &expected);
        self.parsed(name, &expected, parse).unwrap_or(default)
    }

    /// A size in bytes within `range`.
    pub(super) fn size(
        &mut self,
        name: &'static str,
        range: RangeInclusive<ByteSize>,
        default: ByteSize,
    ) -> ByteSize {
        let expected = format!(
            "a size such as {default}, from {} to {}",
            range.start(),
            range.end()
        );
        let parse = |text: &str| within(ByteSize::parse(text)?, &range, text, &expected);
        self.parsed(name, &expected, parse).unwrap_or(default)
    }

    /// One of the named values.
    pub(super) fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let allowed = choices
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", ");
        let parse = |text: &str| {
            let chosen = choices.iter().find(|(name, _)| *name == text);
            chosen
                .map(|(_, value)| *value)
                .ok_or_else(|| Wrong::new(format!("{} is unknown", shown(text)), &*allowed))
        };
        self.parsed(name, &allowed, parse)
    }

    /// The items of a list, each with the path it is reported under; `None` when the key is absent or no list.
    pub(super) fn list(&mut self, name: &'static str) -> Option<Vec<(String, Node)>> {
        let found = self.find(name)?;
        self.items_of(name, found)
    }

    fn items_of(&self, name: &'static str, found: Found) -> Option<Vec<(String, Node)>> {
        match parsed(found.node).value {
            Value::Sequence(items) => {
                let path = self.path_to(name);
                let numbered = items.into_iter().enumerate();
                Some(
                    numbered
                        .map(|(index, item)| (format!("{path}[{index}]"), item))
                        .collect(),
                )
            }
            other => {
                self.wrong(
                    name,
                    Wrong::new(
                        format!("{} where a list is expected", other.kind()),
                        "a list: [a, b]",
                    ),
                );
                None
            }
        }
    }

    /// What `parse` understands of a list of single values. What is wrong with the others is told of each.
    pub(super) fn parsed_list<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let found = self.find(name)?;
        self.values_of(name, found, expected, parse)
    }

    fn values_of<T>(
        &self,
        name: &'static str,
        found: Found,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let items = self.items_of(name, found)?;
        let values = items.into_iter().filter_map(|(path, node)| {
            let place = node.place.clone();
            let found = Found {
                node,
                place: place.clone(),
            };
            match scalar_of(found, expected).and_then(|scalar| parse(&scalar.text)) {
                Ok(value) => Some(value),
                Err(wrong) => {
                    self.reading.mistake(place, path, wrong);
                    None
                }
            }
        });
        Some(values.collect())
    }

    /// One value, or a list of one at least.
    pub(super) fn one_or_more<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let found = self.find(name)?;
        let value = match parsed(found.node.clone()).value {
            Value::Sequence(items) if items.is_empty() => Err(Wrong::new("the list is empty", expected)),
            Value::Sequence(_) => return self.values_of(name, found, expected, parse),
            _ => scalar_of(found, expected).and_then(|scalar| parse(&scalar.text)),
        };
        match value {
            Ok(value) => Some(vec![value]),
            Err(wrong) => {
                self.wrong(name, wrong);
                None
            }
        }
    }

    /// A path, resolved as [`super::reader::Reading::resolve`] says, with its place.
    pub(super) fn path(&mut self, name: &'static str) -> Option<(PathBuf, Place)> {
        let scalar = self.scalar(name, "the path of a file")?;
        if scalar.text.is_empty() {
            self.wrong(name, Wrong::new("an empty path", "the path of a file"));
            return None;
        }
        Some((self.reading.resolve(&scalar.place, &scalar.text), scalar.place))
    }

    /// A secret in the configuration itself; never shown, not even when it is wrong.
    pub(super) fn secret(
        &mut self,
        name: &'static str,
        check: fn(&str) -> Result<(), Wrong>,
    ) -> Option<Secret> {
        let parse = |text: &str| check(text).map(|()| Secret::new(text));
        self.parsed(name, "a text", parse)
    }

    /// A secret read from the file that `name` tells; one line end at its end is not part of it.
    pub(super) fn secret_file(
        &mut self,
        name: &'static str,
        check: impl FnOnce(&str) -> Result<(), Wrong>,
    ) -> Option<Secret> {
        self.text_file(name, check).map(|(_, text)| Secret::new(text))
    }

    /// The file that `name` tells, resolved as a path is, whose content has been found to be sound; as [`Section::secret_file`] otherwise. For who follows
    /// the file's changes.
    pub(super) fn checked_file(
        &mut self,
        name: &'static str,
        check: fn(&str) -> Result<(), Wrong>,
    ) -> Option<PathBuf> {
        self.text_file(name, check).map(|(path, _)| path)
    }

    /// The file that `name` tells, and what stands in it.
    pub(super) fn text_file(
        &mut self,
        name: &'static str,
        check: impl FnOnce(&str) -> Result<(), Wrong>,
    ) -> Option<(PathBuf, String)> {
        const ALLOWED: &str = "the path of a readable text file of at most 64KiB that is not empty";
        let (path, _) = self.path(name)?;
        let shown = path.display();
        let text = match self
            .reading
            .surroundings()
            .read(&path, SECRET_FILE_MAX)
            .map(String::from_utf8)
        {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => {
                self.wrong(name, Wrong::new(format!("{shown} is not UTF-8 text"), ALLOWED));
                return None;
            }
            Err(error) => {
                self.wrong(name, Wrong::new(format!("cannot read {shown}: {error}"), ALLOWED));
                return None;
            }
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let checked = if text.is_empty() {
            Err(Wrong::new("it is empty", ALLOWED))
        } else {
            check(text)
        };
        match checked {
            Ok(()) => Some((path, text.to_owned())),
            Err(wrong) => {
                self.wrong(
                    name,
                    Wrong::new(format!("in {shown}: {}", wrong.what), wrong.allowed),
                );
                None
            }
        }
    }
}

impl Scalar {
    /// The value for a message; in quotes when it was written in quotes.
    pub(super) fn shown(&self) -> String {
        let shown = shown(&self.text);
        if self.quoted {
            format!("the text {shown}")
        } else {
            shown
        }
    }
}

/// The single value that was found, or what it is instead.
pub(super) fn scalar_of(found: Found, expected: &str) -> Result<Scalar, Wrong> {
    let place = found.place;
    let value = match found.node.value {
        // A variable's text is meant as it stands, unless it is quoted as YAML quotes.
        Value::Unparsed(text) => {
            let node = Node {
                value: Value::Unparsed(text.clone()),
                place: place.clone(),
            };
            match parsed(node).value {
                quoted @ Value::Scalar { quoted: true, .. } => quoted,
                _ if text.trim().is_empty() => Value::Null,
                _ => Value::Scalar { text, quoted: false },
            }
        }
        value => value,
    };
    match value {
        Value::Scalar { text, quoted } => Ok(Scalar { text, quoted, place }),
        Value::Null => Err(Wrong::new(
            "the key has no value",
            format!("{expected}, or no such key at all"),
        )),
        other => Err(Wrong::new(
            format!("{} where a single value is expected", other.kind()),
            expected,
        )),
    }
}

fn within<T: PartialOrd>(value: T, range: &RangeInclusive<T>, text: &str, allowed: &str) -> Result<T, Wrong> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Wrong::new(format!("{text} is out of range"), allowed))
}
