//! Users who write and read all the time, reconnect wherever a node lets them, and keep book with the checker.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::{Checker, Client, Frame, WAIT, auth, eventually, referenced};

type Shared<T> = Arc<Mutex<T>>;

/// Most messages of a sender without an answer at one time.
const WINDOW: usize = 24;
/// New messages of a sender a turn: enough to always have some under way, and little enough for the checker to look at all.
const A_TURN: usize = 4;
const TURN: Duration = Duration::from_millis(50);
/// Who gets no answer to the login by then tries another node.
const LOGIN_WITHIN: Duration = Duration::from_secs(8);
/// How long what was sent may take to be delivered and confirmed after the fault.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Write and read.
    Run,
    /// Write nothing new, and wait until all is confirmed.
    Settle,
    End,
}

/// Who takes part.
pub(crate) struct Cast {
    /// Users who write, and at which node they prefer to be.
    pub(crate) senders: Vec<(&'static str, usize)>,
    /// Users who read all the time, with replay.
    pub(crate) present: Vec<(&'static str, usize)>,
    /// Users who come in the end.
    pub(crate) absent: Vec<(&'static str, usize)>,
    /// Whether order holds: not where a sender's node dies and others find what it had accepted a while later, nor where the registry did not know a reader for a while.
    pub(crate) ordered: bool,
}

impl Cast {
    /// Everybody to everybody over two nodes.
    pub(crate) fn of_two_nodes() -> Self {
        Self {
            senders: vec![("ANZ-1", 0), ("ANZ-2", 1), ("XYZ-3", 0), ("XYZ-4", 1)],
            present: vec![("ANZ-11", 0), ("ANZ-12", 1)],
            absent: vec![("ANZ-21", 0)],
            ordered: true,
        }
    }

    /// As [`Cast::of_two_nodes`], where nodes or the way between them die, or a node that lives is taken for dead.
    pub(crate) fn unordered() -> Self {
        Self {
            ordered: false,
            ..Self::of_two_nodes()
        }
    }
}

/// Traffic that goes on until [`Traffic::settle`].
pub(crate) struct Traffic {
    checker: Shared<Checker>,
    doors: Shared<Vec<Vec<SocketAddr>>>,
    phase: watch::Sender<Phase>,
    returns: watch::Sender<()>,
    senders: Vec<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
    absent: Vec<(&'static str, usize)>,
    ordered: bool,
}

impl Traffic {
    /// To the nodes that let clients in at `doors`.
    pub(crate) fn start(doors: Vec<SocketAddr>, cast: Cast) -> Self {
        Self::start_at(vec![doors], cast)
    }

    /// To nodes of several domains, by their doors; a user's home is its domain. With one domain it is the node preferred.
    pub(crate) fn start_at(doors: Vec<Vec<SocketAddr>>, cast: Cast) -> Self {
        let recipients: Vec<&'static str> = cast
            .present
            .iter()
            .map(|(user, _)| *user)
            .chain(cast.absent.iter().map(|(user, _)| *user))
            .collect();
        let mut traffic = Self {
            checker: Arc::default(),
            doors: Arc::new(Mutex::new(doors)),
            phase: watch::Sender::new(Phase::Run),
            returns: watch::Sender::new(()),
            senders: Vec::new(),
            readers: Vec::new(),
            absent: cast.absent,
            ordered: cast.ordered,
        };
        for (user, home) in cast.present {
            traffic.read(user, home);
        }
        for (user, home) in cast.senders {
            let sender = Sender {
                user,
                recipients: recipients.clone(),
                unanswered: VecDeque::new(),
                unconfirmed: BTreeSet::new(),
                next: 0,
                checker: Arc::clone(&traffic.checker),
            };
            let phase = traffic.phase.subscribe();
            traffic
                .senders
                .push(tokio::spawn(sender.run(traffic.entrance(user, home), phase)));
        }
        traffic
    }

    /// A node was started again, and lets clients in elsewhere.
    pub(crate) fn moved(&self, node: usize, door: SocketAddr) {
        self.doors.lock().unwrap()[0][node] = door;
    }

    /// A node was started again in one of several domains that have one node each.
    pub(crate) fn moved_in(&self, domain: usize, door: SocketAddr) {
        self.doors.lock().unwrap()[domain] = vec![door];
    }

    /// The connections of all who read end, and they come again.
    pub(crate) fn readers_return(&self) {
        self.returns.send_replace(());
    }

    /// Until so many promises more were given.
    pub(crate) async fn flows(&self, promises: usize) {
        let before = self.checker.lock().unwrap().promises();
        eventually("promises are given", WAIT, async || {
            (self.checker.lock().unwrap().promises() >= before + promises).then_some(())
        })
        .await;
    }

    /// No more is sent; all that was sent is delivered and confirmed, and was so rightly. Answers how many messages were.
    pub(crate) async fn settle(mut self) -> usize {
        self.phase.send_replace(Phase::Settle);
        for (user, home) in std::mem::take(&mut self.absent) {
            self.read(user, home);
        }
        let settled = tokio::time::timeout(SETTLED_WITHIN, async {
            for sender in std::mem::take(&mut self.senders) {
                sender.await.expect("a sender saw what it should not");
            }
            while !self.checker.lock().unwrap().lost().is_empty() {
                tokio::time::sleep(TURN).await;
            }
        })
        .await;
        self.phase.send_replace(Phase::End);
        // Says more about what is missing, where something is.
        let promises = self.verify();
        assert!(settled.is_ok(), "not all was confirmed within {SETTLED_WITHIN:?}");
        for reader in std::mem::take(&mut self.readers) {
            reader.await.expect("a reader saw what it should not");
        }
        promises
    }

    fn verify(&self) -> usize {
        let checker = self.checker.lock().unwrap();
        match self.ordered {
            true => checker.verify(),
            false => checker.verify_all_but_order(),
        }
        checker.promises()
    }

    fn entrance(&self, user: &'static str, home: usize) -> Entrance {
        let domains = self.doors.lock().unwrap().len();
        let (domain, at) = match domains {
            1 => (0, home),
            _ => (home, 0),
        };
        Entrance {
            user,
            doors: Arc::clone(&self.doors),
            domain,
            at,
            returns: self.returns.subscribe(),
        }
    }

    fn read(&mut self, user: &'static str, home: usize) {
        let (entrance, checker) = (self.entrance(user, home), Arc::clone(&self.checker));
        let phase = self.phase.subscribe();
        self.readers
            .push(tokio::spawn(read_all(entrance, checker, phase)));
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        for task in self.senders.iter().chain(&self.readers) {
            task.abort();
        }
    }
}

/// Where a user gets in.
struct Entrance {
    user: &'static str,
    doors: Shared<Vec<Vec<SocketAddr>>>,
    domain: usize,
    at: usize,
    returns: watch::Receiver<()>,
}

impl Entrance {
    /// At the node where the user was last, else at the next: as a client behind a load balancer.
    async fn login(&mut self, options: &Value) -> Client {
        loop {
            let door = {
                let doors = &self.doors.lock().unwrap()[self.domain];
                doors[self.at % doors.len()]
            };
            if let Ok(Some(client)) = tokio::time::timeout(LOGIN_WITHIN, self.try_at(door, options)).await {
                return client;
            }
            self.at += 1;
            tokio::time::sleep(TURN).await;
        }
    }

    async fn try_at(&self, door: SocketAddr, options: &Value) -> Option<Client> {
        let mut client = Client::try_connect(door).await?;
        let mut frame = auth(self.user);
        frame["data"]["options"] = options.clone();
        client.send(frame);
        let reply = client.next_or_closed().await?;
        assert_eq!(reply["data"]["isAuthenticated"], true, "{}", reply.text);
        Some(client)
    }
}

/// Reads until the end of it all.
async fn read_all(mut entrance: Entrance, checker: Shared<Checker>, mut phase: watch::Receiver<Phase>) {
    let options = json!({"replay": true});
    loop {
        let mut client = tokio::select! {
            client = entrance.login(&options) => client,
            _ = phase.wait_for(|phase| *phase == Phase::End) => return,
        };
        loop {
            let frame = tokio::select! {
                frame = client.next_or_closed() => frame,
                Ok(()) = entrance.returns.changed() => break,
                _ = phase.wait_for(|phase| *phase == Phase::End) => return,
            };
            let Some(frame) = frame else { break };
            checker.lock().unwrap().received(entrance.user, &frame);
        }
        // The connection may have proven what was not looked at here.
        for frame in client.vanish().await {
            checker.lock().unwrap().received(entrance.user, &frame);
        }
    }
}

struct Sender {
    user: &'static str,
    recipients: Vec<&'static str>,
    /// Reference and recipient, in the order sent.
    unanswered: VecDeque<(String, &'static str)>,
    unconfirmed: BTreeSet<String>,
    next: usize,
    checker: Shared<Checker>,
}

impl Sender {
    async fn run(mut self, mut entrance: Entrance, phase: watch::Receiver<Phase>) {
        let options = json!({"accepted": true, "replay": true});
        while !self.is_done(&phase) {
            let client = entrance.login(&options).await;
            self.converse(client, &phase).await;
        }
    }

    fn is_done(&self, phase: &watch::Receiver<Phase>) -> bool {
        let waits = !self.unanswered.is_empty() || !self.unconfirmed.is_empty();
        *phase.borrow() != Phase::Run && !waits
    }

    /// Until the connection ends, or nothing is left to be done.
    async fn converse(&mut self, mut client: Client, phase: &watch::Receiver<Phase>) {
        for (reference, to) in &self.unanswered {
            self.checker.lock().unwrap().sent_again(self.user, to, reference);
            client.send(referenced(to, reference.as_str(), reference));
        }
        let mut turns = tokio::time::interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_done(phase) {
            tokio::select! {
                _ = turns.tick() => {
                    if *phase.borrow() == Phase::Run {
                        self.send_more(&client);
                    }
                }
                frame = client.next_or_closed() => match frame {
                    Some(frame) => self.note(&frame),
                    None => return,
                },
            }
        }
    }

    fn send_more(&mut self, client: &Client) {
        for _ in 0..A_TURN.min(WINDOW - self.unanswered.len()) {
            let to = self.recipients[self.next % self.recipients.len()];
            let reference = format!("{}/{}", self.user, self.next);
            self.next += 1;
            self.checker.lock().unwrap().sent(self.user, to, &reference);
            client.send(referenced(to, reference.as_str(), &reference));
            self.unconfirmed.insert(reference.clone());
            self.unanswered.push_back((reference, to));
        }
    }

    /// An acceptance or a confirmation is a promise; a confirmation may come for what was accepted.
    fn note(&mut self, frame: &Frame) {
        let confirmed = match frame.kind() {
            "MESSAGE_ACCEPTED" => false,
            "MESSAGE_CONFIRMATION" => true,
            "FETCH_MISSING_MESSAGES_COMPLETE" => return,
            _ => panic!("{} got {}", self.user, frame.text),
        };
        let reference = frame["data"]["reference"].as_str().expect("it has a reference");
        if confirmed {
            self.unconfirmed.remove(reference);
        }
        if let Some(at) = self.unanswered.iter().position(|(one, _)| one == reference)
            && let Some((reference, to)) = self.unanswered.remove(at)
        {
            self.checker.lock().unwrap().promised(self.user, to, &reference);
        }
    }
}
