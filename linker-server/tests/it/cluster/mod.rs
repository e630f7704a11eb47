//! Several nodes of one domain.

mod bad_input;
mod fetching;
mod frozen;
mod kill9;
mod late_row;
mod local;
mod moving;
mod rolling;
mod services;
mod two_nodes;
