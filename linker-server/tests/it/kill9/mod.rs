//! kill -9 and what may not be lost by it.

mod confirmations;
mod rounds;
