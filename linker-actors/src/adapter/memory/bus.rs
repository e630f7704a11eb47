//! A bus for nodes in one process, with a switch for what may happen to a real one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use linker_core::id::NodeInstance;
use linker_core::port::{BoxFuture, Bus, BusError, BusReceiver, PAYLOAD_MAX};
use tokio::sync::{Notify, watch};

/// What an inbox holds for a receiver that does not keep up.
const INBOX_BYTES_MAX: usize = 64 << 20;

/// What the buses of one domain have in common.
#[derive(Debug, Clone, Default)]
pub struct MemoryHub {
    inboxes: Arc<Mutex<HashMap<NodeInstance, Arc<Inbox>>>>,
}

impl MemoryHub {
    /// A domain without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bus of one more node.
    pub fn bus(&self) -> MemoryBus {
        MemoryBus {
            hub: self.clone(),
            state: Arc::default(),
            cut: Arc::new(watch::Sender::new(false)),
            closed: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeInstance, Arc<Inbox>>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node's [`Bus`] within a [`MemoryHub`].
#[derive(Debug)]
pub struct MemoryBus {
    hub: MemoryHub,
    state: Arc<Mutex<State>>,
    cut: Arc<watch::Sender<bool>>,
    closed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    /// Once opened, or closed without having been.
    used: bool,
    closed: bool,
    own: Option<(NodeInstance, Arc<Inbox>)>,
    /// Payloads sent are taken and lost.
    losing: bool,
    /// How many were.
    lost: u64,
}

impl MemoryBus {
    /// Cuts this node off: its inbox is gone, and what it sends is refused, until [`MemoryBus::heal`].
    pub fn cut(&self) {
        self.cut.send_replace(true);
        if let Some((node, inbox)) = &lock(&self.state).own
            && self.hub.lock().remove(node).is_some()
        {
            inbox.push(News::Connection(Some("the bus was cut off".into())));
        }
    }

    /// Undoes [`MemoryBus::cut`]: the inbox is there again, empty.
    pub fn heal(&self) {
        self.cut.send_replace(false);
        let state = lock(&self.state);
        if let Some((node, inbox)) = &state.own
            && !state.closed
            && self.hub.lock().insert(node.clone(), Arc::clone(inbox)).is_none()
        {
            inbox.push(News::Connection(None));
        }
    }

    /// From now on (or, with `false`, no more), what this node sends is lost, though the bus says that it has it.
    pub fn lose(&self, losing: bool) {
        lock(&self.state).losing = losing;
    }

    /// How many payloads that this node sent were lost that way.
    pub fn lost(&self) -> u64 {
        lock(&self.state).lost
    }

    fn hand_over(&self, to: NodeInstance, payload: Bytes) -> Result<(), BusError> {
        let away = |why: &str| Err(BusError::Away(why.into()));
        let mut state = lock(&self.state);
        match &state.own {
            _ if payload.len() > PAYLOAD_MAX => return Err(BusError::TooLarge(payload.len())),
            _ if state.closed => return away("this node has closed its inbox"),
            _ if *self.cut.borrow() => return away("the bus was cut off"),
            None => return away("this node has no inbox yet"),
            Some(_) if state.losing => {
                state.lost += 1;
                return Ok(());
            }
            Some(_) => {}
        }
        let inbox = self.hub.lock().get(&to).map(Arc::clone);
        match inbox {
            None => Err(BusError::NoSuchNode(to)),
            Some(inbox) if inbox.push(News::Payload(payload)) => Ok(()),
            Some(_) => away("the inbox of that node is full"),
        }
    }
}

impl Bus for MemoryBus {
    fn open(
        &self,
        node: NodeInstance,
        receiver: Arc<dyn BusReceiver>,
    ) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async move {
            if std::mem::replace(&mut lock(&self.state).used, true) {
                return Err(BusError::Refused("the bus of a node is opened once".into()));
            }
            if *self.cut.borrow() {
                receiver.connection(Some("the bus was cut off".into()));
            }
            let mut cut = self.cut.subscribe();
            tokio::select! {
                // The sender lives as long as `self`.
                _ = cut.wait_for(|cut| !cut) => {}
                () = self.closed.notified() => {}
            }
            let inbox = Arc::new(Inbox::default());
            {
                let mut state = lock(&self.state);
                if state.closed {
                    return Err(BusError::Away("this node has closed its inbox".into()));
                }
                if self.hub.lock().contains_key(&node) {
                    return Err(BusError::Refused(format!("{node} has an inbox already")));
                }
                inbox.push(News::Connection(None));
                self.hub.lock().insert(node.clone(), Arc::clone(&inbox));
                state.own = Some((node, Arc::clone(&inbox)));
            }
            tokio::spawn(async move {
                while let Some(news) = inbox.next().await {
                    match news {
                        News::Payload(payload) => receiver.receive(payload),
                        News::Connection(lost) => receiver.connection(lost),
                    }
                }
            });
            Ok(())
        })
    }

    fn send(&self, to: NodeInstance, payload: Bytes) -> BoxFuture<'static, Result<(), BusError>> {
        let answer = self.hand_over(to, payload);
        Box::pin(std::future::ready(answer))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut state = lock(&self.state);
            state.used = true;
            state.closed = true;
            if let Some((node, inbox)) = state.own.take() {
                self.hub.lock().remove(&node);
                inbox.end();
            }
            self.closed.notify_one();
        })
    }
}

impl Drop for MemoryBus {
    fn drop(&mut self) {
        if let Some((node, inbox)) = lock(&self.state).own.take() {
            self.hub.lock().remove(&node);
            inbox.end();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
enum News {
    Payload(Bytes),
    Connection(Option<String>),
}

/// What waits for one receiver, in order.
#[derive(Debug, Default)]
struct Inbox {
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    news: VecDeque<News>,
    bytes: usize,
    ended: bool,
}

impl Inbox {
    /// Whether there was room; news of the connection, which are rare, always find some.
    fn push(&self, news: News) -> bool {
        let mut queue = self.lock();
        if let News::Payload(payload) = &news {
            if queue.bytes + payload.len() > INBOX_BYTES_MAX {
                return false;
            }
            queue.bytes += payload.len();
        }
        queue.news.push_back(news);
        self.changed.notify_one();
        true
    }

    async fn next(&self) -> Option<News> {
        loop {
            {
                let mut queue = self.lock();
                if queue.ended {
                    return None;
                }
                if let Some(news) = queue.news.pop_front() {
                    if let News::Payload(payload) = &news {
                        queue.bytes -= payload.len();
                    }
                    return Some(news);
                }
            }
            self.changed.notified().await;
        }
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
