//! What nodes say to each other, in one domain and over the links between domains, and its bytes.
//!
//! What travels is a *batch*, all integers big-endian:
//!
//! ```text
//! "LBUS", version u8, floor u8, header length u16, header, frame*
//! header: sender's name (length u8, bytes), incarnation u64, and where its batches are numbered: epoch u64, number u64
//! frame:  type u8, length u32, body
//! ```
//!
//! Nodes one version apart run side by side while a domain is updated, hence:
//! - A reader skips types of frames that it does not know and ignores what follows the parts it knows, in the header and in bodies: a newer writer
//!   may add both. It must be able to do without an answer to what it added.
//! - Flags change the meaning, so a frame with one that is not known here is not carried out.
//! - `floor` is the lowest version that may read the batch. A writer raises it when older nodes would misunderstand it; they refuse it by name. What
//!   stands before the frames never changes, so that a refusal can name the sender.
//! - A frame that cannot be read takes no other one with it.
//!
//! Batches may be lost, and what is lost must not be overtaken. A sender numbers its batches from 0 and begins a new *epoch*, with a larger number, whenever
//! something may have been lost; a receiver that misses one says so ([`BusFrame::Restart`]), and passes over RELIABLE messages until the next epoch, in which they come
//! again.
//!
//! Recorded in `tests/golden/`.

mod frame;
mod reader;
mod writer;

pub use frame::{BusFrame, GroupDelivery, GroupRecipient};
pub use reader::{Batch, BatchDecodeError, BatchNumber, BrokenFrame, FrameDecodeError, decode_batch};
pub use writer::BatchWriter;

const MAGIC: [u8; 4] = *b"LBUS";
/// What this program writes.
const VERSION: u8 = 1;
/// The lowest version that understands what this program writes.
const FLOOR: u8 = 1;

const FLAG_TICKET: u8 = 1;
const FLAG_FAST: u8 = 1 << 2;
const FLAG_REFERENCE: u8 = 1 << 3;

const FLAG_SESSION: u8 = 1;

const FLAG_REPLAYING: u8 = 1;

const DELIVER: u8 = 1;
const DELIVER_GROUP: u8 = 2;
const PROVEN: u8 = 3;
const NOT_HERE: u8 = 4;
const BEHIND: u8 = 5;
const STORED: u8 = 6;
const DISMISS: u8 = 7;
const ASK: u8 = 8;
const CLOSE: u8 = 9;
const RESCAN: u8 = 10;
const RESTART: u8 = 11;
const FINISH: u8 = 12;
const CLOSE_AWAY: u8 = 13;
const LINK_STATES: u8 = 14;
const CALL: u8 = 15;
const REPLY: u8 = 16;
