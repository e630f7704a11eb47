//! `MESSAGE_READ`: a read receipt for the author of a message.

use std::borrow::Cow;

use bytes::Bytes;

use super::{MessageType, required_string};
use crate::code::FrameError;
use crate::envelope::{Feature, Kind};
use crate::frame::ClientFrame;
use crate::limit::REFERENCE_LEN_MAX;
use crate::session::{Draft, FrameContext};

pub(super) struct MessageRead;

impl MessageType for MessageRead {
    fn name(&self) -> Cow<'static, str> {
        "MESSAGE_READ".into()
    }

    fn handle(&self, frame: &ClientFrame<'_>, cx: &mut FrameContext<'_>) -> Result<(), FrameError> {
        let data = frame.data(&["to", "reference"])?;
        let to = required_string(data.raw(0), "to")?;
        let reference = required_string(data.raw(1), "reference")?;
        if reference.is_empty() || reference.len() > REFERENCE_LEN_MAX {
            return Err(FrameError::field("reference", "must have 1 to 256 bytes"));
        }
        let to = cx.recipient("to", &to)?;
        cx.submit(Draft {
            kind: Kind::Read,
            feature: Feature::Reliable,
            to,
            reference: Some(reference.into()),
            confirm: false,
            accepted: false,
            content: Bytes::new(),
        });
        Ok(())
    }
}
