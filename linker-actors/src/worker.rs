//! What the sessions of one thread share with their router: its custody, one read buffer, one timer wheel.
//!
//! Sessions call their own router directly (same thread, no mailbox, no wake-up); everything for other threads is collected and leaves once a
//! turn of the loop, so that batches grow with load.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use bytes::BytesMut;
use linker_core::clock::Now;
use linker_core::code::{CloseCode, FrameError};
use linker_core::custody::{Origin, Submission, Ticket};
use linker_core::envelope::Envelope;
use linker_core::id::{MessageId, SessionId};
use linker_core::session::SessionEffect;
use tokio::sync::Notify;

use crate::config::NodeConfig;
use crate::node::Node;
use crate::presence::PresenceOp;
use crate::router::{Router, RouterActor, RouterMail, Target};
use crate::runtime::guard;
use crate::runtime::ids::IdSource;
use crate::runtime::places::{Place, Places};
use crate::runtime::wheel::{TICK, Wheel};
use crate::session::{SessionEntry, ToSession};
use crate::store::StoreRequest;

/// A larger output buffer is not kept: a client that stops reading keeps the one it was lent.
const OUTPUT_BUFFER_BYTES_MAX: usize = 16 * 1024;

/// A turn that is wanted comes so soon on a thread that has nothing else to do.
const LAG_MIN: Duration = Duration::from_millis(1);

thread_local! {
    /// Workers of this thread, one a node (tests run several nodes in a process).
    static WORKERS: RefCell<HashMap<u64, Rc<Worker>>> = RefCell::default();
}

pub(crate) struct Worker {
    pub(crate) node: Arc<Node>,
    pub(crate) shard: u16,
    /// The settings in force, for this thread alone.
    config: RefCell<Rc<NodeConfig>>,
    router: RefCell<Router>,
    /// Wakes the router's actor, which carries out what was collected.
    wake: Notify,
    /// Since when the next turn is wanted.
    wanted_at: Cell<Option<Duration>>,
    /// The router's actor is gone, and sessions of the thread may still be about to end.
    ended: Cell<bool>,
    /// It knows places, not mailboxes: those of sessions that have ended would stay in memory until their time has come.
    wheel: RefCell<Wheel<Place>>,
    /// The time, as it was read last on this thread.
    now: Cell<Now>,
    ids: RefCell<IdSource>,
    read_buffer: Cell<Option<BytesMut>>,
    /// For the output of whichever session is being polled, until a client does not take all of it.
    output_buffer: Cell<Option<BytesMut>>,
    effects: Cell<Vec<SessionEffect>>,
    /// Frames are encoded here before they are copied into a session's output.
    pub(crate) scratch: RefCell<BytesMut>,
    /// Mailboxes of all connections, logged in or not.
    connections: RefCell<Places<Arc<Recipient<ToSession>>>>,
    /// Closes that found a mailbox full.
    closing: RefCell<Vec<(Recipient<ToSession>, CloseCode)>>,
}

impl Worker {
    /// The worker of this thread for `node`; the first call starts its router.
    pub(crate) fn of_this_thread(node: &Arc<Node>) -> Rc<Self> {
        let known = WORKERS.with_borrow(|workers| workers.get(&node.instance).cloned());
        known.unwrap_or_else(|| {
            let worker = Self::start(node);
            WORKERS.with_borrow_mut(|workers| workers.insert(node.instance, Rc::clone(&worker)));
            worker
        })
    }

    /// A worker with a router of its own, on this thread.
    pub(crate) fn start(node: &Arc<Node>) -> Rc<Self> {
        let shard = node.routers.reserve();
        let worker = Rc::new(Self {
            router: RefCell::new(Router::new(Arc::clone(node), shard)),
            shard,
            config: RefCell::new(Rc::new(NodeConfig::clone(&node.config()))),
            wake: Notify::new(),
            wanted_at: Cell::new(None),
            ended: Cell::new(false),
            wheel: RefCell::new(Wheel::new(node.clock.now().elapsed)),
            now: Cell::new(node.clock.now()),
            ids: RefCell::new(IdSource::new()),
            read_buffer: Cell::new(None),
            output_buffer: Cell::new(None),
            effects: Cell::default(),
            scratch: RefCell::new(BytesMut::with_capacity(4096)),
            connections: RefCell::default(),
            closing: RefCell::default(),
            node: Arc::clone(node),
        });
        let address = RouterActor::launch(Rc::clone(&worker));
        node.routers.set(shard, address.recipient());
        // From here on it is told of changes; of one in between it was not.
        worker.read_config();
        worker
    }

