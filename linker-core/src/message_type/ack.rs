//! `MESSAGE_ACK`: the client has these messages.

use std::borrow::Cow;

use super::MessageType;
use crate::code::{ErrorCode, FrameError};
use crate::frame::ClientFrame;
use crate::limit::ACK_IDS_MAX;
use crate::session::FrameContext;

pub(super) struct MessageAck;

impl MessageType for MessageAck {
    fn name(&self) -> Cow<'static, str> {
        "MESSAGE_ACK".into()
    }

    fn handle(&self, frame: &ClientFrame<'_>, cx: &mut FrameContext<'_>) -> Result<(), FrameError> {
        if !cx.options().client_ack {
            let message = "MESSAGE_ACK needs the option ack: \"client\" at login";
            return Err(FrameError::new(ErrorCode::Forbidden, message));
        }
        let data = frame.data(&["ids"])?;
        let ids = data
            .raw(0)
            .ok_or_else(|| FrameError::field("ids", "is missing"))?;
        let ids: Vec<Cow<'_, str>> = serde_json::from_str(ids.get())
            .map_err(|_| FrameError::field("ids", "must be an array of message ids"))?;
        if ids.len() > ACK_IDS_MAX {
            return Err(FrameError::field("ids", "has too many entries"));
        }
        for id in ids {
            // What is no id at all is as unknown as any.
            if let Ok(id) = id.parse() {
                cx.acknowledge(&id);
            }
        }
        Ok(())
    }
}
