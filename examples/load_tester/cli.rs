//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::scenario::drain::Asking;

/// A load tester for Linker, and for what it is compared with.
#[derive(Debug, Parser)]
#[command(
    name = "load_tester",
    about = "Loads a Linker node on this machine and says what that cost and lost"
)]
pub(crate) struct Arguments {
    /// Check the tester itself, against a small server inside this process, and end.
    #[arg(long)]
    pub(crate) check: bool,
    /// Keep a core busy until standard input ends: how --keep-awake does it.
    #[arg(long, hide = true)]
    pub(crate) spin: bool,
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What every scenario understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// WebSocket address of the server; it must be of this machine.
    #[arg(long, global = true, default_value = "ws://127.0.0.1:8088/ws")]
    pub(crate) url: String,
    /// Another node of the same domain; may be given several times. Connections are spread over all of them, the server's CPU time and memory
    /// are those of the first.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) other_url: Vec<String>,
    /// What the server speaks.
    #[arg(long, global = true, value_enum, default_value_t = TargetKind::Linker)]
    pub(crate) target: TargetKind,
    /// Start this command as the server, wait for its line `… ready ws=URL` (with `pid=PID` if the command only keeps the server), and stop
    /// it at the end. `xtask peers NAME` is such a command for each of the other targets.
    #[arg(long, global = true, value_name = "COMMAND", conflicts_with = "pid")]
    pub(crate) spawn: Option<String>,
    /// Run everything on the bare echo server first (the example `echo_server`, built beside this program), and show both.
    #[arg(long, global = true)]
    pub(crate) with_echo: bool,
    /// The server's process id; without it, whoever listens at the address.
    #[arg(long, global = true)]
    pub(crate) pid: Option<u32>,
    /// Pin servers started by --spawn or --with-echo to this core, and the tester to the others.
    #[arg(long, global = true, value_name = "CORE")]
    pub(crate) server_cpu: Option<usize>,
    /// Keep all cores awake with idle-priority spinners. Without it, latencies at a low rate are those of waking a core up.
    #[arg(long, global = true)]
    pub(crate) keep_awake: bool,
    /// Have the load threads poll instead of sleeping, at the price of a core each: their own waking up then stays out of
    /// the latencies. Best with --server-cpu; polling in vain is not counted as the tester's CPU time.
    #[arg(long, global = true)]
    pub(crate) busy_poll: bool,
    /// Load threads. Each has its own share of the clients, which talk among themselves.
    #[arg(long, global = true, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) threads: u32,
    /// Seconds that are measured.
    #[arg(long, global = true, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) seconds: u64,
    /// Seconds of the same load before.
    #[arg(long, global = true, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(crate) warm_up: u64,
    /// Seconds after which a message that is not done counts as lost.
    #[arg(long, global = true, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) timeout: u64,
    /// The client app's id.
    #[arg(long, global = true, default_value = "app-id-343")]
    pub(crate) app_id: String,
    /// The client app's name: users are NAME-NUMBER.
    #[arg(long, global = true, default_value = "ANZ")]
    pub(crate) app_name: String,
    /// Number of the first user; those who are away follow 5 000 000 later.
    #[arg(long, global = true, default_value_t = 2_000_000)]
    pub(crate) first_user: u64,
    /// Clients that may be logging in at once.
    #[arg(long, global = true, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) logins_at_once: u32,
    /// Connect from so many loopback addresses, 127.0.0.1 and those after it: each has its own 28 000 ports.
    #[arg(long, global = true, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=250))]
    pub(crate) source_addresses: u8,
    /// Write the result to this file as well, as JSON.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetKind {
    Linker,
    /// It returns every frame, and knows neither users nor types.
    Echo,
    /// MQTT 3.1.1: FAST is QoS 0, RELIABLE is QoS 1.
    Mqtt,
    /// FAST only: it has no acknowledgements.
    Nats,
    /// The relay of this repository: RELIABLE is acknowledged by the recipient.
    #[value(name = "socketio")]
    SocketIo,
    /// RELIABLE asks the recipient for a receipt.
    Xmpp,
}

impl TargetKind {
    /// As it is typed.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Linker => "linker",
            Self::Echo => "echo",
            Self::Mqtt => "mqtt",
            Self::Nats => "nats",
            Self::SocketIo => "socketio",
            Self::Xmpp => "xmpp",
        }
    }
}

/// How a message is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Feature {
    Fast,
    Reliable,
}

impl Feature {
    /// As the protocol spells it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fast => "FAST",
            Self::Reliable => "RELIABLE",
        }
    }
}

/// Whom clients write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// A random other client.
    Other,
    /// A random client at another address (--other-url).
    Elsewhere,
    Itself,
}

