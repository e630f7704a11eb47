//! The router's actor: its mailbox, and the loop that carries out what its thread's sessions have left to be sent.

use std::rc::Rc;

use actix::fut::WrapFuture;
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler};

use linker_core::code::CloseCode;

use super::messages::RouterMail;
use crate::runtime::guard;
use crate::worker::Worker;

const MAILBOX_CAPACITY: usize = 1024;

pub(crate) struct RouterActor {
    worker: Rc<Worker>,
}

impl RouterActor {
    pub(crate) fn launch(worker: Rc<Worker>) -> Addr<Self> {
        Self { worker }.start()
    }
}

impl Actor for RouterActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        let worker = Rc::clone(&self.worker);
        let turns = async move {
            loop {
                let due = guard::catch("router", || worker.turn()).flatten();
                match due {
                    Some(at) => {
                        // Whichever comes first.
                        let _ = tokio::time::timeout_at(worker.node.clock.instant(at), worker.woken()).await;
                    }
                    None => worker.woken().await,
                }
            }
        };
        ctx.spawn(turns.into_actor(self));
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.worker.end();
    }
}

impl Handler<RouterMail> for RouterActor {
    type Result = ();

    fn handle(&mut self, mail: RouterMail, ctx: &mut Self::Context) {
        let worker = Rc::clone(&self.worker);
        // The panic boundary is around the router's own code, wherever it is called from.
        let _ = match mail {
            RouterMail::Wake => {
                worker.wake();
                return;
            }
            RouterMail::Configure => {
                worker.read_config();
                return;
            }
            RouterMail::CloseSessions => {
                worker.close_sessions(CloseCode::GoingAway);
                return;
            }
            RouterMail::Stop(done) => {
                ctx.stop();
                worker.forget();
                let _ = done.send(());
                return;
            }
            RouterMail::Proven(tickets) => worker.with_router(|router, new_id, now| {
                for ticket in tickets {
                    router.proven(ticket, new_id, now);
                }
            }),
            RouterMail::GivenBack(tickets) => worker.with_router(|router, new_id, now| {
                for (ticket, session) in tickets {
                    router.given_back(ticket, session, new_id, now);
                }
            }),
            RouterMail::SessionEnded(session) => {
                worker.with_router(|router, new_id, now| router.session_ended(session, new_id, now))
            }
            RouterMail::Stored(outcomes) => {
                worker.with_router(|router, new_id, now| router.stored(outcomes, new_id, now))
            }
            RouterMail::Page(read) => {
                worker.with_router(|router, new_id, now| router.page(*read, new_id, now))
            }
            RouterMail::Submit(submission) => worker.with_router(|router, new_id, now| {
                // Only sessions are told by the return value.
                let _ = router.submit(*submission, new_id, now);
            }),
            RouterMail::Peer(peer, frames) => {
                worker.with_router(|router, new_id, now| router.peer(&peer, frames, new_id, now))
            }
            RouterMail::PeerBack(peer) => {
                worker.with_router(|router, new_id, now| router.peer_back(peer, new_id, now))
            }
            RouterMail::PeerGone(peer) => {
                worker.with_router(|router, new_id, now| router.peer_gone(peer, new_id, now))
            }
            RouterMail::Located(located) => {
                worker.with_router(|router, new_id, now| router.located(located, new_id, now))
            }
            RouterMail::Faults(rows) => {
                worker.with_router(|router, new_id, now| router.faults(rows, new_id, now))
            }
            RouterMail::Forwarded(tickets) => {
                worker.with_router(|router, new_id, now| router.forwarded(tickets, new_id, now))
            }
            RouterMail::LinkLost(neighbour) => {
                worker.with_router(|router, new_id, now| router.link_lost(&neighbour, new_id, now))
            }
            RouterMail::UpstreamLost(outlet) => {
                worker.with_router(|router, new_id, now| router.upstream_lost(&outlet, new_id, now))
            }
            RouterMail::UpstreamRefused(refused) => {
                worker.with_router(|router, new_id, now| router.upstream_refused(refused, new_id, now))
            }
            RouterMail::WayChanged(home) => {
                worker.with_router(|router, new_id, now| router.way_changed(&home, new_id, now))
            }
            RouterMail::ForwardRows(rows, home, done) => worker.with_router(|router, new_id, now| {
                // Whoever asked may have ended.
                let _ = done.send(router.forward_rows(rows, &home, new_id, now));
            }),
            RouterMail::Arrivals(submissions) => {
                worker.with_router(|router, new_id, now| router.arrivals(submissions, new_id, now))
            }
            RouterMail::Find(id, tell) => worker.with_router(|router, _, _| {
                // Whoever asked may have gone.
                let _ = tell.send(router.find(&id));
            }),
            RouterMail::LetGo => worker.with_router(|router, new_id, now| router.let_go(new_id, now)),
            RouterMail::TakeOver(surrendered) => {
                worker.with_router(|router, new_id, now| router.take_over(surrendered, new_id, now))
            }
        };
    }
}
