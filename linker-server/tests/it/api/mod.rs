//! The API on the admin port: what backends and operators do with it, and what they do wrong.

mod document;
mod load;
mod login;
mod messages;
mod network;
mod pushes;
mod tokens;
mod users;
