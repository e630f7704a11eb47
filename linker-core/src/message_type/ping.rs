//! `PING`: for browsers, which cannot send a WebSocket ping.

use std::borrow::Cow;

use super::MessageType;
use crate::code::FrameError;
use crate::frame::{ClientFrame, ServerFrame};
use crate::session::FrameContext;

pub(super) struct Ping;

impl MessageType for Ping {
    fn name(&self) -> Cow<'static, str> {
        "PING".into()
    }

    fn handle(&self, _: &ClientFrame<'_>, cx: &mut FrameContext<'_>) -> Result<(), FrameError> {
        cx.reply(ServerFrame::Pong);
        Ok(())
    }
}
