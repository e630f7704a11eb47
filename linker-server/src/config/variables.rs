//! `LINKER__SERVER__BIND=…` as a layer of the configuration: one a variable, so that each answers for itself.

use std::ffi::OsString;
use std::sync::Arc;

use super::mistake::{Mistake, Place, Wrong};
use super::yaml::{Entry, Node, Value};

const PREFIX: &str = "LINKER__";
const SEPARATOR: &str = "__";
const ALLOWED: &str =
    "LINKER__ and a key's path with two underscores between levels, such as LINKER__SERVER__BIND";

/// The variable that overrides the key of `path`.
pub(super) fn name_of(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', SEPARATOR).to_ascii_uppercase())
}

/// The layers that the `LINKER__` variables make, in the order of their names, and the variables that make none.
pub(super) fn layers(variables: Vec<(OsString, OsString)>) -> (Vec<Vec<Entry>>, Vec<Mistake>) {
    let mut ours: Vec<(String, OsString)> = variables
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, _)| {
            name.get(..PREFIX.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
        })
        .collect();
    ours.sort();
    let mut layers = Vec::new();
    let mut mistakes = Vec::new();
    for (name, value) in ours {
        let place = Place::Variable(Arc::from(name.as_str()));
        match layer(&name, value, &place) {
            Ok(entry) => layers.push(vec![entry]),
            Err(wrong) => mistakes.push(Mistake {
                place,
                key: String::new(),
                wrong,
            }),
        }
    }
    (layers, mistakes)
}

fn layer(name: &str, value: OsString, place: &Place) -> Result<Entry, Wrong> {
    let value = value
        .into_string()
        .map_err(|_| Wrong::new("the value is not UTF-8", "UTF-8 text"))?;
    let path = &name[PREFIX.len()..];
    if path.split(SEPARATOR).any(str::is_empty) {
        return Err(Wrong::new("the name has an empty level", ALLOWED));
    }
    let mut levels = path.rsplit(SEPARATOR);
    let entry = |key: &str, value| Entry {
        key: key.to_owned(),
        place: place.clone(),
        node: Node {
            value,
            place: place.clone(),
        },
    };
    // `rsplit` always gives one level at least.
    let innermost = entry(levels.next().unwrap_or_default(), Value::Unparsed(value));
    Ok(levels.fold(innermost, |inner, level| {
        entry(level, Value::Mapping(vec![inner]))
    }))
}
