//! Laws of one connection's session: logins, deadlines, pages.

use std::time::Duration;

use linker_core::code::{CloseCode, ErrorCode};
use linker_core::limit::TOKEN_LEEWAY_S;
use linker_core::port::{AuthError, Login};
use linker_core::session::{Session, SessionConfig, SessionEffect, SessionPage};

use crate::lone_session::{Alone, LOGIN, at, message_id};

#[test]
fn logins_are_checked_in_the_order_of_the_protocol() {
    let checks = [
        ("nobody", "XYZ_1", ErrorCode::UnknownApp),
        ("app", "ANZ-01", ErrorCode::InvalidUserId),
        ("app", "XYZ-1", ErrorCode::WrongApp),
    ];
    for (app, user, expected) in checks {
        let mut alone = Alone::new(SessionConfig::default());
        alone.text(&format!(
            r#"{{"type":"AUTH_CLIENT","data":{{"appId":"{app}","userId":"{user}"}}}}"#
        ));
        assert_eq!(alone.errors(), [expected]);
        assert_eq!(alone.closed, Some(CloseCode::LoginRefused));
    }
    let mut alone = Alone::new(SessionConfig::default());
    alone.text(LOGIN);
    alone.step(|session, cx| session.on_authenticated(Err(AuthError::Refused("no".to_owned())), cx));
    assert_eq!(alone.errors(), [ErrorCode::AuthFailed]);
    assert_eq!(alone.closed, Some(CloseCode::LoginRefused));
}