/// The scenarios.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Every client keeps a number of messages under way.
    Closed(ClosedArguments),
    /// Messages at a fixed rate; a latency counts from when its message should have been sent.
    Open(OpenArguments),
    /// The seed's table: 1000 to 4000 connections, each to itself, one message every 10 ms per 1000 connections.
    SeedTable(SeedTableArguments),
    /// One sender writes to groups.
    Group(GroupArguments),
    /// Memory of sessions that do nothing, before and after a burst.
    Idle(IdleArguments),
    /// RELIABLE messages for users who are away.
    Store(StoreArguments),
    /// The same, and then those users come back and drain them.
    Drain(DrainArguments),
    /// Messages for clients that log in and never read again.
    SlowReader(SlowReaderArguments),
    /// Connect, upgrade, log in, close, over and over.
    Logins(LoginsArguments),
    /// A part of a crowd of users who stay logged in and write to random others, in whatever process these are. It is told by lines on standard
    /// input what to do (rate N, stop, nodes ADDRESS=WEIGHT…, report, end), tells by JSON lines on standard output, and ends with its input.
    /// `cargo xtask crowd` drives many of them.
    Crowd(CrowdArguments),
}

/// What messages look like.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct MessageArguments {
    /// Characters of content.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(41..=1_000_000))]
    pub(crate) size: u32,
    #[arg(long, value_enum, default_value_t = Feature::Fast)]
    pub(crate) feature: Feature,
}

/// What messages from client to client look like.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExchangeArguments {
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// Characters of content.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(41..=1_000_000))]
    pub(crate) size: u32,
    /// How messages are delivered; both, with a comma between, are run one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Feature::Fast])]
    pub(crate) feature: Vec<Feature>,
    #[arg(long, value_enum, default_value_t = To::Other)]
    pub(crate) to: To,
    /// Send a reference with RELIABLE messages, and count them as done when their confirmation is back.
    #[arg(long)]
    pub(crate) confirm: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ClosedArguments {
    #[command(flatten)]
    pub(crate) exchange: ExchangeArguments,
    /// Messages under way from each client.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) in_flight: u32,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct OpenArguments {
    #[command(flatten)]
    pub(crate) exchange: ExchangeArguments,
    /// Messages a second, of all clients together; several, with commas between, are run one after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [2000_u32, 15_000], value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) rate: Vec<u32>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SeedTableArguments {
    /// Numbers of connections, with commas between.
    #[arg(long, value_delimiter = ',', default_values_t = [1000_u32, 2000, 3000, 4000], value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) connections: Vec<u32>,
    /// Characters of content.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(41..=1_000_000))]
    pub(crate) size: u32,
    /// Send a reference with RELIABLE messages and await the confirmation.
    #[arg(long)]
    pub(crate) confirm: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct GroupArguments {
    #[command(flatten)]
    pub(crate) message: MessageArguments,
    /// Members of a group.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) group_size: u32,
    /// Groups, written to in turn.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) groups: u32,
    /// Group messages under way at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) in_flight: u32,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct IdleArguments {
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) sessions: u32,
    /// Messages that each session then sends to itself at once; 0 for none.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) burst: u32,
    #[command(flatten)]
    pub(crate) message: MessageArguments,
    /// Seconds of rest before memory is read.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(crate) settle: u64,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct StoringArguments {
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) senders: u32,
    /// Users who are away; rounded up to a multiple of the senders.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) users: u32,
    /// Messages under way from each sender.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) in_flight: u32,
    /// Characters of content.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(41..=1_000_000))]
    pub(crate) size: u32,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StoreArguments {
    #[command(flatten)]
    pub(crate) storing: StoringArguments,
    /// Messages a second at a fixed rate, instead of as many as are accepted.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) rate: Option<u32>,
    /// Stop after so many messages, whatever the time.
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) messages: u64,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DrainArguments {
    #[command(flatten)]
    pub(crate) storing: StoringArguments,
    /// Messages to store.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) messages: u64,
    /// How they are asked for.
    #[arg(long, value_enum, default_value_t = Asking::Replay)]
    pub(crate) asking: Asking,
    /// Messages a fetch.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub(crate) page: u32,
    /// Have every drained message confirmed to its sender, who stays connected.
    #[arg(long)]
    pub(crate) confirm: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SlowReaderArguments {
    /// Clients that do not read; rounded up to a multiple of the senders.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) readers: u32,
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) senders: u32,
    /// Messages a second, of all senders together.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) rate: u32,
    #[command(flatten)]
    pub(crate) message: MessageArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LoginsArguments {
    /// Clients at once.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) at_once: u32,
    /// Different users, in turn.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) users: u32,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CrowdArguments {
    /// Users of this part.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) clients: u32,
    /// Users of the whole crowd; without it, this part is the whole.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) of: Option<u32>,
    /// Number of this part's first user within the crowd.
    #[arg(long, default_value_t = 0)]
    pub(crate) first: u32,
    /// A number that all parts share and no crowd of the last minutes had; without it, one by the time.
    #[arg(long)]
    pub(crate) tag: Option<u32>,
    /// Connect from this loopback address on, see --source-addresses; each part needs its own.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) source: std::net::Ipv4Addr,
    /// Characters of content.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(41..=1_000_000))]
    pub(crate) size: u32,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn common_options_may_follow_the_scenario() {
        let arguments = Arguments::parse_from([
            "load_tester",
            "open",
            "--rate",
            "100,200",
            "--seconds",
            "3",
            "--with-echo",
        ]);
        assert_eq!((arguments.common.seconds, arguments.common.with_echo), (3, true));
        assert!(matches!(arguments.command, Some(Command::Open(open)) if open.rate == [100, 200]));
    }
}
