//! What a session makes of inputs of all sorts in any order: texts of any kind, pongs, deliveries, pages, time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use linker_core::code::{CloseCode, ErrorCode};
use linker_core::frame::ServerFrame;
use linker_core::session::{ProofWindow, Session, SessionConfig, SessionPage};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::lone_session::{Alone, LOGIN, message_id, ticket};

/// What may happen to a session.
#[derive(Debug, Clone)]
enum Input {
    Deliver { with_ticket: bool, courtesy: bool },
    Pong(u64),
    Ack(u32),
    Flush,
    Behind,
    Hint(bool),
    Page(u8, bool),
    PageFailed,
    Live(bool),
    Count(Option<u64>),
    Granted,
    Text(String),
    Wait(u64),
    Close,
}

fn frame() -> impl Strategy<Value = String> {
    let frames = [
        LOGIN,
        r#"{"type":"MESSAGE","data":{"to":"ANZ-2","content":[1]},"reference":"a"}"#,
        r#"{"type":"GROUP_MESSAGE","data":{"to":["ANZ-2","ANZ-1"],"content":null},"feature":"FAST"}"#,
        r#"{"type":"FETCH_MISSING_MESSAGES_REQUEST","data":{"count":3}}"#,
        r#"{"type":"MESSAGE_READ","data":{"to":"ANZ-2","reference":"a"}}"#,
        r#"{"type":"CLOSE_CONNECTION","data":{"userId":"ANZ-2"}}"#,
        r#"{"type":"MESSAGE_ACK","data":{"ids":["x"]}}"#,
        r#"{"type":"PING"}"#,
    ];
    let whole = proptest::sample::select(frames.to_vec());
    let changed =
        (whole.clone(), any::<proptest::sample::Index>(), any::<char>()).prop_map(|(text, at, unit)| {
            let mut units: Vec<char> = text.chars().collect();
            let at = at.index(units.len());
            units[at] = unit;
            units.into_iter().collect()
        });
    prop_oneof![whole.prop_map(str::to_owned), changed, any::<String>()]
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        6 => (any::<bool>(), any::<bool>())
            .prop_map(|(with_ticket, courtesy)| Input::Deliver { with_ticket, courtesy }),
        3 => (0..20u64).prop_map(Input::Pong),
        2 => (1..30u32).prop_map(Input::Ack),
        4 => Just(Input::Flush),
        1 => Just(Input::Behind),
        1 => any::<bool>().prop_map(Input::Hint),
        2 => (0..4u8, any::<bool>()).prop_map(|(rows, exhausted)| Input::Page(rows, exhausted)),
        1 => Just(Input::PageFailed),
        1 => any::<bool>().prop_map(Input::Live),
        1 => proptest::option::of(0..9u64).prop_map(Input::Count),
        1 => Just(Input::Granted),
        4 => frame().prop_map(Input::Text),
        2 => (0..40_000u64).prop_map(Input::Wait),
        1 => Just(Input::Close),
    ]
}

fn happen(alone: &mut Alone, input: Input) {
    match input {
        Input::Deliver {
            with_ticket,
            courtesy,
        } => {
            let delivery = alone.delivery(with_ticket, courtesy);
            alone.step(|session, cx| session.on_delivery(delivery, cx));
        }
        Input::Pong(number) => alone.pong(&number.to_string()),
        Input::Ack(number) => alone.text(&format!(
            r#"{{"type":"MESSAGE_ACK","data":{{"ids":["{}"]}}}}"#,
            message_id(number)
        )),
        Input::Flush => {
            alone.step(Session::before_flush);
            alone.backlog -= std::mem::take(&mut alone.unflushed);
        }
        Input::Behind => alone.step(Session::on_behind),
        Input::Hint(anywhere) => alone.step(|session, cx| session.on_hint(anywhere, cx)),
        Input::Page(rows, exhausted) => {
            let deliveries = (0..rows).map(|_| alone.delivery(true, false)).collect();
            let page = SessionPage {
                deliveries,
                last_seq: 1,
                exhausted,
            };
            alone.step(|session, cx| session.on_page(Some(page), cx));
        }
        Input::PageFailed => alone.step(|session, cx| session.on_page(None, cx)),
        Input::Live(live) => alone.step(|session, cx| session.on_live(live, cx)),
        Input::Count(count) => alone.step(|session, cx| session.on_count(count, cx)),
        Input::Granted => alone.step(Session::on_fetch_granted),
        Input::Text(text) => alone.text(&text),
        Input::Wait(ms) => {
            alone.now += Duration::from_millis(ms);
            alone.tick();
        }
        Input::Close => alone.step(|session, cx| session.close(CloseCode::GoingAway, cx)),
    }
}

