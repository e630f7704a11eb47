//! The presence actor of each node, and looking users up, as linker-actors does both.

use std::rc::Rc;
use std::time::Duration;

use linker_core::code::{CloseCode, ErrorCode, FrameError};
use linker_core::custody::{Elsewhere, Origin, Submission};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{SessionId, UserId};

use super::bus::Frame;
use super::cluster::{Located, Sought, Target};
use super::entry::{Entry, ToSession};
use super::node::{RouterMail, STORE, close};
use super::registry::SessionRef;
use super::sim::{Event, Sim, trace};
use crate::virtual_time::EPOCH_MS;

const RETRY_AFTER: Duration = Duration::from_millis(250);
const FROM_PRESENCE: u16 = 400;

pub(crate) enum PresenceOp {
    Register(Rc<Entry>),
    Registered(Rc<Entry>),
    Farewell(Rc<Entry>),
    /// The registry is made equal to the node's sessions.
    Reconcile,
}

/// What presence has answered of a user: the runs of nodes that have it.
pub(crate) type Answer = (UserId, u64, Option<Vec<u32>>);

impl Sim {
    /// For the node that something happens to.
    pub(crate) fn registry_is_away(&self) -> bool {
        self.registry.away || self.nodes[self.at].cut_off_until > self.now
    }

    /// For one node the registry is in the process.
    pub(crate) fn presence(&mut self, op: PresenceOp) {
        if let PresenceOp::Registered(entry) = op {
            let except = self.nodes[self.at].shared.claims().of(&entry.user);
            let missing = (!self.store_is_away).then(|| self.store.count(&entry.user, &except));
            entry
                .mailbox
                .post_beyond_bound(ToSession::Registered(Ok(missing)));
        } else if self.plan.nodes == 1 {
            self.registry_does(op);
        } else {
            self.nodes[self.at].presence_ops.push_back(op);
            self.next_presence_op(Duration::ZERO);
        }
    }

    fn next_presence_op(&mut self, after: Duration) {
        let node = &mut self.nodes[self.at];
        if !node.presence_ops.is_empty() && !std::mem::replace(&mut node.presence_busy, true) {
            let after = after + self.rng.up_to(self.plan.presence);
            self.schedule(after, Event::PresenceDue);
        }
    }

    pub(crate) fn presence_due(&mut self) {
        self.nodes[self.at].presence_busy = false;
        let Some(op) = self.nodes[self.at].presence_ops.pop_front() else {
            return;
        };
        if !self.registry_is_away() {
            self.registry_does(op);
            self.next_presence_op(Duration::ZERO);
            return;
        }
        let again = match op {
            PresenceOp::Register(entry) => {
                let error = FrameError::new(ErrorCode::AuthUnavailable, "logins cannot be registered now");
                let refused = ToSession::Registered(Err(Box::new(error)));
                entry.mailbox.post_beyond_bound(refused);
                PresenceOp::Farewell(entry)
            }
            op => op,
        };
        self.nodes[self.at].presence_ops.push_front(again);
        self.next_presence_op(RETRY_AFTER);
    }

    fn registry_does(&mut self, op: PresenceOp) {
        let (life, now) = (self.nodes[self.at].life, self.now);
        match op {
            PresenceOp::Register(entry) => {
                let (user, session) = (entry.user, entry.id);
                let max = self.plan.sessions_per_user;
                let session = SessionRef { life, session };
                let (first, evicted) = self.registry.register(user, session, max, now);
                trace!(self, "{entry:?} is registered");
                for evicted in evicted {
                    self.close_somewhere(&user, evicted, CloseCode::Replaced);
                }
                if first {
                    self.tell_master(user, Kind::UserConnected);
                }
                self.tell_changed(&[user]);
                let after = self.store_latency();
                self.schedule(after, Event::Presence(PresenceOp::Registered(entry)));
            }
            PresenceOp::Farewell(entry) => {
                if self.registry.farewell(entry.user, entry.id) {
                    self.tell_master(entry.user, Kind::UserDisconnected);
                }
                trace!(self, "{entry:?} is registered no more");
                self.tell_changed(&[entry.user]);
            }
            PresenceOp::Reconcile => {
                let node = &self.nodes[self.at];
                let waits = |id: SessionId| {
                    let registering =
                        |op: &PresenceOp| matches!(op, PresenceOp::Register(entry) if entry.id == id);
                    node.presence_ops.iter().any(registering)
                };
                let sessions = node.table.all();
                let sessions = sessions.iter().filter(|entry| !waits(entry.id));
                let sessions: Vec<_> = sessions.map(|entry| (entry.user, entry.id)).collect();
                let (changed, gone) = self.registry.reconcile(life, &sessions);
                let members = &mut self.nodes[self.at].members;
                if std::mem::take(&mut members.was_unknown) || !changed.is_empty() {
                    self.rescue();
                }
                self.tell_gone(&changed, gone);
            }
            PresenceOp::Registered(_) => {}
        }
    }

