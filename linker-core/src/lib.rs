//! The domain of Linker and no machinery: ids, frames, envelopes, sessions and custody as state machines, the domain graph, and the ports to the
//! world outside. No sockets, no actors, no clock and no randomness of its own: time and ids come in as arguments.
#![warn(missing_docs)]

pub mod app;
pub mod bus;
pub mod clock;
pub mod code;
pub mod custody;
pub mod directory;
pub mod distribution;
pub mod duration;
pub mod envelope;
pub mod frame;
mod generations;
pub mod id;
pub mod limit;
pub mod link;
pub mod message_type;
pub mod meta;
pub mod network;
pub mod pem;
pub mod port;
pub mod session;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod trace;
pub mod upstream;
pub mod url;
