//! Where texts come from: the process's environment and files, or a test's map.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;

/// All that configuration takes from outside.
pub(crate) trait Surroundings {
    /// The environment variables.
    fn variables(&self) -> Vec<(OsString, OsString)>;

    /// A file's bytes, but no more than `limit` of them: a device or a log given by mistake must not fill the memory.
    ///
    /// # Errors
    /// What the system says; `FileTooLarge` beyond `limit`.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// The machine's name, for the default of `node.name`.
    fn host_name(&self) -> String;

    /// A number that another process of this host will hardly draw, for the default of `node.name`.
    fn random_suffix(&self) -> u32;
}

/// The surroundings of this process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessSurroundings;

impl Surroundings for ProcessSurroundings {
    fn variables(&self) -> Vec<(OsString, OsString)> {
        std::env::vars_os().collect()
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?
            .take(limit + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("larger than {limit} bytes"),
            ));
        }
        Ok(bytes)
    }

    fn host_name(&self) -> String {
        gethostname::gethostname().to_string_lossy().into_owned()
    }

    fn random_suffix(&self) -> u32 {
        // Without a source of randomness the process id still tells two nodes of one host apart.
        getrandom::u32().unwrap_or_else(|_| std::process::id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(ProcessSurroundings.read(&path, 5).unwrap(), b"12345");
        assert_eq!(
            ProcessSurroundings.read(&path, 4).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        assert!(ProcessSurroundings.read(folder.path(), 5).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_without_an_end_is_too_large() {
        let endless = ProcessSurroundings.read(Path::new("/dev/zero"), 1000);
        assert_eq!(endless.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
