//! Where senders meet the connection of a link, if there is one: handed over in the order of the calls, and bounded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use linker_core::port::{BoxFuture, LinkError, LinkWay, PAYLOAD_MAX};
use tokio::sync::{mpsc, oneshot};

/// Payloads that a link takes before it has answered the first; then the answer is [`LinkError::Full`].
pub const LINK_PAYLOADS_MAX: usize = 4096;
/// Bytes that a link takes before it has answered; one payload always fits.
pub const LINK_BYTES_MAX: usize = 64 << 20;
/// Probes and states that fit in besides: a link that does not answer is found out by them.
const SPARE_PAYLOADS: usize = 64;
const SPARE_BYTES: usize = 1 << 20;

type Answer = Result<(), LinkError>;

/// One payload on its way.
pub(super) struct Outgoing {
    pub(super) way: LinkWay,
    pub(super) payload: Bytes,
    answer: Option<oneshot::Sender<Answer>>,
    _place: Place,
}

impl Outgoing {
    /// Only the first answer counts. It takes up room for as long as it is there.
    pub(super) fn answer(&mut self, answer: Answer) {
        if let Some(sender) = self.answer.take() {
            // Who asked may have lost interest.
            let _ = sender.send(answer);
        }
    }
}

/// What is taken up.
#[derive(Debug, Default)]
struct Load {
    payloads: usize,
    bytes: usize,
}

#[derive(Debug, Clone, Default)]
struct Room(Arc<Mutex<Load>>);

impl Room {
    fn take(&self, way: LinkWay, bytes: usize) -> Option<Place> {
        let (spare_payloads, spare_bytes) = match way {
            LinkWay::Reliable(_) | LinkWay::Fast(_) => (0, 0),
            LinkWay::States | LinkWay::Probe => (SPARE_PAYLOADS, SPARE_BYTES),
        };
        let mut load = self.lock();
        let fits = load.payloads == 0
            || load.payloads < LINK_PAYLOADS_MAX + spare_payloads
                && load.bytes + bytes <= LINK_BYTES_MAX + spare_bytes;
        fits.then(|| {
            load.payloads += 1;
            load.bytes += bytes;
            Place {
                room: self.clone(),
                bytes,
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Load> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room taken up, for as long as it is.
struct Place {
    room: Room,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut load = self.room.lock();
        load.payloads -= 1;
        load.bytes -= self.bytes;
    }
}

#[derive(Debug)]
enum Gate {
    /// The room bounds what is in there.
    Open(mpsc::UnboundedSender<Outgoing>),
    Shut(String),
}

#[derive(Debug)]
pub(super) struct Outbox {
    gate: Mutex<Gate>,
    room: Room,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            gate: Mutex::new(Gate::Shut("it is not connected yet".into())),
            room: Room::default(),
        }
    }

    /// What is sent from now on goes there.
    pub(super) fn open(&self, sender: mpsc::UnboundedSender<Outgoing>) {
        *self.lock() = Gate::Open(sender);
    }

    /// What is sent from now on is answered at once.
    pub(super) fn shut(&self, why: String) {
        *self.lock() = Gate::Shut(why);
    }

    pub(super) fn send(&self, way: LinkWay, payload: Bytes) -> BoxFuture<'static, Answer> {
        let handed_over = self.hand_over(way, payload);
        Box::pin(async move {
            let lost = |_| Err(LinkError::Down("the connection was lost meanwhile".into()));
            handed_over?.await.unwrap_or_else(lost)
        })
    }

    fn hand_over(&self, way: LinkWay, payload: Bytes) -> Result<oneshot::Receiver<Answer>, LinkError> {
        if payload.len() > PAYLOAD_MAX {
            return Err(LinkError::TooLarge(payload.len()));
        }
        let gate = self.lock();
        let sender = match &*gate {
            Gate::Open(sender) => sender,
            Gate::Shut(why) => return Err(LinkError::Down(why.clone())),
        };
        let crowded = || LinkError::Full("too much is under way to it already".into());
        let place = self.room.take(way, payload.len()).ok_or_else(crowded)?;
        let (answer, answered) = oneshot::channel();
        let outgoing = Outgoing {
            way,
            payload,
            answer: Some(answer),
            _place: place,
        };
        let lost = |_| LinkError::Down("the connection was just lost".into());
        sender.send(outgoing).map_err(lost)?;
        Ok(answered)
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(answer: Result<oneshot::Receiver<Answer>, LinkError>) -> bool {
        matches!(answer, Err(LinkError::Full(_)))
    }

    #[test]
    fn what_is_not_answered_is_bounded_and_a_probe_still_fits() {
        let outbox = Outbox::new();
        let (sender, mut queued) = mpsc::unbounded_channel();
        outbox.open(sender);
        let payload = Bytes::from_static(b"x");
        for _ in 0..LINK_PAYLOADS_MAX {
            outbox.hand_over(LinkWay::Reliable(0), payload.clone()).unwrap();
        }
        assert!(full(outbox.hand_over(LinkWay::Reliable(0), payload.clone())));
        assert!(full(outbox.hand_over(LinkWay::Fast(0), payload.clone())));
        for _ in 0..SPARE_PAYLOADS {
            outbox.hand_over(LinkWay::Probe, payload.clone()).unwrap();
        }
        assert!(full(outbox.hand_over(LinkWay::Probe, payload.clone())));
        for _ in 0..=SPARE_PAYLOADS {
            queued.try_recv().unwrap().answer(Ok(()));
        }
        outbox.hand_over(LinkWay::Reliable(0), payload).unwrap();
    }

    #[test]
    fn bytes_are_bounded_and_the_largest_payload_fits_into_an_empty_link() {
        let outbox = Outbox::new();
        let (sender, mut queued) = mpsc::unbounded_channel();
        outbox.open(sender);
        let large = Bytes::from(vec![0; PAYLOAD_MAX]);
        for _ in 0..LINK_BYTES_MAX / PAYLOAD_MAX {
            outbox.hand_over(LinkWay::Reliable(0), large.clone()).unwrap();
        }
        assert!(full(outbox.hand_over(LinkWay::Reliable(0), large.clone())));
        drop(queued.try_recv().unwrap());
        outbox.hand_over(LinkWay::Reliable(0), large).unwrap();
        let larger = Bytes::from(vec![0; PAYLOAD_MAX + 1]);
        let answer = outbox.hand_over(LinkWay::Reliable(0), larger);
        assert_eq!(answer.err(), Some(LinkError::TooLarge(PAYLOAD_MAX + 1)));
    }
}
