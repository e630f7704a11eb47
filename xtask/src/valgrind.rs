//! Valgrind, whose callgrind counts instructions: named by the environment, found on the path, or installed as Debian's package.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::{announce, output_of};
use crate::{debian, programs};

const VARIABLE: &str = "VALGRIND";
const BY_HAND: &str =
    "install Valgrind (on Debian: apt-get install valgrind), or name the program in VALGRIND";

/// The program, and what it says of itself.
pub(crate) struct Valgrind {
    pub(crate) program: PathBuf,
    pub(crate) version: String,
}

/// Finds Valgrind, or installs it, and sees that it runs.
///
/// # Errors
/// It is not there and cannot be installed (not Debian, neither root nor sudo, no package); says what to do by hand.
pub(crate) fn find_or_install() -> Result<Valgrind> {
    announce("Valgrind, to count instructions");
    let program = match find()? {
        Some(program) => program,
        None => {
            debian::install(&["valgrind"]).context(BY_HAND)?;
            find()?
                .with_context(|| format!("its package is installed, but it is not on the path; {BY_HAND}"))?
        }
    };
    let version = output_of(Command::new(&program).arg("--version"))?;
    let version = version.trim().to_owned();
    println!("{}: {version}", program.display());
    Ok(Valgrind { program, version })
}

fn find() -> Result<Option<PathBuf>> {
    programs::locate(VARIABLE, &["valgrind"])
}
