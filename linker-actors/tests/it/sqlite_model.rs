//! The SQLite store and the memory store, which know nothing of each other, give the same answers to the same random calls.

use std::sync::Arc;

use linker_actors::adapter::memory::MemoryStore;
use linker_actors::adapter::sqlite::SqliteStore;
use linker_core::envelope::{Envelope, Trail};
use linker_core::id::{DomainName, MessageId, NodeInstance, UserId};
use linker_core::port::{
    CountRequest, Insert, Page, PageFilter, PageRequest, Store, StoreBatch, TakeOver, WaitReason,
};
use linker_core::testkit::sample::{
    EPOCH_MS, KINDS, message_id, message_with_reference, node, of_kind, user,
};

use crate::sqlite_harness::StoreFile;

/// Xorshift: the same seed gives the same calls.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }

    fn envelope(&mut self) -> Envelope {
        let n = self.below(400);
        // The same id is always the same message.
        let mut own = Random(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        own.below(2);
        let (from, to) = (user(own.below(3)), user(10 + own.below(3)));
        let envelope = match own.below(4) {
            0 => of_kind(KINDS[own.below(7) as usize], n, from, to),
            _ => message_with_reference(n, from, to, &format!("r-{}", own.below(12))),
        };
        // But not always as far from home.
        let path: Vec<DomainName> = (0..self.below(4)).map(|_| self.domain()).collect();
        Envelope {
            trail: (!path.is_empty()).then(|| Box::new(Trail { path, after: None })),
            ..envelope
        }
    }

    fn batch(&mut self, now_ms: u64) -> StoreBatch {
        let reasons = [
            WaitReason::Absent,
            WaitReason::Behind,
            WaitReason::Fault,
            WaitReason::Forward,
        ];
        let inserts: Vec<Insert> = (0..self.below(12))
            .map(|_| {
                let reason = reasons[self.below(4) as usize];
                Insert {
                    envelope: Arc::new(self.envelope()),
                    reason,
                    home: (reason == WaitReason::Forward).then(|| self.domain()),
                }
            })
            .collect();
        let deletes = (0..self.below(14)).map(|_| message_id(self.below(400))).collect();
        let mut others: Vec<MessageId> = (0..self.below(14))
            .map(|_| message_id(self.below(400)))
            .filter(|id| !inserts.iter().any(|insert| insert.envelope.id == *id))
            .collect();
        others.sort_unstable();
        others.dedup();
        let redirected = others.split_off(others.len() / 3 * 2);
        let behind = others.split_off(others.len() / 2);
        let absent = others;
        StoreBatch {
            inserts,
            deletes,
            forwarded: (0..self.below(14))
                .map(|_| (message_id(self.below(400)), self.below(4) as u8))
                .collect(),
            absent,
            behind,
            redirected: redirected.into_iter().map(|id| (id, self.domain())).collect(),
            node: self.some_node(),
            dedupe_since_ms: now_ms - 40,
            now_ms,
            max_per_user: 8 + self.below(4),
        }
    }

    fn some_node(&mut self) -> Option<NodeInstance> {
        (self.below(4) > 0).then(|| node(self.below(3)))
    }

    fn domain(&mut self) -> DomainName {
        let names = ["domain-01", "domain-02"];
        names[self.below(2) as usize].parse().expect("a domain name")
    }

    fn nodes(&mut self) -> Vec<NodeInstance> {
        (0..self.below(3)).map(|_| node(self.below(3))).collect()
    }

    fn moved(&mut self) -> Vec<(UserId, Option<DomainName>)> {
        let first = 10 + self.below(3);
        (first..13)
            .map(|number| (user(number), (self.below(2) > 0).then(|| self.domain())))
            .collect()
    }

    fn take_over(&mut self) -> TakeOver {
        TakeOver {
            node: self.some_node(),
            spared: self.nodes(),
            home: (self.below(2) > 0).then(|| self.domain()),
            after_seq: 0,
            max_rows: self.below(6) as u32,
            max_bytes: self.below(2000) as usize,
        }
    }

    fn page(&mut self, user: UserId) -> PageRequest {
        PageRequest {
            user,
            after_seq: 0,
            max_rows: 1 + self.below(20) as u32,
            max_bytes: self.below(4000) as usize,
            filter: [PageFilter::All, PageFilter::Behind][self.below(2) as usize],
        }
    }
}

