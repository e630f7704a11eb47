//! The command line: what it means, not what is done about it.
//!
//! Exit codes: 0 a clean stop (and a sound configuration for `check`), 1 a failure at run time (and mistakes found by
//! `check`), 2 wrong usage or configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{Overrides, bind_address};

/// A messaging node: clients connect over WebSocket, messages reach them once or are kept until they come.
#[derive(Debug, Parser)]
#[command(
    name = "linker-server",
    version,
    about,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// What to do.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Run a node; without a configuration file, the embedded default on 127.0.0.1:8088. This is the default command.
    Serve(ServeArgs),
    /// Run the meta server, from which the nodes of all domains learn about each other.
    Meta(MetaArgs),
    /// Check a configuration: exit 0, or 1 with every mistake on a line of its own.
    Check(ConfigFileArgs),
    /// Bring the store's schema up to date.
    Migrate(ConfigFileArgs),
}

/// How to run a node. Flags win over `LINKER__…` environment variables, and those over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct ServeArgs {
    /// The configuration file (YAML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where clients connect, instead of server.bind; port 0 is any free one
    #[arg(long, value_name = "HOST:PORT")]
    bind: Option<String>,
    /// Where health, metrics and the API are, instead of server.adminBind; port 0 is any free one
    #[arg(long, value_name = "HOST:PORT")]
    admin_bind: Option<String>,
    /// Where data is kept, instead of server.dataDir
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
}

/// How to run the meta server.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct MetaArgs {
    /// The meta document (YAML)
    #[arg(long, value_name = "META.yml")]
    pub(crate) config: PathBuf,
    /// Where nodes ask for the document, instead of server.port in it; without either 127.0.0.1:9000
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    pub(crate) bind: Option<SocketAddr>,
}

/// Which configuration.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct ConfigFileArgs {
    /// The configuration file (YAML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    bind_address(text).map_err(|wrong| format!("{}; allowed: {}", wrong.what, wrong.allowed))
}

impl Cli {
    /// The command that was given, `serve` where none was.
    pub(crate) fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

impl ServeArgs {
    /// What the flags say in place of the configuration. They are checked with it, so that all mistakes come at once.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            bind: self.bind.clone(),
            admin_bind: self.admin_bind.clone(),
            data_dir: self.data_dir.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn command(arguments: &[&str]) -> Result<Command, clap::Error> {
        let all = std::iter::once(&"linker-server").chain(arguments);
        Cli::try_parse_from(all).map(Cli::into_command)
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_and_takes_the_same_flags() {
        assert_eq!(command(&[]).unwrap(), Command::Serve(ServeArgs::default()));
        assert_eq!(command(&["serve"]).unwrap(), Command::Serve(ServeArgs::default()));
        let flags = [
            "--config",
            "a.yml",
            "--bind",
            "127.0.0.1:0",
            "--admin-bind",
            "x",
            "--data-dir",
            "d",
        ];
        let implied = command(&flags).unwrap();
        let said = command(&[&["serve"], &flags[..]].concat()).unwrap();
        assert_eq!(implied, said);
        let Command::Serve(args) = said else {
            panic!("not serve: {said:?}")
        };
        assert_eq!(args.config, Some(PathBuf::from("a.yml")));
        let overrides = Overrides {
            bind: Some("127.0.0.1:0".into()),
            admin_bind: Some("x".into()),
            data_dir: Some("d".into()),
        };
        assert_eq!(args.overrides(), overrides);
    }

    #[test]
    fn the_other_commands_need_their_file() {
        let check = Command::Check(ConfigFileArgs {
            config: "a.yml".into(),
        });
        assert_eq!(command(&["check", "--config", "a.yml"]).unwrap(), check);
        let migrate = Command::Migrate(ConfigFileArgs {
            config: "a.yml".into(),
        });
        assert_eq!(command(&["migrate", "--config", "a.yml"]).unwrap(), migrate);
        let meta = MetaArgs {
            config: "m.yml".into(),
            bind: None,
        };
        assert_eq!(
            command(&["meta", "--config", "m.yml"]).unwrap(),
            Command::Meta(meta)
        );
        let bound = command(&["meta", "--config", "m.yml", "--bind", "localhost:0"]).unwrap();
        let Command::Meta(args) = bound else {
            panic!("not meta: {bound:?}")
        };
        assert_eq!(args.bind, Some("127.0.0.1:0".parse().unwrap()));
        for bare in ["check", "migrate", "meta"] {
            assert_eq!(
                command(&[bare]).unwrap_err().kind(),
                ErrorKind::MissingRequiredArgument,
                "{bare}"
            );
        }
    }

    #[test]
    fn wrong_usage_exits_with_2_and_help_with_0() {
        let wrong: [&[&str]; 6] = [
            &["meta", "--config", "m.yml", "--bind", "nowhere"],
            &["sreve"],
            &["--bnd", "x"],
            &["check", "--bind", "x"],
            &["--config"],
            &["--config", "a", "check"],
        ];
        for arguments in wrong {
            assert_eq!(command(arguments).unwrap_err().exit_code(), 2, "{arguments:?}");
        }
        assert_eq!(command(&["--help"]).unwrap_err().exit_code(), 0);
        assert_eq!(command(&["--version"]).unwrap_err().exit_code(), 0);
    }
}
