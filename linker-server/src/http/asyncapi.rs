//! `/asyncapi.json`: the wire protocol as an AsyncAPI document, with this node's url in it. On both ports.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Bytes, ServiceConfig};
use serde_json::Value;

use super::paths::{READ, read, resource};

/// The one place where the protocol is described for programs.
const SOURCE: &str = include_str!("../../asyncapi/asyncapi.json");

/// The document, ready to be sent.
#[derive(Clone)]
pub(crate) struct AsyncApi(Bytes);

impl AsyncApi {
    /// The document for clients that are told to connect to `public_url`.
    ///
    /// # Errors
    /// Only where what was compiled in is no JSON.
    pub(crate) fn new(public_url: &str) -> serde_json::Result<Self> {
        let mut document: Value = serde_json::from_str(SOURCE)?;
        let (protocol, rest) = public_url.split_once("://").unwrap_or(("ws", public_url));
        let path_at = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(path_at);
        let server = &mut document["servers"]["node"];
        server["protocol"] = protocol.into();
        server["host"] = host.into();
        document["channels"]["session"]["address"] = path.into();
        Ok(Self(serde_json::to_vec(&document)?.into()))
    }

    /// Mounts it.
    pub(crate) fn routes(&self, config: &mut ServiceConfig) {
        let document = self.0.clone();
        let answer = move || {
            let document = document.clone();
            async move {
                HttpResponse::Ok()
                    .content_type("application/json")
                    .insert_header((header::CACHE_CONTROL, "no-cache"))
                    .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                    // Nothing in it is anybody's secret, and pages that show such documents are of other origins.
                    .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
                    .body(document)
            }
        };
        config.service(resource("/asyncapi.json", READ).route(read().to(answer)));
    }
}