/// Everything but the sequence numbers, of which one store may use more than the other.
fn shape(page: Page) -> (Vec<(Arc<Envelope>, WaitReason)>, bool) {
    let rows = page.rows.into_iter().map(|row| (row.envelope, row.reason));
    (rows.collect(), page.exhausted)
}

/// The same domains, in the same order.
fn sorted(mut backlog: Vec<(DomainName, u64)>) -> Vec<(DomainName, u64)> {
    backlog.sort_unstable();
    backlog
}

/// What concerns other domains: what waits for them, for whom, and who moves.
async fn compare_homes(random: &mut Random, memory: &MemoryStore, sqlite: &SqliteStore, at: &str) {
    if random.below(8) == 0 {
        let moved = random.moved();
        let both = (memory.rehome(moved.clone()).await, sqlite.rehome(moved).await);
        assert_eq!(both.0, both.1, "{at}");
    }
    let spared = random.nodes();
    let both = (memory.backlog(spared.clone()).await, sqlite.backlog(spared).await);
    assert_eq!(both.0.map(sorted), both.1.map(sorted), "{at}");
    let after = (random.below(2) > 0).then(|| user(9 + random.below(4)));
    let max = random.below(4) as u32;
    let both = (
        memory.recipients(after, max).await,
        sqlite.recipients(after, max).await,
    );
    assert_eq!(both.0, both.1, "{at}");
}

async fn compare(seed: u64, file: &StoreFile, restarts: bool) {
    let mut random = Random(seed);
    let memory = MemoryStore::new();
    let mut sqlite: SqliteStore = file.open().await;
    let mut now_ms = EPOCH_MS;
    for step in 0..250 {
        let at = format!("seed {seed}, step {step}");
        // The clock steps back now and then.
        now_ms = now_ms + random.below(20) - random.below(8);
        let batch = random.batch(now_ms);
        let both = (
            memory.apply(batch.clone()).await,
            sqlite.apply(batch.clone()).await,
        );
        assert_eq!(both.0, both.1, "{at}: {batch:?}");
        if random.below(10) == 0 {
            let before = now_ms - random.below(60);
            let max_rows = random.below(5) as u32;
            let both = (
                memory.expire(before, max_rows).await,
                sqlite.expire(before, max_rows).await,
            );
            assert_eq!(both.0, both.1, "{at}");
        }
        if restarts && random.below(20) == 0 {
            sqlite.close().await;
            sqlite = file.open().await;
        }
        if random.below(3) == 0 {
            let request = random.take_over();
            let both = (
                memory.take_over(request.clone()).await,
                sqlite.take_over(request).await,
            );
            let both = (both.0.map(shape), both.1.map(shape));
            assert_eq!(both.0, both.1, "{at}");
        }
        compare_homes(&mut random, &memory, &sqlite, &at).await;
        for number in 10..13 {
            let request = random.page(user(number));
            let both = (memory.page(request.clone()).await, sqlite.page(request).await);
            let both = (both.0.map(shape), both.1.map(shape));
            assert_eq!(both.0, both.1, "{at}");
        }
        let requests: Vec<CountRequest> = (0..4)
            .map(|_| CountRequest {
                user: user(10 + random.below(4)),
                except: (0..random.below(30))
                    .map(|_| message_id(random.below(400)))
                    .collect(),
            })
            .collect();
        assert_eq!(
            memory.count(requests.clone()).await,
            sqlite.count(requests).await,
            "{at}"
        );
        let since = now_ms - random.below(60);
        let both = (
            memory.repeatable_since(since, 10).await,
            sqlite.repeatable_since(since, 10).await,
        );
        assert_eq!(both.0, both.1, "{at}");
    }
}

#[tokio::test]
async fn sqlite_and_memory_agree_over_random_calls() {
    for seed in 1..=4 {
        compare(seed * 0x1234_5678_9abc, &StoreFile::new(), false).await;
    }
}

#[tokio::test]
async fn sqlite_and_memory_agree_over_restarts() {
    for seed in 5..=7 {
        compare(seed * 0x1234_5678_9abc, &StoreFile::new(), true).await;
    }
}
