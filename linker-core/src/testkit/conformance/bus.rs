//! What every [`Bus`] must do.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use crate::id::NodeInstance;
use crate::port::{Bus, BusError, BusReceiver, PAYLOAD_MAX};
use crate::testkit::sample::node;

/// How long a law waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives the nodes of one domain their buses.
pub trait BusDomain {
    /// The bus of one more node. Nothing is open yet.
    fn bus(&self) -> Arc<dyn Bus>;
}

impl<F: Fn() -> Arc<dyn Bus>> BusDomain for F {
    fn bus(&self) -> Arc<dyn Bus> {
        self()
    }
}

/// One test per law of [`Bus`]; see [`crate::testkit::conformance`]. The fixture is a [`BusDomain`] of its own for each test.
#[macro_export]
macro_rules! bus_conformance {
    (#[$test:meta] => $fixture:expr) => {
        $crate::bus_conformance! { @each #[$test] => $fixture;
            a_payload_arrives_as_it_was_sent
            payloads_to_one_node_arrive_in_the_order_of_the_calls
            a_node_may_write_to_itself
            a_node_that_is_not_there_is_named
            a_former_incarnation_is_another_node
            a_closed_inbox_is_no_inbox
            nothing_is_sent_before_the_inbox_is_open
            an_inbox_is_opened_once
            a_node_that_comes_later_is_reached
            large_payloads_arrive_whole
            payloads_that_no_bus_carries_are_refused
            empty_payloads_arrive
            many_nodes_write_to_one
            one_missing_node_does_not_hide_the_others
            the_receiver_is_told_that_the_bus_is_there
        }
    };
    (@each #[$test:meta] => $fixture:expr; $($law:ident)*) => {$(
        #[$test]
        async fn $law() {
            let fixture = $fixture.await;
            $crate::testkit::conformance::bus::$law(&*fixture).await;
        }
    )*};
}

/// A receiver that keeps what it is told.
#[derive(Debug, Default)]
pub struct Received {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    payloads: VecDeque<Bytes>,
    connection: Vec<Option<String>>,
    waker: Option<Waker>,
    impatient: bool,
}

impl Received {
    /// One that was told nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The next payload.
    ///
    /// # Panics
    /// When none comes for a long time, as all that waits here.
    pub async fn next(self: &Arc<Self>) -> Bytes {
        self.wait("a payload", |state| state.payloads.pop_front()).await
    }

    /// So many payloads, in order.
    pub async fn take(self: &Arc<Self>, count: usize) -> Vec<Bytes> {
        self.wait("payloads", |state| {
            (state.payloads.len() >= count).then(|| state.payloads.drain(..count).collect())
        })
        .await
    }

    /// Payloads that nobody took yet.
    pub fn waiting(&self) -> usize {
        self.lock().payloads.len()
    }

    /// What it was told of the connection, from the beginning.
    pub fn connection(&self) -> Vec<Option<String>> {
        self.lock().connection.clone()
    }

