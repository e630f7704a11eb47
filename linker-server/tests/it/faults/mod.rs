//! What breaks under a running node.

mod failing_disk;
mod full_disk;
mod slow_store;
