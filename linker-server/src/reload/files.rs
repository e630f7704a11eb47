//! Files that were read, and whether something else stands in them now. By their content, so that it does not matter whether they are written in place, renamed over
//! or behind a symbolic link that is turned round.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::config::{ProcessSurroundings, Surroundings};

/// A file that was changed this short a time ago may be changed once more without its stamp telling.
const STAMP_GRAIN: Duration = Duration::from_secs(2);

/// What tells without reading that a file is the same: when it was changed, its size, which file it is.
type Stamp = (SystemTime, u64, u64, u64);

/// One file as it was when it was looked at.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    limit: u64,
    /// Of what it had, or that it could not be read.
    content: Result<[u8; 32], io::ErrorKind>,
    /// `None`: it has to be read to tell.
    stamp: Option<Stamp>,
}

impl Seen {
    /// Reads a file of up to `limit` bytes.
    pub(super) fn read(path: &Path, limit: u64) -> (Self, io::Result<Vec<u8>>) {
        // Before its content: what comes in between is seen the next time.
        let stamp = stamp(path);
        let bytes = ProcessSurroundings.read(path, limit);
        let content = match &bytes {
            Ok(bytes) => Ok(Sha256::digest(bytes).into()),
            Err(error) => Err(error.kind()),
        };
        let seen = Self {
            limit,
            content,
            stamp,
        };
        (seen, bytes)
    }

    fn look_again(&self, path: &Path) -> Self {
        if self.stamp.is_some() && self.stamp == stamp(path) {
            return self.clone();
        }
        Self::read(path, self.limit).0
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    let changed = metadata.modified().ok()?;
    let is_old = changed.elapsed().is_ok_and(|age| age > STAMP_GRAIN);
    is_old.then(|| (changed, metadata.len(), metadata.ino(), metadata.dev()))
}

/// The files of which a configuration was made, as they were judged.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    judged: BTreeMap<PathBuf, Seen>,
    /// What the last look found, where it was something else.
    changing: Option<BTreeMap<PathBuf, Seen>>,
}

impl Files {
    pub(super) fn new(judged: BTreeMap<PathBuf, Seen>) -> Self {
        Self {
            judged,
            changing: None,
        }
    }

    /// Whether something else stands in them, and did so the last time: who writes a file in place, or two that belong together, is done then.
    pub(super) fn have_changed(&mut self) -> bool {
        let before = self.changing.as_ref().unwrap_or(&self.judged);
        let look = |(path, seen): (&PathBuf, &Seen)| (path.clone(), seen.look_again(path));
        let now: BTreeMap<PathBuf, Seen> = before.iter().map(look).collect();
        if same(&now, &self.judged) {
            self.judged = now;
            self.changing = None;
            return false;
        }
        let has_settled = self.changing.as_ref().is_some_and(|before| same(&now, before));
        self.changing = Some(now);
        has_settled
    }

    /// The files of a reading that came to nothing: they are watched as well as these, which may still be what the next one is made of.
    pub(super) fn and(self, read: Self) -> Self {
        let mut judged = self.changing.unwrap_or(self.judged);
        judged.extend(read.judged);
        Self::new(judged)
    }

    /// What stood in one of them; nothing for another file.
    pub(super) fn content(&self, path: &Path) -> Option<[u8; 32]> {
        self.judged.get(path)?.content.ok()
    }
}

fn same(one: &BTreeMap<PathBuf, Seen>, other: &BTreeMap<PathBuf, Seen>) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .all(|(path, seen)| other.get(path).is_some_and(|known| known.content == seen.content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&Path]) -> Files {
        let read = |path: &&Path| (path.to_path_buf(), Seen::read(path, 100).0);
        Files::new(paths.iter().map(read).collect())
    }

    #[test]
    fn a_change_counts_when_it_was_seen_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "old").unwrap();
        let mut watched = files(&[&path]);
        assert!(!watched.have_changed());
        for half in ["n", "ne", "new"] {
            std::fs::write(&path, half).unwrap();
            assert!(!watched.have_changed(), "{half}");
        }
        assert!(watched.have_changed());
        std::fs::write(&path, "old").unwrap();
        assert!(!watched.have_changed(), "as it was");
        assert!(!watched.have_changed());
    }

    #[test]
    fn a_file_renamed_over_it_and_a_link_turned_round_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other, link] = ["file", "other", "link"].map(|name| folder.path().join(name));
        std::fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut watched = files(&[&path, &link]);
        std::fs::write(&other, "new").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(!watched.have_changed());
        assert!(watched.have_changed());
        let mut watched = files(&[&link]);
        std::fs::write(&other, "newer").unwrap();
        std::os::unix::fs::symlink(&other, folder.path().join("turned")).unwrap();
        std::fs::rename(folder.path().join("turned"), &link).unwrap();
        assert!(!watched.have_changed());
        assert!(watched.have_changed());
    }

    #[test]
    fn a_file_that_comes_and_one_that_goes_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut watched = files(&[&path]);
        assert!(!watched.have_changed());
        std::fs::write(&path, "there").unwrap();
        assert!(!watched.have_changed());
        assert!(watched.have_changed());
        let mut watched = files(&[&path]);
        std::fs::remove_file(&path).unwrap();
        assert!(!watched.have_changed());
        assert!(watched.have_changed());
    }

    #[test]
    fn an_old_file_is_not_read_to_be_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "old").unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        let age = |path: &Path| {
            std::fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(long_ago)
                .unwrap();
        };
        age(&path);
        let mut watched = files(&[&path]);
        std::fs::write(&path, "new").unwrap();
        age(&path);
        assert!(!watched.have_changed() && !watched.have_changed());
        std::fs::write(&path, "newer").unwrap();
        assert!(!watched.have_changed());
        assert!(watched.have_changed());
    }
}
