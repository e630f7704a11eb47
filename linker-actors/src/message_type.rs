//! Message types of the host's own: a typed request frame in, frames out.

use std::borrow::Cow;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use linker_core::code::{ErrorCode, FrameError};
use linker_core::frame::{ClientFrame, ServerFrame};
use linker_core::id::UserId;
use linker_core::message_type::MessageType;
use linker_core::session::FrameContext;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::handle::{LinkerHandle, WeakHandle};

/// Who sent a request, and the node to act with.
#[derive(Clone)]
pub struct Caller {
    /// Logged in and believed.
    pub user: UserId,
    /// The node.
    pub linker: LinkerHandle,
}

/// A frame in answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    kind: Cow<'static, str>,
    data: Box<str>,
}

impl Reply {
    /// A frame of this `type` with this `data`.
    ///
    /// # Errors
    /// [`HandlerError`] when `data` cannot be written as JSON.
    pub fn new(kind: impl Into<Cow<'static, str>>, data: &impl Serialize) -> Result<Self, HandlerError> {
        let data =
            serde_json::to_string(data).map_err(|error| HandlerError::unavailable(error.to_string()))?;
        Ok(Self {
            kind: kind.into(),
            data: data.into(),
        })
    }
}

/// Why a request cannot be done: becomes an `ERROR` frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct HandlerError(FrameError);

impl HandlerError {
    /// `INVALID_FIELD`: the request makes no sense; the message names the field.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self(FrameError::new(ErrorCode::InvalidField, message))
    }

    /// `FORBIDDEN`: this user may not.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self(FrameError::new(ErrorCode::Forbidden, message))
    }

    /// `UNAVAILABLE`: not now.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self(FrameError::new(ErrorCode::Unavailable, message))
    }
}

/// Handles one type of frame.
pub trait Handler: Send + Sync + 'static {
    /// The `type` on the wire: 1 to 64 of `A-Z 0-9 _`, none of the protocol's own.
    const TYPE: &'static str;

    /// The frame's `data`. What does not fit it is answered `INVALID_FIELD` before the handler sees it.
    type Request: DeserializeOwned + Send + 'static;

    /// Does what is asked, on a runtime of the node's; answers come in the order they are ready. A panic is answered `UNAVAILABLE` and stays without
    /// consequences for the connection.
    fn handle(
        &self,
        caller: Caller,
        request: Self::Request,
    ) -> impl Future<Output = Result<Vec<Reply>, HandlerError>> + Send;
}

/// A [`Handler`] as a message type.
pub(crate) struct Typed<H> {
    handler: Arc<H>,
    /// Weak, as the node has its message types.
    linker: Arc<OnceLock<WeakHandle>>,
}

impl<H> Typed<H> {
    pub(crate) fn new(handler: H, linker: Arc<OnceLock<WeakHandle>>) -> Self {
        Self {
            handler: Arc::new(handler),
            linker,
        }
    }
}

impl<H: Handler> MessageType for Typed<H> {
    fn name(&self) -> Cow<'static, str> {
        H::TYPE.into()
    }

    fn handle(&self, frame: &ClientFrame<'_>, cx: &mut FrameContext<'_>) -> Result<(), FrameError> {
        let request: H::Request = serde_json::from_str(frame.raw_data())
            .map_err(|error| FrameError::field("data", &error.to_string()))?;
        let reference: Option<Box<str>> = frame.reference()?.map(Into::into);
        let linker = self.linker.get().and_then(WeakHandle::upgrade);
        let linker = linker
            .ok_or_else(|| FrameError::new(ErrorCode::Unavailable, "the node is starting or stopping"))?;
        let handler = Arc::clone(&self.handler);
        let caller = Caller {
            user: cx.user(),
            linker,
        };
        cx.call(Box::pin(async move {
            let replies = handler
                .handle(caller, request)
                .await
                .map_err(|HandlerError(error)| error)?;
            let frame = |Reply { kind, data }| ServerFrame::Custom {
                kind,
                data,
                reference: reference.clone(),
            };
            Ok(replies.into_iter().map(frame).collect())
        }));
        Ok(())
    }
}
