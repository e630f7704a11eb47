//! Walks the layers of a configuration (flags over variables over file), section by section. Whoever reads a section
//! names every key it knows; what nobody asked for is unknown and refused.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::mistake::{Mistake, Mistakes, Place, Wrong};
use super::nearest::{self, Unknown};
use super::surroundings::Surroundings;
use super::yaml::{self, Entry, Node, Value};

/// What all sections of one configuration share: what was found so far, and where files are read from.
pub(super) struct Reading<'s> {
    surroundings: &'s dyn Surroundings,
    /// The folder of the configuration file: paths in it are relative to that.
    folder: Option<PathBuf>,
    mistakes: RefCell<Vec<Mistake>>,
    known: RefCell<Vec<String>>,
    unknown: RefCell<Vec<Unknown>>,
}

impl<'s> Reading<'s> {
    pub(super) fn new(surroundings: &'s dyn Surroundings, file: Option<&Path>) -> Self {
        Self {
            surroundings,
            folder: file.and_then(Path::parent).map(Path::to_owned),
            mistakes: RefCell::default(),
            known: RefCell::default(),
            unknown: RefCell::default(),
        }
    }

    pub(super) fn mistake(&self, place: Place, key: impl Into<String>, wrong: Wrong) {
        self.mistakes.borrow_mut().push(Mistake {
            place,
            key: key.into(),
            wrong,
        });
    }

    pub(super) fn mistakes(&self, more: Vec<Mistake>) {
        self.mistakes.borrow_mut().extend(more);
    }

    pub(super) fn mistake_count(&self) -> usize {
        self.mistakes.borrow().len()
    }

    pub(super) fn surroundings(&self) -> &'s dyn Surroundings {
        self.surroundings
    }

    /// A path as the one who wrote it means it: in the configuration file, relative to that file; elsewhere, to where
    /// the process was started.
    pub(super) fn resolve(&self, place: &Place, path: &str) -> PathBuf {
        match (place, &self.folder) {
            (Place::File { .. }, Some(folder)) => folder.join(path),
            _ => PathBuf::from(path),
        }
    }

    /// `value` when nothing was found wrong, unknown keys included.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Mistakes> {
        let mut mistakes = self.mistakes.into_inner();
        let known = self.known.into_inner();
        mistakes.extend(
            self.unknown
                .into_inner()
                .into_iter()
                .map(|key| nearest::unknown_key(key, &known)),
        );
        if mistakes.is_empty() {
            Ok(value)
        } else {
            Err(Mistakes::new(mistakes))
        }
    }
}

/// A value that was found, with the place of its key.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) node: Node,
    pub(super) place: Place,
}

/// One mapping of the configuration as all layers together give it.
pub(super) struct Section<'r> {
    pub(super) reading: &'r Reading<'r>,
    /// The path to this section; empty at the root.
    path: String,
    /// Where the section stands; what is missing in it is reported there.
    place: Place,
    /// The entries of each layer, the one that wins first.
    layers: Vec<Vec<Entry>>,
    known: Vec<&'static str>,
    mistakes_before: usize,
}

impl<'r> Section<'r> {
    /// Reads the section that `layers` give together, with `read` naming all its keys, and reports the keys it did not name.
    pub(super) fn read_layers<T>(
        reading: &'r Reading<'r>,
        path: String,
        place: Place,
        layers: Vec<Vec<Entry>>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mistakes_before = reading.mistake_count();
        let mut section = Self {
            reading,
            path,
            place,
            layers,
            known: Vec::new(),
            mistakes_before,
        };
        let value = read(&mut section);
        section.report_unknown();
        value
    }

