//! How nodes do, and which sessions do not keep up.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use linker_actors::{ByFeature, LinkerHandle, NodeLoad, SlowSession, SlowSessions, Trouble};
use serde::Serialize;
use utoipa::ToSchema;

use super::bearer::{Bearer, Reads};
use crate::http::problem::Problem;

/// How a node does.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Load {
    rates: Rates,
    /// Messages in memory that are neither proven nor only in the store.
    pending_messages: u64,
    /// Their bytes.
    pending_bytes: u64,
    /// Sessions that do not keep up with what they are sent.
    slow_consumers: u64,
    /// Cores that its process uses: 1.0 is all of one. Absent where it cannot be measured, as `memoryBytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<f64>,
    /// Resident memory of its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    /// What is wrong with it; empty where all is well.
    wrong: Vec<Wrong>,
    /// What is odd about parts that do their work all the same.
    notes: BTreeMap<String, String>,
}

/// So many a second, over the last five.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Rates {
    /// Messages that clients and backends gave to this node.
    received: OfFeature,
    /// Proven, or of FAST handed to a session; confirmations and receipts are messages too.
    delivered: OfFeature,
    /// Gone to the store.
    stored: f64,
    /// Handed to another domain.
    forwarded: f64,
    /// FAST, and nobody was there.
    dropped: f64,
    refused: f64,
    /// Believed ones.
    logins: f64,
}

/// A rate of each.
#[derive(Debug, Serialize, ToSchema)]
struct OfFeature {
    reliable: f64,
    fast: f64,
}

/// A part of a node that is not well.
#[derive(Debug, Serialize, ToSchema)]
struct Wrong {
    /// As in `checks` of `/health/ready`.
    #[schema(example = "store")]
    part: String,
    /// A sentence.
    what: String,
    /// Since when, ms since the epoch.
    since: u64,
}

/// Sessions that do not keep up with what they are sent.
#[derive(Debug, Serialize, ToSchema)]
struct SlowConsumers {
    /// How many there are.
    total: u64,
    /// The 100 that are behind the longest.
    sessions: Vec<SlowConsumer>,
    /// Nodes that did not tell theirs within a second.
    silent: Vec<String>,
}

/// A session that does not keep up: what comes for it waits in the store.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SlowConsumer {
    user_id: String,
    /// The node that has it.
    node: String,
    /// What it was handed and has not proven.
    unproven_bytes: u64,
    /// Since when it is behind, ms since the epoch.
    since: u64,
}

/// Two digits behind the point are enough, and nicer to read.
fn rounded(rate: f64) -> f64 {
    (rate * 100.0).round() / 100.0
}

impl From<ByFeature> for OfFeature {
    fn from(rate: ByFeature) -> Self {
        Self {
            reliable: rounded(rate.reliable),
            fast: rounded(rate.fast),
        }
    }
}

impl From<Trouble> for Wrong {
    fn from(trouble: Trouble) -> Self {
        Self {
            part: trouble.part,
            what: trouble.what,
            since: trouble.since_ms,
        }
    }
}

impl From<NodeLoad> for Load {
    fn from(load: NodeLoad) -> Self {
        let rates = load.rates;
        Self {
            rates: Rates {
                received: rates.received.into(),
                delivered: rates.delivered.into(),
                stored: rounded(rates.stored),
                forwarded: rounded(rates.forwarded),
                dropped: rounded(rates.dropped),
                refused: rounded(rates.refused),
                logins: rounded(rates.logins),
            },
            pending_messages: load.pending_messages,
            pending_bytes: load.pending_bytes,
            slow_consumers: load.slow_consumers,
            cpu: load.process.map(|process| rounded(process.cpu)),
            memory_bytes: load.process.map(|process| process.memory_bytes),
            wrong: load.troubles.into_iter().map(Wrong::from).collect(),
            notes: load.notes,
        }
    }
}

impl From<SlowSession> for SlowConsumer {
    fn from(session: SlowSession) -> Self {
        Self {
            user_id: session.user.to_string(),
            node: session.node.to_string(),
            unproven_bytes: session.unproven_bytes,
            since: session.since_ms,
        }
    }
}

impl From<SlowSessions> for SlowConsumers {
    fn from(slow: SlowSessions) -> Self {
        Self {
            total: slow.total,
            sessions: slow.sessions.into_iter().map(SlowConsumer::from).collect(),
            silent: slow.silent.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The sessions of the domain that do not keep up with what they are sent; up to a second old.
#[utoipa::path(
    get, path = "/api/v1/slow-consumers", tag = "network", security(("token" = ["read"])),
    responses((status = 200, body = SlowConsumers), (status = 401, body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn slow_consumers(_: Bearer<Reads>, linker: web::Data<LinkerHandle>) -> HttpResponse {
    HttpResponse::Ok().json(SlowConsumers::from(linker.slow_sessions().await))
}
