//! Fetching, replaying, catching up: what the pump wants, and what it is given.

use super::super::context::SessionContext;
use super::super::effect::SessionEffect;
use super::{Phase, Session, SessionPage, give_back};
use crate::frame::ServerFrame;

impl Session {
    /// The routers have found that this session has fallen behind, and send it nothing more until it is live.
    pub fn on_behind(&mut self, cx: &mut SessionContext<'_>) {
        if self.is_open() && !self.pump.is_behind() {
            self.pump.fall_behind(false, cx.now.elapsed);
            // Also where only FAST messages were in the way there must be a pong to tell a slow client from a dead one.
            if !self.proof.is_waiting() && matches!(self.phase, Phase::Open) {
                self.ping(cx);
            }
        }
        self.advance(cx);
    }

    /// Something for this session was stored: behind all that was before, or `anywhere` among what waits.
    pub fn on_hint(&mut self, anywhere: bool, cx: &mut SessionContext<'_>) {
        if matches!(self.phase, Phase::Open | Phase::Registering) {
            if !self.pump.is_behind() {
                self.pump.fall_behind(false, cx.now.elapsed);
                cx.effects.push(SessionEffect::FallBehind);
            }
            self.pump.hint(anywhere);
        }
        self.advance(cx);
    }

    /// It is this session's turn to fetch.
    pub fn on_fetch_granted(&mut self, cx: &mut SessionContext<'_>) {
        self.pump.on_fetch_granted();
        self.advance(cx);
    }

    /// The page asked for; `None` when the store could not be read.
    pub fn on_page(&mut self, page: Option<SessionPage>, cx: &mut SessionContext<'_>) {
        let Some(page) = page else {
            self.pump.on_store_failed(cx.now.elapsed);
            return;
        };
        let sent = page.deliveries.len();
        for delivery in page.deliveries {
            let delivery = match delivery.courtesy {
                true => self.pump.take_deferred_one(&delivery.envelope.id),
                false => Some(delivery),
            };
            let Some(delivery) = delivery else { continue };
            if matches!(self.phase, Phase::Open) {
                self.send(delivery, cx);
            } else {
                give_back(delivery, cx);
            }
        }
        let now = cx.now.elapsed;
        self.pump
            .on_page(sent, page.last_seq, page.exhausted, now, cx.effects);
        self.advance(cx);
    }

    /// How many messages wait after a fetch; `None` when the store could not tell.
    pub fn on_count(&mut self, left: Option<u64>, cx: &mut SessionContext<'_>) {
        match left {
            None => self.pump.on_store_failed(cx.now.elapsed),
            Some(left) => {
                if self.pump.on_count(cx.effects) {
                    cx.effects
                        .push(SessionEffect::Send(ServerFrame::FetchComplete { left }));
                }
                self.advance(cx);
            }
        }
    }

    /// Whether [`SessionEffect::TryLive`] worked.
    pub fn on_live(&mut self, live: bool, cx: &mut SessionContext<'_>) {
        if self.pump.on_live(live, cx.now.elapsed) {
            cx.effects
                .push(SessionEffect::Send(ServerFrame::FetchComplete { left: 0 }));
        }
        if !self.pump.is_behind() {
            self.send_deferred(cx);
        }
        self.advance(cx);
    }

    pub(super) fn advance(&mut self, cx: &mut SessionContext<'_>) {
        if matches!(self.phase, Phase::Open) {
            self.pump
                .advance(cx.now.elapsed, cx.backlog_bytes, cx.feed_bytes, cx.effects);
        }
    }
}
