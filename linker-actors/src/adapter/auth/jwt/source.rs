//! Where the keys come from: fixed for good, or a file that is followed for changes.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use linker_core::app::{JwtAlgorithm, JwtKey};
use tokio::sync::Mutex;

use super::keys::KeySet;

/// Bytes of a key file: hundreds of keys fit.
const FILE_LEN_MAX: u64 = 1024 * 1024;
/// How long a login waits for a look at the file (a disk that hangs) before it goes on with the keys it has.
const LOOK_TIME_MAX: Duration = Duration::from_secs(1);

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtConfigError {
    /// A key file that cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No key in it, or none that fits the algorithm.
    #[error("{origin} {fault}")]
    UnfitKey {
        /// The file, or `publicKey`.
        origin: String,
        /// What is wrong with it; never part of the key.
        fault: String,
    },
}

pub(super) enum KeySource {
    Fixed(Arc<KeySet>),
    Followed(FollowedFile),
}

impl KeySource {
    /// Reads the keys for the first time. Blocks on the file.
    pub(super) fn open(algorithm: JwtAlgorithm, key: &JwtKey, now_s: u64) -> Result<Self, JwtConfigError> {
        let (path, format) = match key {
            JwtKey::PublicKey(pem) => {
                let keys = KeySet::from_pem(algorithm, pem).map_err(|fault| JwtConfigError::UnfitKey {
                    origin: "publicKey".to_owned(),
                    fault,
                })?;
                return Ok(Self::Fixed(Arc::new(keys)));
            }
            JwtKey::KeyFile(path) => (path, Format::KeyFile),
            JwtKey::JwksFile(path) => (path, Format::Jwks),
        };
        FollowedFile::open(path.clone(), format, algorithm, now_s).map(Self::Followed)
    }

    /// The keys as they are at `now_s`, a second at most behind the file.
    pub(super) async fn keys(&self, now_s: u64) -> Arc<KeySet> {
        match self {
            Self::Fixed(keys) => Arc::clone(keys),
            Self::Followed(file) => file.keys(now_s).await,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Format {
    KeyFile,
    Jwks,
}

/// A file that is looked at on use, at most once a second.
pub(super) struct FollowedFile {
    file: Arc<KeyFile>,
    /// What was last seen of the file; `None` when it could not be read. The lock lets one look at a time and makes others wait for its result.
    seen: Arc<Mutex<Option<Stamp>>>,
}

struct KeyFile {
    path: PathBuf,
    format: Format,
    algorithm: JwtAlgorithm,
    keys: ArcSwap<KeySet>,
    looked_at_s: AtomicU64,
}

impl FollowedFile {
    fn open(
        path: PathBuf,
        format: Format,
        algorithm: JwtAlgorithm,
        now_s: u64,
    ) -> Result<Self, JwtConfigError> {
        let unreadable = |error| JwtConfigError::Unreadable {
            path: path.clone(),
            error,
        };
        // Stamped before it is read: a change in between is then seen as one.
        let stamp = Stamp::of(&path).map_err(unreadable)?;
        let content = read_bounded(&path).map_err(unreadable)?;
        let keys = parse(format, algorithm, &content).map_err(|fault| JwtConfigError::UnfitKey {
            origin: path.display().to_string(),
            fault,
        })?;
        let file = KeyFile {
            path,
            format,
            algorithm,
            keys: ArcSwap::from_pointee(keys),
            looked_at_s: AtomicU64::new(now_s),
        };
        Ok(Self {
            file: Arc::new(file),
            seen: Arc::new(Mutex::new(Some(stamp))),
        })
    }

    async fn keys(&self, now_s: u64) -> Arc<KeySet> {
        if !self.file.was_looked_at(now_s) {
            // Without a result in time the keys known so far have to do; the look goes on and is not started twice.
            let _ = tokio::time::timeout(LOOK_TIME_MAX, self.look(now_s)).await;
        }
        self.file.keys.load_full()
    }

    async fn look(&self, now_s: u64) {
        let mut seen = Arc::clone(&self.seen).lock_owned().await;
        if self.file.was_looked_at(now_s) {
            return;
        }
        let file = Arc::clone(&self.file);
        let look = move || {
            file.reload_if_changed(&mut seen);
            file.looked_at_s.store(now_s, Ordering::Release);
        };
        if let Err(error) = tokio::task::spawn_blocking(look).await {
            tracing::warn!(key.file = %self.file.path.display(), error = %error, "could not look at the key file");
        }
    }
}

impl KeyFile {
    /// Compared for equality, so that a clock that was set back stops nothing.
    fn was_looked_at(&self, now_s: u64) -> bool {
        self.looked_at_s.load(Ordering::Acquire) == now_s
    }

    fn reload_if_changed(&self, seen: &mut Option<Stamp>) {
        let stamp = match Stamp::of(&self.path) {
            Ok(stamp) if seen.as_ref() == Some(&stamp) => return,
            Ok(stamp) => stamp,
            Err(error) => return self.log_unreadable(seen, &error),
        };
        let content = match read_bounded(&self.path) {
            Ok(content) => content,
            Err(error) => return self.log_unreadable(seen, &error),
        };
        // From here on this version has been dealt with, and is not logged again.
        *seen = Some(stamp);
        let path = self.path.display();
        match parse(self.format, self.algorithm, &content) {
            Ok(keys) => {
                self.keys.store(Arc::new(keys));
                tracing::info!(key.file = %path, "keys for tokens read anew");
            }
            Err(fault) => {
                tracing::warn!(key.file = %path, error = %fault, "the changed key file is not usable, the keys read before stay in use");
            }
        }
    }

    fn log_unreadable(&self, seen: &mut Option<Stamp>, error: &io::Error) {
        if seen.take().is_some() {
            tracing::warn!(key.file = %self.path.display(), error = %error, "the key file cannot be read any more, the keys read before stay in use");
        }
    }
}

fn parse(format: Format, algorithm: JwtAlgorithm, content: &[u8]) -> Result<KeySet, String> {
    match format {
        Format::KeyFile => KeySet::from_key_file(algorithm, content),
        Format::Jwks => KeySet::from_jwks(algorithm, content),
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?
        .take(FILE_LEN_MAX + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > FILE_LEN_MAX {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(content)
}

/// By what a new version of a file is told from the one read.
#[derive(PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
    identity: Identity,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        Ok(Self {
            modified: metadata.modified()?,
            length: metadata.len(),
            identity: identity(&metadata),
        })
    }
}

/// Inode and time of change: a key as long as the one before may come with an older, or the same, time of modification.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);
#[cfg(not(unix))]
type Identity = ();

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (
        metadata.dev(),
        metadata.ino(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

#[cfg(not(unix))]
fn identity(_metadata: &Metadata) -> Identity {}
