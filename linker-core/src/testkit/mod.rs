//! For tests, an embedder's own included: samples, and the conformance suites that every adapter of a port has to pass.
//!
//! Feature `testkit`. Nothing here needs a runtime: the suites are async functions, and the macros that turn them into tests take the caller's test
//! attribute.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation ends the test"
)]

pub mod conformance;
pub mod sample;
