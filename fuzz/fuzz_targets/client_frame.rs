//! A client's text frame, each part of it as any message type may read it.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use linker_core::frame::{AuthRequest, ClientFrame};
use linker_core::limit::REFERENCE_LEN_MAX;
use serde_json::value::RawValue;

fuzz_target!(|text: &str| {
    let Ok(frame) = ClientFrame::parse(text) else {
        return;
    };
    // Parts stay raw, since a number may be larger than any type holds.
    assert!(
        serde_json::from_str::<HashMap<String, &RawValue>>(text).is_ok(),
        "what is no JSON object was taken for one"
    );
    let _ = (frame.kind(), frame.feature(), frame.confirmation_enabled());
    if let Ok(Some(reference)) = frame.reference() {
        assert!((1..=REFERENCE_LEN_MAX).contains(&reference.len()));
    }
    let _ = frame.data(&["to", "content", "userId", "ids", "count", "reference"]);
    serde_json::from_str::<&RawValue>(frame.raw_data()).expect("JSON");
    let _ = AuthRequest::read(&frame);
});
