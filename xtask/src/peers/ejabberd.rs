//! ejabberd, without clustering, accounts, archive or limits: who comes is let in by any name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::programs;

/// Where Debian has it, under the folder of the machine's architecture.
const LIBRARY_FOLDER: &str = "/usr/lib";

/// The folder that has ejabberd and its version as a folder.
///
/// # Errors
/// It is not here.
pub(super) fn find() -> Result<PathBuf> {
    entries(Path::new(LIBRARY_FOLDER))
        .into_iter()
        .find(|folder| {
            entries(folder)
                .iter()
                .any(|library| library.join("ebin/ejabberd.app").is_file())
        })
        .context("ejabberd is not where Debian has it")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Erlang directly, not by `ejabberdctl`: that changes the user, reads the machine's configuration and wants a name for the node.
pub(super) fn command(folder: &Path, port: u16) -> Result<Command> {
    let settings = folder.join("ejabberd.yml");
    fs::write(&settings, text_of_settings(port))?;
    let mut command = Command::new(programs::find("erl")?);
    command
        .env("ERL_LIBS", find()?)
        .env("HOME", folder)
        .env("EJABBERD_CONFIG_PATH", settings)
        .env("EJABBERD_LOG_PATH", folder.join("ejabberd.log"))
        // Connections, processes, and sockets that the kernel watches.
        .args(["+Q", "1048576", "+P", "2097152", "+K", "true", "-noinput"])
        .args(["-mnesia", "dir"])
        .arg(format!("{:?}", folder.join("mnesia")))
        .args(["-ejabberd", "quiet", "true", "-s", "ejabberd"]);
    Ok(command)
}

/// Its own backlog is five connections: more that come at once wait for seconds.
fn text_of_settings(port: u16) -> String {
    format!(
        r#"hosts: [localhost]
loglevel: none
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_http
    backlog: 4096
    request_handlers:
      /ws: ejabberd_http_ws
auth_method: [anonymous]
anonymous_protocol: login_anon
allow_multiple_connections: false
access_rules:
  c2s:
    allow: all
acme:
  auto: false
max_fsm_queue: 1000000
modules: {{}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_name_the_port_and_this_machine_only() {
        let text = text_of_settings(4711);
        assert!(text.contains("  - port: 4711\n    ip: \"127.0.0.1\"\n"), "{text}");
        assert!(text.contains("modules: {}\n"), "{text}");
    }
}
