//! The panic boundary of actors: actix supervises no panic, so none may reach it.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body`; a panic is counted, logged once, and becomes `None`. What `body` changed may be half done: the caller rebuilds it.
pub(crate) fn catch<T>(actor: &'static str, body: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => Some(value),
        Err(panic) => {
            let message = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            metrics::counter!("linker_actor_panics_total", "actor" => actor).increment(1);
            tracing::error!(actor.name = actor, panic.message = %message, "an actor panicked and is rebuilt");
            None
        }
    }
}
