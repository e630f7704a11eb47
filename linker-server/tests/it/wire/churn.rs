//! Recipients who come, go and misbehave in every way at once, while others send to them: nothing is lost, everything
//! is confirmed exactly once, and in the end nothing waits and nothing is held.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::harness::{
    Checker, Client, Frame, Node, NodeConfig, Raw, Received, WAIT, eventually, message_ack, referenced,
};

const SENDERS: [&str; 3] = ["ANZ-1", "ANZ-2", "XYZ-3"];
const RECIPIENTS: [&str; 3] = ["ANZ-11", "ANZ-12", "XYZ-13"];
const MESSAGES: usize = 240;

type Shared<T> = Arc<Mutex<T>>;

/// xorshift64*: chance that a seed can repeat.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

fn note(checker: &Shared<Checker>, user: &str, frame: &Frame) {
    checker.lock().unwrap().received(user, frame);
}

/// Reads until it is over and then vanishes without a word; acknowledges most of what came, where it has to.
async fn read_for(
    mut client: Client,
    user: &str,
    life: Duration,
    mut acks: Option<&mut Chance>,
    checker: &Shared<Checker>,
) {
    let end = Instant::now() + life;
    while let Ok(Some(frame)) = tokio::time::timeout_at(end, client.next_or_closed()).await {
        note(checker, user, &frame);
        let Some(chance) = &mut acks else { continue };
        if frame.kind() == "MESSAGE" && chance.below(4) > 0 {
            client.send(message_ack(&[frame.id()]));
        }
    }
    for frame in client.vanish().await {
        note(checker, user, &frame);
    }
}

/// One session of a recipient, of some kind.
async fn live_once(node: &Node, user: &str, chance: &mut Chance, checker: &Shared<Checker>) {
    let life = Duration::from_millis(10 + chance.below(120));
    match chance.below(6) {
        0 => {
            let client = Client::login_with(node, user, json!({"replay": true})).await;
            read_for(client, user, life, None, checker).await;
        }
        1 => {
            let options = json!({"ack": "client", "replay": chance.below(2) == 0});
            let client = Client::login_with(node, user, options).await;
            read_for(client, user, life, Some(chance), checker).await;
        }
        2 => {
            let client = Client::login(node, user).await;
            client.send(crate::harness::fetch(
                1 + i64::try_from(chance.below(40)).unwrap(),
            ));
            read_for(client, user, life, None, checker).await;
        }
        3 => {
            // Sees some and proves nothing.
            let mut raw = Raw::login(node, user).await;
            while let Some(Received::Text(frame)) = raw.receive_within(life).await {
                note(checker, user, &frame);
            }
        }
        4 => {
            let phone = Client::login(node, user).await;
            let laptop = Client::login_with(node, user, json!({"replay": true})).await;
            tokio::join!(
                read_for(phone, user, life, None, checker),
                read_for(laptop, user, life / 2, None, checker)
            );
        }
        _ => {
            let mut client = Client::login(node, user).await;
            client.say_goodbye();
            while let Some(frame) = client.next_or_closed().await {
                note(checker, user, &frame);
            }
        }
    }
}

/// Sends everything and waits until all of it is confirmed: how often each was.
fn send(
    node: &Arc<Node>,
    user: &'static str,
    checker: &Shared<Checker>,
) -> JoinHandle<BTreeMap<String, u32>> {
    let (node, checker) = (Arc::clone(node), Arc::clone(checker));
    tokio::spawn(async move {
        let mut client = Client::login_with(&node, user, json!({"accepted": true})).await;
        let mut confirmed = BTreeMap::new();
        for n in 0..MESSAGES {
            let (to, reference) = (RECIPIENTS[n % RECIPIENTS.len()], format!("{user}/{n}"));
            checker.lock().unwrap().sent(user, to, &reference);
            client.send(referenced(to, "x".repeat(100 + n % 7 * 200), &reference));
            if n % 8 == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        while confirmed.len() < MESSAGES {
            let frame = client.next().await;
            let reference = frame["data"]["reference"].as_str().unwrap_or_default().to_owned();
            let n: usize = reference
                .rsplit('/')
                .next()
                .and_then(|n| n.parse().ok())
                .expect("one of its own");
            checker
                .lock()
                .unwrap()
                .promised(user, RECIPIENTS[n % RECIPIENTS.len()], &reference);
            match frame.kind() {
                "MESSAGE_ACCEPTED" => {}
                "MESSAGE_CONFIRMATION" => *confirmed.entry(reference).or_default() += 1,
                _ => panic!("{user} got {}", frame.text),
            }
        }
        for frame in client.fence().await {
            let reference = frame["data"]["reference"].as_str().unwrap_or_default().to_owned();
            *confirmed.entry(reference).or_default() += 1;
        }
        confirmed
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_confirmed_twice_however_recipients_come_and_go() {
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1;
    println!("seed {seed}");
    let node = NodeConfig::new()
        .set("limits.maxUnprovenBytes", "4KiB")
        .start()
        .await;
    let node = Arc::new(node);
    let checker: Shared<Checker> = Arc::default();
    let senders: Vec<_> = SENDERS.iter().map(|user| send(&node, user, &checker)).collect();
    let recipients: Vec<_> = (0..)
        .zip(RECIPIENTS)
        .map(|(index, user)| {
            let (node, checker) = (Arc::clone(&node), Arc::clone(&checker));
            tokio::spawn(async move {
                let mut chance = Chance(seed.wrapping_add(index * 7919));
                for _ in 0..25 {
                    live_once(&node, user, &mut chance, &checker).await;
                }
                // In the end it behaves, until the senders are done.
                let mut client = Client::login_with(&node, user, json!({"replay": true})).await;
                loop {
                    let frame = client.next().await;
                    note(&checker, user, &frame);
                }
            })
        })
        .collect();
    for sender in senders {
        let confirmed = tokio::time::timeout(WAIT * 3, sender)
            .await
            .expect("all is confirmed")
            .unwrap();
        let odd: Vec<_> = confirmed.iter().filter(|(_, times)| **times != 1).collect();
        assert!(odd.is_empty(), "not confirmed once: {odd:?}");
    }
    checker.lock().unwrap().verify_nothing_lost();
    checker.lock().unwrap().verify_repetitions();
    eventually("nothing is held any more", WAIT, async || {
        (node.metrics().await.value("linker_pending_messages", &[]) == 0.0).then_some(())
    })
    .await;
    for recipient in recipients {
        recipient.abort();
    }
    for user in RECIPIENTS {
        assert_eq!(Client::login(&node, user).await.missing(), 0, "{user}");
    }
}
