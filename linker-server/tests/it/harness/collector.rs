//! A collector of traces: takes OTLP by HTTP as protobuf, decodes it and keeps the spans. It can be slow, refuse, and count what it was sent.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{WAIT, eventually_telling};

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// At once, with yes.
    Takes,
    /// With this status.
    Refuses(u16),
    /// Not at all.
    IsSilent,
}

/// A span as it came.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty of one that a trace begins with.
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) attributes: HashMap<String, String>,
    pub(crate) resource: HashMap<String, String>,
    pub(crate) events: Vec<String>,
    /// Trace and span of each.
    pub(crate) links: Vec<(String, String)>,
}

impl Span {
    /// An attribute, empty where there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Where it was, and what it is: `domain/node name`.
    pub(crate) fn place(&self) -> String {
        format!(
            "{}/{} {}",
            self.get("linker.domain"),
            self.get("linker.node"),
            self.name
        )
    }
}

#[derive(Default)]
struct Taken {
    spans: Vec<Span>,
    heads: Vec<String>,
    /// All bodies as they came.
    bytes: Vec<u8>,
}

/// A running collector.
pub(crate) struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Taken>>,
    manner: Arc<Mutex<Manner>>,
    accepting: JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let taken = Arc::new(Mutex::new(Taken::default()));
        let manner = Arc::new(Mutex::new(Manner::Takes));
        let (keeping, mannered) = (Arc::clone(&taken), Arc::clone(&manner));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&keeping), Arc::clone(&mannered)));
            }
        });
        Self {
            address,
            taken,
            manner,
            accepting,
        }
    }

    /// For `telemetry.otlpUrl`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn answers(&self, manner: Manner) {
        *self.manner.lock().expect("no test panics while holding it") = manner;
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().expect("no test panics while holding it")
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.taken().spans.clone()
    }

    /// Request lines and headers so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.taken().heads.clone()
    }

    /// Whether this text stands anywhere in what was sent.
    pub(crate) fn was_sent(&self, text: &str) -> bool {
        self.taken()
            .bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    }

    /// The spans of a message.
    pub(crate) fn trace_of(&self, message: &str) -> Vec<Span> {
        let trace = message.replace('-', "");
        let mut spans = self.spans();
        spans.retain(|span| span.trace == trace);
        spans
    }

    /// Waits until the spans of a message satisfy the test, and answers with them.
    pub(crate) async fn await_trace(&self, message: &str, whole: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        eventually_telling("the trace is whole", WAIT, async || {
            let spans = self.trace_of(message);
            match whole(&spans) {
                true => Ok(spans),
                false => {
                    let places: Vec<String> = spans.iter().map(Span::place).collect();
                    Err(format!("(it has {places:#?})"))
                }
            }
        })
        .await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, taken: Arc<Mutex<Taken>>, manner: Arc<Mutex<Manner>>) {
    let mut bytes = Vec::new();
    loop {
        let (head, body) = match cut_request(&mut bytes) {
            Some(request) => request,
            None => match stream.read_buf(&mut bytes).await {
                Ok(read) if read > 0 => continue,
                _ => return,
            },
        };
        let manner = *manner.lock().expect("no test panics while holding it");
        let status = match manner {
            Manner::Takes => 200,
            Manner::Refuses(status) => status,
            Manner::IsSilent => return tokio::time::sleep(Duration::from_secs(3600)).await,
        };
        if status == 200 {
            let request = ExportTraceServiceRequest::decode(&body[..]).expect("OTLP");
            let mut taken = taken.lock().expect("no test panics while holding it");
            taken.heads.push(head);
            taken.bytes.extend(&body);
            taken.spans.extend(spans_of(request));
        }
        let answer = format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn cut_request(bytes: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let length: usize = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.parse().ok())?;
    let end = split + 4 + length;
    let body = bytes.get(split + 4..end)?.to_vec();
    bytes.drain(..end);
    Some((head, body))
}

fn spans_of(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.map(|resource| texts(resource.attributes));
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                start_ns: span.start_time_unix_nano,
                end_ns: span.end_time_unix_nano,
                attributes: texts(span.attributes),
                resource: resource.clone().unwrap_or_default(),
                events: span.events.into_iter().map(|event| event.name).collect(),
                links: span
                    .links
                    .iter()
                    .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
                    .collect(),
            });
        }
    }
    spans
}

fn texts(attributes: Vec<KeyValue>) -> HashMap<String, String> {
    let text = |attribute: KeyValue| {
        let value = match attribute.value?.value? {
            any_value::Value::StringValue(text) => text,
            any_value::Value::IntValue(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        Some((attribute.key, value))
    };
    attributes.into_iter().filter_map(text).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
