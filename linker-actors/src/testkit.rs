//! For tests and fuzzing (feature `testkit`): parts of a node without the rest of it.

pub use crate::session::testkit::{Said, read_websocket};
