//! Rounds of load and kill -9, with the checker over all of them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::task::JoinHandle;

use crate::harness::{Checker, Client, Frame, Node, WAIT, auth, eventually, referenced};

const SENDERS: [&str; 3] = ["ANZ-1", "ANZ-2", "XYZ-3"];
/// There all the time, with replay.
const PRESENT: &str = "ANZ-11";
/// Away until the end.
const ABSENT: &str = "ANZ-12";
/// Most messages of a sender without an answer at one time.
const WINDOW: usize = 64;

type Shared<T> = Arc<Mutex<T>>;

/// A sender's messages without an answer yet: reference and recipient, in the order sent.
type Unanswered = VecDeque<(String, &'static str)>;

/// One user who sends for as long as the node lives, and what it remembers between its lives.
struct Sender {
    user: &'static str,
    unanswered: Shared<Unanswered>,
    next: Shared<usize>,
}

impl Sender {
    fn new(user: &'static str) -> Self {
        Self {
            user,
            unanswered: Arc::default(),
            next: Arc::default(),
        }
    }

    /// Sends again what had no answer, then new ones, until the connection ends.
    fn run(&self, ws: SocketAddr, checker: &Shared<Checker>, more: bool) -> JoinHandle<()> {
        let (user, checker) = (self.user, Arc::clone(checker));
        let (unanswered, next) = (Arc::clone(&self.unanswered), Arc::clone(&self.next));
        tokio::spawn(async move {
            let Some(mut client) = login(ws, user, json!({"accepted": true})).await else {
                return;
            };
            for (reference, to) in unanswered.lock().unwrap().iter() {
                checker.lock().unwrap().sent_again(user, to, reference);
                client.send(referenced(to, reference.as_str(), reference));
            }
            loop {
                if more {
                    send_up_to_the_window(&client, user, &unanswered, &next, &checker);
                } else if unanswered.lock().unwrap().is_empty() {
                    return;
                }
                let Some(frame) = client.next_or_closed().await else {
                    return;
                };
                note_answer(user, &frame, &unanswered, &checker);
            }
        })
    }
}

fn send_up_to_the_window(
    client: &Client,
    user: &str,
    unanswered: &Shared<Unanswered>,
    next: &Shared<usize>,
    checker: &Shared<Checker>,
) {
    let mut unanswered = unanswered.lock().unwrap();
    let mut next = next.lock().unwrap();
    while unanswered.len() < WINDOW {
        let to = if next.is_multiple_of(2) { PRESENT } else { ABSENT };
        let reference = format!("{user}/{next}");
        checker.lock().unwrap().sent(user, to, &reference);
        client.send(referenced(to, reference.as_str(), &reference));
        unanswered.push_back((reference, to));
        *next += 1;
    }
}

/// An acceptance or a confirmation is a promise; a confirmation may come for what was accepted.
fn note_answer(user: &str, frame: &Frame, unanswered: &Shared<Unanswered>, checker: &Shared<Checker>) {
    match frame.kind() {
        "MESSAGE_ACCEPTED" | "MESSAGE_CONFIRMATION" => {}
        "AUTH_CLIENT_REPLY" if frame["data"]["isAuthenticated"] == true => return,
        _ => panic!("{user} got {}", frame.text),
    }
    let reference = frame["data"]["reference"].as_str().unwrap();
    let mut unanswered = unanswered.lock().unwrap();
    if let Some(at) = unanswered.iter().position(|(one, _)| one == reference) {
        let (reference, to) = unanswered.remove(at).unwrap();
        checker.lock().unwrap().promised(user, to, &reference);
    }
}

/// A connection with its login on the way, unless the node is being killed.
async fn login(ws: SocketAddr, user: &str, options: serde_json::Value) -> Option<Client> {
    let client = Client::try_connect(ws).await?;
    let mut frame = auth(user);
    frame["data"]["options"] = options;
    client.send(frame);
    Some(client)
}

/// Reads for as long as the node lives.
fn receive(ws: SocketAddr, user: &'static str, checker: &Shared<Checker>) -> JoinHandle<()> {
    let checker = Arc::clone(checker);
    tokio::spawn(async move {
        let Some(mut client) = login(ws, user, json!({"replay": true})).await else {
            return;
        };
        while let Some(frame) = client.next_or_closed().await {
            checker.lock().unwrap().received(user, &frame);
        }
    })
}

/// Until the node has given so many promises more than it had.
async fn wait_for_load(checker: &Shared<Checker>, promises: usize) {
    let before = checker.lock().unwrap().promises();
    eventually("messages are sent and promises given", WAIT, async || {
        let checker = checker.lock().unwrap();
        (!checker.is_empty() && checker.promises() >= before + promises).then_some(())
    })
    .await;
}

/// Replays all that still waits for a user.
async fn drain(node: &Node, user: &str, checker: &Shared<Checker>) {
    let mut client = Client::login_with(node, user, json!({"replay": true})).await;
    for frame in client.all_until("FETCH_MISSING_MESSAGES_COMPLETE").await {
        checker.lock().unwrap().received(user, &frame);
    }
    for frame in client.fence().await {
        checker.lock().unwrap().received(user, &frame);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_accepted_or_confirmed_is_lost_over_rounds_of_kill_9_under_load() {
    let mut node = Node::start().await;
    let checker: Shared<Checker> = Arc::default();
    let senders = SENDERS.map(Sender::new);
    for round in 0..6 {
        let receiver = receive(node.ws, PRESENT, &checker);
        let running: Vec<_> = senders
            .iter()
            .map(|sender| sender.run(node.ws, &checker, true))
            .collect();
        // Kills come at different points of the load: with the first messages of all, and deep inside it.
        wait_for_load(&checker, 60 * round).await;
        node.kill9();
        for task in running {
            task.await.unwrap();
        }
        receiver.await.unwrap();
        node.start_again().await;
    }
    let running: Vec<_> = senders
        .iter()
        .map(|sender| sender.run(node.ws, &checker, false))
        .collect();
    for task in running {
        task.await.unwrap();
    }
    drain(&node, PRESENT, &checker).await;
    drain(&node, ABSENT, &checker).await;
    let checker = checker.lock().unwrap();
    assert!(
        checker.promises() > 200,
        "only {} promises: this proves little",
        checker.promises()
    );
    checker.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_under_load_loses_nothing_and_repeats_nothing_that_was_not_sent_again() {
    let mut node = Node::start().await;
    let checker: Shared<Checker> = Arc::default();
    let senders = SENDERS.map(Sender::new);
    for _ in 0..2 {
        let receiver = receive(node.ws, PRESENT, &checker);
        let running: Vec<_> = senders
            .iter()
            .map(|sender| sender.run(node.ws, &checker, true))
            .collect();
        wait_for_load(&checker, 150).await;
        assert_eq!(node.terminate().await, 0);
        for task in running {
            task.await.unwrap();
        }
        receiver.await.unwrap();
        node.start_again().await;
    }
    let running: Vec<_> = senders
        .iter()
        .map(|sender| sender.run(node.ws, &checker, false))
        .collect();
    for task in running {
        task.await.unwrap();
    }
    drain(&node, PRESENT, &checker).await;
    drain(&node, ABSENT, &checker).await;
    checker.lock().unwrap().verify();
}

#[test]
fn the_checker_notices_loss_disorder_and_unknown_repetitions() {
    let lost = std::panic::catch_unwind(|| {
        let mut checker = Checker::default();
        checker.sent("a", "b", "1");
        checker.promised("a", "b", "1");
        checker.verify();
    });
    assert!(lost.is_err(), "a lost promise goes unnoticed");
    let arrivals: BTreeMap<&str, [(&str, &str); 2]> = BTreeMap::from([
        ("order", [("2", "i2"), ("1", "i1")]),
        ("repetition", [("1", "i1"), ("1", "i9")]),
    ]);
    for (what, frames) in arrivals {
        let noticed = std::panic::catch_unwind(|| {
            let mut checker = Checker::default();
            checker.sent("a", "b", "1");
            checker.sent("a", "b", "2");
            for (reference, id) in frames {
                checker.received_as("b", "a", reference, id);
            }
            checker.verify();
        });
        assert!(noticed.is_err(), "wrong {what} goes unnoticed");
    }
}
