//! Opening the file: what may be there instead of what was expected, and how it is told.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;

use super::connect::{self, Connector};
use super::fault::Fault;
use super::migrate::{self, APPLICATION_ID, VERSION};

/// How to open a store.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Bring an older schema up to date, and make the file when there is none. Otherwise both are [`OpenError::Outdated`]. Default true.
    pub migrate: bool,
    /// Connections that read, at least one: so many pages and counts are read at the same time. Default 2.
    pub readers: usize,
    /// How long to wait for a lock that another process holds (a backup, a shell). Default 5 s.
    pub busy_timeout: Duration,
    /// The file is full at so many pages of 8 KiB. Default: when the disk is.
    pub pages_max: Option<u32>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            migrate: true,
            readers: 2,
            busy_timeout: Duration::from_secs(5),
            pages_max: None,
        }
    }
}

/// Why a store was not opened: one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no folder to put the file into.
    #[error("the folder of the store {} does not exist or is not a folder; create it or choose another place", .0.display())]
    NoFolder(PathBuf),
    /// The file, or its folder, which also takes the log, cannot be written.
    #[error("the store {} cannot be written ({reason}); give this user write access to it and to its folder", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It is no database.
    #[error("{} is not an SQLite database or is damaged; restore it from a backup or move it away", .0.display())]
    Damaged(PathBuf),
    /// It is a database, of something else.
    #[error("{} is an SQLite database of another program; choose another file for the store", .0.display())]
    Foreign(PathBuf),
    /// A newer version has been here.
    #[error("the store {} has schema {found} and this version knows schemas up to {known}; run the newer version", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest one known.
        known: i64,
    },
    /// It needs a migration, and the options do not allow one.
    #[error("the store {} has schema {found} and this version needs {needed}; run `linker-server migrate`", .path.display())]
    Outdated {
        /// The file.
        path: PathBuf,
        /// Its schema; 0 when there is none.
        found: i64,
        /// The one needed.
        needed: i64,
    },
    /// Another process is at it.
    #[error("the store {} is held locked by another process; stop that one first", .0.display())]
    Busy(PathBuf),
    /// No room for it.
    #[error("the disk of the store {} is full; make room", .0.display())]
    Full(PathBuf),
    /// Anything else.
    #[error("the store {} cannot be opened: {reason}", .path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What SQLite or the system says.
        reason: String,
    },
}

impl OpenError {
    pub(super) fn of(error: &sqlx::Error, path: &Path) -> Self {
        let path = path.to_owned();
        let reason = error.to_string();
        match Fault::of(error) {
            Fault::Full => Self::Full(path),
            Fault::Busy => Self::Busy(path),
            Fault::Damaged => Self::Damaged(path),
            Fault::ReadOnly | Fault::CannotOpen => Self::Unwritable { path, reason },
            Fault::Io | Fault::Other => Self::Other { path, reason },
        }
    }

    fn of_io(error: &io::Error, path: &Path) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NoFolder(path),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::Unwritable {
                path,
                reason: error.to_string(),
            },
        }
    }
}

/// Makes sure that there is a file of ours with the schema needed, and connects the writer to it.
pub(super) async fn prepare(connector: &Connector, migrate: bool) -> Result<SqliteConnection, OpenError> {
    let path = connector.path();
    let failed = |error: sqlx::Error| OpenError::of(&error, path);
    let outdated = |found| OpenError::Outdated {
        path: path.to_owned(),
        found,
        needed: VERSION,
    };
    if !migrate && !path.exists() {
        return Err(outdated(0));
    }
    touch(path).map_err(|error| OpenError::of_io(&error, path))?;
    let mut inspector = connector.inspector().await.map_err(failed)?;
    let found = migrate::inspect(&mut inspector).await.map_err(failed)?;
    connect::close(inspector).await;
    let ours = found.application_id == APPLICATION_ID;
    let fresh = found.application_id == 0 && found.empty;
    if !ours && !fresh {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    if found.version > VERSION {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found: found.version,
            known: VERSION,
        });
    }
    if found.version < VERSION && !migrate {
        return Err(outdated(found.version));
    }
    let mut writer = connector.writer().await.map_err(failed)?;
    migrate::run(&mut writer).await.map_err(failed)?;
    Ok(writer)
}

/// Makes the file when there is none, for its owner only, and tells apart what SQLite calls "unable to open" in every case.
fn touch(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
