//! The command line.

use clap::Parser;

/// Four domains in a ring on this machine, with links to cut and heal, and messages to follow on their ways
#[derive(Debug, Parser)]
#[command(name = "domain_network")]
pub(crate) struct Options {
    /// PostgreSQL, whose user may create databases; or LINKER_TEST_POSTGRES_URL
    #[arg(long, value_name = "URL", default_value_t = given("LINKER_TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432"), hide_default_value = true)]
    pub(crate) postgres: String,
    /// Redis; or LINKER_TEST_REDIS_URL
    #[arg(long, value_name = "URL", default_value_t = given("LINKER_TEST_REDIS_URL", "redis://127.0.0.1:6379"), hide_default_value = true)]
    pub(crate) redis: String,
    /// RabbitMQ, by a user with all rights in its vhost; or LINKER_TEST_AMQP_URL
    #[arg(long, value_name = "URL", default_value_t = given("LINKER_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2F"), hide_default_value = true)]
    pub(crate) amqp: String,
    /// The management API of that RabbitMQ, by which each domain gets a vhost of its own; its host's port 15672 where none is named
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) management: Option<String>,
    /// Try it out without anybody typing: exit code 0 when all went as it should
    #[arg(long)]
    pub(crate) check: bool,
}

fn given(variable: &str, standard: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| standard.into())
}
