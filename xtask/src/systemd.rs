//! `systemd-analyze`, which judges the unit of `deploy/systemd`: named by the environment, found on the path, or installed as Debian's package. systemd need not run.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::steps::announce;
use crate::{debian, programs};

/// The variable that names it, for this program and for the tests.
pub(crate) const SYSTEMD_ANALYZE: &str = "SYSTEMD_ANALYZE";
const BY_HAND: &str =
    "install systemd-analyze (on Debian: apt-get install systemd), or name the program in SYSTEMD_ANALYZE";

/// Finds the program, or installs it.
///
/// # Errors
/// It is not there and cannot be installed (not Debian, neither root nor sudo, no package); says what to do by hand.
pub(crate) fn find_or_install() -> Result<PathBuf> {
    announce("systemd-analyze, for the unit");
    let program = match find()? {
        Some(program) => program,
        None => {
            debian::install(&["systemd"]).context(BY_HAND)?;
            find()?
                .with_context(|| format!("its package is installed, but it is not on the path; {BY_HAND}"))?
        }
    };
    println!("{}", program.display());
    Ok(program)
}

fn find() -> Result<Option<PathBuf>> {
    programs::locate(SYSTEMD_ANALYZE, &["systemd-analyze"])
}
