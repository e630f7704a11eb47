//! The Redis adapter keeps the contract of its port.

use super::harness::{Domain, shared_url};

/// One adapter, and the domain that is cleared after it.
struct Alone {
    presence: linker_actors::adapter::redis::RedisPresence,
    _domain: Domain,
}

impl std::ops::Deref for Alone {
    type Target = linker_actors::adapter::redis::RedisPresence;

    fn deref(&self) -> &Self::Target {
        &self.presence
    }
}

async fn alone() -> Alone {
    let domain = Domain::at(shared_url());
    Alone {
        presence: domain.open().await,
        _domain: domain,
    }
}

mod alone_laws {
    linker_core::presence_conformance!(#[tokio::test] => super::alone());
}

mod shared_laws {
    use super::*;

    linker_core::shared_presence_conformance!(#[tokio::test] => async { Box::new(Domain::at(shared_url())) });
}

/// A Redis that refuses scripts with keys of several slots, and keys that were not named.
mod one_slot {
    use deadpool_redis::redis::cmd;
    use linker_core::testkit::conformance::presence as law;

    use super::super::harness::{Domain, PrivateRedis, raw};

    #[tokio::test]
    async fn every_script_keeps_to_one_slot() {
        let redis = PrivateRedis::start(&["--cluster-enabled", "yes"]).await;
        let mut connection = raw(&redis.url()).await;
        let mut take_all = cmd("CLUSTER");
        take_all.arg("ADDSLOTSRANGE").arg(0).arg(16383);
        let (): () = take_all.query_async(&mut connection).await.expect("all slots");
        let domain = || Domain::at(redis.url());
        ready(&domain()).await;
        law::beyond_the_limit_the_oldest_sessions_go(&domain().open().await).await;
        law::a_name_is_taken_while_its_node_lives(&domain()).await;
        law::sessions_of_dead_nodes_are_absent(&domain()).await;
        law::each_user_of_a_dead_node_is_told_to_one_sweeper(&domain()).await;
        law::a_swept_node_comes_back(&domain()).await;
        law::reconciling_removes_what_is_no_session(&domain()).await;
        law::watchers_learn_of_changes_by_others(&domain()).await;
        law::who_waits_for_a_turn_is_next(&domain()).await;

        let mut across = cmd("EVAL");
        across
            .arg("return 1")
            .arg(2)
            .arg("linker:{a:u:ANZ-1}")
            .arg("linker:{a:n:b}");
        let refused: Result<i64, _> = across.query_async(&mut connection).await;
        assert!(
            refused.is_err_and(
                |error| error.to_string().contains("CrossSlot") || error.code() == Some("CROSSSLOT")
            )
        );
    }

    /// A cluster takes a moment until it finds itself complete.
    async fn ready(domain: &Domain) {
        let presence = domain.open().await;
        let user = linker_core::testkit::sample::user(1);
        let patience = super::super::harness::PATIENCE;
        crate::wait::eventually("the cluster answers", patience, async || {
            linker_core::port::Presence::lookup(&presence, vec![user])
                .await
                .ok()
        })
        .await;
    }
}
