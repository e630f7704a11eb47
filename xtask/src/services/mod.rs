//! PostgreSQL, Redis and RabbitMQ for the tests: named by the environment, found on their standard ports, or started for this run alone.
//!
//! What is started belongs to a process of its own, the keeper ([`keeping`]), which ends it when its standard input ends: also when this program is
//! interrupted or killed.

mod choice;
mod compose;
pub(crate) mod keeping;
mod kinds;
mod probe;
mod programs;

use std::ffi::OsString;

use anyhow::{Context, Result};

use crate::keeper::Keeper;
use crate::local::local;
use crate::steps::announce;

use self::choice::{Seen, Source};

/// One of the services that nodes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Postgres,
    Redis,
    RabbitMq,
}

/// The variable by which Erlang, on which RabbitMQ runs, finds its port mapper.
const ERL_EPMD_PORT: &str = "ERL_EPMD_PORT";
const EPMD_PORT: u16 = 4369;

impl Service {
    pub(crate) const ALL: [Self; 3] = [Self::Postgres, Self::Redis, Self::RabbitMq];

    /// The name in commands, and in docker-compose.yml.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::RabbitMq => "rabbitmq",
        }
    }

    /// The variable in which tests look for the url.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "LINKER_TEST_POSTGRES_URL",
            Self::Redis => "LINKER_TEST_REDIS_URL",
            Self::RabbitMq => "LINKER_TEST_AMQP_URL",
        }
    }

    fn standard_port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Redis => 6379,
            Self::RabbitMq => 5672,
        }
    }

    /// The url of one on this machine that asks for nothing but what every fresh one is content with.
    fn local_url(self, port: u16) -> String {
        match self {
            Self::Postgres => format!("postgres://postgres@127.0.0.1:{port}"),
            Self::Redis => format!("redis://127.0.0.1:{port}"),
            Self::RabbitMq => format!("amqp://guest:guest@127.0.0.1:{port}/%2F"),
        }
    }

    /// Whether it is this service that listens there, and lets in whoever has [`Service::local_url`].
    fn answers_at(self, port: u16) -> bool {
        let address = local(port);
        match self {
            Self::Postgres => probe::postgres(address),
            Self::Redis => probe::redis(address),
            Self::RabbitMq => probe::rabbitmq(address),
        }
        .is_ok()
    }
}

/// Where the services are, for as long as this is not dropped.
pub(crate) struct Services {
    variables: Vec<(String, String)>,
    /// None where everything was there.
    _keeper: Option<Keeper>,
}

impl Services {
    /// What tests have to be given.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// Where this one is.
    ///
    /// # Errors
    /// It is not among them.
    pub(crate) fn url(&self, service: Service) -> Result<&str> {
        let found = self.variables.iter().find(|(name, _)| name == service.variable());
        found
            .map(|(_, url)| url.as_str())
            .with_context(|| format!("there is no {}", service.name()))
    }
}

/// Where services may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// From wherever they can be had with the least effort.
    Anywhere,
    /// As on a machine that has none and no engine for containers.
    PrivateOnly,
    /// The same for measurements: PostgreSQL waits for its disk.
    PrivateAndDurable,
}

/// Sees to the programs that tests start by themselves, and finds or starts the three services.
///
/// # Errors
/// Programs are missing and cannot be installed, or a service cannot be started; says which and why.
pub(crate) fn find_or_start(search: Search) -> Result<Services> {
    announce("PostgreSQL, Redis and RabbitMQ for the tests");
    // First, since Debian starts some of what is installed.
    programs::find_or_install()?;
    let engine = search == Search::Anywhere && compose::engine_runs();
    let mut variables = Vec::new();
    let mut wanted: Vec<String> = Vec::new();
    for service in Service::ALL {
        let seen = match search {
            Search::Anywhere => Seen {
                given: given(std::env::var_os(service.variable())).with_context(|| service.variable())?,
                answers: &|| service.answers_at(service.standard_port()),
                engine,
            },
            Search::PrivateOnly | Search::PrivateAndDurable => Seen {
                given: None,
                answers: &|| false,
                engine: false,
            },
        };
        match choice::choose(&seen) {
            Source::Given(url) => {
                println!("{}: named by {}", service.name(), service.variable());
                variables.push((service.variable().to_owned(), url));
            }
            Source::StandardPort => {
                println!("{}: answers on port {}", service.name(), service.standard_port());
                variables.push((
                    service.variable().to_owned(),
                    service.local_url(service.standard_port()),
                ));
            }
            Source::Compose => wanted.push(keeping::by_compose(service)),
            Source::Private => wanted.push(keeping::privately(service)),
        }
    }
    // Brokers that tests start by themselves would leave one of these behind, where there is none.
    if search != Search::Anywhere || !probe::listens(local(EPMD_PORT)) {
        wanted.push(keeping::PORT_MAPPER.to_owned());
    }
    if search == Search::PrivateAndDurable {
        wanted.push(keeping::DURABLE.to_owned());
    }
    if wanted.is_empty() {
        return Ok(Services {
            variables,
            _keeper: None,
        });
    }
    let keeper = Keeper::start(keeping::COMMAND, &wanted, |line| {
        match keeping::variable_in(line) {
            Some(variable) => variables.push(variable),
            None => println!("{line}"),
        }
    })
    .context("the services could not be started")?;
    Ok(Services {
        variables,
        _keeper: Some(keeper),
    })
}

/// The url in a variable; an empty one is none.
fn given(value: Option<OsString>) -> Result<Option<String>> {
    let value = value.filter(|value| !value.is_empty());
    value
        .map(|value| value.into_string().ok().context("is not UTF-8"))
        .transpose()
}

/// Finds or starts the services, says where they are, and keeps those that it started until this program is ended.
///
/// # Errors
/// As [`find_or_start`].
pub(crate) fn hold(search: Search) -> Result<()> {
    let services = find_or_start(search)?;
    println!();
    for (name, value) in services.variables() {
        println!("export {name}='{value}'");
    }
    println!("\nready; interrupt this to end what was started");
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_names_nothing() {
        assert_eq!(given(None).unwrap(), None);
        assert_eq!(given(Some("".into())).unwrap(), None);
        assert_eq!(given(Some("redis://h".into())).unwrap(), Some("redis://h".into()));
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_text_is_a_mistake() {
        use std::os::unix::ffi::OsStringExt;
        assert!(given(Some(OsString::from_vec(vec![0xff]))).is_err());
    }
}
