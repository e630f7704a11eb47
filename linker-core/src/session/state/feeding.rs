//! Fetching, replaying, catching up: what the pump wants, and what it is given.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::config::SessionConfig;
use super::super::context::SessionContext;
use super::super::effect::SessionEffect;
use super::super::pump::Pump;
use super::{Phase, Session, SessionPage, give_back};
use crate::custody::Delivery;
use crate::frame::ServerFrame;

impl Session {
    /// The routers have found that this session has fallen behind, and send it nothing more until it is live.
    pub fn on_behind(&mut self, cx: &mut SessionContext<'_>) {
        if self.is_open() && !self.is_behind() {
            self.fall_behind(false, cx);
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
            if !self.is_behind() {
                self.fall_behind(false, cx);
                cx.effects.push(SessionEffect::FallBehind);
            }
            self.pump.get_or_insert_default().hint(anywhere);
        }
        self.advance(cx);
    }

    /// It is this session's turn to fetch.
    pub fn on_fetch_granted(&mut self, cx: &mut SessionContext<'_>) {
        if let Some(pump) = &mut self.pump {
            pump.on_fetch_granted();
        }
        self.advance(cx);
    }

    /// The page asked for; `None` when the store could not be read.
    pub fn on_page(&mut self, page: Option<SessionPage>, cx: &mut SessionContext<'_>) {
        let Some(page) = page else {
            self.on_store_failed(cx);
            return;
        };
        let sent = page.deliveries.len();
        for delivery in page.deliveries {
            let delivery = match delivery.courtesy {
                true => self
                    .pump
                    .as_mut()
                    .and_then(|pump| pump.take_deferred_one(&delivery.envelope.id)),
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
        if let Some(pump) = &mut self.pump {
            pump.on_page(sent, page.last_seq, page.exhausted, now, cx.effects);
        }
        self.advance(cx);
    }

    /// How many messages wait after a fetch; `None` when the store could not tell.
    pub fn on_count(&mut self, left: Option<u64>, cx: &mut SessionContext<'_>) {
        match left {
            None => self.on_store_failed(cx),
            Some(left) => {
                let counted = |pump: &mut Box<Pump>| pump.on_count(cx.effects);
                if self.pump.as_mut().is_some_and(counted) {
                    cx.effects
                        .push(SessionEffect::Send(ServerFrame::FetchComplete { left }));
                }
                self.advance(cx);
            }
        }
    }

    /// Whether [`SessionEffect::TryLive`] worked.
    pub fn on_live(&mut self, live: bool, cx: &mut SessionContext<'_>) {
        let live = |pump: &mut Box<Pump>| pump.on_live(live, cx.now.elapsed);
        if self.pump.as_mut().is_some_and(live) {
            cx.effects
                .push(SessionEffect::Send(ServerFrame::FetchComplete { left: 0 }));
        }
        if !self.is_behind() {
            self.send_deferred(cx);
        }
        self.advance(cx);
    }

    pub(super) fn advance(&mut self, cx: &mut SessionContext<'_>) {
        if matches!(self.phase, Phase::Open)
            && let Some(pump) = &mut self.pump
        {
            pump.advance(cx.now.elapsed, cx.backlog_bytes, cx.feed_bytes, cx.effects);
            self.pump.take_if(|pump| pump.is_done());
        }
    }

    pub(super) fn is_behind(&self) -> bool {
        self.pump.as_ref().is_some_and(|pump| pump.is_behind())
    }

    pub(super) fn fall_behind(&mut self, replaying: bool, cx: &SessionContext<'_>) {
        self.pump
            .get_or_insert_default()
            .fall_behind(replaying, cx.now.elapsed);
    }

    fn on_store_failed(&mut self, cx: &SessionContext<'_>) {
        if let Some(pump) = &mut self.pump {
            pump.on_store_failed(cx.now.elapsed);
        }
    }

    /// When the session counts as stalled if nothing is proven until then.
    pub(super) fn stall_deadline(&self, config: &SessionConfig) -> Option<Duration> {
        let pump = self.pump.as_ref()?;
        pump.stall_deadline(self.proof.is_waiting(), config.stall_timeout)
    }

    /// The session ends: nothing is fed to it any more. Answers what it would have sent later.
    pub(super) fn stop_feeding(&mut self, cx: &mut SessionContext<'_>) -> VecDeque<Delivery> {
        let pump = self.pump.take();
        pump.map(|mut pump| pump.abandon(cx.effects)).unwrap_or_default()
    }
}
