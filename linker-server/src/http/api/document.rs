//! The OpenAPI document, made from the code, and a page to read it.

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, http::header};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{load, login, messages, network, pushes, users};
use crate::http::paths::{READ, read, resource};

const DOCUMENT: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Linker",
        description = "Messages from backends to users, and what operators ask a node.\n\nErrors are `application/problem+json` (RFC 9457). The API answers for users of its own domain; for another's with 421 and where to ask.",
    ),
    paths(messages::send, messages::track, pushes::push, pushes::pushes, pushes::report, pushes::undelivered, pushes::retry, users::user, users::close, users::revoke, login::login, network::nodes, load::slow_consumers, network::domains, network::whoami),
    modifiers(&BearerToken, &Refusals),
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

/// What any call may be answered with, for what it bears, has as its body, or is asked with.
struct Refusals;

impl Modify for Refusals {
    fn modify(&self, document: &mut Document) {
        for item in document.paths.paths.values_mut() {
            let calls = [&mut item.get, &mut item.post, &mut item.delete];
            calls.into_iter().flatten().for_each(tell_refusals);
        }
    }
}

fn tell_refusals(call: &mut Operation) {
    let mut refusals = vec![
        ("401", "No token, or one that is not known"),
        ("403", "The token does not have the scope"),
    ];
    let parameters = call.parameters.as_deref().unwrap_or_default();
    let has = |what: fn(&Parameter) -> bool| {
        let matches = |one: &RefOr<Parameter>| matches!(one, RefOr::T(parameter) if what(parameter));
        parameters.iter().any(matches)
    };
    if has(|parameter| parameter.parameter_in == ParameterIn::Query) {
        refusals.push(("400", "The query is not understood"));
    }
    if has(|parameter| parameter.name == "Idempotency-Key") {
        refusals.push(("409", "The first request of this key is not answered yet"));
    }
    if call.request_body.is_some() {
        refusals.extend([
            ("400", "The body is not understood"),
            ("413", "The body is too large"),
            ("415", "The body is not sent as application/json"),
        ]);
    }
    for (status, why) in refusals {
        let told = &mut call.responses.responses;
        told.entry(status.to_owned()).or_insert_with(|| {
            let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
            let refusal = ResponseBuilder::new().description(why);
            RefOr::T(
                refusal
                    .content("application/problem+json", problem.build())
                    .build(),
            )
        });
    }
}

pub(super) fn routes(config: &mut ServiceConfig) {
    let to_page = || async {
        HttpResponse::PermanentRedirect()
            .insert_header((header::LOCATION, "/docs/"))
            .finish()
    };
    let document = Arc::new(Api::openapi());
    let answer = move || {
        let document = Arc::clone(&document);
        async move { HttpResponse::Ok().json(&*document) }
    };
    config
        .service(resource("/docs", READ).route(read().to(to_page)))
        .service(resource(DOCUMENT, READ).route(read().to(answer)))
        .service(SwaggerUi::new("/docs/{_:.*}").config(Config::from(DOCUMENT)));
}
