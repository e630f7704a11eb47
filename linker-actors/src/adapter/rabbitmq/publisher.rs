//! What this node sends: handed to the connection in the order of the calls, bounded, and answered in time.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation};
use linker_core::id::{DomainName, NodeInstance};
use linker_core::port::{BoxFuture, BusError, PAYLOAD_MAX};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// After that time a send is answered with [`BusError::Away`]. Heartbeats notice a broker that is gone long before: this is for one that lives and does
/// not get on with its work, and what is given up too soon is sent to it once more.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that may be on their way to the broker; one payload always fits.
pub const SEND_BYTES_MAX: usize = 64 << 20;
/// Payloads that the connection has not taken up yet.
const QUEUED_MAX: usize = 4096;
/// What AMQP has room for.
pub(super) const QUEUE_NAME_LEN_MAX: usize = 255;

/// The inbox of a node.
pub(super) fn queue_of(domain: &DomainName, node: &NodeInstance) -> String {
    let mut name = String::with_capacity(64);
    // Writing to a string does not fail.
    let _ = write!(name, "linker.{domain}.node.{node}");
    name
}

/// One payload on its way.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) to: NodeInstance,
    queue: String,
    payload: Bytes,
    deadline: Instant,
    answer: Option<oneshot::Sender<Result<(), BusError>>>,
    _load: Load,
}

impl Outgoing {
    pub(super) fn answer(&mut self, answer: Result<(), BusError>) {
        if let Some(sender) = self.answer.take() {
            // Who asked may have lost interest.
            let _ = sender.send(answer);
        }
    }
}

/// Room taken up, for as long as it is.
#[derive(Debug)]
struct Load {
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Where senders meet the connection, if there is one.
#[derive(Debug)]
pub(super) struct Outbox {
    domain: DomainName,
    gate: Mutex<Gate>,
    load: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Gate {
    Open(mpsc::Sender<Outgoing>),
    Shut(String),
}

impl Outbox {
    pub(super) fn new(domain: DomainName) -> Self {
        Self {
            domain,
            gate: Mutex::new(Gate::Shut("this node has no inbox yet".into())),
            load: Arc::default(),
        }
    }

    /// What is sent from now on comes out of the receiver.
    pub(super) fn open(&self) -> (mpsc::Sender<Outgoing>, mpsc::Receiver<Outgoing>) {
        let (sender, receiver) = mpsc::channel(QUEUED_MAX);
        self.reopen(sender.clone());
        (sender, receiver)
    }

    pub(super) fn reopen(&self, sender: mpsc::Sender<Outgoing>) {
        *self.lock() = Gate::Open(sender);
    }

    /// What is sent from now on is answered at once.
    pub(super) fn shut(&self, why: String) {
        *self.lock() = Gate::Shut(why);
    }

    pub(super) fn send(&self, to: NodeInstance, payload: Bytes) -> BoxFuture<'static, Result<(), BusError>> {
        let handed_over = self.hand_over(to, payload);
        Box::pin(async move {
            let lost = |_| Err(BusError::Away("the connection was lost meanwhile".into()));
            handed_over?.await.unwrap_or_else(lost)
        })
    }

    fn hand_over(
        &self,
        to: NodeInstance,
        payload: Bytes,
    ) -> Result<oneshot::Receiver<Result<(), BusError>>, BusError> {
        if payload.len() > PAYLOAD_MAX {
            return Err(BusError::TooLarge(payload.len()));
        }
        let queue = queue_of(&self.domain, &to);
        if queue.len() > QUEUE_NAME_LEN_MAX {
            // Its own bus would not have opened.
            return Err(BusError::NoSuchNode(to));
        }
        let gate = self.lock();
        let sender = match &*gate {
            Gate::Open(sender) => sender,
            Gate::Shut(why) => return Err(BusError::Away(why.clone())),
        };
        let crowded = || BusError::Away("too much is under way to the broker already".into());
        let before = self.load.fetch_add(payload.len(), Ordering::Relaxed);
        let load = Load {
            bytes: payload.len(),
            total: Arc::clone(&self.load),
        };
        if before > 0 && before + payload.len() > SEND_BYTES_MAX {
            return Err(crowded());
        }
        let (answer, answered) = oneshot::channel();
        let outgoing = Outgoing {
            to,
            queue,
            payload,
            deadline: Instant::now() + SEND_TIMEOUT,
            answer: Some(answer),
            _load: load,
        };
        sender.try_send(outgoing).map_err(|refused| match refused {
            TrySendError::Full(_) => crowded(),
            TrySendError::Closed(_) => BusError::Away("the connection was just lost".into()),
        })?;
        Ok(answered)
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a payload.
pub(super) struct Published {
    pub(super) number: u64,
    pub(super) outgoing: Outgoing,
    pub(super) outcome: lapin::Result<Outcome>,
}

/// What the broker said, in its words.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    /// `returned` is the number of some payload that could not be routed: lapin hands it to whichever confirmation comes next.
    Confirmed { ack: bool, returned: Option<u64> },
}

/// Publishes and waits for the confirmation. To be polled at once, since the order of the first polls is the order on the wire. `blocked` is notified when the
/// broker takes nothing for now, and may not do so for long.
pub(super) async fn publish(
    channel: Channel,
    number: u64,
    mut outgoing: Outgoing,
    blocked: Arc<Notify>,
) -> Published {
    let queue = std::mem::take(&mut outgoing.queue);
    let payload = std::mem::take(&mut outgoing.payload);
    let confirmed = async {
        let options = BasicPublishOptions {
            mandatory: true,
            immediate: false,
        };
        let properties = BasicProperties::default().with_message_id(number.to_string().into());
        let publishing = channel.basic_publish("".into(), queue.into(), options, &payload, properties);
        publishing.await?.await
    };
    let mut confirmed = std::pin::pin!(confirmed);
    let deadline = outgoing.deadline;
    let gives_up = async {
        match timeout_at(deadline, blocked.notified()).await {
            Ok(()) => "the broker takes nothing for now",
            Err(_) => "the broker does not confirm in time",
        }
    };
    // Not tokio's `select!`, which polls nothing when the task has had its share.
    let confirmation = match select(confirmed.as_mut(), std::pin::pin!(gives_up)).await {
        Either::Left((confirmation, _)) => confirmation,
        Either::Right((why, _)) => {
            outgoing.answer(Err(BusError::Away(why.into())));
            // It takes up room until its fate is known, or the connection is gone.
            confirmed.await
        }
    };
    Published {
        number,
        outgoing,
        outcome: confirmation.map(outcome_of),
    }
}

fn outcome_of(confirmation: Confirmation) -> Outcome {
    let ack = confirmation.is_ack();
    let returned = confirmation.take_message().and_then(|returned| {
        let number = returned.delivery.properties.message_id().as_ref();
        number.and_then(|number| number.as_str().parse().ok())
    });
    Outcome::Confirmed { ack, returned }
}
