//! What a seed decides before the first event: how large, how fast and how unlucky its world is.

use std::time::Duration;

/// What makes other dice of a seed.
const REPETITIONS: u64 = 0x5EED_0001;
const BELIEVED_DEAD: u64 = 0x5EED_0002;

/// SplitMix64: small, fast, the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `bound` − 1.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Up to `max`, small values more often.
    pub(crate) fn up_to(&mut self, max: Duration) -> Duration {
        let max = max.as_micros() as u64;
        let first = self.below(max + 1);
        Duration::from_micros(self.below(first + 1))
    }
}

/// The world of one seed.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) users: u64,
    pub(crate) devices: u64,
    /// How long clients act before everything heals.
    pub(crate) length: Duration,
    /// Between two acts of a client, at most.
    pub(crate) pause: Duration,
    pub(crate) commit_window: Duration,
    pub(crate) max_unproven_bytes: usize,
    pub(crate) max_pending_bytes: usize,
    pub(crate) max_per_user: u64,
    pub(crate) sessions_per_user: usize,
    pub(crate) mailbox_capacity: usize,
    /// One way over the network, at most.
    pub(crate) network: Duration,
    /// From thread to thread, at most.
    pub(crate) hop: Duration,
    /// One answer of the store, at most.
    pub(crate) store: Duration,
    /// Bytes that sockets hold of what a client does not read.
    pub(crate) socket_bytes: usize,
    /// Acts in a hundred that are a lost connection.
    pub(crate) cuts: u64,
    /// Acts in a hundred after which a client stops reading for a while.
    pub(crate) stalls: u64,
    /// Logins in a hundred with `ack: "client"`.
    pub(crate) client_acks: u64,
    /// Logins in a hundred with `replay`.
    pub(crate) replays: u64,
    /// Times the node is killed.
    pub(crate) crashes: u64,
    /// Times the store goes away for a while.
    pub(crate) store_faults: u64,
    /// Times a router panics and starts over with what it answered for.
    pub(crate) router_faults: u64,
    /// Whether somebody is the master and is told who comes and goes.
    pub(crate) master: bool,
    /// Of several nodes: one way over the bus, to presence, and until a change there is known everywhere, at most.
    pub(crate) bus: Duration,
    pub(crate) presence: Duration,
    pub(crate) invalidation: Duration,
    /// Nodes remember where users are.
    pub(crate) caches: bool,
    /// Times the bus loses batches for a while.
    pub(crate) bus_losses: u64,
    /// Times a lane of the bus is down for a while.
    pub(crate) bus_aways: u64,
    /// Times presence is away for a while.
    pub(crate) presence_faults: u64,
    /// Times a node stands still.
    pub(crate) freezes: u64,
    /// Times presence is away for one node only.
    pub(crate) cut_offs: u64,
    /// Messages in a hundred acts of sending that were answered before.
    pub(crate) repetitions: u64,
}

