//! `CLOSE_CONNECTION`: a master ends the sessions of a user of its app.

use std::borrow::Cow;

use super::{MessageType, required_string};
use crate::code::{ErrorCode, FrameError};
use crate::frame::ClientFrame;
use crate::id::UserId;
use crate::session::FrameContext;

pub(super) struct CloseConnection;

impl MessageType for CloseConnection {
    fn name(&self) -> Cow<'static, str> {
        "CLOSE_CONNECTION".into()
    }

    fn handle(&self, frame: &ClientFrame<'_>, cx: &mut FrameContext<'_>) -> Result<(), FrameError> {
        let data = frame.data(&["userId"])?;
        let text = required_string(data.raw(0), "userId")?;
        let target: UserId = text
            .parse()
            .map_err(|error| FrameError::user_id("userId", &text, error))?;
        let is_master = cx.app().is_master(&cx.user()) && *target.app() == cx.app().app_name;
        if !is_master {
            return Err(FrameError::new(
                ErrorCode::Forbidden,
                "only the master of the user's app may close it",
            ));
        }
        cx.close_user(target);
        Ok(())
    }
}
