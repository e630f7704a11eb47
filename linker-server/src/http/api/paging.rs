//! Long lists, a page at a time: the next page's address is in the `Link` header (RFC 8288).

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

const LIMIT_DEFAULT: usize = 1000;
const LIMIT_MAX: usize = 10_000;

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// At most so many, 1 to 10 000; 1000 without it.
    limit: Option<usize>,
    /// Those behind this name.
    after: Option<String>,
}

impl Paging {
    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX)
    }

    /// Empty: from the first.
    pub(super) fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }

    /// The page of what is `all`, which `name` orders. The next one, if there is any, is told by a `Link` header.
    pub(super) fn page<T: Serialize>(
        &self,
        request: &HttpRequest,
        mut all: Vec<T>,
        name: impl Fn(&T) -> &String,
    ) -> HttpResponse {
        let limit = self.limit();
        all.sort_by(|a, b| name(a).cmp(name(b)));
        if let Some(after) = &self.after {
            all.retain(|item| name(item) > after);
        }
        let is_last = all.len() <= limit;
        all.truncate(limit);
        let mut response = HttpResponse::Ok();
        if let Some(last) = all.last().filter(|_| !is_last) {
            // Names have no characters that a query could misread.
            let next = format!(
                "<{}?limit={limit}&after={}>; rel=\"next\"",
                request.path(),
                name(last)
            );
            response.insert_header((header::LINK, next));
        }
        response.json(all)
    }
}
