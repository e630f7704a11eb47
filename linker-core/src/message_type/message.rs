//! `MESSAGE`: to one user.

use std::borrow::Cow;

use bytes::Bytes;

use super::{MessageType, required_string};
use crate::code::FrameError;
use crate::envelope::{Feature, Kind};
use crate::frame::ClientFrame;
use crate::session::{Draft, FrameContext};

pub(super) struct Message;

impl MessageType for Message {
    fn name(&self) -> Cow<'static, str> {
        "MESSAGE".into()
    }

    fn is_message(&self) -> bool {
        true
    }

    fn handle(&self, frame: &ClientFrame<'_>, cx: &mut FrameContext<'_>) -> Result<(), FrameError> {
        let data = frame.data(&["to", "content"])?;
        let to = required_string(data.raw(0), "to")?;
        let content = data
            .raw(1)
            .ok_or_else(|| FrameError::field("content", "is missing"))?;
        let feature = frame.feature()?;
        let reference: Option<Box<str>> = frame.reference()?.map(Into::into);
        let wanted = frame.confirmation_enabled()?;
        let to = cx.recipient("to", &to)?;
        let confirm = wanted && reference.is_some() && cx.confirmation_enabled();
        let accepted = cx.options().accepted && reference.is_some() && feature == Feature::Reliable;
        let content = Bytes::copy_from_slice(content.get().as_bytes());
        cx.submit(Draft {
            kind: Kind::Message,
            feature,
            to,
            reference,
            confirm,
            accepted,
            content,
        });
        Ok(())
    }
}
