//! Spans for a host's own exporter.

use std::sync::{Arc, Mutex, PoisonError};

use linker_actors::core::envelope::{Feature, Kind};
use linker_actors::core::id::MessageId;
use linker_actors::{SendState, Span, SpanSink};

use super::{Node, outgoing, spec};
use crate::harness::{Client, WAIT, eventually, user};

/// Keeps everything.
#[derive(Default)]
struct Kept(Mutex<Vec<Span>>);

impl SpanSink for Kept {
    fn record(&self, span: Span) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }
}

impl Kept {
    fn of(&self, message: MessageId) -> Vec<Span> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .filter(|span| span.message == message)
            .cloned()
            .collect()
    }
}

async fn traced(ratio: f64) -> (Node, Arc<Kept>) {
    let kept = Arc::new(Kept::default());
    let sink = Arc::clone(&kept) as Arc<dyn SpanSink>;
    let node = spec().build(|builder| builder.tracing(ratio, sink)).start().await;
    (node, kept)
}

#[tokio::test]
async fn a_host_gets_the_spans_of_a_message_that_is_stored_and_fetched() {
    let (node, kept) = traced(1.0).await;
    let receipt = node
        .handle
        .send(user("ANZ-2"), outgoing("x"))
        .await
        .expect("sent");
    assert_eq!(receipt.state, SendState::Stored);
    let mut recipient = Client::login(&node, "ANZ-2").await;
    recipient.fetch(1).await;
    let wanted = [
        "call.send",
        "custody",
        "message",
        "session.deliver",
        "store.delete",
        "store.insert",
        "store.read",
    ];
    let spans = eventually("the row is gone", WAIT, async || {
        let mut spans = kept.of(receipt.id);
        spans.sort_by_key(|span| span.name);
        let names: Vec<&str> = spans.iter().map(|span| span.name).collect();
        (names == wanted).then_some(spans)
    })
    .await;
    let root = spans
        .iter()
        .find(|span| span.name == "message")
        .expect("it is there");
    assert_eq!((root.parent, root.outcome), (None, Some("stored")));
    for span in &spans {
        assert_eq!(span.trace, *receipt.id.as_bytes());
        assert!(span.id == root.id || span.parent == Some(root.id), "{span:?}");
        assert!(span.end >= span.start, "{span:?}");
        // Who calls has begun a moment before the router has it.
        assert!(span.start >= root.start || span.name == "call.send", "{span:?}");
        assert_eq!(
            (&span.node, &span.domain),
            (node.handle.node_name(), &node.handle.domain_name())
        );
        if let Some(about) = span.about {
            assert_eq!((about.kind, about.feature), (Kind::Message, Feature::Reliable));
            assert_eq!((about.to, about.hops), (user("ANZ-2"), 0));
        }
    }
    let delivered = spans
        .iter()
        .find(|span| span.name == "session.deliver")
        .expect("it is there");
    let written = delivered.written_at.expect("it was written");
    assert!(written >= delivered.start && written <= delivered.end);
}

#[tokio::test]
async fn with_a_ratio_of_0_a_host_gets_none() {
    let (node, kept) = traced(0.0).await;
    let mut recipient = Client::login(&node, "ANZ-2").await;
    let receipt = node
        .handle
        .send(user("ANZ-2"), outgoing("x"))
        .await
        .expect("sent");
    assert_eq!(receipt.state, SendState::Delivered);
    recipient.expect("MESSAGE").await;
    assert_eq!(kept.of(receipt.id), []);
}
