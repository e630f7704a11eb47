//! Sessions at their sockets: when they are looked at, what they read, and how they end.

use std::rc::Rc;
use std::time::Duration;

use linker_core::session::{Session, SessionEffect};

use super::bus::Frame;
use super::client::ClientItem;
use super::entry::{SUBMIT_CREDIT_BYTES, ToSession};
use super::presence::PresenceOp;
use super::shell::ShellSession;
use super::sim::{Event, Sim, trace};

/// How exact deadlines are.
const TICK: Duration = Duration::from_millis(50);

impl Sim {
    pub(crate) fn tick_session(&mut self, connection: usize) {
        self.drive(connection);
    }

    /// The deadline, the input, the output.
    pub(super) fn drive(&mut self, connection: usize) {
        let mut cut = false;
        self.with_session(connection, |sim, session| {
            if session.wheel_at <= sim.now {
                session.wheel_at = Duration::MAX;
                sim.step(session, |core, cx| cut = core.on_tick(cx));
            }
            if !cut {
                sim.handle_input(session);
                sim.step(session, Session::before_flush);
                let flushed = sim.flush(connection, session);
                if flushed && session.peer_done {
                    cut = true;
                } else if flushed {
                    let bytes = std::mem::take(&mut session.free_on_flush);
                    session.free(bytes);
                }
                sim.arm_wheel(session);
            }
        });
        if cut {
            self.end_session(connection);
        }
    }

    pub(super) fn arm_wheel(&mut self, session: &mut ShellSession) {
        let deadline = session.core.deadline(self.clock(), &self.config());
        if deadline < session.wheel_at {
            session.wheel_at = deadline;
            let ticks = deadline.as_nanos().div_ceil(TICK.as_nanos()) as u32;
            let after = (TICK * ticks).saturating_sub(self.now);
            self.schedule(after, Event::SessionTick(session.mailbox.connection));
        }
    }

    fn handle_input(&mut self, session: &mut ShellSession) {
        while self.may_read(session) {
            let Some(item) = self.arrived_at_server(session.mailbox.connection) else {
                break;
            };
            session.core.on_heard(self.clock());
            match item {
                ClientItem::Text(text) => self.step(session, |core, cx| core.on_text(&text, cx)),
                ClientItem::Pong(number) => {
                    let payload = number.to_string();
                    self.step(session, |core, cx| core.on_pong(payload.as_bytes(), cx));
                }
                ClientItem::Close => session.peer_done = true,
            }
        }
    }

    fn may_read(&mut self, session: &ShellSession) -> bool {
        if !session.core.is_reading() || session.peer_done {
            return false;
        }
        let Some(entry) = &session.entry else { return true };
        let unsettled = entry.unsettled_bytes.get();
        let away = self.nodes[self.at]
            .shared
            .store_away
            .load(std::sync::atomic::Ordering::Acquire);
        let waits =
            !away && (unsettled > SUBMIT_CREDIT_BYTES || unsettled > 0 && self.nodes[self.at].is_crowded());
        if waits {
            entry.paused.set(true);
            let router = &mut self.nodes[self.at].routers[usize::from(session.shard)];
            router.paused.push(Rc::clone(entry));
            self.wake_router(session.shard);
        }
        !waits
    }

    fn flush(&mut self, connection: usize, session: &mut ShellSession) -> bool {
        while let Some(item) = session.output.pop_front() {
            if let Err(item) = self.write_socket(connection, item) {
                session.output.push_front(item);
                return false;
            }
        }
        true
    }

    /// Bytes came from the client.
    pub(crate) fn server_reads(&mut self, connection: usize) {
        self.drive(connection);
    }

    pub(super) fn leave(&mut self, session: &mut ShellSession) {
        if let Some(entry) = &session.entry
            && !std::mem::replace(&mut session.left, true)
        {
            self.nodes[self.at].table.remove(entry);
            let farewell = PresenceOp::Farewell(Rc::clone(entry));
            self.hop(session.shard, 200, Event::Presence(farewell));
        }
    }

    /// The connection is gone.
    pub(crate) fn end_session(&mut self, connection: usize) {
        let Some(mut session) = self.nodes[self.at].sessions.remove(&connection) else {
            return;
        };
        trace!(self, "connection {connection}: ends at the server");
        let session = &mut session;
        self.leave(session);
        let mut effects = Vec::new();
        self.input(session, &mut effects, Session::on_closed);
        session.mailbox.open.set(false);
        for effect in effects {
            match effect {
                SessionEffect::GiveBack(ticket) => self.given_back(session.shard, ticket, session.id),
                SessionEffect::Proven(ticket) => self.proven(session.shard, ticket),
                SessionEffect::Free(bytes) => session.free(bytes),
                SessionEffect::ReleaseFetch => {
                    if let Some(entry) = &session.entry {
                        self.nodes[self.at].release_turn(entry);
                    }
                }
                _ => {}
            }
        }
        // What still comes after the end goes another way.
        let rest = std::mem::take(&mut *session.mailbox.queue.borrow_mut());
        for message in rest {
            let deliveries = match message {
                ToSession::Deliver(delivery) => vec![delivery],
                ToSession::Page(Some(page)) => {
                    // What it has already is in another place.
                    let mut deliveries = page.deliveries;
                    deliveries.retain(|delivery| !delivery.courtesy);
                    deliveries
                }
                _ => continue,
            };
            for delivery in deliveries {
                session.free(delivery.cost());
                if let Some(ticket) = delivery.ticket {
                    self.given_back(session.shard, ticket, session.id);
                }
            }
        }
        let bytes = std::mem::take(&mut session.free_on_flush);
        session.free(bytes);
        if let Some(entry) = &session.entry {
            self.nodes[self.at].release_turn(entry);
            if entry.is_behind() {
                for other in self.nodes[self.at].table.of(&entry.user) {
                    let _ = other.mailbox.post(ToSession::Hint);
                }
                let cluster = &self.nodes[self.at].cluster;
                for peer in cluster.peers() {
                    cluster.tell(&peer, Frame::Rescan(entry.user));
                }
            }
            self.checker.left(entry.user, session.id);
        }
        self.server_dies(connection);
    }
}
