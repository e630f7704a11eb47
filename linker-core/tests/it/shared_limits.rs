//! What a session does with limits that others have a part in.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use linker_core::clock::Now;
use linker_core::code::{CloseCode, ErrorCode};
use linker_core::id::UserId;
use linker_core::port::Login;
use linker_core::session::{SessionConfig, SharedLimits, SharedVerdict};

use crate::lone_session::{Alone, LOGIN};

/// Answers as it is told, and counts how often it is asked.
struct Told {
    verdict: Rc<Cell<SharedVerdict>>,
    asked: Rc<Cell<u32>>,
    logins: bool,
}

impl SharedLimits for Told {
    fn frame(&self, user: &UserId, _: Now) -> SharedVerdict {
        assert_eq!(user.to_string(), "ANZ-1");
        self.asked.set(self.asked.get() + 1);
        self.verdict.get()
    }

    fn login(&self, _: Now) -> bool {
        self.logins
    }
}

struct Limited {
    alone: Alone,
    verdict: Rc<Cell<SharedVerdict>>,
    asked: Rc<Cell<u32>>,
}

fn limited(config: SessionConfig) -> Limited {
    let (verdict, asked) = (Rc::new(Cell::new(SharedVerdict::Pass)), Rc::default());
    let mut alone = Alone::logged_in("{}", config);
    alone.shared = Some(Box::new(Told {
        verdict: Rc::clone(&verdict),
        asked: Rc::clone(&asked),
        logins: true,
    }));
    Limited {
        alone,
        verdict,
        asked,
    }
}

const PING: &str = r#"{"type":"PING"}"#;

#[test]
fn a_user_who_is_over_violates_and_is_closed_and_what_passes_in_between_forgives() {
    let mut limited = limited(SessionConfig {
        max_violations: 3,
        ..SessionConfig::default()
    });
    for verdict in [
        SharedVerdict::UserOver,
        SharedVerdict::UserOver,
        SharedVerdict::Pass,
    ] {
        limited.verdict.set(verdict);
        limited.alone.text(PING);
    }
    assert_eq!(limited.alone.errors(), [ErrorCode::RateLimited; 2]);
    limited.verdict.set(SharedVerdict::UserOver);
    for closed in [None, None, Some(CloseCode::RateLimit)] {
        limited.alone.text(PING);
        assert_eq!(limited.alone.closed, closed);
    }
}

#[test]
fn nobody_is_closed_for_what_others_of_the_app_do() {
    let mut limited = limited(SessionConfig {
        max_violations: 1,
        ..SessionConfig::default()
    });
    limited.verdict.set(SharedVerdict::AppOver);
    for _ in 0..10 {
        limited.alone.text(PING);
    }
    assert_eq!(limited.alone.errors(), [ErrorCode::RateLimited; 10]);
    assert_eq!(limited.alone.closed, None);
}

#[test]
fn what_its_own_rate_refuses_costs_others_nothing() {
    let mut limited = limited(SessionConfig {
        messages_per_second: 5,
        ..SessionConfig::default()
    });
    limited.alone.now += Duration::from_secs(10);
    for _ in 0..50 {
        limited.alone.text(PING);
    }
    assert_eq!(limited.asked.get(), 5);
}

#[test]
fn a_login_too_many_is_refused_unchecked() {
    let mut alone = Alone::new(SessionConfig::default());
    alone.shared = Some(Box::new(Told {
        verdict: Rc::new(Cell::new(SharedVerdict::Pass)),
        asked: Rc::default(),
        logins: false,
    }));
    alone.text(LOGIN);
    assert_eq!(alone.errors(), [ErrorCode::RateLimited]);
    assert_eq!(alone.closed, Some(CloseCode::LoginRefused));
    // Nothing comes of an answer that nobody asked for.
    alone.step(|session, cx| session.on_authenticated(Ok(Login::default()), cx));
    assert!(alone.session.user().is_none());
}
