//! Frames of the wire protocol: what clients say and what they are told.

mod client;
mod fields;
mod server;

pub use client::{AuthOptions, AuthRequest, ClientFrame};
pub use fields::{Fields, read_bool, read_string, read_u64};
pub use server::error_content;
pub use server::{AuthReply, SERVER_TYPES, ServerFrame};
