//! One connection's session: what its client sends, and what it is sent.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use linker_core::app::{AuthMethod, ClientApp, ClientApps};
use linker_core::clock::Now;
use linker_core::custody::{Delivery, Ticket};
use linker_core::directory::Directory;
use linker_core::message_type::MessageTypes;
use linker_core::network::Domain;
use linker_core::port::Login;
use linker_core::session::{Session, SessionConfig, SessionContext, SessionEffect};

use super::{Path, Step, sample};

/// A client's `MESSAGE` of 1000 characters becomes a message to be taken into custody.
pub(crate) const MESSAGE_IN: Path = Path {
    name: "message-in",
    ready: || text_in(sample::message_frame(1000), 1),
};

/// A client's `GROUP_MESSAGE` to 1000 users becomes as many.
pub(crate) const GROUP_IN: Path = Path {
    name: "group-in",
    ready: || text_in(sample::group_frame(1000, 100), 1000),
};

/// Sixteen messages are sent to a client with a ping, and its pong proves them.
pub(crate) const DELIVERIES_PROVEN: Path = Path {
    name: "deliveries-proven",
    ready: deliveries_proven,
};

const DELIVERIES: u32 = 16;

fn text_in(text: String, drafts: usize) -> Step {
    let mut alone = Alone::logged_in();
    Box::new(move || {
        alone.step(|session, cx| session.on_text(black_box(&text), cx));
        let submitted = |effect: &SessionEffect| matches!(effect, SessionEffect::Submit(_));
        assert!(alone.effects.len() == drafts && alone.effects.first().is_some_and(submitted));
    })
}

fn deliveries_proven() -> Step {
    let mut alone = Alone::logged_in();
    let envelope = Arc::new(sample::message(1, &Bytes::from(sample::content(1000))));
    Box::new(move || {
        for slot in 0..DELIVERIES {
            let ticket = Ticket {
                shard: 0,
                slot,
                generation: 1,
            };
            let delivery = Delivery {
                envelope: Arc::clone(&envelope),
                ticket: Some(ticket),
                courtesy: false,
            };
            alone.step(|session, cx| session.on_delivery(black_box(delivery), cx));
        }
        alone.step(Session::before_flush);
        let [SessionEffect::Ping(number)] = alone.effects[..] else {
            panic!("no ping goes along");
        };
        alone.step(|session, cx| session.on_pong(number.to_string().as_bytes(), cx));
        let proven = |effect: &SessionEffect| matches!(effect, SessionEffect::Proven(_));
        assert!(alone.effects.len() == DELIVERIES as usize + 1 && alone.effects.first().is_some_and(proven));
    })
}

/// A session alone, and what it wanted last.
struct Alone {
    session: Session,
    config: SessionConfig,
    directory: Directory,
    types: MessageTypes,
    effects: Vec<SessionEffect>,
}

const NOW: Now = Now {
    elapsed: Duration::from_secs(1000),
    unix_ms: 1_700_000_000_000,
};

impl Alone {
    fn logged_in() -> Self {
        let mut alone = Self {
            session: Session::new(NOW),
            config: SessionConfig::default(),
            directory: directory(),
            types: MessageTypes::protocol(),
            effects: Vec::new(),
        };
        let login = format!(
            r#"{{"type":"AUTH_CLIENT","data":{{"appId":"app","userId":"{}"}}}}"#,
            sample::sender()
        );
        alone.step(|session, cx| session.on_text(&login, cx));
        alone.step(|session, cx| session.on_authenticated(Ok(Login::default()), cx));
        alone.step(|session, cx| session.on_registered(Ok(Some(0)), cx));
        assert!(alone.session.is_open() && alone.session.user() == Some(sample::sender()));
        alone
    }

    fn step(&mut self, input: impl FnOnce(&mut Session, &mut SessionContext<'_>)) {
        self.effects.clear();
        let mut cx = SessionContext {
            now: NOW,
            config: &self.config,
            directory: &self.directory,
            types: &self.types,
            shared: None,
            backlog_bytes: 0,
            feed_bytes: usize::MAX,
            effects: &mut self.effects,
        };
        self.session.on_heard(NOW);
        input(&mut self.session, &mut cx);
    }
}

fn directory() -> Directory {
    let app = ClientApp {
        app_name: "ANZ".parse().unwrap(),
        app_id: "app".to_owned(),
        master: Some(sample::user(1)),
        isolated: false,
        auth: AuthMethod::None,
    };
    let apps = ClientApps::new(vec![app]).unwrap();
    Directory::single(Domain::named("domain-01".parse().unwrap()), Arc::new(apps))
}
