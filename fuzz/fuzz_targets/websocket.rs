//! WebSocket frames. The first byte says into what pieces the rest is cut; that must make no difference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linker_actors::testkit::{Said, read_websocket};

const MAX_BYTES: usize = 64;

/// Which of two faults is found first may depend on how much of a header has come.
fn without_codes(said: Vec<Said>) -> Vec<Option<Said>> {
    let known = |said| match said {
        Said::Fault(_) => None,
        other => Some(other),
    };
    said.into_iter().map(known).collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((first, stream)) = data.split_first() else {
        return;
    };
    let whole = read_websocket([stream], MAX_BYTES);
    for said in &whole {
        match said {
            Said::Text(text) => assert!(text.len() <= MAX_BYTES),
            Said::Ping(payload) | Said::Pong(payload) | Said::Close(payload) => {
                assert!(payload.len() <= 125);
            }
            Said::Fault(_) => {}
        }
    }
    let pieces = stream.chunks(usize::from(*first).max(1));
    let cut = read_websocket(pieces, MAX_BYTES);
    assert_eq!(without_codes(whole), without_codes(cut));
});