    pub(crate) fn tell_gone(&mut self, changed: &[UserId], gone: Vec<UserId>) {
        self.tell_changed(changed);
        for user in gone {
            self.tell_master(user, Kind::UserDisconnected);
        }
    }

    /// All nodes learn that they know nothing of these users any more.
    fn tell_changed(&mut self, users: &[UserId]) {
        if self.plan.nodes == 1 {
            return;
        }
        for place in 0..self.nodes.len() {
            for user in users {
                let after = self.rng.up_to(self.plan.invalidation);
                self.schedule_on(place, after, Event::Forget(*user));
            }
        }
    }

    fn close_somewhere(&mut self, user: &UserId, session: SessionRef, code: CloseCode) {
        let node = &self.nodes[self.at];
        if session.life != node.life {
            let (user, session, life) = (*user, Some(session.session), session.life);
            let peer = node.cluster.peer(life);
            node.cluster.tell(&peer, Frame::Close { user, session, code });
        } else if let Some(entry) = node
            .table
            .of(user)
            .iter()
            .find(|known| known.id == session.session)
        {
            close(entry, code);
        }
    }

    /// Closes all sessions of a user, and answers how many there are.
    pub(crate) fn close_user(&mut self, user: &UserId, code: CloseCode) -> usize {
        let here = self.nodes[self.at].close_user(user, code);
        let life = self.nodes[self.at].life;
        let found = match self.registry_is_away() {
            true => Vec::new(),
            false => self.registry.lookup(user, self.now),
        };
        let elsewhere: Vec<_> = found.into_iter().filter(|known| known.life != life).collect();
        for session in &elsewhere {
            self.close_somewhere(user, *session, code);
        }
        here + elsewhere.len()
    }

    fn tell_master(&mut self, user: UserId, kind: Kind) {
        let app = self.directory.app_of(user.app());
        let Some(master) = app.and_then(|app| app.master).filter(|master| *master != user) else {
            return;
        };
        let envelope = Envelope {
            id: self.new_id(),
            kind,
            feature: Feature::Reliable,
            from: user,
            to: master,
            reference: None,
            confirm: false,
            timestamp_ms: EPOCH_MS,
            content: bytes::Bytes::new(),
            trail: None,
        };
        let submission = Submission {
            envelope,
            origin: Origin::Node,
            accepted: false,
        };
        self.hop(
            STORE,
            0,
            Event::Router(0, RouterMail::Submit(Box::new(submission))),
        );
    }

    /// Asks presence about everybody who came up since it was asked last.
    pub(crate) fn ask_presence(&mut self, shard: u16) {
        let node = &mut self.nodes[self.at];
        let router = &mut node.routers[usize::from(shard)];
        if router.asking {
            return;
        }
        let sought = node.cluster.take_sought(shard);
        if !sought.is_empty() {
            router.asking = true;
            let after = self.rng.up_to(self.plan.presence);
            self.schedule(after, Event::Lookup(shard, sought));
        }
    }

    /// The registry is asked at this moment.
    pub(crate) fn lookup(&mut self, shard: u16, sought: Vec<Sought>) {
        let mut answers: Vec<Answer> = Vec::new();
        let away = self.registry_is_away();
        for (user, as_of) in sought {
            // The oldest is the one that may have been overtaken by a change.
            if answers.iter().any(|(known, ..)| *known == user) {
                continue;
            }
            let found = self.registry.lookup(&user, self.now);
            let lives = found.into_iter().map(|session| session.life).collect();
            answers.push((user, as_of, (!away).then_some(lives)));
        }
        let after = self.rng.up_to(self.plan.presence);
        self.schedule(after, Event::LookedUp(shard, answers));
    }

    pub(crate) fn looked_up(&mut self, shard: u16, answers: Vec<Answer>) {
        let node = &self.nodes[self.at];
        let mut located = Vec::new();
        for (user, as_of, lives) in answers {
            let Some(lives) = lives else {
                node.cluster.presence_away.set(true);
                node.cluster.forget_all();
                located.push((user, None));
                continue;
            };
            let mut peers = Located::new();
            for life in lives {
                if life != node.life && !peers.iter().any(|peer| peer.life == life) {
                    peers.push(node.cluster.peer(life));
                }
            }
            if self.plan.caches {
                node.cluster.remember(user, &peers, as_of);
            }
            located.push((user, Some(peers)));
        }
        trace!(self, "router {shard} learns {located:?}");
        self.hop(
            FROM_PRESENCE,
            shard,
            Event::Router(shard, RouterMail::Located(located)),
        );
    }

    pub(crate) fn located(&mut self, shard: u16, located: Vec<(UserId, Option<Located>)>) {
        self.nodes[self.at].routers[usize::from(shard)].asking = false;
        self.custody(shard, |custody, cx| {
            for (user, peers) in located {
                let elsewhere = match peers {
                    Some(peers) => Elsewhere::Nodes(peers.into_iter().map(Target::Peer).collect()),
                    None => Elsewhere::Unknown,
                };
                custody.on_located(user, elsewhere, cx);
            }
        });
    }
}
