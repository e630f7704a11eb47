//! Databases in PostgreSQL that live as long as a run, and what is known of the services.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::folder::is_alive;

/// Every database of this program: the process that made it and a number follow.
const PREFIX: &str = "linker_bench_";

/// Where the services are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Urls {
    pub(crate) postgres: String,
    pub(crate) redis: String,
    pub(crate) amqp: String,
}

/// Settings of a node that uses all three services, in a domain of this run alone: its keys and queues are nobody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variables(Vec<(&'static str, String)>);

impl Variables {
    pub(crate) fn each(&self) -> Vec<(&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }
}

impl Urls {
    /// For the node of that name; `database` is the url of one in PostgreSQL.
    pub(crate) fn variables(&self, database: &str, node: &str) -> Variables {
        Variables(vec![
            ("LINKER__NODE__DOMAIN", format!("bench-{}", std::process::id())),
            ("LINKER__NODE__NAME", node.to_owned()),
            ("LINKER__PRESENCE__URL", self.redis.clone()),
            ("LINKER__BUS__URL", self.amqp.clone()),
            ("LINKER__STORE__URL", database.to_owned()),
        ])
    }
}

/// Makes databases and drops them.
pub(crate) struct Databases {
    urls: Urls,
    made: u32,
}

/// A new database; dropped with this.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Databases {
    /// From the variables that tests are given. Drops what killed runs have left.
    ///
    /// # Errors
    /// A service is missing, or PostgreSQL does not answer.
    pub(crate) fn new(variables: &[(String, String)]) -> Result<Self> {
        let url = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| name == wanted);
            let (_, url) = found.with_context(|| format!("nothing says where {wanted} is"))?;
            Ok::<_, anyhow::Error>(url.clone())
        };
        let urls = Urls {
            postgres: url("LINKER_TEST_POSTGRES_URL")?,
            redis: url("LINKER_TEST_REDIS_URL")?,
            amqp: url("LINKER_TEST_AMQP_URL")?,
        };
        let names = ask(
            &urls.postgres,
            &format!("SELECT datname FROM pg_database WHERE datname LIKE '{PREFIX}%'"),
        )?;
        for name in names
            .lines()
            .filter(|name| maker_of(name).is_some_and(|maker| !is_alive(maker)))
        {
            ask(
                &urls.postgres,
                &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            )?;
        }
        Ok(Self { urls, made: 0 })
    }

    pub(crate) const fn urls(&self) -> &Urls {
        &self.urls
    }

    /// # Errors
    /// PostgreSQL does not answer or does not let one.
    pub(crate) fn make(&mut self) -> Result<Database> {
        self.made += 1;
        let name = format!("{PREFIX}{}_{}", std::process::id(), self.made);
        ask(&self.urls.postgres, &format!("CREATE DATABASE {name}"))?;
        Ok(Database {
            server: self.urls.postgres.clone(),
            name,
        })
    }

    /// Puts on the disk what was written so far, by PostgreSQL and everybody else: the commits of what is measured next would wait for it.
    ///
    /// # Errors
    /// PostgreSQL does not answer, or there is no `sync`.
    pub(crate) fn settle(&self) -> Result<()> {
        ask(&self.urls.postgres, "CHECKPOINT")?;
        let status = Command::new("sync").status().context("cannot run sync")?;
        if !status.success() {
            bail!("sync: {status}");
        }
        Ok(())
    }

    /// A setting of PostgreSQL, as `fsync`.
    ///
    /// # Errors
    /// PostgreSQL does not answer or knows no such setting.
    pub(crate) fn setting(&self, name: &str) -> Result<String> {
        ask(&self.urls.postgres, &format!("SHOW {name}"))
    }
}

impl Database {
    pub(crate) fn url(&self) -> String {
        url_of(&self.server, &self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Err(error) = ask(
            &self.server,
            &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
        ) {
            eprintln!("the database {} is left: {error:#}", self.name);
        }
    }
}

/// The url of another database of the same server.
fn url_of(server: &str, name: &str) -> String {
    let (before, query) = server
        .split_once('?')
        .map_or((server, ""), |(url, query)| (url, query));
    let host_from = before.find("://").map_or(0, |at| at + 3);
    let (_, host) = before.split_at(host_from);
    let host_len = host.find('/').unwrap_or(host.len());
    let (address, _) = before.split_at(host_from + host_len);
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{address}/{name}{separator}{query}")
}

/// The process whose database it is.
fn maker_of(name: &str) -> Option<u32> {
    let (maker, _) = name.strip_prefix(PREFIX)?.split_once('_')?;
    maker.parse().ok()
}

/// What PostgreSQL answers, without headings.
fn ask(url: &str, statement: &str) -> Result<String> {
    let output = Command::new("psql")
        .args([
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--quiet",
            "--command",
            statement,
            url,
        ])
        .stdin(Stdio::null())
        .output()
        .context("cannot run psql, which comes with PostgreSQL")?;
    if !output.status.success() {
        bail!("psql: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_in_the_place_of_another() {
        for (server, wanted) in [
            ("postgres://postgres@h:5432", "postgres://postgres@h:5432/x"),
            ("postgres://u:p@h/other", "postgres://u:p@h/x"),
            ("postgres://h/?sslmode=require", "postgres://h/x?sslmode=require"),
        ] {
            assert_eq!(url_of(server, "x"), wanted);
        }
    }

    #[test]
    fn the_maker_stands_in_the_name() {
        assert_eq!(maker_of("linker_bench_42_7"), Some(42));
        assert_eq!(maker_of("linker_bench_mine"), None);
        assert_eq!(maker_of("linker_bench_x_1"), None);
        assert_eq!(maker_of("other"), None);
    }

    #[test]
    fn a_missing_service_is_named() {
        let variables = [("LINKER_TEST_POSTGRES_URL".to_owned(), "postgres://h".to_owned())];
        let error = Databases::new(&variables).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("LINKER_TEST_REDIS_URL")));
    }
}
