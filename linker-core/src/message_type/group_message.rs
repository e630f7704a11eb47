//! `GROUP_MESSAGE`: the same to up to a thousand users.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::MessageType;
use crate::code::{ErrorCode, FrameError};
use crate::envelope::Kind;
use crate::frame::{ClientFrame, read_string};
use crate::limit::GROUP_RECIPIENTS_MAX;
use crate::session::{Draft, FrameContext};

pub(super) struct GroupMessage;

impl MessageType for GroupMessage {
    fn name(&self) -> Cow<'static, str> {
        "GROUP_MESSAGE".into()
    }

    fn is_message(&self) -> bool {
        true
    }

    fn handle(&self, frame: &ClientFrame<'_>, cx: &mut FrameContext<'_>) -> Result<(), FrameError> {
        let data = frame.data(&["to", "content"])?;
        let to = data.raw(0).ok_or_else(|| FrameError::field("to", "is missing"))?;
        let to: Vec<&RawValue> = serde_json::from_str(to.get())
            .map_err(|_| FrameError::field("to", "must be an array of user ids"))?;
        let content = data
            .raw(1)
            .ok_or_else(|| FrameError::field("content", "is missing"))?;
        let feature = frame.feature()?;
        let reference = frame.reference()?;
        if to.is_empty() {
            return Err(FrameError::field("to", "must name at least one user"));
        }
        if to.len() > GROUP_RECIPIENTS_MAX {
            let message = format!(
                "`to` names {} users; {GROUP_RECIPIENTS_MAX} are allowed",
                to.len()
            );
            return Err(FrameError::new(ErrorCode::TooManyRecipients, message));
        }
        let mut seen = HashSet::with_capacity(to.len());
        let mut recipients = Vec::with_capacity(to.len());
        for (index, raw) in to.iter().enumerate() {
            // The field's name is only needed when something is wrong with it.
            let field = || format!("to[{index}]");
            let text = read_string(raw, "to").map_err(|_| FrameError::field(&field(), "must be a string"))?;
            let user = match cx.recipient("to", &text) {
                Ok(user) => user,
                Err(_) => cx.recipient(&field(), &text)?,
            };
            if seen.insert(user) {
                recipients.push(user);
            }
        }
        let content = Bytes::copy_from_slice(content.get().as_bytes());
        for to in recipients {
            cx.submit(Draft {
                kind: Kind::GroupMessage,
                feature,
                to,
                reference: reference.as_deref().map(Into::into),
                confirm: false,
                accepted: false,
                content: content.clone(),
            });
        }
        Ok(())
    }
}
