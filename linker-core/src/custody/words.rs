//! What other nodes say of messages that this one answers for, or has for them; and what follows when one dies, or can be reached again.

use std::collections::HashSet;

use super::delivery::Ticket;
use super::effect::{CustodyEffect, NodeWord};
use super::pending::{Diverted, Row};
use super::router::{Custody, CustodyContext};
use super::sessions::LocalSessions;
use crate::envelope::Feature;
use crate::id::MessageId;
use crate::port::WaitReason;

impl<S: Clone> Custody<S> {
    /// A word of another node about a message that one of the two answers for.
    pub fn on_node_word<L: LocalSessions<Session = S>>(
        &mut self,
        node: &S,
        word: NodeWord,
        cx: &mut CustodyContext<'_, L>,
    ) {
        match word {
            NodeWord::Proven(ticket, id) => self.on_proven_elsewhere(ticket, id, node, cx),
            NodeWord::Finish(id) => self.finish_guest(id, cx),
            NodeWord::NotHere(ticket) => self.on_not_here(ticket, node, cx),
            NodeWord::Behind {
                ticket,
                guest,
                replaying,
            } => self.on_behind(ticket, node, guest, replaying, cx),
            NodeWord::Stored(guest) => self.on_guest_stored(guest, cx),
            NodeWord::Dismiss(guest) => self.give_to_behind(guest, cx),
            NodeWord::Ask(theirs, id) => self.on_ask(node, theirs, id, cx),
        }
    }

    /// Where this node had given the other one up, it knows nothing of the message any more: who has proven it does what is owed for it.
    fn on_proven_elsewhere<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        id: MessageId,
        node: &S,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let known = self.pending.get_mut(ticket);
        if known.is_some_and(|pending| pending.envelope.id == id) {
            self.on_proven(ticket, cx);
        } else if !self.shared.proven_lately().contains(&id) {
            let (node, word) = (node.clone(), NodeWord::Finish(id));
            cx.effects.push(CustodyEffect::Tell { node, word });
        }
    }

    fn on_not_here<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        node: &S,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let id = cx.sessions.id(node);
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        if !pending.holders.contains(&id) {
            return;
        }
        pending.holders.retain(|holder| *holder != id);
        if !pending.asked {
            pending.refused_by.push(id);
        }
        self.lines.refused(&pending.envelope.to, &[id]);
        if pending.envelope.feature == Feature::Fast {
            if !pending.is_held() {
                drop(self.take(ticket));
            }
            return;
        }
        cx.sessions.forget_elsewhere(&pending.envelope.to);
        if !pending.is_held() {
            self.route(ticket, cx);
        }
    }

    fn on_behind<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        node: &S,
        guest: Ticket,
        replaying: bool,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let id = cx.sessions.id(node);
        let word = match self.pending.get_mut(ticket) {
            None => Some(NodeWord::Dismiss(guest)),
            Some(pending) => {
                let had = pending.holders.contains(&id);
                pending.holders.retain(|holder| *holder != id);
                match pending.row {
                    _ if !had => Some(NodeWord::Stored(guest)),
                    _ if pending.is_held() => {
                        // Its sessions may prove it too.
                        pending.holders.push(id);
                        Some(NodeWord::Dismiss(guest))
                    }
                    Row::Stored(WaitReason::Behind) => {
                        self.release(ticket, cx);
                        Some(NodeWord::Stored(guest))
                    }
                    Row::Stored(_) if replaying => {
                        self.release(ticket, cx);
                        Some(NodeWord::Stored(guest))
                    }
                    Row::Stored(_) => {
                        pending.diverted.push(Diverted::Guest(node.clone(), guest));
                        self.mark_behind(ticket, cx);
                        None
                    }
                    Row::Queued(_) => {
                        pending.diverted.push(Diverted::Guest(node.clone(), guest));
                        pending.wants_behind |= !replaying;
                        None
                    }
                    Row::None | Row::Guest { .. } | Row::Asked(_) => {
                        pending.diverted.push(Diverted::Guest(node.clone(), guest));
                        self.store(ticket, WaitReason::Behind, cx);
                        None
                    }
                }
            }
        };
        self.mark_held(ticket);
        if let Some(word) = word {
            let node = node.clone();
            cx.effects.push(CustodyEffect::Tell { node, word });
        }
    }

    /// A node lives no more: what it had goes another way, and what it answered for here is this node's from now on.
    pub fn on_node_gone<L: LocalSessions<Session = S>>(&mut self, node: &S, cx: &mut CustodyContext<'_, L>) {
        let id = cx.sessions.id(node);
        for ticket in self.pending.tickets() {
            if let Some(pending) = self.pending.get_mut(ticket) {
                pending.diverted.retain(|diverted| match diverted {
                    Diverted::Guest(of, _) => cx.sessions.id(of) != id,
                    Diverted::Session(_) => true,
                });
            }
        }
        self.on_session_ended(id, cx);
        self.inherit_guests(id, cx);
    }

    /// A node can be reached again that could not be for a while: what it was sent may be lost. It is sent all of that again, and what was kept from it, in order.
    pub fn on_node_back<L: LocalSessions<Session = S>>(&mut self, node: &S, cx: &mut CustodyContext<'_, L>) {
        let id = cx.sessions.id(node);
        let stuck: HashSet<Ticket> = std::mem::take(&mut self.elsewhere.stuck).into_iter().collect();
        for ticket in self.pending.tickets() {
            let Some(pending) = self.pending.get_mut(ticket) else {
                continue;
            };
            if pending.holders.contains(&id) && pending.in_line {
                pending.asked_at = cx.now.elapsed;
                pending.asked = false;
                cx.sessions.offer_node(node, &pending.envelope, Some(ticket));
            } else if stuck.contains(&ticket) {
                self.try_again(ticket, cx);
            }
        }
    }
}
