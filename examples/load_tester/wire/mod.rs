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
