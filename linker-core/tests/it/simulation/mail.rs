//! Sessions of the node: what comes by mail.

use linker_core::port::Login;
use linker_core::session::Session;

use super::entry::ToSession;
use super::shell::ShellSession;
use super::sim::Sim;

impl Sim {
    /// Mail, then the socket: what actix does when it polls the actor.
    pub(crate) fn wake_session(&mut self, connection: usize) {
        self.with_session(connection, |sim, session| {
            session.waking = false;
            loop {
                let Some(message) = session.mailbox.queue.borrow_mut().pop_front() else {
                    break;
                };
                sim.on_mail(session, message);
            }
        });
        self.drive(connection);
    }

    fn on_mail(&mut self, session: &mut ShellSession, message: ToSession) {
        match message {
            ToSession::Deliver(delivery) => {
                session.know(delivery.ticket, delivery.envelope.id);
                self.step(session, |core, cx| core.on_delivery(delivery, cx));
            }
            ToSession::Behind => {
                self.checker.fell_behind(session.mailbox.connection);
                self.step(session, |_, _| ());
            }
            ToSession::Hint => self.step(session, |core, cx| core.on_hint(false, cx)),
            ToSession::Rescan => self.step(session, |core, cx| core.on_hint(true, cx)),
            ToSession::Resume => {}
            ToSession::Accepted(frame) => self.step(session, |core, cx| core.on_accepted(*frame, cx)),
            ToSession::Refused(refused) => {
                let (error, reference) = *refused;
                self.step(session, |core, cx| core.on_refused(error, reference, cx));
            }
            ToSession::Authenticated => self.step(session, |core, cx| {
                core.on_authenticated(Ok(Login::default()), cx);
            }),
            ToSession::Registered(outcome) => {
                let outcome = outcome.map_err(|error| *error);
                self.step(session, |core, cx| core.on_registered(outcome, cx));
            }
            ToSession::Page(page) => {
                for delivery in page.iter().flat_map(|page| &page.deliveries) {
                    session.know(delivery.ticket, delivery.envelope.id);
                }
                self.step(session, |core, cx| core.on_page(page.map(|page| *page), cx));
            }
            ToSession::Count(count) => self.step(session, |core, cx| core.on_count(count, cx)),
            ToSession::FetchGranted => self.step(session, Session::on_fetch_granted),
            ToSession::Close(code) => self.step(session, |core, cx| core.close(code, cx)),
        }
    }
}
