//! The API on the admin port: what backends and operators do with it, and what they do wrong.

mod document;
mod messages;
mod network;
mod tokens;
mod users;