    /// Once it was told of the connection `count` times.
    pub async fn connection_changes(self: &Arc<Self>, count: usize) -> Vec<Option<String>> {
        self.wait("news of the connection", |state| {
            (state.connection.len() >= count).then(|| state.connection.clone())
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// A suite has no runtime and hence no timer, so a thread loses patience.
    async fn wait<T>(self: &Arc<Self>, what: &str, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let (done, waited) = channel::<()>();
        let watched = Arc::clone(self);
        std::thread::spawn(move || {
            if waited.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                watched.change(|state| state.impatient = true);
            }
        });
        let found = poll_fn(|cx| {
            let mut state = self.lock();
            if let Some(found) = look(&mut state) {
                return Poll::Ready(Some(found));
            }
            state.waker = Some(cx.waker().clone());
            match state.impatient {
                true => Poll::Ready(None),
                false => Poll::Pending,
            }
        })
        .await;
        drop(done);
        found.unwrap_or_else(|| panic!("{what} did not come; so far: {:?}", self.lock()))
    }
}

impl BusReceiver for Received {
    fn receive(&self, payload: Bytes) {
        self.change(|state| state.payloads.push_back(payload));
    }

    fn connection(&self, lost: Option<String>) {
        self.change(|state| state.connection.push(lost));
    }
}

/// A node with its inbox open.
struct Node {
    name: NodeInstance,
    bus: Arc<dyn Bus>,
    received: Arc<Received>,
}

async fn open<D: BusDomain + ?Sized>(domain: &D, number: u64) -> Node {
    let received = Received::new();
    let bus = domain.bus();
    let receiver = Arc::clone(&received);
    bus.open(node(number), receiver).await.expect("an inbox");
    Node {
        name: node(number),
        bus,
        received,
    }
}

async fn close<const N: usize>(nodes: [Node; N]) {
    for node in nodes {
        node.bus.close().await;
    }
}

fn text(text: impl Into<String>) -> Bytes {
    Bytes::from(text.into())
}

/// All answers, with the futures polled last to first: the order must be that of the calls.
async fn answers(sent: Vec<Sent>) -> Vec<Result<(), BusError>> {
    let mut sent: Vec<_> = sent.into_iter().map(|send| (send, None)).collect();
    poll_fn(|cx| {
        for (send, answer) in sent.iter_mut().rev() {
            if answer.is_none()
                && let Poll::Ready(result) = Pin::as_mut(send).poll(cx)
            {
                *answer = Some(result);
            }
        }
        match sent.iter().all(|(_, answer)| answer.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    sent.into_iter().filter_map(|(_, answer)| answer).collect()
}

type Sent = Pin<Box<dyn Future<Output = Result<(), BusError>> + Send>>;

/// Byte for byte, once.
pub async fn a_payload_arrives_as_it_was_sent<D: BusDomain + ?Sized>(domain: &D) {
    let (a, b) = (open(domain, 1).await, open(domain, 2).await);
    let payload: Bytes = (0..=u8::MAX).collect();
    assert_eq!(a.bus.send(b.name.clone(), payload.clone()).await, Ok(()));
    assert_eq!(b.received.next().await, payload);
    assert_eq!(b.bus.send(a.name.clone(), text("back")).await, Ok(()));
    assert_eq!(a.received.next().await, text("back"));
    assert_eq!(b.received.waiting(), 0);
    close([a, b]).await;
}

/// Whenever the futures are polled.
pub async fn payloads_to_one_node_arrive_in_the_order_of_the_calls<D: BusDomain + ?Sized>(domain: &D) {
    const COUNT: usize = 500;
    let (a, b) = (open(domain, 1).await, open(domain, 2).await);
    let sent = (0..COUNT).map(|n| a.bus.send(b.name.clone(), text(n.to_string())));
    let answers = answers(sent.collect()).await;
    assert_eq!(answers, vec![Ok(()); COUNT]);
    let expected: Vec<Bytes> = (0..COUNT).map(|n| text(n.to_string())).collect();
    assert_eq!(b.received.take(COUNT).await, expected);
    close([a, b]).await;
}

/// So that nobody has to tell the two cases apart.
pub async fn a_node_may_write_to_itself<D: BusDomain + ?Sized>(domain: &D) {
    let a = open(domain, 1).await;
    assert_eq!(a.bus.send(a.name.clone(), text("me")).await, Ok(()));
    assert_eq!(a.received.next().await, text("me"));
    close([a]).await;
}

/// At once, so that another way is found.
pub async fn a_node_that_is_not_there_is_named<D: BusDomain + ?Sized>(domain: &D) {
    let a = open(domain, 1).await;
    let answer = a.bus.send(node(9), text("anybody?")).await;
    assert_eq!(answer, Err(BusError::NoSuchNode(node(9))));
    close([a]).await;
}

/// What was meant for a node before it started again does not reach the new one.
pub async fn a_former_incarnation_is_another_node<D: BusDomain + ?Sized>(domain: &D) {
    let (a, b) = (open(domain, 1).await, open(domain, 2).await);
    let former = NodeInstance {
        incarnation: 77,
        ..b.name.clone()
    };
    let answer = a.bus.send(former.clone(), text("still there?")).await;
    assert_eq!(answer, Err(BusError::NoSuchNode(former)));
    assert_eq!(a.bus.send(b.name.clone(), text("now")).await, Ok(()));
    assert_eq!(b.received.next().await, text("now"));
    close([a, b]).await;
}

/// Nothing is taken for who left, and who left sends nothing.
pub async fn a_closed_inbox_is_no_inbox<D: BusDomain + ?Sized>(domain: &D) {
    let (a, b) = (open(domain, 1).await, open(domain, 2).await);
    b.bus.close().await;
    let answer = a.bus.send(b.name.clone(), text("still there?")).await;
    assert_eq!(answer, Err(BusError::NoSuchNode(b.name.clone())));
    let answer = b.bus.send(a.name.clone(), text("too late")).await;
    assert!(matches!(answer, Err(BusError::Away(_))), "{answer:?}");
    b.bus.close().await;
    close([a, b]).await;
}

/// Who cannot be answered does not ask.
pub async fn nothing_is_sent_before_the_inbox_is_open<D: BusDomain + ?Sized>(domain: &D) {
    let a = open(domain, 1).await;
    let answer = domain.bus().send(a.name.clone(), text("early")).await;
    assert!(matches!(answer, Err(BusError::Away(_))), "{answer:?}");
    close([a]).await;
}

/// A bus belongs to one node.
pub async fn an_inbox_is_opened_once<D: BusDomain + ?Sized>(domain: &D) {
    let a = open(domain, 1).await;
    let again = a.bus.open(node(2), Received::new()).await;
    assert!(matches!(again, Err(BusError::Refused(_))), "{again:?}");
    assert_eq!(a.bus.send(a.name.clone(), text("me")).await, Ok(()));
    assert_eq!(a.received.next().await, text("me"));
    close([a]).await;
}

/// That it was missing is not remembered.
pub async fn a_node_that_comes_later_is_reached<D: BusDomain + ?Sized>(domain: &D) {
    let a = open(domain, 1).await;
    let early = a.bus.send(node(2), text("early")).await;
    assert_eq!(early, Err(BusError::NoSuchNode(node(2))));
    let b = open(domain, 2).await;
    assert_eq!(a.bus.send(b.name.clone(), text("now")).await, Ok(()));
    assert_eq!(b.received.take(1).await, [text("now")]);
    close([a, b]).await;
}

/// Larger than any frame or buffer in between.
pub async fn large_payloads_arrive_whole<D: BusDomain + ?Sized>(domain: &D) {
    let (a, b) = (open(domain, 1).await, open(domain, 2).await);
    let payloads: Vec<Bytes> = [4 << 20, 1, 131_071, 131_072]
        .into_iter()
        .map(|len: usize| (0..len).map(|n| (n * 7 + n / 251) as u8).collect())
        .collect();
    let sent = payloads
        .iter()
        .map(|payload| a.bus.send(b.name.clone(), payload.clone()));
    assert_eq!(answers(sent.collect()).await, vec![Ok(()); payloads.len()]);
    let received = b.received.take(payloads.len()).await;
    assert!(received == payloads, "they arrive in order and unchanged");
    close([a, b]).await;
}

/// Without harm to the others.
pub async fn payloads_that_no_bus_carries_are_refused<D: BusDomain + ?Sized>(domain: &D) {
    let a = open(domain, 1).await;
    let len = PAYLOAD_MAX + 1;
    let answer = a.bus.send(a.name.clone(), Bytes::from(vec![0; len])).await;
    assert_eq!(answer, Err(BusError::TooLarge(len)));
    assert_eq!(a.bus.send(a.name.clone(), text("me")).await, Ok(()));
    assert_eq!(a.received.next().await, text("me"));
    close([a]).await;
}

/// As payloads of no bytes.
pub async fn empty_payloads_arrive<D: BusDomain + ?Sized>(domain: &D) {
    let (a, b) = (open(domain, 1).await, open(domain, 2).await);
    let sent = [Bytes::new(), text("x"), Bytes::new()];
    let answers = answers(
        sent.iter()
            .map(|p| a.bus.send(b.name.clone(), p.clone()))
            .collect(),
    )
    .await;
    assert_eq!(answers, vec![Ok(()); 3]);
    assert_eq!(b.received.take(3).await, sent);
    close([a, b]).await;
}

/// Each in its own order.
pub async fn many_nodes_write_to_one<D: BusDomain + ?Sized>(domain: &D) {
    const EACH: usize = 100;
    let all = open(domain, 0).await;
    let senders = [
        open(domain, 1).await,
        open(domain, 2).await,
        open(domain, 3).await,
        open(domain, 4).await,
        open(domain, 5).await,
    ];
    let mut sent = Vec::new();
    for n in 0..EACH {
        for sender in &senders {
            let payload = text(format!("{} {n}", sender.name));
            sent.push(sender.bus.send(all.name.clone(), payload));
        }
    }
    let total = sent.len();
    assert_eq!(answers(sent).await, vec![Ok(()); total]);
    let received = all.received.take(total).await;
    for sender in &senders {
        let own = sender.name.to_string();
        let of_sender = received
            .iter()
            .filter(|payload| payload.starts_with(own.as_bytes()));
        let expected = (0..EACH).map(|n| text(format!("{own} {n}")));
        assert!(of_sender.eq(expected.collect::<Vec<_>>().iter()), "{own}");
    }
    close(senders).await;
    close([all]).await;
}

/// Each answer is the one of its own payload, however they are mixed. A missing node may go unnoticed once in a while (`Ok` proves nothing), a node that is
/// there is never taken for missing.
pub async fn one_missing_node_does_not_hide_the_others<D: BusDomain + ?Sized>(domain: &D) {
    const COUNT: usize = 300;
    let (a, b) = (open(domain, 1).await, open(domain, 2).await);
    let missing = |n: usize| n.is_multiple_of(3);
    let sent = (0..COUNT).map(|n| {
        let to = if missing(n) { node(9) } else { b.name.clone() };
        a.bus.send(to, text(n.to_string()))
    });
    let mut unnoticed = 0;
    for (n, answer) in answers(sent.collect()).await.into_iter().enumerate() {
        if missing(n) && answer == Ok(()) {
            unnoticed += 1;
            continue;
        }
        match missing(n) {
            false => assert_eq!(answer, Ok(()), "number {n}"),
            true => assert_eq!(answer, Err(BusError::NoSuchNode(node(9))), "number {n}"),
        }
    }
    assert!(unnoticed <= COUNT / 30, "{unnoticed} of {} unnoticed", COUNT / 3);
    let expected: Vec<Bytes> = (0..COUNT)
        .filter(|n| !missing(*n))
        .map(|n| text(n.to_string()))
        .collect();
    assert_eq!(b.received.take(expected.len()).await, expected);
    close([a, b]).await;
}

/// Before the first payload.
pub async fn the_receiver_is_told_that_the_bus_is_there<D: BusDomain + ?Sized>(domain: &D) {
    let a = open(domain, 1).await;
    assert_eq!(a.received.connection_changes(1).await, [None]);
    close([a]).await;
}
