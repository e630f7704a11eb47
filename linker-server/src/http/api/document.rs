//! The OpenAPI document, made from the code, and a page to read it.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, http::header};
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::SwaggerUi;

use super::{load, login, messages, network, pushes, users};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Linker",
        description = "Messages from backends to users, and what operators ask a node.\n\nErrors are `application/problem+json` (RFC 9457). The API answers for users of its own domain; for another's with 421 and where to ask.",
    ),
    paths(messages::send, messages::track, pushes::push, pushes::pushes, pushes::report, pushes::undelivered, pushes::retry, users::user, users::close, users::revoke, login::login, network::nodes, load::slow_consumers, network::domains, network::whoami),
    modifiers(&BearerToken),
    tags(
        (name = "messages", description = "Sending"),
        (name = "login", description = "For clients: needs no token"),
        (name = "pushes", description = "One message to very many users"),
        (name = "users", description = "Where users are, and closing their sessions"),
        (name = "network", description = "Nodes, domains and links"),
    )
)]
struct Api;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "`server.adminToken`, or one of `server.tokens` with the scope",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

pub(super) fn routes(config: &mut ServiceConfig) {
    let to_page = || async {
        HttpResponse::PermanentRedirect()
            .insert_header((header::LOCATION, "/docs/"))
            .finish()
    };
    config
        .route("/docs", web::get().to(to_page))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/api/v1/openapi.json", Api::openapi()));
}
