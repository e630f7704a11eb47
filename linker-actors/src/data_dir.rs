//! A folder that one process works in at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// It is not there and cannot be made, or cannot be written to.
    #[error("cannot write to the data folder {}: {source}; make it writable, or name another by server.dataDir", path.display())]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process works in it.
    #[error("the data folder {} is in use by {holder}; stop it, or name another folder by server.dataDir", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Who.
        holder: String,
    },
}

/// A locked data folder, free again when this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Locks `path`, made where there is none (for its owner alone: what waits is in it as it was written), and leaves word of who holds it.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn lock(path: &Path, holder: &str) -> Result<Self, DataDirError> {
        let unwritable = |source| DataDirError::Unwritable {
            path: path.to_owned(),
            source,
        };
        make(path).map_err(unwritable)?;
        let file = path.join("linker.lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(file)
            .map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut known = String::new();
                // Who holds it is a courtesy.
                let _ = lock.take(256).read_to_string(&mut known);
                let holder = if known.trim().is_empty() {
                    "another process".into()
                } else {
                    known.trim().into()
                };
                return Err(DataDirError::Locked {
                    path: path.to_owned(),
                    holder,
                });
            }
            Err(TryLockError::Error(source)) => return Err(unwritable(source)),
        }
        let told = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{holder}"));
        told.map_err(unwritable)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(unix)]
fn make(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(not(unix))]
fn make(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)
}
