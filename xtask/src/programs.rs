//! Programs that the tests and the peers need: named by the environment, else found on the path.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The program that the environment names in `variable`, which must exist; else the first of `names` on the path.
///
/// # Errors
/// The variable names no file.
pub(crate) fn locate(variable: &str, names: &[&str]) -> Result<Option<PathBuf>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    locate_in(variable, std::env::var_os(variable).as_deref(), names, &path)
}

/// A program on the path or, if it is not there, in one of `folders`.
pub(crate) fn find(program: &str, folders: &[&Path]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(folders.iter().map(|folder| folder.to_path_buf()))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn locate_in(variable: &str, named: Option<&OsStr>, names: &[&str], path: &OsStr) -> Result<Option<PathBuf>> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        let program = PathBuf::from(named);
        if !program.is_file() {
            bail!("{variable} names {}, which is no file", program.display());
        }
        return Ok(Some(program));
    }
    let folders: Vec<PathBuf> = std::env::split_paths(path).collect();
    let candidates = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    Ok(candidates.into_iter().find(|candidate| candidate.is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test program itself: a file that is certainly there.
    fn some_program() -> PathBuf {
        std::env::current_exe().unwrap()
    }

    #[test]
    fn a_named_program_wins_and_must_be_there() {
        let here = some_program();
        let found = locate_in("X", Some(here.as_os_str()), &["sh"], OsStr::new("/bin")).unwrap();
        assert_eq!(found, Some(here));
        let error = locate_in(
            "X",
            Some(OsStr::new("/nowhere/at-all")),
            &["sh"],
            OsStr::new("/bin"),
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "X names /nowhere/at-all, which is no file");
    }

    #[test]
    fn the_path_is_searched_for_the_preferred_name_first() {
        let program = some_program();
        let folder = program.parent().unwrap();
        let name = program.file_name().unwrap().to_str().unwrap();
        let path = std::env::join_paths([Path::new("/nowhere"), folder]).unwrap();
        assert_eq!(
            locate_in("X", None, &["not-there", name], &path).unwrap(),
            Some(program.clone())
        );
        assert_eq!(
            locate_in("X", Some(OsStr::new("")), &[name], &path).unwrap(),
            Some(program)
        );
        assert_eq!(locate_in("X", None, &["not-there"], &path).unwrap(), None);
    }
}
