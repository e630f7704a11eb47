//! Names the known key that an unknown one was probably meant to be.

use super::mistake::{Mistake, Place, Wrong};
use super::variables;

/// How alike two names must be (1 is the same) to be taken for a slip of the finger.
const ALIKE: f64 = 0.6;

/// A key nobody asked for.
pub(super) struct Unknown {
    pub(super) place: Place,
    /// The path of the section it stands in; empty at the root.
    pub(super) prefix: String,
    pub(super) key: String,
    /// The keys that section knows.
    pub(super) siblings: Vec<&'static str>,
}

/// The mistake that an unknown key is. `known` are the paths of all known keys: a key in the wrong section is common too.
pub(super) fn unknown_key(unknown: Unknown, known: &[String]) -> Mistake {
    let Unknown {
        place,
        prefix,
        key,
        siblings,
    } = unknown;
    let sibling = best(&key, siblings.iter().map(|name| (*name, *name)));
    let elsewhere = best(&key, known.iter().map(|path| (last_segment(path), path.as_str())));
    let nearest = match (sibling, elsewhere) {
        (Some((score, name)), _) if score >= ALIKE => join(&prefix, name),
        (_, Some((score, path))) if score >= ALIKE => path.to_owned(),
        (Some((_, name)), _) => join(&prefix, name),
        (None, _) => prefix.clone(),
    };
    let nearest = match place {
        Place::Variable(_) if !nearest.contains('[') => variables::name_of(&nearest),
        _ => nearest,
    };
    let key = if matches!(place, Place::Variable(_)) {
        key.to_ascii_lowercase()
    } else {
        key
    };
    let wrong = Wrong::new(
        format!("unknown key, the nearest known one is {nearest}"),
        siblings.join(", "),
    );
    Mistake {
        place,
        key: join(&prefix, &key),
        wrong,
    }
}

/// The candidate most like `key`, the first of equals, and how alike it is.
fn best<'n>(key: &str, candidates: impl Iterator<Item = (&'n str, &'n str)>) -> Option<(f64, &'n str)> {
    let key = key.to_ascii_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for (name, answer) in candidates {
        let score = strsim::normalized_damerau_levenshtein(&key, &name.to_ascii_lowercase());
        if best.is_none_or(|(top, _)| score > top) {
            best = Some((score, answer));
        }
    }
    best
}

fn last_segment(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}
