//! One suite a port, run on every adapter: a fake that was not run through it is a lie.
//!
//! ```text
//! mod my_store {
//!     linker_core::store_conformance!(#[tokio::test] => async { Box::new(MyStore::open().await) });
//! }
//! ```
//!
//! The macro makes one test of each law. The expression is a future that is awaited once a test and yields a fresh, empty adapter behind anything that
//! dereferences to it: a `Box`, an `Arc`, or a guard of your own that cleans up when it is dropped.

pub mod bus;
pub mod presence;
pub mod store;
