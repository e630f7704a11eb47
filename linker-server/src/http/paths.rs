//! Paths, and how requests are refused that no path is for.

use std::future::ready;

use actix_web::guard;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, Resource, Route, web};

use super::problem::Problem;

/// What may be read may also be asked for without its body.
pub(super) const READ: &str = "GET, HEAD";

/// A path whose other methods are refused as a problem that names those it has.
pub(super) fn resource(path: &str, methods: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || {
        let detail = format!("this path has no such method; it has {methods}");
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).allowing(methods);
        ready(Err::<&str, _>(problem))
    }))
}

/// `GET` and `HEAD`: the server leaves out the body of the latter's answer.
pub(super) fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// What is at no path.
pub(super) async fn nothing(request: HttpRequest) -> Result<&'static str, Problem> {
    let detail = format!("there is nothing at {}", request.path());
    Err(Problem::new(StatusCode::NOT_FOUND, detail))
}
