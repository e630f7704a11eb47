//! `--check`: what somebody at the keyboard would try, with what must come of it.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::journal::Message;
use crate::names::shown;
use crate::network::Network;
use crate::users::Users;

const ANNA: &str = "ANZ-1";
const BERT: &str = "ANZ-3000001";
const CARL: &str = "ANZ-3000002";
/// The domain of Bert and Carl, and those next to it.
const THIRD: usize = 2;
const NEXT_TO_THIRD: [usize; 2] = [1, 3];

/// Nothing takes so long that goes well.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn run(network: &Network, users: &mut Users) -> Outcome<()> {
    let first_way = both_ways(network, users).await?;
    round_a_cut(network, users, &first_way).await?;
    cut_off(network, users).await?;
    who_comes_later(network, users).await
}

/// Two links each way, by which side of the ring ever.
async fn both_ways(network: &Network, users: &mut Users) -> Outcome<Vec<(usize, usize)>> {
    let there = users.send(network, ANNA, BERT, "hello").await?;
    let there = confirmed(users, there).await?;
    let back = users.send(network, BERT, ANNA, "hello yourself").await?;
    confirmed(users, back).await?;
    expect(
        leads(&there.way, 0, THIRD),
        "the first message has a way from 01 to 03",
    )?;
    Ok(there.way)
}

/// Without the first link of that way, it goes by the other side.
async fn round_a_cut(network: &Network, users: &mut Users, former: &[(usize, usize)]) -> Outcome<()> {
    let (from, to) = *former.first().ok_or("no way")?;
    network.cut(from, to)?;
    network.await_link(from, to, false).await?;
    let number = users.send(network, ANNA, BERT, "by the other way").await?;
    let message = confirmed(users, number).await?;
    expect(
        leads(&message.way, 0, THIRD),
        "the message has a way round the cut",
    )?;
    expect(
        !message.way.contains(&(from, to)),
        "the message did not pass the cut link",
    )?;
    network.heal(from, to)?;
    network.await_link(from, to, true).await
}

/// What is for a domain that nobody reaches is accepted, waits, and comes in order.
async fn cut_off(network: &Network, users: &mut Users) -> Outcome<()> {
    for neighbour in NEXT_TO_THIRD {
        network.cut(THIRD, neighbour)?;
    }
    for neighbour in NEXT_TO_THIRD {
        network.await_link(THIRD, neighbour, false).await?;
    }
    let mut numbers = Vec::new();
    for n in 1..=5 {
        numbers.push(users.send(network, ANNA, BERT, &format!("{n} of 5")).await?);
    }
    for number in &numbers {
        let message = until(users, *number, |message| message.accepted.is_some()).await?;
        expect(
            message.delivered.is_none(),
            "nothing reaches a domain that is cut off",
        )?;
    }
    for neighbour in NEXT_TO_THIRD {
        network.heal(THIRD, neighbour)?;
    }
    let mut order = Vec::new();
    for number in numbers {
        let message = confirmed(users, number).await?;
        order.extend(message.delivered.map(|(_, nth)| nth));
    }
    expect(
        order.is_sorted() && order.len() == 5,
        "the five came in the order sent",
    )?;
    for neighbour in NEXT_TO_THIRD {
        network.await_link(THIRD, neighbour, true).await?;
    }
    Ok(())
}

/// A message waits at its user's home.
async fn who_comes_later(network: &Network, users: &mut Users) -> Outcome<()> {
    users.offline(network, CARL).await?;
    let number = users.send(network, ANNA, CARL, "when you are back").await?;
    until(users, number, |message| message.accepted.is_some()).await?;
    let (home, carl) = (network.domains[THIRD].handle(), CARL.parse()?);
    let waits = async {
        while home.missing(carl).await? == 0 {
            sleep(Duration::from_millis(50)).await;
        }
        Ok::<_, linker_actors::core::port::StoreError>(())
    };
    timeout(PATIENCE, waits)
        .await
        .map_err(|_| format!("nothing waits for {CARL} in {}", shown(THIRD)))??;
    let message = users.journal.message(number)?;
    expect(message.delivered.is_none(), "who is away has got nothing")?;
    users.online(network, CARL).await?;
    confirmed(users, number).await.map(drop)
}

async fn confirmed(users: &Users, number: u32) -> Outcome<Message> {
    let is_done = |message: &Message| message.confirmed.is_some() && message.delivered.is_some();
    until(users, number, is_done).await
}

async fn until(users: &Users, number: u32, wanted: impl Fn(&Message) -> bool) -> Outcome<Message> {
    let waiting = users.journal.until(number, wanted);
    let waited = timeout(PATIENCE, waiting).await;
    waited.map_err(|_| format!("#{number} is still {:?}", users.journal.message(number)))?
}

/// Whether a message that passed these links, some perhaps twice, came from the one domain to the other.
fn leads(way: &[(usize, usize)], from: usize, to: usize) -> bool {
    let mut reached = HashSet::from([from]);
    for (left, entered) in way {
        if reached.contains(left) {
            reached.insert(*entered);
        }
    }
    reached.contains(&to)
}

fn expect(is_so: bool, what: &str) -> Outcome<()> {
    if is_so {
        Ok(())
    } else {
        Err(format!("not so: {what}").into())
    }
}
