//! In the process: nothing to install, and nothing left when it ends.
//!
//! What `--no-default-features` runs on, and what actors are tested with.

mod bus;
#[cfg(feature = "testkit")]
mod faulty;
mod forwarding;
mod presence;
mod records;
mod store;

pub use bus::{MemoryBus, MemoryHub};
#[cfg(feature = "testkit")]
pub use faulty::{Fault, FaultSwitch, FaultyStore};
pub use presence::MemoryPresence;
pub use store::MemoryStore;
