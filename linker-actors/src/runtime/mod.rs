//! Threads, runtimes and what keeps actors honest: bounded outlets, panic boundaries, timers.

pub(crate) mod by_user;
pub(crate) mod clock;
pub(crate) mod guard;
pub(crate) mod ids;
pub(crate) mod leftovers;
pub(crate) mod outlet;
pub(crate) mod places;
pub(crate) mod system;
pub(crate) mod wheel;