impl Plan {
    pub(crate) fn of(rng: &mut Rng, seed: u64) -> Self {
        let ms = Duration::from_millis;
        let calm = rng.percent(20);
        let faulty = |percent: u64, rng: &mut Rng| match !calm && rng.percent(percent) {
            true => 1 + rng.below(3),
            false => 0,
        };
        // A full inbox on a crowded node stops senders until their messages are proven: a world of its own.
        let small_inboxes = rng.percent(25);
        let one_node = Self {
            nodes: 1,
            users: 2 + rng.below(3),
            devices: rng.pick(&[1, 1, 2, 3]),
            length: ms(rng.pick(&[100, 300, 1000])),
            pause: ms(rng.pick(&[20, 60, 200])),
            commit_window: ms(rng.pick(&[5, 20, 20, 100])),
            max_unproven_bytes: rng.pick(&[700, 2000, 8000, 1 << 20]),
            max_pending_bytes: match small_inboxes {
                true => 1 << 28,
                false => rng.pick(&[3000, 1 << 28, 1 << 28]),
            },
            max_per_user: if small_inboxes { 3 } else { 1 << 20 },
            sessions_per_user: rng.pick(&[1, 2, 8]),
            mailbox_capacity: rng.pick(&[4, 16, 4096]),
            network: ms(rng.pick(&[1, 5, 40])),
            hop: Duration::from_micros(rng.pick(&[0, 50, 2000])),
            store: ms(rng.pick(&[0, 3, 10, 80])),
            socket_bytes: rng.pick(&[0, 1000, 100_000]),
            cuts: rng.pick(&[2, 8, 20]),
            stalls: rng.pick(&[0, 0, 5, 15]),
            client_acks: rng.pick(&[0, 30, 100]),
            replays: rng.pick(&[0, 50, 100]),
            crashes: faulty(30, rng),
            store_faults: faulty(40, rng),
            router_faults: faulty(15, rng),
            master: rng.percent(30),
            bus: Duration::ZERO,
            presence: Duration::ZERO,
            invalidation: Duration::ZERO,
            caches: false,
            bus_losses: 0,
            bus_aways: 0,
            presence_faults: 0,
            freezes: 0,
            cut_offs: 0,
            repetitions: Rng::new(seed ^ REPETITIONS).pick(&[0, 5, 20]),
        };
        one_node.with_nodes(seed).with_one_believed_dead(seed)
    }

    /// By other dice, so that worlds of one node do not depend on what there is for several.
    fn with_nodes(self, seed: u64) -> Self {
        let mut rng = Rng::new(!seed);
        let nodes = rng.pick(&[1, 1, 2, 2, 3]);
        if nodes == 1 {
            return self;
        }
        let ms = Duration::from_millis;
        let faulty = |percent: u64, rng: &mut Rng| match rng.percent(percent) {
            true => 1 + rng.below(3),
            false => 0,
        };
        let calm = rng.percent(40);
        let unless_calm = if calm { 0 } else { 25 };
        let lasts_longer = rng.percent(25);
        Self {
            nodes,
            length: if lasts_longer {
                5 * self.length
            } else {
                self.length
            },
            pause: if lasts_longer { 3 * self.pause } else { self.pause },
            bus: ms(rng.pick(&[0, 2, 20])),
            presence: ms(rng.pick(&[0, 1, 15])),
            invalidation: ms(rng.pick(&[0, 1, 10])),
            caches: rng.percent(70),
            crashes: faulty(unless_calm, &mut rng),
            store_faults: if calm { 0 } else { self.store_faults },
            router_faults: if calm { 0 } else { self.router_faults },
            bus_losses: faulty(unless_calm, &mut rng),
            bus_aways: faulty(unless_calm, &mut rng),
            presence_faults: faulty(unless_calm, &mut rng),
            freezes: faulty(unless_calm / 2, &mut rng),
            ..self
        }
    }

    /// In some worlds of several nodes, a node stands still or is cut off from presence for so long that it counts as dead: by other dice once more.
    fn with_one_believed_dead(self, seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ BELIEVED_DEAD);
        if self.nodes == 1 || !rng.percent(25) {
            return self;
        }
        let ms = Duration::from_millis;
        let freezes = rng.below(3);
        Self {
            length: ms(rng.pick(&[2500, 4000, 6000])),
            pause: self.pause.max(ms(rng.pick(&[60, 200]))),
            freezes,
            cut_offs: if freezes == 0 { 1 } else { rng.below(2) },
            ..self
        }
    }

    /// A node may be taken for dead that lives: then two move what it had.
    pub(crate) fn nodes_seem_dead(&self) -> bool {
        self.presence_faults + self.freezes + self.cut_offs > 0
    }

    /// Something goes wrong between nodes in this world.
    pub(crate) fn nodes_suffer(&self) -> bool {
        let crashes = if self.nodes > 1 { self.crashes } else { 0 };
        crashes + self.bus_losses + self.bus_aways + self.presence_faults + self.freezes + self.cut_offs > 0
    }
}
