//! The memory adapters keep the contract of their ports.

mod store {
    use linker_actors::adapter::memory::MemoryStore;

    linker_core::store_conformance!(#[tokio::test] => async { Box::new(MemoryStore::new()) });
}

mod store_behind_a_switch {
    use linker_actors::adapter::memory::{FaultyStore, MemoryStore};

    linker_core::store_conformance!(#[tokio::test] => async { Box::new(FaultyStore::new(MemoryStore::new()).0) });
}

mod presence {
    use linker_actors::adapter::memory::MemoryPresence;
    use linker_core::testkit::conformance::presence::SESSIONS_PER_USER;

    linker_core::presence_conformance!(#[tokio::test] => async { Box::new(MemoryPresence::new(SESSIONS_PER_USER)) });
}

/// Several nodes at one registry in this process.
mod shared_presence {
    use std::sync::Arc;

    use linker_actors::adapter::memory::MemoryPresence;
    use linker_core::id::NodeInstance;
    use linker_core::port::{BoxFuture, Presence};
    use linker_core::testkit::conformance::presence::{SESSIONS_PER_USER, SharedRegistry};

    struct Fixture(Arc<MemoryPresence>);

    impl SharedRegistry for Fixture {
        fn adapter(&self) -> BoxFuture<'_, Arc<dyn Presence>> {
            let adapter: Arc<dyn Presence> = Arc::clone(&self.0) as _;
            Box::pin(async { adapter })
        }

        fn lapse<'a>(&'a self, node: &'a NodeInstance) -> BoxFuture<'a, ()> {
            Box::pin(async { self.0.lapse(node) })
        }

        fn empty(&self) -> BoxFuture<'_, ()> {
            Box::pin(async { self.0.clear() })
        }
    }

    fn fixture() -> Fixture {
        Fixture(Arc::new(MemoryPresence::shared(SESSIONS_PER_USER)))
    }

    mod alone {
        linker_core::presence_conformance!(#[tokio::test] => async { super::fixture().0 });
    }

    linker_core::shared_presence_conformance!(#[tokio::test] => async { Box::new(fixture()) });

    #[tokio::test]
    async fn a_node_that_does_not_beat_for_the_timeout_is_dead() {
        use crate::wait::{WAIT, eventually};
        use linker_core::testkit::sample::{node_record, session, user};
        use std::time::{Duration, Instant};

        let timeout = Duration::from_millis(60);
        let presence = MemoryPresence::shared(SESSIONS_PER_USER).with_node_timeout(timeout);
        assert!(presence.is_shared());
        let joined = Instant::now();
        presence.join(node_record(1)).await.expect("joined");
        presence
            .register(vec![session(1, 1, 1)])
            .await
            .expect("registered");
        eventually("the node is dead", WAIT, async || {
            let found = presence.lookup(vec![user(1)]).await.expect("looked up");
            found[0].is_empty().then_some(())
        })
        .await;
        assert!(joined.elapsed() >= timeout, "not before");
        assert_eq!(presence.sweep(10).await, Ok(vec![user(1)]));
    }
}

mod bus {
    use std::sync::Arc;

    use linker_actors::adapter::memory::MemoryHub;
    use linker_core::port::Bus;
    use linker_core::testkit::conformance::bus::BusDomain;

    fn domain() -> Box<impl BusDomain> {
        let hub = MemoryHub::new();
        Box::new(move || Arc::new(hub.bus()) as Arc<dyn Bus>)
    }

    linker_core::bus_conformance!(#[tokio::test] => async { domain() });
}
