//! Reading a JSON object field by field without copying: values stay raw until somebody asks for them, so that a wrong one can be named.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::code::FrameError;

/// The raw values of the named fields of an object; unknown fields are passed over, of a repeated one the last counts.
pub struct Fields<'a, const N: usize>([Option<&'a RawValue>; N]);

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads `json`, which must be one object and nothing else.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn read(json: &'a str, names: &'static [&'static str; N]) -> Result<Self, String> {
        // Serde's own struct visitors take an array for a struct; this one does not.
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let fields = deserializer
            .deserialize_map(ObjectVisitor { names })
            .map_err(|error| error.to_string())?;
        deserializer.end().map_err(|error| error.to_string())?;
        Ok(Self(fields))
    }

    /// The raw value of the field with this position in the names, `null` included.
    pub fn raw(&self, index: usize) -> Option<&'a RawValue> {
        self.0.get(index).copied().flatten()
    }

    /// The same, where `null` is as good as absent.
    pub fn present(&self, index: usize) -> Option<&'a RawValue> {
        self.raw(index).filter(|raw| raw.get() != "null")
    }
}

struct ObjectVisitor<const N: usize> {
    names: &'static [&'static str; N],
}

impl<'de, const N: usize> Visitor<'de> for ObjectVisitor<N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [None; N];
        while let Some(position) = map.next_key_seed(NameSeed { names: self.names })? {
            match position {
                Some(index) => values[index] = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(values)
    }
}

struct NameSeed<const N: usize> {
    names: &'static [&'static str; N],
}

impl<'de, const N: usize> DeserializeSeed<'de> for NameSeed<N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<const N: usize> Visitor<'_> for NameSeed<N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.names.iter().position(|known| *known == name))
    }
}

/// The string in `raw`.
///
/// # Errors
/// `INVALID_FIELD` naming `field`.
pub fn read_string<'a>(raw: &'a RawValue, field: &str) -> Result<Cow<'a, str>, FrameError> {
    let text = raw.get();
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        Some(_) => serde_json::from_str(text)
            .map(Cow::Owned)
            .map_err(|_| FrameError::field(field, "is not a valid string")),
        None => Err(FrameError::field(field, "must be a string")),
    }
}

/// The boolean in `raw`.
///
/// # Errors
/// `INVALID_FIELD` naming `field`.
pub fn read_bool(raw: &RawValue, field: &str) -> Result<bool, FrameError> {
    serde_json::from_str(raw.get()).map_err(|_| FrameError::field(field, "must be true or false"))
}

/// The whole number in `raw`.
///
/// # Errors
/// `INVALID_FIELD` naming `field`.
pub fn read_u64(raw: &RawValue, field: &str) -> Result<u64, FrameError> {
    serde_json::from_str(raw.get()).map_err(|_| FrameError::field(field, "must be a whole number"))
}
