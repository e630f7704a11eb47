//! A folder for everything that runs leave behind, on the disk that the workspace is on, so that a commit costs what it costs there.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::steps::workspace_root;

const PREFIX: &str = "bench-";

/// Removed when dropped. What a killed program left is removed by the next.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// # Errors
    /// It cannot be made.
    pub(crate) fn new() -> Result<Self> {
        let parent = workspace_root().join("target");
        std::fs::create_dir_all(&parent)?;
        sweep(&parent);
        let path = parent.join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes what the last run left, so that the disk does not fill up.
    pub(crate) fn empty(&self) {
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let path = entry.path();
            // Best effort: at the latest it goes with the folder.
            let _ = if path.is_dir() {
                std::fs::remove_dir_all(path)
            } else {
                std::fs::remove_file(path)
            };
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes the folders of processes that are no more.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .map(str::parse);
        if let Some(Ok(process)) = process
            && !is_alive(process)
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether there is such a process.
pub(crate) fn is_alive(process: u32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_dead_are_removed_and_others_are_not() {
        let parent = tempfile::tempdir().unwrap();
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let own = format!("{PREFIX}{}", std::process::id());
        let names = [
            format!("{PREFIX}{}", dead.id()),
            own,
            "bench-x".into(),
            "debug".into(),
        ];
        for name in &names {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        sweep(parent.path());
        let left: Vec<bool> = names
            .iter()
            .map(|name| parent.path().join(name).exists())
            .collect();
        assert_eq!(left, [false, true, true, true]);
    }
}
