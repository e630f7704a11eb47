//! Several nodes of one domain.

mod bad_input;
mod fetching;
mod frozen;
mod kill9;
mod local;
mod moving;
mod rolling;
mod services;
mod two_nodes;
