//! A crowd that says anything at all, and two users in the middle of it who notice nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::harness::{Client, Node, Raw, Received, Wire, auth, referenced};

const CROWD: u64 = 24;
const TYPES: [&str; 9] = [
    "MESSAGE",
    "GROUP_MESSAGE",
    "AUTH_CLIENT",
    "FETCH_MISSING_MESSAGES_REQUEST",
    "CLOSE_CONNECTION",
    "MESSAGE_ACK",
    "MESSAGE_READ",
    "PING",
    "USER_CONNECTED",
];
const VALUES: [&str; 14] = [
    "null",
    "true",
    "-1",
    "1e400",
    "18446744073709551616",
    "\"\"",
    "\"ANZ-1\"",
    "\"ANZ-50\"",
    "\"\\ud800\"",
    "[]",
    "[\"ANZ-50\",\"ANZ-51\"]",
    "[[[[]]]]",
    "{}",
    "{\"ack\":\"client\",\"replay\":true}",
];
const FIELDS: [&str; 8] = [
    "to",
    "content",
    "count",
    "userId",
    "appId",
    "ids",
    "reference",
    "options",
];

/// xorshift64*.
fn chance(state: &mut u64, bound: usize) -> usize {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    let high = state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
    usize::try_from(high).expect("31 bits") % bound
}

/// A frame that is right in parts.
fn half_right(state: &mut u64) -> String {
    let mut data = String::new();
    for field in FIELDS {
        if chance(state, 3) == 0 {
            let comma = if data.is_empty() { "" } else { "," };
            data += &format!("{comma}\"{field}\":{}", VALUES[chance(state, VALUES.len())]);
        }
    }
    let feature = ["", ",\"feature\":\"FAST\"", ",\"feature\":7"][chance(state, 3)];
    let reference = ["", ",\"reference\":\"r\"", ",\"reference\":null"][chance(state, 3)];
    let frame = format!(
        "{{\"type\":\"{}\",\"data\":{{{data}}}{feature}{reference}}}",
        TYPES[chance(state, TYPES.len())]
    );
    match chance(state, 8) {
        // Cut short, where a character ends.
        0 => frame[..chance(state, frame.len())].to_owned(),
        _ => frame,
    }
}

/// Says something, on a new connection as often as the old one ends.
async fn misbehave(node: Arc<Node>, number: u64, over: Arc<AtomicBool>) {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while !over.load(Ordering::Relaxed) {
        let mut raw = Raw::connect(&node).await;
        raw.answers_pings = chance(&mut state, 2) == 0;
        if chance(&mut state, 3) > 0 {
            raw.text(&auth(&format!("ANZ-{}", 50 + number % 8))).await;
        }
        for _ in 0..chance(&mut state, 60) {
            let text = half_right(&mut state);
            let mut wire = Wire::new(1, text.as_bytes());
            match chance(&mut state, 60) {
                0 => wire.reserved = 4,
                1 => wire.masked = false,
                2 => wire.opcode = 2,
                3 => wire.fin = false,
                4 => wire.opcode = 11,
                _ => {}
            }
            let mut bytes = wire.bytes();
            if chance(&mut state, 60) == 0 {
                let at = chance(&mut state, bytes.len());
                bytes[at] ^= 1 << chance(&mut state, 8);
            }
            if !raw.bytes(&bytes).await {
                break;
            }
        }
        // Some read what they are told, some leave at once.
        for _ in 0..chance(&mut state, 100) {
            let soon = std::time::Duration::from_millis(20);
            match raw.receive_within(soon).await {
                Some(Received::End) | None => break,
                Some(_) => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_in_a_crowd_of_misbehaving_clients_notice_nothing() {
    let node = Arc::new(Node::start().await);
    let over = Arc::new(AtomicBool::new(false));
    let crowd: Vec<_> = (1..=CROWD)
        .map(|number| tokio::spawn(misbehave(Arc::clone(&node), number, Arc::clone(&over))))
        .collect();
    let mut receiver = Client::login(&node, "XYZ-2").await;
    let mut sender = Client::login_with(&node, "XYZ-3", json!({"accepted": true})).await;
    for n in 0..300 {
        let reference = format!("r{n}");
        sender.send(referenced("XYZ-2", n, &reference));
        assert_eq!(receiver.next().await["data"]["content"], n);
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    over.store(true, Ordering::Relaxed);
    for one in crowd {
        one.await
            .expect("whoever misbehaves is answered or cut, and never crashes");
    }
    let log = node.log();
    assert!(!log.contains("panicked"), "an actor panicked:\n{log}");
    assert_eq!(node.admin_get("/health/ready").await.status, 200);
}
