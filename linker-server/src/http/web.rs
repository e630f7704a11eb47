//! The demo page and the client module, compiled in.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{ServiceConfig, get};
use linker_actors::WEBSOCKET_PATH;

use super::paths::{READ, read, resource};

macro_rules! files {
    ($($path:literal, $file:literal, $content_type:literal;)*) => {
        [$(($path, include_str!(concat!("../../web/", $file)), $content_type)),*]
    };
}

/// Path, content and type of each.
const FILES: [(&str, &str, &str); 7] = files! {
    "/", "index.html", "text/html; charset=utf-8";
    "/demo.css", "demo.css", "text/css; charset=utf-8";
    "/demo.js", "demo.js", "text/javascript; charset=utf-8";
    "/linker-client.js", "linker-client.js", "text/javascript; charset=utf-8";
    "/linker-connection.js", "linker-connection.js", "text/javascript; charset=utf-8";
    "/linker-outbox.js", "linker-outbox.js", "text/javascript; charset=utf-8";
    "/linker-client.d.ts", "linker-client.d.ts", "text/plain; charset=utf-8";
};

/// Nothing from elsewhere runs or is loaded. The page may open WebSockets, and nothing else, to any host: to the node that its
/// user names, and to the user's home domain, whose urls a running node may get told anew at any time.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src ws: wss:; base-uri 'none'; form-action 'none'";

/// A request for the WebSocket that does not ask for an upgrade; those that do never come here.
async fn upgrade_required() -> HttpResponse {
    HttpResponse::UpgradeRequired()
        .insert_header((header::UPGRADE, "websocket"))
        .body("this is a WebSocket endpoint")
}

/// Mounts them.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(resource(WEBSOCKET_PATH, "GET").route(get().to(upgrade_required)));
    for (path, content, content_type) in FILES {
        let answer = move || async move {
            HttpResponse::Ok()
                .content_type(content_type)
                .insert_header((header::CACHE_CONTROL, "no-cache"))
                .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
                .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                // Nothing in it is anybody's secret, and pages of other origins may import the client.
                .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
                .body(content)
        };
        config.service(resource(path, READ).route(read().to(answer)));
    }
}