    /// Forgets the worker of this thread for a node that has stopped.
    pub(crate) fn forget(&self) {
        WORKERS.with_borrow_mut(|workers| workers.remove(&self.node.instance));
    }

    /// The router's actor ends. When a thread ends, its sessions may do so before it or after it: what they give back then has no turn to wait for.
    pub(crate) fn end(&self) {
        self.ended.set(true);
        self.node.routers.remove(self.shard);
        self.hand_on();
    }

    /// What is in custody goes to the node's own router, and what was collected for others to them.
    fn hand_on(&self) {
        let surrendered = guard::catch("router", || {
            let mut router = self.router.borrow_mut();
            router.send_last();
            // Its own ends with the node.
            (self.shard != 0).then(|| router.surrender())
        });
        if let Some(surrendered) = surrendered.flatten().filter(|left| !left.is_empty())
            && let Some(main) = self.node.routers.recipient(0)
        {
            // A sender of its own has a place of its own in the mailbox.
            let _ = main.try_send(RouterMail::TakeOver(surrendered));
        }
    }

    /// The settings in force.
    pub(crate) fn config(&self) -> Rc<NodeConfig> {
        Rc::clone(&self.config.borrow())
    }

    /// The node has other settings.
    pub(crate) fn read_config(&self) {
        let config = Rc::new(NodeConfig::clone(&self.node.config()));
        self.config.replace(config);
    }

    /// Reads the clock.
    pub(crate) fn now(&self) -> Now {
        let now = self.node.clock.now();
        self.now.set(now);
        now
    }

    /// The time as it was when somebody on this thread last read the clock: for what follows within the same poll, where a thousand things happen at
    /// once and reading it for each costs more than some of them.
    pub(crate) fn known_now(&self) -> Now {
        self.now.get()
    }

    pub(crate) fn next_id(&self, unix_ms: u64) -> MessageId {
        self.ids.borrow_mut().next(unix_ms)
    }

    /// Runs `body` on the router of this thread; what it leaves to be sent goes out this turn. A router that panics starts over with all it answered
    /// for, and there is no result.
    pub(crate) fn with_router<T>(
        &self,
        body: impl FnOnce(&mut Router, &mut dyn FnMut() -> MessageId, Now) -> T,
    ) -> Option<T> {
        self.with_router_at(self.now(), body)
    }

    fn with_router_at<T>(
        &self,
        now: Now,
        body: impl FnOnce(&mut Router, &mut dyn FnMut() -> MessageId, Now) -> T,
    ) -> Option<T> {
        let result = self.with_router_unwoken(now, body);
        if self.ended.get() {
            self.hand_on();
        } else if self.router.borrow().has_work() {
            if self.wanted_at.get().is_none() {
                self.wanted_at.set(Some(now.elapsed));
            }
            self.wake.notify_one();
        }
        result
    }

    /// The same, within a turn.
    fn with_router_unwoken<T>(
        &self,
        now: Now,
        body: impl FnOnce(&mut Router, &mut dyn FnMut() -> MessageId, Now) -> T,
    ) -> Option<T> {
        let mut new_id = || self.next_id(now.unix_ms);
        let mut router = self.router.borrow_mut();
        let result = guard::catch("router", || body(&mut router, &mut new_id, now));
        if result.is_none() {
            let rebuilt = guard::catch("router", || {
                let surrendered = router.surrender();
                router.take_over(surrendered, &mut new_id, now);
            });
            if rebuilt.is_none() {
                tracing::error!(
                    "a router cannot be rebuilt; what it answered for is in the store, or not acknowledged"
                );
            }
        }
        result
    }

    /// Within a step of the session that submits.
    pub(crate) fn submit(
        &self,
        envelope: Envelope,
        origin: Origin<Target>,
        accepted: bool,
    ) -> Result<(), FrameError> {
        self.with_router_at(self.known_now(), |router, new_id, now| {
            router.submit(
                Submission {
                    envelope,
                    origin,
                    accepted,
                },
                new_id,
                now,
            )
        })
        .unwrap_or(Ok(()))
    }

    /// Within a step of the session that has proven it.
    pub(crate) fn proven(&self, ticket: Ticket) {
        self.with_router_at(self.known_now(), |router, new_id, now| {
            router.proven(ticket, new_id, now)
        });
    }

    pub(crate) fn given_back(&self, ticket: Ticket, session: SessionId) {
        self.with_router(|router, new_id, now| router.given_back(ticket, session, new_id, now));
    }

    /// A session has ended with something in its mailbox.
    pub(crate) fn session_ended(&self, session: SessionId) {
        self.with_router(|router, new_id, now| router.tell_session_ended(session, new_id, now));
    }

