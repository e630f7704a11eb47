//! The body of a request, which has to keep coming.

use std::cell::Cell;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

/// From one byte to the next.
const IDLE_TIME: Duration = Duration::from_secs(10);
/// For the whole, and besides a second for each [`BYTES_A_SECOND`] that have come: a slow line may take its time for 64 MiB, and who sends a byte now and then may not.
const WHOLE_TIME: Duration = Duration::from_secs(30);
const BYTES_A_SECOND: u64 = 16 * 1024;

/// Ends with an error when it comes too slowly.
pub(super) struct TimedBody {
    payload: Payload,
    since: Instant,
    bytes: u64,
    /// Set where a poll has found nothing, and gone once something has come.
    deadline: Option<Pin<Box<Sleep>>>,
    is_late: Rc<Cell<bool>>,
}

impl TimedBody {
    /// `is_late` is set when that has happened.
    pub(super) fn new(payload: Payload, is_late: Rc<Cell<bool>>) -> Self {
        Self {
            payload,
            since: Instant::now(),
            bytes: 0,
            deadline: None,
            is_late,
        }
    }

    fn end_of_whole(&self) -> Instant {
        self.since + WHOLE_TIME + Duration::from_secs(self.bytes / BYTES_A_SECOND)
    }
}

impl Stream for TimedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        match Pin::new(&mut this.payload).poll_next(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                this.bytes += bytes.len() as u64;
                this.deadline = None;
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(end) => Poll::Ready(end),
            Poll::Pending => {
                let end = this.end_of_whole();
                let deadline = this
                    .deadline
                    .get_or_insert_with(|| Box::pin(sleep_until(end.min(Instant::now() + IDLE_TIME))));
                if deadline.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.is_late.set(true);
                Poll::Ready(Some(Err(PayloadError::Io(ErrorKind::TimedOut.into()))))
            }
        }
    }
}
