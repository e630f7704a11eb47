//! Where the configuration comes from, and which files it was made of.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::files::{Files, Seen};
use crate::config::{self, Config, Mistakes, Overrides, ProcessSurroundings, Surroundings};

/// What the process was started with: enough to read its configuration again.
pub(crate) struct Source {
    file: Option<PathBuf>,
    overrides: Overrides,
    /// Of the default node name, which has to stay what it is.
    random_suffix: u32,
}

/// The surroundings of one reading, which notes what was read.
pub(crate) struct Reading {
    random_suffix: u32,
    read: Mutex<BTreeMap<PathBuf, Seen>>,
}

impl Source {
    pub(crate) fn new(file: Option<PathBuf>, overrides: Overrides) -> Self {
        Self {
            file,
            overrides,
            random_suffix: ProcessSurroundings.random_suffix(),
        }
    }

    /// For one reading.
    pub(crate) fn begin(&self) -> Reading {
        Reading {
            random_suffix: self.random_suffix,
            read: Mutex::default(),
        }
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// Every mistake there is.
    pub(crate) fn load(&self, reading: &Reading) -> Result<Config, Mistakes> {
        config::load(self.file.as_deref(), &self.overrides, reading)
    }
}

impl Reading {
    fn read_files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Seen>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All files that were asked for, as they were then, those included that could not be read.
    pub(super) fn files(self) -> Files {
        Files::new(self.read.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Surroundings for Reading {
    fn variables(&self) -> Vec<(OsString, OsString)> {
        ProcessSurroundings.variables()
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let (seen, bytes) = Seen::read(path, limit);
        self.read_files().insert(path.to_owned(), seen);
        bytes
    }

    fn host_name(&self) -> String {
        ProcessSurroundings.host_name()
    }

    fn random_suffix(&self) -> u32 {
        self.random_suffix
    }
}
