//! The allocator of the stock server. glibc's keeps what a burst has left, several times what the node needs; this one gives it back to the system.

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Threads of its own return memory that is not used, also while the node has nothing to do. Answers why that does not work here.
pub(crate) fn return_memory() -> Result<(), String> {
    tikv_jemalloc_ctl::background_thread::write(true).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_memory_is_returned() {
        assert_eq!(return_memory(), Ok(()));
        assert!(tikv_jemalloc_ctl::background_thread::read().is_ok_and(|on| on));
    }
}
