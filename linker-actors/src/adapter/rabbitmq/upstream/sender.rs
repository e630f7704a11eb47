//! Where who sends meets the connection, if there is one: in the order of the calls. How much may be under way is the pace's to say.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linker_core::port::{BoxFuture, UpstreamError, UpstreamMessage};
use tokio::sync::{mpsc, oneshot};

type Answer = Result<(), UpstreamError>;

/// One on its way.
pub(super) struct Outgoing {
    pub(super) message: Arc<UpstreamMessage>,
    answer: oneshot::Sender<Answer>,
}

impl Outgoing {
    pub(super) fn answer(self, answer: Answer) {
        // Who asked may have lost interest.
        let _ = self.answer.send(answer);
    }
}

#[derive(Debug)]
enum Gate {
    Open(mpsc::UnboundedSender<Outgoing>),
    Shut(String),
}

#[derive(Debug)]
pub(super) struct Sender(Mutex<Gate>);

impl Sender {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Gate::Shut("it is not connected yet".into())))
    }

    /// What is sent from now on goes there.
    pub(super) fn open(&self, queue: mpsc::UnboundedSender<Outgoing>) {
        *self.lock() = Gate::Open(queue);
    }

    /// What is sent from now on is answered at once.
    pub(super) fn shut(&self, why: String) {
        *self.lock() = Gate::Shut(why);
    }

    pub(super) fn send(&self, message: Arc<UpstreamMessage>) -> BoxFuture<'static, Answer> {
        let handed_over = self.hand_over(message);
        Box::pin(async move {
            let lost = |_| Err(UpstreamError::Away("the connection was lost meanwhile".into()));
            handed_over?.await.unwrap_or_else(lost)
        })
    }

    fn hand_over(&self, message: Arc<UpstreamMessage>) -> Result<oneshot::Receiver<Answer>, UpstreamError> {
        let gate = self.lock();
        let queue = match &*gate {
            Gate::Open(queue) => queue,
            Gate::Shut(why) => return Err(UpstreamError::Away(why.clone())),
        };
        let (answer, answered) = oneshot::channel();
        let lost = |_| UpstreamError::Away("the connection was just lost".into());
        queue.send(Outgoing { message, answer }).map_err(lost)?;
        Ok(answered)
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
