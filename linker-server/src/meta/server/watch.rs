//! Looks whether the file has changed, and serves what is sound.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::served::Served;
use super::{Current, document};
use crate::config::ProcessSurroundings;

/// How often the file is read. A change counts when it was read twice: who writes a file in place takes less time than that.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a look at the file says is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Nothing,
    /// This stands in it now.
    Changed(Vec<u8>),
    /// It cannot be read, which is said once.
    Unreadable(String),
}

/// Tells a change that is complete from one that is being written.
struct Observer {
    /// What was judged last.
    judged: Vec<u8>,
    /// What the last look found, where it was something else.
    seen: Option<Result<Vec<u8>, String>>,
    unreadable: bool,
}

impl Observer {
    fn new(judged: Vec<u8>) -> Self {
        Self {
            judged,
            seen: None,
            unreadable: false,
        }
    }

    fn look(&mut self, found: io::Result<Vec<u8>>) -> Look {
        let found = found.map_err(|error| error.to_string());
        if found.as_ref().is_ok_and(|bytes| *bytes == self.judged) {
            self.seen = None;
            self.unreadable = false;
            return Look::Nothing;
        }
        if self.seen.as_ref() != Some(&found) {
            self.seen = Some(found);
            return Look::Nothing;
        }
        match found {
            Ok(bytes) => {
                self.seen = None;
                self.unreadable = false;
                self.judged.clone_from(&bytes);
                Look::Changed(bytes)
            }
            Err(_) if self.unreadable => Look::Nothing,
            Err(error) => {
                self.unreadable = true;
                Look::Unreadable(error)
            }
        }
    }
}

/// Follows the file, of which `judged` is served, without end.
pub(super) async fn follow(path: PathBuf, judged: Vec<u8>, current: Current) {
    let mut observer = Observer::new(judged);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let file = path.clone();
        let Ok(found) =
            tokio::task::spawn_blocking(move || document::read(&file, &ProcessSurroundings)).await
        else {
            continue;
        };
        match observer.look(found) {
            Look::Nothing => {}
            Look::Changed(bytes) => {
                let (file, current) = (path.clone(), Arc::clone(&current));
                let taken = tokio::task::spawn_blocking(move || take(&file, &bytes, &current)).await;
                if let Err(error) = taken {
                    tracing::error!(%error, "looking at the meta document failed, the last version stays");
                }
            }
            Look::Unreadable(error) => {
                tracing::error!(file = %path.display(), error, "the meta document cannot be read, the last version stays");
            }
        }
    }
}

/// Serves this version, if it is sound.
fn take(path: &Path, bytes: &[u8], current: &Current) {
    let sound = match document::judge(path, bytes) {
        Ok(sound) => sound,
        Err(mistakes) => {
            for mistake in mistakes.to_string().lines() {
                tracing::error!("{mistake}");
            }
            tracing::error!(file = %path.display(), etag = current.load().etag, "the new version of the meta document is refused, the last one stays");
            return;
        }
    };
    for warning in &sound.warnings {
        tracing::warn!("{warning}");
    }
    match Served::new(&sound) {
        Ok(served) if served.etag == current.load().etag => {
            tracing::info!(file = %path.display(), "the meta document says the same as before");
        }
        Ok(served) => {
            tracing::info!(file = %path.display(), etag = served.etag, "a new version of the meta document is served");
            current.store(Arc::new(served));
        }
        Err(error) => tracing::error!(%error, "the new version of the meta document cannot be served"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(text: &str) -> io::Result<Vec<u8>> {
        Ok(text.as_bytes().to_vec())
    }

    fn changed(text: &str) -> Look {
        Look::Changed(text.as_bytes().to_vec())
    }

    #[test]
    fn a_change_counts_when_it_was_seen_twice() {
        let mut observer = Observer::new(b"old".to_vec());
        assert_eq!(observer.look(ok("old")), Look::Nothing);
        for half in ["n", "ne", "new"] {
            assert_eq!(observer.look(ok(half)), Look::Nothing, "{half}");
        }
        assert_eq!(observer.look(ok("new")), changed("new"));
        assert_eq!(observer.look(ok("new")), Look::Nothing, "judged once");
    }

    #[test]
    fn a_file_that_is_gone_for_a_moment_is_no_news() {
        let mut observer = Observer::new(b"old".to_vec());
        let gone = || Err(io::ErrorKind::NotFound.into());
        assert_eq!(observer.look(gone()), Look::Nothing);
        assert_eq!(observer.look(ok("old")), Look::Nothing);
        assert_eq!(observer.look(gone()), Look::Nothing);
        assert!(matches!(observer.look(gone()), Look::Unreadable(_)));
        assert_eq!(observer.look(gone()), Look::Nothing, "said once");
        assert_eq!(observer.look(ok("new")), Look::Nothing);
        assert_eq!(observer.look(ok("new")), changed("new"));
    }

    #[test]
    fn an_empty_file_is_a_change_only_when_it_stays_so() {
        let mut observer = Observer::new(b"old".to_vec());
        assert_eq!(observer.look(ok("")), Look::Nothing);
        assert_eq!(observer.look(ok("old")), Look::Nothing);
        assert_eq!(observer.look(ok("")), Look::Nothing);
        assert_eq!(observer.look(ok("")), changed(""));
    }
}
