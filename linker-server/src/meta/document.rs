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
pub(crate) fn place(path: &Path) -> Place {
    let name: Arc<str> = path.display().to_string().into();
    Place::File { name, line: None }
}

/// Reads what stands in the file of this path.
///
/// # Errors
/// Every mistake, each on a line of its own; where it is not the YAML of a meta document, the first of those.
pub(super) fn judge(path: &Path, bytes: &[u8]) -> Result<Sound, Mistakes> {
    let place = place(path);
    let malformed = |key: &str, what: String| {
        Mistakes::one(
            place.clone(),
            key,
            Wrong::new(what, "a meta document in YAML (UTF-8)"),
        )
    };
    let text = std::str::from_utf8(bytes).map_err(|error| malformed("", error.to_string()))?;
    // Without lines of the document: what is written in the wrong place may be a secret.
    let options = serde_saphyr::options! { with_snippet: false };
    let mut key = String::new();
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| {
        serde_path_to_error::deserialize(yaml).map_err(|error| {
            key = error.path().to_string();
            error.into_inner()
        })
    });
    // The whole document has no key.
    let key = if key == "." { "" } else { &key };
    let document: MetaDocument = read.map_err(|error| malformed(key, sentence(&error.to_string())))?;
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

/// On one line, and in the words of who writes a document rather than of who reads it by program.
fn sentence(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    const PLAIN: [(&str, &str); 6] = [
        ("invalid u16", "not a whole number from 0 to 65535"),
        ("invalid u32", "not a whole number from 0 to 4294967295"),
        ("invalid u64", "not a whole number from 0"),
        ("invalid boolean", "not true or false"),
        ("expected sequence start", "not a list"),
        ("expected mapping start", "not keys with values"),
    ];
    let known = PLAIN.iter().find(|(theirs, _)| text.starts_with(theirs));
    known.map_or_else(|| text.clone(), |(theirs, plain)| text.replacen(theirs, plain, 1))
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
    fn a_value_of_the_wrong_kind_is_told_with_its_key_and_place() {
        for (text, line) in [
            (
                "userDistributions: [{domainName: a, from: x}]",
                "meta.yml: userDistributions[0].from: not a whole number from 0 at line 1, column 43; allowed: ",
            ),
            (
                "domainLinks:\n  - {n1: a, n2: b, weight: heavy}",
                "meta.yml: domainLinks[0].weight: not a whole number from 0 to 4294967295 at line 2, ",
            ),
            (
                "clientApps: [{appName: A, appId: i, authEnabled: perhaps}]",
                "meta.yml: clientApps[0].authEnabled: not true or false at line 1, ",
            ),
            ("domains: a", "meta.yml: domains: not a list at line 1, "),
            (
                "clientApps: [{appName: A, appId: i, jwt: key}]",
                "meta.yml: clientApps[0].jwt: not keys with values at line 1, ",
            ),
            (
                "server: {port: 70000}",
                "meta.yml: server.port: not a whole number",
            ),
        ] {
            let said = mistakes(text);
            assert!(said.starts_with(line), "{text}: {said}");
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
