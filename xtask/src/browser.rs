//! A headless browser and its driver for the tests of the demo page: named by the environment, found on the path, or
//! installed as Debian's packages.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::steps::{announce, output_of};

/// The variable that names the browser, for this program and for the tests.
pub(crate) const CHROMIUM: &str = "CHROMIUM";
/// The variable that names the driver, for this program and for the tests.
pub(crate) const CHROMEDRIVER: &str = "CHROMEDRIVER";

const CHROMIUM_NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
const CHROMEDRIVER_NAMES: [&str; 1] = ["chromedriver"];
const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

const BY_HAND: &str = "install Chromium and ChromeDriver (on Debian: apt-get install chromium chromium-driver), \
                       or name them in CHROMIUM and CHROMEDRIVER";

/// The two programs, by path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Browser {
    pub(crate) chromium: PathBuf,
    pub(crate) chromedriver: PathBuf,
}

/// Finds browser and driver, or installs them, and sees that both run.
///
/// # Errors
/// They are not there and cannot be installed (not Debian, neither root nor sudo, no package); says what to do by hand.
pub(crate) fn find_or_install() -> Result<Browser> {
    announce("a browser for the page tests");
    let browser = match find()? {
        Some(browser) => browser,
        None => {
            debian::install(&PACKAGES).context(BY_HAND)?;
            find()?.with_context(|| {
                format!("the browser's packages are installed, but it is not on the path; {BY_HAND}")
            })?
        }
    };
    for program in [&browser.chromium, &browser.chromedriver] {
        let version = output_of(Command::new(program).arg("--version"))?;
        println!("{}: {}", program.display(), version.trim());
    }
    Ok(browser)
}

fn find() -> Result<Option<Browser>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let chromium = locate(
        CHROMIUM,
        std::env::var_os(CHROMIUM).as_deref(),
        &CHROMIUM_NAMES,
        &path,
    )?;
    let chromedriver = locate(
        CHROMEDRIVER,
        std::env::var_os(CHROMEDRIVER).as_deref(),
        &CHROMEDRIVER_NAMES,
        &path,
    )?;
    Ok(chromium
        .zip(chromedriver)
        .map(|(chromium, chromedriver)| Browser {
            chromium,
            chromedriver,
        }))
}

/// The program that `named` (the value of `variable`) names, which must exist; else the first of `names` on `path`.
fn locate(variable: &str, named: Option<&OsStr>, names: &[&str], path: &OsStr) -> Result<Option<PathBuf>> {
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
    use std::path::Path;

    use super::*;

    /// This test program itself: a file that is certainly there.
    fn some_program() -> PathBuf {
        std::env::current_exe().unwrap()
    }

    #[test]
    fn a_named_program_wins_and_must_be_there() {
        let here = some_program();
        let found = locate("X", Some(here.as_os_str()), &["sh"], OsStr::new("/bin")).unwrap();
        assert_eq!(found, Some(here));
        let error = locate(
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
            locate("X", None, &["not-there", name], &path).unwrap(),
            Some(program.clone())
        );
        assert_eq!(
            locate("X", Some(OsStr::new("")), &[name], &path).unwrap(),
            Some(program)
        );
        assert_eq!(locate("X", None, &["not-there"], &path).unwrap(), None);
    }
}