    /// Reads the section `name` inside this one; it need not be given.
    pub(super) fn section<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Section<'r>) -> T) -> T {
        let path = self.path_to(name);
        let all = self.take_all(name);
        let place = all
            .first()
            .map_or_else(|| self.place.clone(), |found| found.place.clone());
        let layers = all
            .into_iter()
            .filter_map(|found| self.entries_of(found, &path))
            .collect();
        Section::read_layers(self.reading, path, place, layers, read)
    }

    /// Reads the mapping `name`, whose keys are names that somebody has given to things; each of them is a section of its own.
    pub(super) fn mapped<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Section<'r>) -> T,
    ) -> Vec<(String, Place, T)> {
        let path = self.path_to(name);
        let mut things: Vec<(String, Place, Vec<Vec<Entry>>)> = Vec::new();
        for found in self.take_all(name) {
            let Some(entries) = self.entries_of(found, &path) else {
                continue;
            };
            for Entry { key, place, node } in entries {
                let path = format!("{path}.{key}");
                let found = Found {
                    node,
                    place: place.clone(),
                };
                let Some(layer) = self.entries_of(found, &path) else {
                    continue;
                };
                let known = things
                    .iter_mut()
                    .find(|(known, _, _)| known.eq_ignore_ascii_case(&key));
                match known {
                    Some((name, _, layers)) => {
                        // As it is spelled where case counts.
                        if !matches!(place, Place::Variable(_)) {
                            *name = key;
                        }
                        layers.push(layer);
                    }
                    None => things.push((key, place, vec![layer])),
                }
            }
        }
        let mut all = Vec::with_capacity(things.len());
        for (mut key, place, layers) in things {
            if matches!(place, Place::Variable(_)) && key.bytes().all(|byte| !byte.is_ascii_lowercase()) {
                // The environment's habit is capitals, and names are written otherwise.
                key.make_ascii_lowercase();
            }
            let path = format!("{path}.{key}");
            let value = Section::read_layers(self.reading, path, place.clone(), layers, &mut read);
            all.push((key, place, value));
        }
        all
    }

    /// The keys of a mapping; none of what is there but empty, and nothing of what is none.
    fn entries_of(&self, found: Found, path: &str) -> Option<Vec<Entry>> {
        match parsed(found.node).value {
            Value::Mapping(entries) => Some(entries),
            // `server:` with every line below it commented out.
            Value::Null => Some(Vec::new()),
            other => {
                let wrong = Wrong::new(
                    format!("{} where keys are expected", other.kind()),
                    "a mapping of keys to values",
                );
                self.reading.mistake(found.place, path, wrong);
                None
            }
        }
    }

    /// The value of `name` in the layer that wins, an explicit `null` included.
    pub(super) fn find(&mut self, name: &'static str) -> Option<Found> {
        let all = self.take_all(name);
        let mut variables = all
            .iter()
            .filter(|found| matches!(found.place, Place::Variable(_)));
        if let (Some(first), Some(second)) = (variables.next(), variables.next()) {
            let wrong = Wrong::new(format!("also given by {}", first.place), "one of them");
            self.reading
                .mistake(second.place.clone(), self.path_to(name), wrong);
        }
        all.into_iter().next()
    }

    fn take_all(&mut self, name: &'static str) -> Vec<Found> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        let entries = self.layers.iter().flatten().filter(|entry| is_named(entry, name));
        entries
            .map(|entry| Found {
                node: entry.node.clone(),
                place: entry.place.clone(),
            })
            .collect()
    }

    /// Where `name` is given, or where the section stands.
    pub(super) fn place_of(&self, name: &str) -> Place {
        let entry = self.layers.iter().flatten().find(|entry| is_named(entry, name));
        entry.map_or_else(|| self.place.clone(), |entry| entry.place.clone())
    }

    /// Whether `name` is given at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.layers.iter().flatten().any(|entry| is_named(entry, name))
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn path_to(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Reports what is wrong with the value of `name`.
    pub(super) fn wrong(&self, name: &str, wrong: Wrong) {
        self.reading
            .mistake(self.place_of(name), self.path_to(name), wrong);
    }

    /// Whether nothing was found wrong since this section was begun, so that its values can be compared with one another.
    pub(super) fn is_sound(&self) -> bool {
        self.reading.mistake_count() == self.mistakes_before
    }

    fn report_unknown(self) {
        let prefix = self.path.clone();
        for entry in self.layers.iter().flatten() {
            if !self.known.iter().any(|name| is_named(entry, name)) {
                let (place, key) = (entry.place.clone(), entry.key.clone());
                let unknown = Unknown {
                    place,
                    prefix: prefix.clone(),
                    key,
                    siblings: self.known.clone(),
                };
                self.reading.unknown.borrow_mut().push(unknown);
            }
        }
        let paths = self.known.iter().map(|name| self.path_to(name));
        self.reading.known.borrow_mut().extend(paths);
    }
}

/// Case counts in a file, where it is in sight; not in a variable, where the environment's habit is capitals.
fn is_named(entry: &Entry, name: &str) -> bool {
    match entry.place {
        Place::Variable(_) => entry.key.eq_ignore_ascii_case(name),
        _ => entry.key == name,
    }
}

/// The text of a variable as YAML where it is some; else as the text it is.
pub(super) fn parsed(node: Node) -> Node {
    let Value::Unparsed(text) = &node.value else {
        return node;
    };
    let document = yaml::parse(text, |_| node.place.clone());
    match document.root {
        Some(root) if document.mistakes.is_empty() => root,
        None if document.mistakes.is_empty() => Node {
            value: Value::Null,
            place: node.place,
        },
        _ => Node {
            value: Value::Scalar {
                text: text.clone(),
                quoted: false,
            },
            place: node.place,
        },
    }
}
