//! promtool, which checks the files under `deploy/prometheus`: named by the environment, found on the path, or installed with Debian's package of Prometheus.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::{announce, output_of};
use crate::{debian, programs};

/// The variable that names it, for this program and for the tests.
pub(crate) const VARIABLE: &str = "PROMTOOL";
const BY_HAND: &str =
    "install promtool (on Debian: apt-get install prometheus), or name the program in PROMTOOL";

/// Finds promtool, or installs it, and sees that it runs.
///
/// # Errors
/// It is not there and cannot be installed (not Debian, neither root nor sudo, no package); says what to do by hand.
pub(crate) fn find_or_install() -> Result<PathBuf> {
    announce("promtool, to check alert rules");
    let promtool = match find()? {
        Some(promtool) => promtool,
        None => {
            debian::install(&["prometheus"]).context(BY_HAND)?;
            find()?
                .with_context(|| format!("its package is installed, but it is not on the path; {BY_HAND}"))?
        }
    };
    let version = output_of(Command::new(&promtool).arg("--version"))?;
    let version = version.lines().next().unwrap_or_default();
    println!("{}: {version}", promtool.display());
    Ok(promtool)
}

fn find() -> Result<Option<PathBuf>> {
    programs::locate(VARIABLE, &["promtool"])
}
