//! What cannot be asked of a server, told before anything is started.

use super::name;
use crate::cli::{Command, Feature, TargetKind};
use crate::error::LoadError;
use crate::scenario::drain::Asking;

/// # Errors
/// If servers of `kind` cannot do what `command` asks for; says what they lack.
pub(super) fn check(kind: TargetKind, command: &Command) -> Result<(), LoadError> {
    match lacking(kind, command) {
        None => Ok(()),
        Some(why) => Err(LoadError::Usage(format!(
            "`{}` with --target {}: {why}",
            name(command),
            kind.name()
        ))),
    }
}

fn lacking(kind: TargetKind, command: &Command) -> Option<&'static str> {
    let reliable = asks_reliable(command);
    match (kind, command) {
        (TargetKind::Linker, _) => None,
        (_, Command::Crowd(_)) => Some("a crowd goes from node to node, as only Linker's clients do"),
        (
            TargetKind::Echo,
            Command::Group(_) | Command::Store(_) | Command::Drain(_) | Command::SlowReader(_),
        ) => Some("an echo server knows no users"),
        (TargetKind::Echo, _) => None,
        (TargetKind::Mqtt, Command::Drain(drain)) if drain.asking == Asking::Fetch => {
            Some("MQTT sends what was missed without being asked: use --asking replay")
        }
        (TargetKind::Mqtt, Command::Drain(drain)) if drain.confirm => {
            Some("MQTT does not tell a sender what has arrived")
        }
        (TargetKind::Mqtt, _) => None,
        (TargetKind::Nats, _) if reliable => Some("NATS has no acknowledgements: use --feature fast"),
        (
            TargetKind::Nats | TargetKind::SocketIo | TargetKind::Xmpp,
            Command::Store(_) | Command::Drain(_),
        ) => Some("as it is set up here, it keeps nothing for users who are away"),
        (TargetKind::SocketIo, Command::Group(_)) if reliable => {
            Some("its groups are not acknowledged: use --feature fast")
        }
        (TargetKind::Xmpp, Command::Group(_)) => {
            Some("it would take rooms, which are not part of the comparison")
        }
        (TargetKind::Nats | TargetKind::SocketIo | TargetKind::Xmpp, _) => None,
    }
}

/// Whether RELIABLE messages are asked for by name: the seed's table has them as a matter of course.
fn asks_reliable(command: &Command) -> bool {
    match command {
        Command::Closed(arguments) => arguments.exchange.feature.contains(&Feature::Reliable),
        Command::Open(arguments) => arguments.exchange.feature.contains(&Feature::Reliable),
        Command::Group(arguments) => arguments.message.feature == Feature::Reliable,
        Command::Idle(arguments) => arguments.message.feature == Feature::Reliable,
        Command::SlowReader(arguments) => arguments.message.feature == Feature::Reliable,
        Command::SeedTable(_)
        | Command::Store(_)
        | Command::Drain(_)
        | Command::Logins(_)
        | Command::Crowd(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Arguments;

    fn allowed(words: &str) -> bool {
        let arguments = Arguments::parse_from(format!("load_tester {words}").split(' '));
        check(arguments.common.target, &arguments.command.unwrap()).is_ok()
    }

    #[test]
    fn only_what_a_server_can_do_is_begun() {
        for words in [
            "closed --feature fast,reliable",
            "group --target nats",
            "group --target mqtt --feature reliable",
            "seed-table --target nats",
            "store --target mqtt",
            "group --target socketio",
            "closed --target xmpp --feature fast,reliable",
            "drain --target mqtt",
            "closed --target echo --feature reliable",
        ] {
            assert!(allowed(words), "{words}");
        }
        for words in [
            "group --target echo",
            "store --target nats",
            "closed --target nats --feature fast,reliable",
            "group --target socketio --feature reliable",
            "group --target xmpp",
            "idle --target nats --feature reliable",
            "drain --target mqtt --asking fetch",
            "drain --target mqtt --confirm",
        ] {
            assert!(!allowed(words), "{words}");
        }
    }
}
