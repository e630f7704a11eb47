//! The console, compiled in. What it shows and does goes through the API, with the operator's own token: the page itself is nobody's secret.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{ServiceConfig, get};

use super::paths::{READ, read, resource};

macro_rules! files {
    ($($file:literal, $content_type:literal;)*) => {
        [$((concat!("/console/", $file), include_str!(concat!("../../web/console/", $file)), $content_type)),*]
    };
}

const PAGE: &str = include_str!("../../web/console/index.html");

/// Path, content and type of each but the page.
const FILES: [(&str, &str, &str); 14] = files! {
    "console.css", "text/css; charset=utf-8";
    "console.js", "text/javascript; charset=utf-8";
    "api.js", "text/javascript; charset=utf-8";
    "dom.js", "text/javascript; charset=utf-8";
    "figures.js", "text/javascript; charset=utf-8";
    "format.js", "text/javascript; charset=utf-8";
    "graph.js", "text/javascript; charset=utf-8";
    "links.js", "text/javascript; charset=utf-8";
    "nodes.js", "text/javascript; charset=utf-8";
    "pushes.js", "text/javascript; charset=utf-8";
    "slow.js", "text/javascript; charset=utf-8";
    "sparkline.js", "text/javascript; charset=utf-8";
    "users.js", "text/javascript; charset=utf-8";
    "wrong.js", "text/javascript; charset=utf-8";
};

/// Nothing from elsewhere runs or is loaded, nothing is asked of anybody but this node, and no page may show this one within itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Mounts it.
pub(super) fn routes(config: &mut ServiceConfig) {
    let page = ("/console", PAGE, "text/html; charset=utf-8");
    for (path, content, content_type) in FILES.into_iter().chain([page]) {
        let answer = move || async move {
            HttpResponse::Ok()
                .content_type(content_type)
                .insert_header((header::CACHE_CONTROL, "no-cache"))
                .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
                .insert_header((header::REFERRER_POLICY, "no-referrer"))
                .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .body(content)
        };
        config.service(resource(path, READ).route(read().to(answer)));
    }
    let to_page = || async {
        // Without a host or a path before it: there may be a proxy in between.
        HttpResponse::PermanentRedirect()
            .insert_header((header::LOCATION, "../console"))
            .finish()
    };
    config.route("/console/", get().to(to_page));
}