#[test]
fn nobody_is_told_anything_before_login_but_how_to_log_in() {
    let mut alone = Alone::new(SessionConfig::default());
    let asked = [
        ("nonsense", ErrorCode::InvalidJson),
        (r#"{"type":"PING"}"#, ErrorCode::NotAuthenticated),
        (r#"{"type":"NONE"}"#, ErrorCode::NotAuthenticated),
        (r#"{}"#, ErrorCode::NotAuthenticated),
        (r#"{"type":"AUTH_CLIENT"}"#, ErrorCode::InvalidField),
        (
            r#"{"type":"AUTH_CLIENT","data":{"appId":"app"}}"#,
            ErrorCode::InvalidField,
        ),
    ];
    for (text, expected) in asked {
        alone.text(text);
        assert_eq!(alone.errors(), [expected], "{text}");
    }
    assert!(alone.closed.is_none() && alone.other.is_empty());
    let due = alone.now + alone.config.auth_timeout;
    assert_eq!(alone.deadline(), due);
    alone.now = due;
    assert!(!alone.tick());
    assert_eq!(alone.closed, Some(CloseCode::AuthTimeout));
}

#[test]
fn a_silent_client_is_pinged_and_then_closed() {
    let mut alone = Alone::logged_in("{}", SessionConfig::default());
    let heard = alone.now;
    alone.now = alone.deadline();
    assert_eq!(alone.now, heard + alone.config.heartbeat_interval);
    alone.tick();
    assert_eq!(alone.pings, [1]);
    alone.now = heard + alone.config.heartbeat_timeout;
    alone.tick();
    assert_eq!(alone.closed, Some(CloseCode::HeartbeatTimeout));
    alone.now = alone.deadline();
    assert!(alone.tick(), "who does not read is cut");
}

/// Behind, with a message to prove.
fn behind() -> Alone {
    let mut alone = Alone::logged_in("{}", SessionConfig::default());
    let one = alone.delivery(true, false);
    alone.step(|session, cx| session.on_delivery(one, cx));
    alone.step(Session::on_behind);
    alone
}

#[test]
fn a_session_that_is_behind_and_proves_nothing_is_stalled() {
    let mut alone = behind();
    let due = alone.now + alone.config.stall_timeout;
    assert_eq!(alone.deadline(), due);
    alone.now = due - Duration::from_millis(1);
    alone.tick();
    assert_eq!(alone.closed, None);
    alone.now = due;
    alone.tick();
    assert_eq!(alone.closed, Some(CloseCode::Stalled));
}

/// Behind, with everything proven; and the store has not fed it for longer than it may itself be silent.
fn starved() -> Alone {
    let config = SessionConfig {
        heartbeat_interval: Duration::from_secs(25),
        ..SessionConfig::default()
    };
    let mut alone = Alone::logged_in("{}", config);
    alone.step(Session::on_behind);
    alone.pong("1");
    alone.now += alone.config.stall_timeout + Duration::from_secs(1);
    alone.tick();
    assert_eq!(alone.closed, None, "nothing is awaited of it");
    alone
}

/// A client that proves nothing from now on has as long as any.
fn stalls_from_now(mut alone: Alone) {
    let due = alone.now + alone.config.stall_timeout;
    alone.now = due - Duration::from_millis(1);
    alone.tick();
    assert_eq!(alone.closed, None, "it was not its fault");
    alone.now = due;
    alone.tick();
    assert_eq!(alone.closed, Some(CloseCode::Stalled));
}

#[test]
fn a_session_is_not_stalled_for_the_time_in_which_the_store_did_not_feed_it() {
    let mut alone = starved();
    let page = SessionPage {
        deliveries: vec![alone.delivery(true, false)],
        last_seq: 1,
        exhausted: true,
    };
    alone.step(|session, cx| session.on_page(Some(page), cx));
    stalls_from_now(alone);
}

#[test]
fn nor_by_a_heartbeat_after_that_time() {
    let mut alone = starved();
    alone.now = alone.deadline().max(alone.now);
    let pinged = alone.pings.len();
    while alone.pings.len() == pinged {
        alone.now = alone.deadline().max(alone.now);
        alone.tick();
        assert_eq!(alone.closed, None);
    }
    stalls_from_now(alone);
}

#[test]
fn a_session_that_its_node_does_not_read_is_neither_stalled_nor_silent() {
    let mut alone = behind();
    let begun = alone.now;
    while alone.now < begun + 2 * alone.config.heartbeat_timeout {
        alone.now = alone.deadline();
        alone.step(|session, cx| session.on_held_back(cx));
        alone.tick();
        assert_eq!(alone.closed, None, "its pong may lie unread");
    }
    stalls_from_now(alone);
}

#[test]
fn a_session_ends_when_its_token_has_expired_and_the_leeway_is_over() {
    let mut alone = Alone::new(SessionConfig {
        heartbeat_interval: Duration::from_secs(1000),
        heartbeat_timeout: Duration::from_secs(2000),
        ..SessionConfig::default()
    });
    let expires_at_s = at(alone.now).unix_ms / 1000 + 100;
    alone.text(LOGIN);
    let login = Login {
        expires_at_s: Some(expires_at_s),
    };
    alone.step(|session, cx| session.on_authenticated(Ok(login), cx));
    alone.step(|session, cx| session.on_registered(Ok(None), cx));
    let due = alone.deadline();
    assert_eq!(due, alone.now + Duration::from_secs(100 + TOKEN_LEEWAY_S));
    alone.now = due - Duration::from_millis(1);
    alone.tick();
    assert_eq!(alone.closed, None);
    alone.now = due;
    alone.tick();
    assert_eq!(alone.closed, Some(CloseCode::AuthTimeout));
}

#[test]
fn a_page_that_ends_at_an_undecided_row_is_not_asked_for_again_at_once() {
    let mut alone = Alone::logged_in(r#"{"replay":true}"#, SessionConfig::default());
    let asked = |alone: &mut Alone| {
        let pages = std::mem::take(&mut alone.other);
        let is_page = |effect: &SessionEffect| matches!(effect, SessionEffect::ReadPage { .. });
        pages.iter().filter(|effect| is_page(effect)).count()
    };
    assert_eq!(asked(&mut alone), 1);
    let page = SessionPage {
        deliveries: Vec::new(),
        last_seq: 0,
        exhausted: false,
    };
    alone.step(|session, cx| session.on_page(Some(page), cx));
    assert_eq!(asked(&mut alone), 0);
    alone.now = alone.deadline();
    alone.tick();
    assert_eq!(asked(&mut alone), 1);
}

#[test]
fn a_message_that_two_nodes_send_is_proven_to_both_by_one_acknowledgement() {
    let mut alone = Alone::logged_in(r#"{"ack":"client"}"#, SessionConfig::default());
    let first = alone.delivery(true, false);
    let mut second = alone.delivery(true, false);
    second.envelope = first.envelope.clone();
    for delivery in [first, second] {
        alone.step(|session, cx| session.on_delivery(delivery, cx));
    }
    assert_eq!(alone.given_back, [], "it would be sent again at once");
    alone.text(&format!(
        r#"{{"type":"MESSAGE_ACK","data":{{"ids":["{}"]}}}}"#,
        message_id(1)
    ));
    assert_eq!(alone.proven.len(), 2);
    assert_eq!(alone.backlog, 0);
}
