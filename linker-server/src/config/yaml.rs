//! YAML text to a tree in which every key and value knows its line. Types are left to whoever reads the tree.
//!
//! Aliases and tags are refused rather than resolved: a configuration needs neither, and an alias that is never
//! followed cannot blow up. Nesting is bounded by the parser.

use granit_parser::{Event, Parser, ScalarStyle, ScanError};

use super::mistake::{Mistake, Place, Wrong};

#[cfg(test)]
mod tests;

/// The deepest nesting that is read; the configuration itself needs five levels.
const NESTING_MAX: usize = 32;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// A value without a type yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// `key:` with nothing behind it, `~` or `null`.
    Null,
    /// The text of a scalar; `quoted` when it was written so that it can only be text.
    Scalar {
        text: String,
        quoted: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
    /// The text of an environment variable, to be read as whatever its key expects.
    Unparsed(String),
}

/// A key of a mapping with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) place: Place,
    pub(crate) node: Node,
}

impl Value {
    /// What the value is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "no value",
            Self::Scalar { quoted: true, .. } => "a quoted text",
            Self::Scalar { .. } | Self::Unparsed(_) => "a single value",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

/// A document: its root where there is one, and what is wrong with its form. With a syntax error there is no root.
#[derive(Debug)]
pub(crate) struct Document {
    /// `None` when the text holds nothing but white space and comments, or when it is not YAML.
    pub(crate) root: Option<Node>,
    pub(crate) mistakes: Vec<Mistake>,
}

/// Reads one YAML document. `place_at` names the place of a line, counted from 1.
pub(crate) fn parse(text: &str, place_at: impl Fn(usize) -> Place) -> Document {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    options.emit_unresolved_aliases = true;
    options.block_nesting_limit = NESTING_MAX;
    options.flow_nesting_limit = NESTING_MAX;
    let mut builder = Builder::new(place_at);
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => builder.take(event, span.start.line()),
            Err(error) => {
                builder.syntax_error(&error);
                break;
            }
        }
    }
    builder.finish()
}

/// A collection that is still being read.
enum Open {
    Sequence {
        items: Vec<Node>,
        place: Place,
    },
    Mapping {
        entries: Vec<Entry>,
        key: Option<(String, Place)>,
        place: Place,
    },
}

struct Builder<F> {
    place_at: F,
    open: Vec<Open>,
    documents: usize,
    root: Option<Node>,
    broken: bool,
    mistakes: Vec<Mistake>,
}

impl<F: Fn(usize) -> Place> Builder<F> {
    fn new(place_at: F) -> Self {
        Self {
            place_at,
            open: Vec::new(),
            documents: 0,
            root: None,
            broken: false,
            mistakes: Vec::new(),
        }
    }

    fn take(&mut self, event: Event<'_>, line: usize) {
        let place = (self.place_at)(line);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    self.wrong(place, Wrong::new("a second YAML document", "one document"));
                }
            }
            Event::Scalar(text, style, _, tag) => {
                self.refuse_tag(tag.is_some(), &place);
                self.complete(Node {
                    value: scalar(text.into_owned(), style),
                    place,
                });
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.wrong(
                    place.clone(),
                    Wrong::new("a YAML alias (*name)", "the value written out"),
                );
                self.complete(Node {
                    value: Value::Null,
                    place,
                });
            }
            Event::SequenceStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), &place);
                self.open.push(Open::Sequence {
                    items: Vec::new(),
                    place,
                });
            }
            Event::MappingStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), &place);
                self.open.push(Open::Mapping {
                    entries: Vec::new(),
                    key: None,
                    place,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => {}
        }
    }

    fn close(&mut self) {
        let node = match self.open.pop() {
            Some(Open::Sequence { items, place }) => Node {
                value: Value::Sequence(items),
                place,
            },
            Some(Open::Mapping { entries, place, .. }) => Node {
                value: Value::Mapping(entries),
                place,
            },
            None => return,
        };
        self.complete(node);
    }

    /// A node is whole: it is the root, an item, a key or the value of the key before it.
    fn complete(&mut self, node: Node) {
        let repeated = match self.open.last_mut() {
            None => {
                if self.documents == 1 {
                    self.root = Some(node);
                }
                return;
            }
            Some(Open::Sequence { items, .. }) => {
                items.push(node);
                return;
            }
            Some(Open::Mapping { entries, key, .. }) => match key.take() {
                Some((name, place)) => match entries.iter().find(|entry| entry.key == name) {
                    Some(first) => (name, place, first.place.clone()),
                    None => {
                        entries.push(Entry {
                            key: name,
                            place,
                            node,
                        });
                        return;
                    }
                },
                None => {
                    self.complete_key(node);
                    return;
                }
            },
        };
        let (name, place, first) = repeated;
        let path = self.path(Some(&name));
        let wrong = Wrong::new(format!("given twice, first at {first}"), "one of them");
        self.mistakes.push(Mistake {
            place,
            key: path,
            wrong,
        });
    }

    fn complete_key(&mut self, node: Node) {
        let name = match node.value {
            Value::Scalar { text, .. } => text,
            // `~: x` and `: x`; as unknown as any other name nobody asks for.
            Value::Null => "null".to_owned(),
            _ => {
                self.wrong(
                    node.place.clone(),
                    Wrong::new("a key that is not a name", "a name as key"),
                );
                "?".to_owned()
            }
        };
        if let Some(Open::Mapping { key, .. }) = self.open.last_mut() {
            *key = Some((name, node.place));
        }
    }

    fn refuse_tag(&mut self, tagged: bool, place: &Place) {
        if tagged {
            self.wrong(
                place.clone(),
                Wrong::new("a YAML tag (!name)", "the value without a tag"),
            );
        }
    }

    fn syntax_error(&mut self, error: &ScanError) {
        self.broken = true;
        let place = (self.place_at)(error.marker().line());
        let wrong = Wrong::new(format!("not YAML: {}", error.info()), "");
        self.mistakes.push(Mistake {
            place,
            key: String::new(),
            wrong,
        });
    }

    fn wrong(&mut self, place: Place, wrong: Wrong) {
        let key = self.path(None);
        self.mistakes.push(Mistake { place, key, wrong });
    }

    /// The path to what is being read; `last` names a key that has been taken out already.
    fn path(&self, last: Option<&str>) -> String {
        let mut path = String::new();
        for open in &self.open {
            match open {
                Open::Sequence { items, .. } => path.push_str(&format!("[{}]", items.len())),
                Open::Mapping {
                    key: Some((name, _)), ..
                } => push_key(&mut path, name),
                Open::Mapping { key: None, .. } => {}
            }
        }
        if let Some(name) = last {
            push_key(&mut path, name);
        }
        path
    }

    fn finish(self) -> Document {
        let root = self.root.filter(|node| !self.broken && node.value != Value::Null);
        Document {
            root,
            mistakes: self.mistakes,
        }
    }
}

fn push_key(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

fn scalar(text: String, style: ScalarStyle) -> Value {
    let quoted = style != ScalarStyle::Plain;
    if !quoted && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    Value::Scalar { text, quoted }
}
