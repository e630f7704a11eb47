//! What can be typed.

use tokio::sync::mpsc;

use crate::Outcome;
use crate::drawing;
use crate::names::{domain_named, shown};
use crate::network::Network;
use crate::users::Users;

const HELP: &str = "\
  send FROM TO TEXT   a message: send ANZ-1 ANZ-3000001 hello
  cut A B, heal A B   the link between two domains: cut 01 02
  offline USER        the user leaves; messages wait
  online USER         the user comes, and fetches what was missed
  graph               domains, links, and what waits for them
  help, quit";

/// Does what is typed, until `quit` or the end of the input.
pub(crate) async fn read(network: &Network, users: &mut Users) -> Outcome<()> {
    say!("{HELP}\n");
    let mut lines = typed_lines();
    while let Some(line) = lines.recv().await {
        if line.trim() == "quit" {
            break;
        }
        // A mistake of whoever types ends nothing.
        if let Err(error) = obey(&line, network, users).await {
            say!("!    {error}");
        }
    }
    Ok(())
}

async fn obey(line: &str, network: &Network, users: &mut Users) -> Outcome<()> {
    let mut words = line.trim().splitn(4, ' ');
    let command = words.next().unwrap_or_default();
    let words: Vec<&str> = words.map(str::trim).collect();
    match (command, words.as_slice()) {
        ("", _) => {}
        ("help", _) => say!("{HELP}"),
        ("graph", []) => say!("{}", drawing::draw(network)),
        ("send", [from, to, text]) => {
            users.send(network, from, to, text).await?;
        }
        ("cut", [a, b]) => {
            let (a, b) = (domain_named(a)?, domain_named(b)?);
            network.cut(a, b)?;
            say!("*    the link between {} and {} is cut", shown(a), shown(b));
        }
        ("heal", [a, b]) => {
            let (a, b) = (domain_named(a)?, domain_named(b)?);
            network.heal(a, b)?;
            say!("*    the link between {} and {} is whole", shown(a), shown(b));
        }
        ("offline", [user]) => users.offline(network, user).await?,
        ("online", [user]) => users.online(network, user).await?,
        _ => return Err("not understood; `help` says what is".into()),
    }
    Ok(())
}

/// Standard input has no asynchronous reader, so a thread reads it.
fn typed_lines() -> mpsc::Receiver<String> {
    let (typed, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if typed.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}
