//! Services in containers, from the repository's own docker-compose.yml.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::steps::{output_of, run, workspace_root};

use super::Service;

/// For this run only: nothing else can reach them but this machine.
const PASSWORD: &str = "linker-test";
const PASSWORD_VARIABLES: [&str; 3] = [
    "LINKER_POSTGRES_PASSWORD",
    "LINKER_REDIS_PASSWORD",
    "LINKER_RABBITMQ_PASSWORD",
];

/// The second one, laid over the first, makes the services reachable from this machine.
const FILES: [&str; 2] = ["docker-compose.yml", "deploy/compose.tests.yml"];

/// Whether Docker Compose is here and an engine answers it.
pub(super) fn engine_runs() -> bool {
    let succeeds = |arguments: &[&str]| {
        let mut docker = Command::new("docker");
        docker
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        docker.status().is_ok_and(|status| status.success())
    };
    succeeds(&["compose", "version"]) && succeeds(&["info"])
}

/// Containers of this run; gone, with their volumes, when dropped.
pub(super) struct Compose {
    project: String,
}

impl Compose {
    /// Starts them, and answers with the variables under which they can be found.
    ///
    /// # Errors
    /// What Docker Compose could not do, such as getting an image; its own words are on the standard error.
    pub(super) fn start(services: &[Service]) -> Result<(Self, Vec<(String, String)>)> {
        let compose = Self {
            project: format!("linker-test-{}", std::process::id()),
        };
        let names = services.iter().map(|service| service.name());
        run(compose
            .command()
            .args(["up", "--detach", "--wait", "--wait-timeout", "300"])
            .args(names))?;
        let mut variables = Vec::new();
        for service in services {
            let published = output_of(
                compose
                    .command()
                    .arg("port")
                    .arg(service.name())
                    .arg(service.standard_port().to_string()),
            )?;
            let port = port_of(&published)
                .with_context(|| format!("{}: no port in {published:?}", service.name()))?;
            variables.push((service.variable().to_owned(), url(*service, port)));
        }
        Ok((compose, variables))
    }

    fn command(&self) -> Command {
        command(&self.project)
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        let mut down = self.command();
        down.args(["down", "--volumes", "--timeout", "5"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let gone = down.status();
        if !gone.is_ok_and(|status| status.success()) {
            eprintln!("xtask: containers of project {} may be left", self.project);
        }
    }
}

fn command(project: &str) -> Command {
    let mut command = Command::new("docker");
    command
        .current_dir(workspace_root())
        .envs(PASSWORD_VARIABLES.map(|name| (name, PASSWORD)))
        .args(["compose", "--project-name", project]);
    for file in FILES {
        command.args(["--file", file]);
    }
    command
}

/// As docker-compose.yml has users and databases.
fn url(service: Service, port: u16) -> String {
    match service {
        Service::Postgres => format!("postgres://linker:{PASSWORD}@127.0.0.1:{port}/linker"),
        Service::Redis => format!("redis://:{PASSWORD}@127.0.0.1:{port}"),
        Service::RabbitMq => format!("amqp://linker:{PASSWORD}@127.0.0.1:{port}/%2F"),
    }
}

/// The port in what `docker compose port` says, such as `127.0.0.1:49153`.
fn port_of(published: &str) -> Option<u16> {
    let (_, port) = published.trim().rsplit_once(':')?;
    port.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_port_is_read() {
        assert_eq!(port_of("127.0.0.1:49153\n"), Some(49153));
        assert_eq!(port_of("[::1]:49153"), Some(49153));
        for none in ["", ":0", "invalid IP", "127.0.0.1:x"] {
            assert_eq!(port_of(none), None, "{none}");
        }
    }

    #[test]
    fn the_files_have_the_services_by_their_names() {
        for file in FILES {
            let text = std::fs::read_to_string(workspace_root().join(file)).unwrap();
            for service in Service::ALL {
                assert!(text.contains(&format!("\n  {}:\n", service.name())), "{file}");
            }
        }
        let main = std::fs::read_to_string(workspace_root().join(FILES[0])).unwrap();
        for variable in PASSWORD_VARIABLES {
            assert!(main.contains(&format!("${{{variable}:-")), "{variable}");
        }
    }
}
