//! Spans in OpenTelemetry's words.

use linker_actors::core::envelope::Kind;
use linker_actors::{About, Span, SpanKind};
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind as OtelKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::config::NodeConfig;

/// Who tells all of it.
pub(super) fn resource(node: &NodeConfig) -> Resource {
    Resource::builder_empty()
        .with_service_name("linker")
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.namespace", node.domain.to_string()),
            KeyValue::new("service.instance.id", node.name.to_string()),
        ])
        .build()
}

/// `users`: whether they are named.
pub(super) fn span_data(span: Span, users: bool) -> SpanData {
    let attributes = attributes(&span, users);
    let events = span.written_at.map(|at| Event::new("written", at, Vec::new(), 0));
    let link = span.link.map(|other| {
        let context = context(other.trace, other.span.to_bytes(), true);
        Link::new(context, Vec::new(), 0)
    });
    let mut all_events = SpanEvents::default();
    all_events.events.extend(events);
    let mut all_links = SpanLinks::default();
    all_links.links.extend(link);
    let is_from_elsewhere = matches!(span.name, "link.receive" | "linker.send")
        || (span.name == "message" && span.parent.is_some());
    SpanData {
        span_context: context(span.trace, span.id.to_bytes(), false),
        parent_span_id: span
            .parent
            .map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.to_bytes())),
        parent_span_is_remote: is_from_elsewhere,
        span_kind: match span.kind {
            SpanKind::Internal => OtelKind::Internal,
            SpanKind::Server => OtelKind::Server,
            SpanKind::Client => OtelKind::Client,
            SpanKind::Producer => OtelKind::Producer,
            SpanKind::Consumer => OtelKind::Consumer,
        },
        name: span.name.into(),
        start_time: span.start,
        end_time: span.end,
        attributes,
        dropped_attributes_count: 0,
        events: all_events,
        links: all_links,
        status: match span.outcome {
            Some("refused") => Status::error("refused"),
            _ => Status::Unset,
        },
        instrumentation_scope: InstrumentationScope::builder("linker")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build(),
    }
}

fn context(trace: [u8; 16], span: [u8; 8], is_remote: bool) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(trace),
        SpanId::from_bytes(span),
        TraceFlags::SAMPLED,
        is_remote,
        TraceState::NONE,
    )
}

fn attributes(span: &Span, users: bool) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("linker.node", span.node.to_string()),
        KeyValue::new("linker.domain", span.domain.to_string()),
        KeyValue::new("messaging.system", "linker"),
        KeyValue::new("messaging.message.id", span.message.to_string()),
    ];
    if let Some(About {
        kind,
        feature,
        from,
        to,
        hops,
    }) = span.about
    {
        attributes.push(KeyValue::new("linker.kind", kind_name(kind)));
        attributes.push(KeyValue::new("linker.feature", feature.as_str()));
        attributes.push(KeyValue::new("linker.hops", i64::from(hops)));
        if users {
            attributes.push(KeyValue::new("linker.from", from.to_string()));
            attributes.push(KeyValue::new("linker.to", to.to_string()));
        }
    }
    if let Some(outcome) = span.outcome {
        attributes.push(KeyValue::new("linker.outcome", outcome));
    }
    if let Some(towards) = &span.towards {
        attributes.push(KeyValue::new("messaging.destination.name", towards.to_string()));
    }
    if let Some(rows) = span.rows {
        attributes.push(KeyValue::new("linker.rows", rows as i64));
    }
    attributes
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Message => "message",
        Kind::GroupMessage => "group_message",
        Kind::Confirmation => "confirmation",
        Kind::Read => "read",
        Kind::UserConnected => "user_connected",
        Kind::UserDisconnected => "user_disconnected",
        Kind::Refusal => "refusal",
        Kind::Upstream => "upstream",
        Kind::UpstreamEvent => "upstream_event",
    }
}
