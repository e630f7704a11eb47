//! A message whose transaction ends only when its node is gone: nobody looks whether its recipient has come meanwhile but those who are left.

use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use crate::harness::{Client, Domain, WAIT, eventually, referenced};

const KEY: i64 = 1;

/// Transactions that have stored a message wait with their commit for as long as this holds them.
struct HeldCommits {
    holder: PgConnection,
}

impl HeldCommits {
    async fn of(domain: &Domain) -> Self {
        let mut holder = PgConnection::connect(&domain.urls.store)
            .await
            .expect("the domain's database is there");
        for statement in [
            format!(
                "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS \
                 $$BEGIN PERFORM pg_advisory_xact_lock_shared({KEY}); RETURN NULL; END$$"
            ),
            "CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON linker_message DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION hold()"
                .to_owned(),
            format!("SELECT pg_advisory_lock({KEY})"),
        ] {
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut holder)
                .await
                .expect("the schema is there");
        }
        Self { holder }
    }

    async fn one_waits(&mut self) {
        eventually("a commit waits", WAIT, async || {
            let question = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            let waiting: i64 = sqlx::query_scalar(question)
                .fetch_one(&mut self.holder)
                .await
                .expect("the database answers");
            (waiting > 0).then_some(())
        })
        .await;
    }

    async fn let_go(mut self) {
        sqlx::query("SELECT pg_advisory_unlock($1)")
            .bind(KEY)
            .execute(&mut self.holder)
            .await
            .expect("the lock is held");
        self.holder.close().await.expect("the connection closes");
    }
}

#[tokio::test]
async fn what_a_dead_node_stored_for_a_user_who_came_meanwhile_is_given_to_them() {
    for replay in [true, false] {
        let domain = Domain::new().await;
        let mut nodes = domain.pair().await;
        let sender = Client::login(&nodes[0], "ANZ-1").await;
        let mut held = HeldCommits::of(&domain).await;
        sender.send(referenced("ANZ-2", "x", "r"));
        held.one_waits().await;
        let mut recipient = Client::login_with(&nodes[1], "ANZ-2", json!({"replay": replay})).await;
        assert_eq!(recipient.missing(), 0);
        nodes[0].kill9();
        held.let_go().await;
        let message = recipient.expect("MESSAGE").await;
        assert_eq!(message["data"]["from"], "ANZ-1");
        let mut sender = Client::login_with(&nodes[1], "ANZ-1", json!({"replay": true})).await;
        sender.expect_for("MESSAGE_CONFIRMATION", "r").await;
    }
}
