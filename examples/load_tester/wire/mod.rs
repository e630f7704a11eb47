//! Linker's frames as the tester needs them: written from prepared pieces, and read by searching for the few
//! bytes that matter. Parsing JSON for every message would make the tester as dear as the server.
//!
//! Every message carries a *stamp* at the head of its content, and every reference is one as well:
//! who sent it, which of the sender's messages it is, and (in the content) when.

mod read;
mod stamp;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::{FrameReader, Incoming};
pub(crate) use stamp::{RunTag, STAMP_LEN, Stamp, append_identity, append_time, read_reference, read_stamp};
pub(crate) use write::{MessageShape, MessageWriter, append_fetch, append_login};
<<<<<<< HEAD

/// Length of a stamp in the content, in characters: the smallest content that can be asked for.
pub(crate) const STAMP_LEN: usize = 1 + 8 + 8 + 8 + 16;

/// Tells this run's messages from those an earlier run left waiting in the server's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunTag(u32);

impl RunTag {
    /// The tag of a run that several processes share.
    pub(crate) fn of(number: u32) -> Self {
        Self(number)
    }

    /// A tag no other run of the last weeks has used. It is part of every reference too, because a server takes
    /// the same reference within its dedupe window for the same message.
    pub(crate) fn fresh() -> Self {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Runs within one process are seconds apart, so counting them on top keeps the tags distinct.
        let time = since_epoch.as_millis() as u32;
        Self(time.wrapping_add(RUNS.fetch_add(1, Ordering::Relaxed)))
    }
}

/// What a message says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The sender's number within its thread or, in a crowd, among all.
    pub(crate) sender: u32,
    /// The sender's count of messages.
    pub(crate) sequence: u32,
    /// When it was sent or, at a fixed rate, when it should have been ([`crate::clock::now_ns`]).
    pub(crate) time_ns: u64,
}
=======
>>>>>>> bench
