//! Debian's packages, for what the tests need and the machine lacks.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::steps::{output_of, run};

/// Installs packages without asking anything.
///
/// # Errors
/// This is not Debian, there is neither root nor a sudo that asks for no password, or a package cannot be had.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    println!("not found: installing {}", packages.join(", "));
    if !Path::new("/usr/bin/apt-get").is_file() {
        bail!("there is no apt-get here to install {} with", packages.join(", "));
    }
    let root = is_root()?;
    if !root && !has_sudo() {
        bail!(
            "{} can be installed only as root or with a sudo that asks for no password",
            packages.join(", ")
        );
    }
    run(apt_get(root).arg("update"))?;
    run(apt_get(root)
        .args(["install", "--yes", "--no-install-recommends"])
        .args(packages))
}

/// Whether this process may do everything, which PostgreSQL refuses to run with.
///
/// # Errors
/// `id` cannot be run.
pub(crate) fn is_root() -> Result<bool> {
    Ok(output_of(Command::new("id").arg("-u"))?.trim() == "0")
}

fn has_sudo() -> bool {
    let mut sudo = Command::new("sudo");
    sudo.args(["--non-interactive", "true"])
        .output()
        .is_ok_and(|output| output.status.success())
}

fn apt_get(root: bool) -> Command {
    let mut command = if root {
        Command::new("env")
    } else {
        Command::new("sudo")
    };
    if !root {
        command.args(["--non-interactive", "env"]);
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_installed_without_questions() {
        let words = |command: Command| crate::steps::shown(&command);
        assert_eq!(
            words(apt_get(true)),
            "env DEBIAN_FRONTEND=noninteractive apt-get --quiet"
        );
        assert_eq!(
            words(apt_get(false)),
            "sudo --non-interactive env DEBIAN_FRONTEND=noninteractive apt-get --quiet"
        );
    }
}
