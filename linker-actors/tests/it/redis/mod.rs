//! Presence in Redis: the contract of its port, and what happens to it when Redis does not do what it should.

mod conformance;
mod faults;
mod harness;
mod opening;
mod server;
mod turns;
