//! A node in this process behind real sockets, on either transport, and the clients of the server's own tests.

#![allow(
    dead_code,
    reason = "the clients are shared with the server's tests, which use more of them"
)]

#[path = "../../../../linker-server/tests/it/harness/client.rs"]
mod client;
#[path = "../../../../linker-server/tests/it/harness/frames.rs"]
mod frames;
mod live;
mod node;
mod process;
#[path = "../../../../linker-server/tests/it/harness/raw.rs"]
mod raw;
mod transport;

pub(crate) use client::{Client, Frame};
pub(crate) use frames::{
    auth, close_connection, fast, fetch, group, message, message_ack, message_read, ping, referenced,
    references, references_of, with,
};
pub(crate) use live::await_live;
pub(crate) use node::{MASTER, Node, NodeSpec, Pair, app_id_of, apps, user};
pub(crate) use process::{in_a_process_of_its_own, peak_resident_kib};
pub(crate) use raw::{Dial, Raw, Received, Socket, Wire, upgrade_status};
pub(crate) use transport::{Server, Transport};

pub(crate) use crate::wait::{WAIT, eventually, eventually_telling};
