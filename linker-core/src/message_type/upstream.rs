//! `UPSTREAM`: to the application behind the domain, rather than to a user.

use std::borrow::Cow;

use super::{MessageType, required_string};
use crate::code::{ErrorCode, FrameError};
use crate::envelope::{Feature, Kind};
use crate::frame::ClientFrame;
use crate::session::{Draft, FrameContext};
use crate::upstream::{check_type, message_content};

pub(super) struct Upstream;

impl MessageType for Upstream {
    fn name(&self) -> Cow<'static, str> {
        "UPSTREAM".into()
    }

    fn is_message(&self) -> bool {
        true
    }

    fn handle(&self, frame: &ClientFrame<'_>, cx: &mut FrameContext<'_>) -> Result<(), FrameError> {
        if !cx.has_upstream() {
            return Err(FrameError::new(
                ErrorCode::UnknownType,
                "UPSTREAM is not available here: no application is configured to take it",
            ));
        }
        let data = frame.data(&["type", "content"])?;
        let kind = required_string(data.raw(0), "data.type")?;
        check_type(&kind).map_err(|wrong| FrameError::field("data.type", wrong))?;
        let content = data
            .raw(1)
            .ok_or_else(|| FrameError::field("data.content", "is missing"))?;
        let feature = frame.feature()?;
        let reference: Option<Box<str>> = frame.reference()?.map(Into::into);
        let wanted = frame.confirmation_enabled()?;
        let confirm = wanted && reference.is_some() && cx.confirmation_enabled();
        let accepted = cx.options().accepted && reference.is_some() && feature == Feature::Reliable;
        let to = cx.user().upstream();
        cx.submit(Draft {
            kind: Kind::Upstream,
            feature,
            to,
            reference,
            confirm,
            accepted,
            content: message_content(&kind, content.get()),
        });
        Ok(())
    }
}
