//! What is wrong with a configuration: one line a mistake, and where it stands.

use std::fmt;
use std::sync::Arc;

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In a file; `line` counts from 1 and is absent for what concerns the file as a whole.
    File { name: Arc<str>, line: Option<usize> },
    /// In an environment variable, named as the environment spells it.
    Variable(Arc<str>),
    /// In a command-line flag, such as `--bind`.
    Flag(&'static str),
    /// Nowhere: the built-in default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                name,
                line: Some(line),
            } => write!(out, "{name}:{line}"),
            Self::File { name, line: None } => out.write_str(name),
            Self::Variable(name) => write!(out, "environment {name}"),
            Self::Flag(name) => write!(out, "command line {name}"),
            Self::Default => out.write_str("built-in default"),
        }
    }
}

/// What is wrong with one value and what would be right; the value itself is shown only where it cannot be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) what: String,
    pub(crate) allowed: String,
}

impl Wrong {
    pub(crate) fn new(what: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            allowed: allowed.into(),
        }
    }
}

/// One mistake: where, which key, what is wrong, what is allowed. Displayed as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) place: Place,
    /// The key's path, such as `server.bind` or `clientApps[0].appId`; empty for the file as a whole.
    pub(crate) key: String,
    pub(crate) wrong: Wrong,
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(out, "{}: ", one_line(&self.key))?;
        }
        write!(out, "{}", self.wrong.what)?;
        if !self.wrong.allowed.is_empty() {
            write!(out, "; allowed: {}", self.wrong.allowed)?;
        }
        Ok(())
    }
}

/// All mistakes of a configuration, in the order in which they stand. Displayed one a line. Never empty when it is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Puts the mistakes in the order a reader of the file meets them.
    pub(crate) fn new(mut all: Vec<Mistake>) -> Self {
        all.sort_by(|a, b| a.place.cmp(&b.place));
        Self(all)
    }

    pub(crate) fn one(place: Place, key: impl Into<String>, wrong: Wrong) -> Self {
        Self(vec![Mistake {
            place,
            key: key.into(),
            wrong,
        }])
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(out, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// The longest piece of a configured value that a message repeats, in characters.
const SHOWN_MAX: usize = 60;

/// A configured value as a message may show it: quoted, on one line, cut when long. Not for secrets.
pub(crate) fn shown(value: &str) -> String {
    let mut cut: String = value.chars().take(SHOWN_MAX).collect();
    if cut.len() < value.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}

/// A key without what would break a line of output.
fn one_line(key: &str) -> String {
    key.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
