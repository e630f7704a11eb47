//! Commands that are sent together and answered together.

use deadpool_redis::Connection;
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{
    Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind, Value,
    from_redis_value,
};
use linker_core::port::PresenceError;

use super::fault;
use super::presence::Registry;

/// Commands in one round trip: some 10 ms of Redis, after which others have their turn.
const COMMANDS_MAX: usize = 1000;

/// A connection to ask by.
pub(super) struct Line<'a> {
    registry: &'a Registry,
    connection: MultiplexedConnection,
    owner: Owner,
}

enum Owner {
    /// The shared connection of this number.
    Link(u64),
    /// Back it goes when the line ends, unless it failed.
    Pool(Option<Connection>),
}

impl<'a> Line<'a> {
    /// By the shared connection.
    pub(super) async fn shared(registry: &'a Registry) -> Result<Self, PresenceError> {
        let connected = registry.link.connected().await?;
        Ok(Self {
            registry,
            connection: connected.connection,
            owner: Owner::Link(connected.number),
        })
    }

    /// By one of the pool's.
    pub(super) async fn pooled(registry: &'a Registry) -> Result<Self, PresenceError> {
        // Known to be away is known without waiting.
        registry.link.connected().await?;
        let pooled = registry.bulk.connection().await?;
        Ok(Self {
            registry,
            connection: MultiplexedConnection::clone(&pooled),
            owner: Owner::Pool(Some(pooled)),
        })
    }

    /// Which shared connection this is.
    pub(super) fn number(&self) -> Option<u64> {
        match self.owner {
            Owner::Link(number) => Some(number),
            Owner::Pool(_) => None,
        }
    }

    /// Sends all, in order, and answers for each.
    pub(super) async fn ask(&mut self, commands: Vec<Cmd>) -> Result<Vec<Value>, PresenceError> {
        let mut answers = Vec::with_capacity(commands.len());
        let mut commands = commands.into_iter();
        loop {
            let mut pipeline = Pipeline::with_capacity(commands.len().min(COMMANDS_MAX));
            for command in commands.by_ref().take(COMMANDS_MAX) {
                pipeline.add_command(command);
            }
            if pipeline.is_empty() {
                return Ok(answers);
            }
            answers.extend(self.ask_once(&mut pipeline).await?);
        }
    }

    async fn ask_once(&mut self, pipeline: &mut Pipeline) -> Result<Vec<Value>, PresenceError> {
        let mut answers = self.exchange(pipeline).await?;
        if answers.iter().any(is_unknown_script) {
            // It was restarted. What needs no script has been done, and what needs one has not.
            let mut again = Pipeline::new();
            for load in self.registry.scripts.load() {
                again.add_command(load);
            }
            let loads = again.len();
            let asked = pipeline.cmd_iter().zip(&answers);
            for (command, _) in asked.filter(|(_, answer)| is_unknown_script(answer)) {
                again.add_command(command.clone());
            }
            let repeated = self.exchange(&mut again).await?.into_iter().skip(loads);
            let unknown = answers.iter_mut().filter(|answer| is_unknown_script(answer));
            for (answer, repeated) in unknown.zip(repeated) {
                *answer = repeated;
            }
        }
        let answers: RedisResult<Vec<Value>> = answers.into_iter().collect();
        answers.map_err(|error| self.not_done(&error))
    }

    async fn exchange(&mut self, pipeline: &mut Pipeline) -> Result<Vec<RedisResult<Value>>, PresenceError> {
        let asked = pipeline.ignore_errors().query_async(&mut self.connection);
        let error = match tokio::time::timeout(self.registry.options.call_timeout, asked).await {
            Ok(Ok(answers)) => return Ok(answers),
            Ok(Err(error)) => fault::of_asking(&error, &self.registry.address),
            Err(_) => fault::silent(&self.registry.address),
        };
        self.give_up();
        Err(error)
    }

    /// Whatever is wrong with the connection, nobody is to have it again.
    fn give_up(&mut self) {
        match &mut self.owner {
            Owner::Link(number) => self.registry.link.lost(*number),
            Owner::Pool(pooled) => drop(pooled.take().map(Connection::take)),
        }
    }

    fn not_done(&self, error: &RedisError) -> PresenceError {
        fault::of_asking(error, &self.registry.address)
    }

    /// What an answer says.
    pub(super) fn read<T: FromRedisValue>(&self, answer: Value) -> Result<T, PresenceError> {
        from_redis_value(answer).map_err(|error| self.not_done(&error.into()))
    }

    /// What the next of several answers says.
    pub(super) fn read_next<T: FromRedisValue>(
        &self,
        answers: &mut impl Iterator<Item = Value>,
    ) -> Result<T, PresenceError> {
        self.read(answers.next().unwrap_or(Value::Nil))
    }
}

fn is_unknown_script(answer: &RedisResult<Value>) -> bool {
    let kind = answer.as_ref().err().map(RedisError::kind);
    kind == Some(ErrorKind::Server(ServerErrorKind::NoScript))
}