/// A session of the user that has lost its connection gives one message back when the next one has been taken by the session that replays already.
#[test]
fn what_is_given_back_during_a_replay_comes_before_what_was_sent_later() {
    let mut alone = Alone::logged_in(r#"{"replay":true}"#, SessionConfig::default());
    let earlier = alone.delivery(true, true);
    let later = alone.delivery(true, true);
    alone.step(|session, cx| session.on_delivery(later, cx));
    alone.step(|session, cx| session.on_delivery(earlier, cx));
    let nothing = SessionPage {
        deliveries: Vec::new(),
        last_seq: 0,
        exhausted: true,
    };
    alone.step(|session, cx| session.on_page(Some(nothing), cx));
    alone.step(|session, cx| session.on_live(true, cx));
    let sent: Vec<_> = alone
        .sent
        .iter()
        .filter_map(|frame| match frame {
            ServerFrame::Envelope(envelope) => Some(envelope.id),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [message_id(1), message_id(2)]);
}

proptest! {
    /// Whatever comes, in whatever order: nothing panics, each ticket is proven or given back exactly once, all bytes are freed, and a deadline that
    /// has passed is answered.
    #[test]
    fn every_ticket_and_every_byte_comes_back(
        client_ack in any::<bool>(),
        replay in any::<bool>(),
        inputs in vec(input(), 0..80),
    ) {
        let ack = if client_ack { "client" } else { "transport" };
        let options = format!(r#"{{"ack":"{ack}","replay":{replay}}}"#);
        let mut alone = Alone::logged_in(&options, SessionConfig::default());
        for input in inputs {
            happen(&mut alone, input);
            let due = alone.deadline();
            if due <= alone.now && alone.session.is_open() {
                alone.tick();
                let next = alone.deadline();
                prop_assert!(next > alone.now || !alone.session.is_open(), "a deadline that stays due");
            }
        }
        alone.step(Session::on_closed);
        alone.step(Session::on_closed);
        alone.backlog -= alone.unflushed;
        prop_assert_eq!(alone.backlog, 0);
        let ended: BTreeSet<u32> = alone.proven.iter().chain(&alone.given_back).map(|t| t.slot).collect();
        prop_assert_eq!(ended.len(), alone.proven.len() + alone.given_back.len(), "a ticket ended twice");
        prop_assert_eq!(&ended, &alone.ticketed, "tickets neither proven nor given back");
        let after = alone.delivery(true, false);
        alone.step(|session, cx| session.on_delivery(after, cx));
        prop_assert_eq!(alone.backlog, 0, "what comes after the end is given back");
    }

    /// No text and no pong makes a session panic, before login or after.
    #[test]
    fn any_input_before_login_is_survived(texts in vec(frame(), 0..20), pong in any::<Vec<u8>>()) {
        let mut alone = Alone::new(SessionConfig::default());
        for text in texts {
            alone.text(&text);
            alone.step(|session, cx| session.on_pong(&pong, cx));
        }
        prop_assert!(alone.proven.is_empty() && alone.given_back.is_empty());
    }

    /// A pong proves exactly what was sent before its ping; what was never sent, or answered already, proves nothing.
    #[test]
    fn a_pong_proves_what_was_sent_before_its_ping(steps in vec(prop_oneof![
        3 => Just(None), 2 => Just(Some(0)), 3 => (0..15u64).prop_map(Some)], 0..60)) {
        let mut window = ProofWindow::default();
        let (mut pushed, mut proven) = (0u32, 0u32);
        let mut pings: BTreeMap<u64, u32> = BTreeMap::new();
        for step in steps {
            match step {
                None => {
                    pushed += 1;
                    window.push(ticket(pushed), 1);
                }
                Some(0) => {
                    let outstanding = pings.keys().next_back().copied();
                    let number = window.ping();
                    prop_assert!(outstanding.is_none_or(|before| number > before));
                    pings.insert(number, pushed);
                    prop_assert!(!window.wants_ping(), "one is in flight");
                }
                Some(number) => {
                    let sent = pings.keys().next_back().is_some_and(|newest| number <= *newest);
                    let covered = pings.range(..=number).next_back().map(|(_, covered)| *covered);
                    let mut got = Vec::new();
                    window.pong(number, |ticket, _| got.push(ticket.slot));
                    let expected = match covered.filter(|_| sent) {
                        Some(covered) => (proven + 1..=covered).collect(),
                        None => Vec::new(),
                    };
                    prop_assert_eq!(&got, &expected);
                    proven += got.len() as u32;
                }
            }
        }
        let rest: Vec<u32> = window.drain().into_iter().map(|(ticket, _)| ticket.slot).collect();
        prop_assert_eq!(rest, (proven + 1..=pushed).collect::<Vec<_>>());
    }

    /// The rate limit against a bucket that counts tokens.
    #[test]
    fn the_rate_limit_is_that_of_a_bucket(
        rate in 1..20u32,
        burst in 0..10u32,
        gaps_ms in vec(0..400u64, 1..60),
    ) {
        let config = SessionConfig {
            messages_per_second: rate,
            message_burst: burst,
            max_violations: u32::MAX,
            heartbeat_timeout: Duration::from_secs(10_000),
            ..SessionConfig::default()
        };
        let mut alone = Alone::logged_in("{}", config);
        let step = 1_000_000_000 / u64::from(rate);
        let room = u64::from(if burst == 0 { rate } else { burst }) * step;
        // The login took one.
        let (mut tokens, mut last) = (room - step, alone.now);
        for gap in gaps_ms {
            alone.now += Duration::from_millis(gap);
            tokens = (tokens + (alone.now - last).as_nanos() as u64).min(room);
            last = alone.now;
            alone.text(r#"{"type":"PING"}"#);
            let expected = match tokens >= step {
                true => {
                    tokens -= step;
                    vec![]
                }
                false => vec![ErrorCode::RateLimited],
            };
            prop_assert_eq!(alone.errors(), expected);
        }
    }
}
