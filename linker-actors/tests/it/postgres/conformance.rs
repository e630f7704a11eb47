//! The PostgreSQL adapter keeps the contract of its port.

use super::harness::Fixture;

linker_core::store_conformance!(#[tokio::test] => Fixture::new());
