//! The keeper: a process that starts services, says where they are, and ends them with its standard input.

use std::io::Write;

use anyhow::{Context, Result, bail};

use crate::keeper::{self, end_of_input, wait_for};
use crate::private::Private;

use super::compose::Compose;
use super::kinds::{self, Kind};
use super::{ERL_EPMD_PORT, Service};

/// The command of this program that is the keeper. Of no use by hand.
pub(crate) const COMMAND: &str = "keep-services";
/// What begins the line of a variable.
const VARIABLE: &str = "services have ";
/// Erlang's port mapper, among what is wanted.
pub(super) const PORT_MAPPER: &str = "epmd";
/// Among what is wanted: what PostgreSQL commits shall be on the disk.
pub(super) const DURABLE: &str = "durable";

const COMPOSE: &str = "compose:";
const PRIVATE: &str = "private:";

/// How to want a service in a container.
pub(super) fn by_compose(service: Service) -> String {
    format!("{COMPOSE}{}", service.name())
}

/// How to want a service as a process.
pub(super) fn privately(service: Service) -> String {
    format!("{PRIVATE}{}", service.name())
}

/// What was wanted, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    by_compose: Vec<Service>,
    privately: Vec<Service>,
    port_mapper: bool,
    durable: bool,
}

impl Wanted {
    fn parse(words: &[&str]) -> Result<Self> {
        let mut wanted = Self::default();
        for word in words {
            if *word == PORT_MAPPER {
                wanted.port_mapper = true;
            } else if *word == DURABLE {
                wanted.durable = true;
            } else if let Some(service) = word.strip_prefix(COMPOSE).and_then(named) {
                wanted.by_compose.push(service);
            } else if let Some(service) = word.strip_prefix(PRIVATE).and_then(named) {
                wanted.privately.push(service);
            } else {
                bail!("{word} is nothing that can be kept");
            }
        }
        Ok(wanted)
    }
}

fn named(name: &str) -> Option<Service> {
    Service::ALL.into_iter().find(|service| service.name() == name)
}

/// Keeps what the words say until the standard input ends.
///
/// # Errors
/// Something cannot be started. What was started before is ended.
pub(crate) fn keep(words: &[&str]) -> Result<()> {
    let mut wanted = Wanted::parse(words)?;
    let ended = end_of_input();
    let mut variables = Vec::new();
    // Ended in the order in which they are here, the port mapper after its user.
    let mut kept: Vec<Private<Kind>> = Vec::new();
    let mut compose = None;
    if !wanted.by_compose.is_empty() {
        match Compose::start(&wanted.by_compose) {
            Ok((started, urls)) => {
                compose = Some(started);
                variables.extend(urls);
            }
            Err(error) => {
                println!("Docker Compose does not start them ({error:#}): starting them as processes");
                wanted.privately.append(&mut wanted.by_compose);
            }
        }
    }
    let mut mapper = None;
    if wanted.port_mapper {
        let started = kinds::start_port_mapper(&ended)?;
        variables.push((ERL_EPMD_PORT.to_owned(), started.port().to_string()));
        mapper = Some(started);
    }
    let mapper_port = mapper.as_ref().map(Private::port);
    // All at once: RabbitMQ takes its time.
    for service in &wanted.privately {
        println!("{}: starting one of its own", service.name());
        kept.push(kinds::start(*service, mapper_port, wanted.durable)?);
    }
    for private in &mut kept {
        private.await_answer(&ended)?;
        variables.extend(private.variable());
    }
    tell(&variables).context("nobody listens any more")?;
    wait_for(&ended);
    drop(kept);
    drop(mapper);
    drop(compose);
    Ok(())
}

/// What a line says about a variable, if that is what it does.
pub(super) fn variable_in(line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix(VARIABLE)?.split_once('=')?;
    Some((name.to_owned(), value.to_owned()))
}

fn tell(variables: &[(String, String)]) -> Result<()> {
    // Not by `println!`, which panics when the other end is gone.
    let mut output = std::io::stdout().lock();
    for (name, value) in variables {
        writeln!(output, "{VARIABLE}{name}={value}")?;
    }
    writeln!(output, "{}", keeper::READY)?;
    Ok(output.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_read_as_it_was_written() {
        let words = [
            by_compose(Service::Postgres),
            privately(Service::RabbitMq),
            privately(Service::Redis),
            PORT_MAPPER.to_owned(),
            DURABLE.to_owned(),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let wanted = Wanted {
            by_compose: vec![Service::Postgres],
            privately: vec![Service::RabbitMq, Service::Redis],
            port_mapper: true,
            durable: true,
        };
        assert_eq!(Wanted::parse(&words).unwrap(), wanted);
        for wrong in ["redis", "compose:", "private:oracle", ""] {
            assert!(Wanted::parse(&[wrong]).is_err(), "{wrong}");
        }
    }
}