    pub(crate) fn ask_store(&self, request: StoreRequest) {
        self.with_router(|router, _, _| router.ask_store(request));
    }

    pub(crate) fn register(&self, entry: Arc<SessionEntry>) {
        self.with_router(|router, _, _| router.presence(PresenceOp::Register(entry)));
    }

    pub(crate) fn farewell(&self, entry: Arc<SessionEntry>) {
        self.with_router(|router, _, _| router.presence(PresenceOp::Farewell(entry)));
    }

    pub(crate) fn remember_paused(&self, entry: &Arc<SessionEntry>) {
        self.with_router(|router, _, _| router.remember_paused(Arc::clone(entry)));
    }

    pub(crate) fn wake_session_at(&self, at: Duration, place: Place) {
        let mut wheel = self.wheel.borrow_mut();
        if wheel.is_empty() {
            self.wake.notify_one();
        }
        wheel.insert(at, place);
    }

    /// A connection is there; answers its place, for [`Worker::session_closed`].
    pub(crate) fn session_opened(&self, mailbox: Recipient<ToSession>) -> Place {
        self.connections.borrow_mut().insert(Arc::new(mailbox))
    }

    /// The mailbox of the connection at this place.
    pub(crate) fn mailbox_at(&self, place: Place) -> Option<Arc<Recipient<ToSession>>> {
        self.connections.borrow().get(place).cloned()
    }

    pub(crate) fn session_closed(&self, place: Place) {
        self.connections.borrow_mut().remove(place);
    }

    /// Closes all connections of this thread.
    pub(crate) fn close_sessions(&self, code: CloseCode) {
        let all = self.connections.borrow();
        self.closing
            .borrow_mut()
            .extend(all.iter().map(|mailbox| (Recipient::clone(mailbox), code)));
        self.wake.notify_one();
    }

    fn send_closes(&self) -> bool {
        let mut closing = self.closing.borrow_mut();
        closing.retain(|(mailbox, code)| {
            matches!(
                mailbox.try_send(ToSession::Close(*code)),
                Err(actix::prelude::SendError::Full(_))
            )
        });
        closing.is_empty()
    }

    pub(crate) fn take_effects(&self) -> Vec<SessionEffect> {
        self.effects.take()
    }

    pub(crate) fn put_effects(&self, mut effects: Vec<SessionEffect>) {
        effects.clear();
        if effects.capacity() <= 4096 {
            self.effects.set(effects);
        }
    }

    /// The thread's read buffer, empty, with room for `bytes`.
    pub(crate) fn take_read_buffer(&self, bytes: usize) -> BytesMut {
        let mut buffer = self.read_buffer.take().unwrap_or_default();
        buffer.clear();
        buffer.reserve(bytes);
        buffer
    }

    pub(crate) fn put_read_buffer(&self, buffer: BytesMut) {
        self.read_buffer.set(Some(buffer));
    }

    /// A buffer for output, empty.
    pub(crate) fn take_output_buffer(&self) -> BytesMut {
        self.output_buffer.take().unwrap_or_default()
    }

    /// Its output is in the socket.
    pub(crate) fn put_output_buffer(&self, mut buffer: BytesMut) {
        if buffer.capacity() <= OUTPUT_BUFFER_BYTES_MAX {
            buffer.clear();
            self.output_buffer.set(Some(buffer));
        }
    }

    /// One turn: sends what was collected, stores what was not proven in time, wakes sessions whose time has come. Answers when the next turn is due,
    /// if nothing wakes it before.
    pub(crate) fn turn(&self) -> Option<Duration> {
        let now = self.now();
        if let Some(waited) = self
            .wanted_at
            .take()
            .map(|since| now.elapsed.saturating_sub(since))
            .filter(|waited| *waited >= LAG_MIN)
        {
            self.node.custody.lag.observe(waited, now.elapsed);
        }
        let router_due = self
            .with_router_unwoken(now, |router, new_id, now| router.turn(new_id, now))
            .flatten();
        let mut wheel = self.wheel.borrow_mut();
        let connections = self.connections.borrow();
        for place in wheel.expire(now.elapsed) {
            if let Some(mailbox) = connections.get(place)
                && mailbox.try_send(ToSession::Tick).is_err()
                && mailbox.connected()
            {
                wheel.insert(now.elapsed + TICK, place);
            }
        }
        drop(connections);
        let wheel_due = (!wheel.is_empty()).then(|| now.elapsed + TICK);
        let closes_due = (!self.send_closes()).then(|| now.elapsed + TICK);
        [router_due, wheel_due, closes_due].into_iter().flatten().min()
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }
}
