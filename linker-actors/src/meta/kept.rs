//! The last good document, in a file of the node's own.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use linker_core::meta::MetaDocument;
use serde::{Deserialize, Serialize};

/// Bytes of the file that are read: a document as long as the server may have, and what stands around it.
const FILE_LEN_MAX: u64 = 17 * 1024 * 1024;

/// A document and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptDocument {
    /// The server's url: an etag says nothing to another one.
    pub(super) url: String,
    /// Its etag there.
    pub(super) etag: Option<String>,
    /// The document.
    pub(super) document: MetaDocument,
}

/// Where it is kept.
#[derive(Debug, Clone)]
pub(super) struct KeptFile {
    path: PathBuf,
}

impl KeptFile {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            path: folder.join("meta.json"),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is kept; `None` where nothing ever was. Blocks.
    pub(super) fn read(&self) -> io::Result<Option<KeptDocument>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(FILE_LEN_MAX).read_to_end(&mut bytes)?;
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    /// Keeps it instead of what was kept before: whatever happens meanwhile, one of the two is there. Blocks.
    pub(super) fn write(&self, kept: &KeptDocument) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let new = self.path.with_extension("json.new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(url: &str) -> KeptDocument {
        KeptDocument {
            url: url.to_owned(),
            etag: Some("\"1\"".to_owned()),
            document: MetaDocument::default(),
        }
    }

    #[test]
    fn what_was_kept_last_is_read_and_nothing_else_is_left() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("made/when/needed");
        let file = KeptFile::in_folder(&folder);
        assert_eq!(file.read().unwrap(), None);
        for url in ["http://a", "http://b"] {
            file.write(&kept(url)).unwrap();
            assert_eq!(file.read().unwrap(), Some(kept(url)));
        }
        let names = std::fs::read_dir(folder).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["meta.json"]);
    }

    #[test]
    fn what_a_crash_left_half_written_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let file = KeptFile::in_folder(home.path());
        file.write(&kept("http://a")).unwrap();
        std::fs::write(home.path().join("meta.json.new"), "{\"url\":").unwrap();
        assert_eq!(file.read().unwrap(), Some(kept("http://a")));
        file.write(&kept("http://b")).unwrap();
        assert_eq!(file.read().unwrap(), Some(kept("http://b")));
    }

    #[test]
    fn what_is_no_document_or_cannot_be_written_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let file = KeptFile::in_folder(home.path());
        std::fs::write(file.path(), "{}").unwrap();
        assert!(file.read().is_err());
        let no_folder = home.path().join("meta.json");
        assert!(KeptFile::in_folder(&no_folder).write(&kept("http://a")).is_err());
    }
}
