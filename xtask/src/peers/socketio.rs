//! Socket.IO: a small relay of this repository on the packages of npm.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::{run, target_folder, workspace_root};

use super::programs::find;

const FILES: [&str; 3] = ["package.json", "package-lock.json", "server.js"];
const LOCK: &str = "package-lock.json";
/// A copy of the lock file of what is installed.
const INSTALLED: &str = "installed.json";

/// Where its packages are kept between runs.
fn folder() -> PathBuf {
    target_folder().join("peers/socketio")
}

/// Installs its packages, unless the same ones are there.
///
/// # Errors
/// npm cannot get them.
pub(super) fn install() -> Result<()> {
    let folder = folder();
    fs::create_dir_all(&folder)?;
    let source = workspace_root().join("xtask/peers/socketio");
    for file in FILES {
        fs::copy(source.join(file), folder.join(file)).with_context(|| file)?;
    }
    let wanted = fs::read(folder.join(LOCK))?;
    if fs::read(folder.join(INSTALLED)).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let mut npm = Command::new(find("npm")?);
    npm.args(["ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(&folder);
    run(&mut npm)?;
    fs::write(folder.join(INSTALLED), wanted)?;
    Ok(())
}

pub(super) fn command(port: u16) -> Result<Command> {
    let mut command = Command::new(find("node")?);
    command
        .arg(folder().join("server.js"))
        .arg(port.to_string())
        .env("NODE_ENV", "production");
    Ok(command)
}
