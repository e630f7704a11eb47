//! A whole session: what is said to it is a script, one input a line, its first byte telling which.
#![no_main]

use std::collections::BTreeSet;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use linker_core::code::CloseCode;
use linker_core::port::{AuthError, Login};
use linker_core::session::{Session, SessionConfig, SessionPage};

// The harness of the session's laws, effects checked as there.
#[allow(dead_code)]
#[path = "../../linker-core/tests/it/lone_session.rs"]
mod lone_session;

/// What that harness takes from the simulation.
mod simulation {
    use std::sync::Arc;

    use linker_core::app::{AuthMethod, ClientApp, ClientApps};
    use linker_core::directory::Directory;
    use linker_core::network::Domain;

    pub(crate) fn directory(master: bool) -> Directory {
        let app = ClientApp {
            app_name: "ANZ".parse().expect("a name"),
            app_id: "app".to_owned(),
            master: master.then(|| "ANZ-1".parse().expect("a user id")),
            isolated: false,
            auth: AuthMethod::None,
        };
        let apps = ClientApps::new(vec![app]).expect("one app");
        Directory::single(
            Domain::named("domain-01".parse().expect("a name")),
            Arc::new(apps),
        )
    }
}

use lone_session::{Alone, message_id};

fn small(text: &str) -> u64 {
    text.trim().parse().unwrap_or(1)
}

fn happen(alone: &mut Alone, what: u8, text: &str) {
    match what {
        b'a' => {
            let login = Login {
                expires_at_s: text.trim().parse().ok(),
                ..Login::default()
            };
            alone.step(|session, cx| session.on_authenticated(Ok(login), cx));
        }
        b'A' => alone.step(|session, cx| {
            session.on_authenticated(Err(AuthError::Refused("no".into())), cx);
        }),
        b'r' => alone.step(|session, cx| session.on_registered(Ok(Some(3)), cx)),
        b'd' | b'f' | b'c' => {
            let delivery = alone.delivery(what != b'f', what == b'c');
            alone.step(|session, cx| session.on_delivery(delivery, cx));
        }
        b'p' => alone.pong(text),
        b'k' => {
            let id = message_id(small(text) as u32);
            alone.text(&format!(r#"{{"type":"MESSAGE_ACK","data":{{"ids":["{id}"]}}}}"#));
        }
        b'w' => {
            alone.step(Session::before_flush);
            alone.backlog -= std::mem::take(&mut alone.unflushed);
        }
        b'b' => alone.step(Session::on_behind),
        b'h' => alone.step(|session, cx| session.on_hint(text.is_empty(), cx)),
        b'g' => {
            let deliveries = (0..small(text) % 5)
                .map(|_| alone.delivery(true, false))
                .collect();
            let page = SessionPage {
                deliveries,
                last_seq: 1,
                exhausted: small(text) % 2 == 0,
            };
            alone.step(|session, cx| session.on_page(Some(page), cx));
        }
        b'G' => alone.step(|session, cx| session.on_page(None, cx)),
        b'l' => alone.step(|session, cx| session.on_live(text.is_empty(), cx)),
        b'n' => alone.step(|session, cx| session.on_count(text.trim().parse().ok(), cx)),
        b'q' => alone.step(Session::on_fetch_granted),
        b's' => {
            alone.now += Duration::from_millis(small(text) % 100_000);
            alone.tick();
        }
        b'x' => alone.step(|session, cx| session.close(CloseCode::GoingAway, cx)),
        _ => alone.text(text),
    }
}

fuzz_target!(|script: &str| {
    let mut config = SessionConfig::default();
    if script.starts_with('!') {
        config.messages_per_second = 2;
        config.max_violations = 3;
    }
    let mut alone = Alone::new(config);
    for line in script.lines().take(200) {
        let Some(what) = line.chars().next() else { continue };
        happen(
            &mut alone,
            u8::try_from(what).unwrap_or(b't'),
            &line[what.len_utf8()..],
        );
        if alone.deadline() <= alone.now && alone.session.is_open() {
            alone.tick();
            assert!(
                alone.deadline() > alone.now || !alone.session.is_open(),
                "a deadline that stays due"
            );
        }
    }
    alone.step(Session::on_closed);
    alone.step(Session::on_closed);
    alone.backlog -= alone.unflushed;
    assert_eq!(alone.backlog, 0);
    let ended: BTreeSet<u32> = alone
        .proven
        .iter()
        .chain(&alone.given_back)
        .map(|t| t.slot)
        .collect();
    assert_eq!(
        ended.len(),
        alone.proven.len() + alone.given_back.len(),
        "a ticket ended twice"
    );
    assert_eq!(&ended, &alone.ticketed, "tickets neither proven nor given back");
});
