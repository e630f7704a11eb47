//! `FETCH_MISSING_MESSAGES_REQUEST`: the oldest messages that wait.

use std::borrow::Cow;

use super::MessageType;
use crate::code::FrameError;
use crate::frame::{ClientFrame, read_u64};
use crate::limit::FETCH_COUNT_MAX;
use crate::session::FrameContext;

pub(super) struct FetchMissing;

impl MessageType for FetchMissing {
    fn name(&self) -> Cow<'static, str> {
        "FETCH_MISSING_MESSAGES_REQUEST".into()
    }

    fn handle(&self, frame: &ClientFrame<'_>, cx: &mut FrameContext<'_>) -> Result<(), FrameError> {
        let data = frame.data(&["count"])?;
        let count = data
            .raw(0)
            .ok_or_else(|| FrameError::field("count", "is missing"))?;
        // Whole numbers beyond 64 bits are larger than the limit all the same.
        let huge = count.get().len() > 19 && count.get().bytes().all(|b| b.is_ascii_digit());
        let count = if huge {
            u64::MAX
        } else {
            read_u64(count, "count").map_err(|_| out_of_range())?
        };
        if count == 0 {
            return Err(out_of_range());
        }
        cx.fetch(count.min(FETCH_COUNT_MAX))
    }
}

fn out_of_range() -> FrameError {
    FrameError::field("count", "must be a whole number from 1 to 2000")
}
