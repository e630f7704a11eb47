//! A meta document as it stands in a file.

use std::io;
use std::path::Path;
use std::sync::Arc;

use linker_actors::core::meta::{Checked, MetaDocument, MetaNetwork};

use crate::config::{Mistake, Mistakes, Place, Surroundings, Wrong};

/// The largest meta document that is read, in bytes: that of a thousand domains with five thousand links has half a megabyte.
const FILE_MAX: u64 = 16 * 1024 * 1024;

/// A sound document.
pub(super) struct Sound {
    pub(super) document: MetaDocument,
    pub(super) network: MetaNetwork,
    /// What is odd about it, each with the name of the file.
    pub(super) warnings: Vec<String>,
}

/// The bytes of the file.
pub(super) fn read(path: &Path, surroundings: &dyn Surroundings) -> io::Result<Vec<u8>> {
    surroundings.read(path, FILE_MAX)
}

/// The file as a place of mistakes.
pub(super) fn place(path: &Path) -> Place {
    let name: Arc<str> = path.display().to_string().into();
    Place::File { name, line: None }
}

/// Reads what stands in the file of this path.
///
/// # Errors
/// Every mistake, each on a line of its own; where it is not the YAML of a meta document, the first of those.
pub(super) fn judge(path: &Path, bytes: &[u8]) -> Result<Sound, Mistakes> {
    let place = place(path);
    let malformed = |what: String| {
        Mistakes::one(
            place.clone(),
            "",
            Wrong::new(what, "a meta document in YAML (UTF-8)"),
        )
    };
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
    // Without lines of the document: what is written in the wrong place may be a secret.
    let options = serde_saphyr::options! { with_snippet: false };
    let document: MetaDocument = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| malformed(one_line(&error.to_string())))?;
    let Checked { value, warnings } = document.validate().map_err(|problems| {
        let mistakes = problems.into_iter().map(|problem| Mistake {
            place: place.clone(),
            key: problem.key,
            // What is allowed stands in it.
            wrong: Wrong::new(problem.what.to_string(), ""),
        });
        Mistakes::new(mistakes.collect())
    })?;
    let warnings = warnings
        .iter()
        .map(|warning| format!("{}: {warning}", path.display()));
    Ok(Sound {
        warnings: warnings.collect(),
        document,
        network: value,
    })
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> String {
        match judge(Path::new("meta.yml"), text.as_bytes()) {
            Ok(_) => panic!("no mistake in {text:?}"),
            Err(mistakes) => mistakes.to_string(),
        }
    }

    #[test]
    fn every_mistake_has_a_line_with_file_and_key() {
        let text = "domains: [{name: a}, {name: a}, {name: 'b c'}]\ndomainLinks: [{n1: a, n2: x}]";
        let said = mistakes(text);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 3, "{said}");
        for (line, key) in lines
            .iter()
            .zip(["domains[2].name", "domains[1].name", "domainLinks[0].n2"])
        {
            assert!(line.starts_with(&format!("meta.yml: {key}: ")), "{line}");
            assert!(
                line.contains("allowed: ") && !line.ends_with("allowed: "),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_not_a_meta_document_is_one_line_without_its_content() {
        for text in [
            "domains: [{name: a, password: hunter2}]",
            "domains: hunter2: x",
            "domains:\n  - name: a\n    urls: hunter2\n",
            "clientApps:\n  - appName: A\n    authEnabled: hunter2\n",
        ] {
            let said = mistakes(text);
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(said.starts_with("meta.yml: "), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_a_mistake() {
        assert!(judge(Path::new("meta.yml"), b"domains: \xff").is_err());
    }
}
