//! Whether a connection's requests are being served.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

/// What a socket and the requests that come by it share.
#[derive(Clone, Default, Debug)]
pub(super) struct Serving(Rc<Shared>);

#[derive(Default, Debug)]
struct Shared {
    requests: Cell<usize>,
    /// Who reads the socket.
    reader: RefCell<Option<Waker>>,
}

/// A request that is being served, until it is dropped.
pub(super) struct Served(Serving);

impl Serving {
    pub(super) fn begin(&self) -> Served {
        self.0.requests.set(self.0.requests.get() + 1);
        Served(self.clone())
    }

    /// Whether a request is being served; the reader is woken when none is any more.
    pub(super) fn poll_is_under_way(&self, cx: &Context<'_>) -> bool {
        let is_under_way = self.0.requests.get() > 0;
        if is_under_way {
            *self.0.reader.borrow_mut() = Some(cx.waker().clone());
        }
        is_under_way
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.requests.set(shared.requests.get().saturating_sub(1));
        if shared.requests.get() == 0
            && let Some(reader) = shared.reader.take()
        {
            reader.wake();
        }
    }
}

/// The body of an answer, until whose end the request is being served.
pub(super) struct Held {
    body: BoxBody,
    _served: Option<Served>,
}

impl Held {
    pub(super) fn new(body: BoxBody, served: Option<Served>) -> Self {
        Self {
            body,
            _served: served,
        }
    }
}

impl MessageBody for Held {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}
