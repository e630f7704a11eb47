//! The programs of the services: for private ones, and for tests that kill one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::debian;

use super::Service;

/// Where Debian has PostgreSQL's, under a version.
const POSTGRES_FOLDER: &str = "/usr/lib/postgresql";
/// Where Debian and the generic packages have RabbitMQ's scripts that run as whoever calls them.
const RABBITMQ_FOLDERS: [&str; 2] = ["/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin"];

const BY_HAND: &str = "install PostgreSQL, Redis and RabbitMQ (on Debian: apt-get install postgresql redis-server rabbitmq-server)";

impl Service {
    /// What is needed of it, and where to find it.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["initdb", "postgres"],
            Self::Redis => &["redis-server"],
            Self::RabbitMq => &["rabbitmq-server", "rabbitmqctl", "epmd"],
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::Redis => "redis-server",
            Self::RabbitMq => "rabbitmq-server",
        }
    }
}

/// Installs the packages of what is missing.
///
/// # Errors
/// That cannot be done here; says what to do by hand.
pub(super) fn find_or_install() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|service| service.package()).collect();
    debian::install(&packages).context(BY_HAND)?;
    for service in missing {
        for program in service.programs() {
            find(program)?;
        }
    }
    Ok(())
}

fn missing() -> Vec<Service> {
    let mut services = Service::ALL.to_vec();
    services.retain(|service| service.programs().iter().any(|program| find(program).is_err()));
    services
}

/// A service's program: where its package has it, else on the path.
///
/// # Errors
/// It is nowhere.
pub(super) fn find(program: &str) -> Result<PathBuf> {
    let mut folders = if Service::Postgres.programs().contains(&program) {
        newest_first(Path::new(POSTGRES_FOLDER))
    } else if program.starts_with("rabbitmq") {
        RABBITMQ_FOLDERS.map(PathBuf::from).to_vec()
    } else {
        Vec::new()
    };
    // Debian's /usr/sbin/rabbitmq-server is none: it changes the user and reads the machine's configuration.
    if !program.starts_with("rabbitmq") {
        folders.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
    }
    let candidates = folders.iter().map(|folder| folder.join(program));
    match candidates.into_iter().find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("there is no {program} here; {BY_HAND}"),
    }
}

/// The folders of programs of the versions under a folder.
fn newest_first(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable();
    versions.into_iter().rev().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_postgres_comes_first_by_number() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["9", "15", "old"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let wanted = ["15", "9"].map(|version| folder.path().join(version).join("bin"));
        assert_eq!(newest_first(folder.path()), wanted);
        assert!(newest_first(Path::new("/nowhere")).is_empty());
    }

    #[test]
    fn a_program_that_is_nowhere_is_told_with_what_to_do() {
        let error = find("rabbitmq-nothing").unwrap_err().to_string();
        assert!(error.contains("apt-get install"), "{error}");
    }
}
