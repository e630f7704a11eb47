//! The node itself, the nodes of its domain, the domains of the network.

use actix_web::{HttpRequest, HttpResponse, web};
use linker_actors::{DomainReport, LinkReport, LinkerHandle, NodeLoad, NodeReport};
use serde::Serialize;
use utoipa::ToSchema;

use super::bearer::{Bearer, Reads, Scopes};
use super::load::Load;
use super::paging::Paging;
use crate::http::problem::Problem;

/// The node that answers, and what the caller may.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhoAmI {
    node: String,
    domain: String,
    version: &'static str,
    /// What the token may; `admin` may everything. That too of a call without a token, where none is needed.
    scopes: Vec<&'static str>,
    /// The client apps that the token is bound to; absent where it is bound to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    apps: Option<Vec<String>>,
}

/// A node that lives.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Node {
    /// Unique in the domain.
    name: String,
    state: NodeState,
    /// How many it has.
    sessions: u64,
    /// How many it is to have in relation to others.
    weight: u32,
    /// When it started, ms since the epoch.
    since: u64,
    version: String,
    /// Where its clients connect to.
    url: String,
    /// Whether it answered within a second; if not, what follows is not told.
    answers: bool,
    #[serde(flatten)]
    load: Option<Load>,
}

/// Whether a node takes sessions.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum NodeState {
    /// It does.
    Up,
    /// It stops.
    Draining,
}

/// A domain of the network.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Domain {
    name: String,
    links: Vec<Link>,
}

/// A link of a domain to a neighbour.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Link {
    to: String,
    state: LinkState,
    /// Messages that wait for it; known of this node's own domain only.
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog: Option<u64>,
    /// Since when it is in that state, ms since the epoch; known of this node's own domain only.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    /// Why it is down, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Whether a link moves messages.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LinkState {
    Up,
    Down,
}

impl Node {
    fn new(report: NodeReport, load: Option<NodeLoad>) -> Self {
        Self {
            name: report.name.to_string(),
            state: match report.is_draining {
                true => NodeState::Draining,
                false => NodeState::Up,
            },
            // Who answers knows better than its last beat.
            sessions: load.as_ref().map_or(report.sessions, |load| load.sessions),
            weight: report.weight,
            since: report.since_ms,
            version: report.version,
            url: report.url,
            answers: load.is_some(),
            load: load.map(Load::from),
        }
    }
}

impl From<&LinkReport> for Link {
    fn from(report: &LinkReport) -> Self {
        let own = report.own.as_ref();
        Self {
            to: report.to.to_string(),
            state: match report.is_up {
                true => LinkState::Up,
                false => LinkState::Down,
            },
            backlog: own.map(|own| own.backlog),
            since: own.map(|own| own.since_ms),
            reason: own.and_then(|own| own.down.clone()),
        }
    }
}

impl From<DomainReport> for Domain {
    fn from(report: DomainReport) -> Self {
        Self {
            name: report.name.to_string(),
            links: report.links.iter().map(Link::from).collect(),
        }
    }
}

/// Which node answers, and what the token may. Any token will do.
#[utoipa::path(
    get, path = "/api/v1/whoami", tag = "network", security(("token" = [])),
    responses((status = 200, body = WhoAmI), (status = 401, body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn whoami(scopes: Scopes, linker: web::Data<LinkerHandle>) -> HttpResponse {
    HttpResponse::Ok().json(WhoAmI {
        node: linker.node_name().to_string(),
        domain: linker.domain_name().to_string(),
        version: env!("CARGO_PKG_VERSION"),
        scopes: scopes.names(),
        apps: scopes.apps(),
    })
}

/// The nodes of the domain that live, by name, and how they do: rates are of the last five seconds, the rest is up to a second old.
#[utoipa::path(
    get, path = "/api/v1/nodes", tag = "network", params(Paging), security(("token" = ["read"])),
    responses((status = 200, body = [Node]), (status = 401, body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn nodes(
    _: Bearer<Reads>,
    request: HttpRequest,
    linker: web::Data<LinkerHandle>,
    paging: web::Query<Paging>,
) -> HttpResponse {
    let mut loads = linker.loads().await;
    let of = |report: NodeReport| {
        let load = loads.remove(&report.name);
        Node::new(report, load)
    };
    let nodes = linker.nodes().into_iter().map(of).collect();
    paging.page(&request, nodes, |node| &node.name)
}

/// The domains of the network by name, and the links between them.
#[utoipa::path(
    get, path = "/api/v1/domains", tag = "network", params(Paging), security(("token" = ["read"])),
    responses((status = 200, body = [Domain]), (status = 401, body = Problem, content_type = "application/problem+json"))
)]
pub(super) async fn domains(
    _: Bearer<Reads>,
    request: HttpRequest,
    linker: web::Data<LinkerHandle>,
    paging: web::Query<Paging>,
) -> HttpResponse {
    let domains = linker.domains().into_iter().map(Domain::from).collect();
    paging.page(&request, domains, |domain| &domain.name)
}
