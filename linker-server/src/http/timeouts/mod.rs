//! How long who asks by HTTP may take: for a request's head, for its body, and to take the answer. WebSockets have their own rules, and are out of this when they begin.
//!
//! A socket cannot tell a client that has more to say from one that waits for its answer, and a request does not know what was said before it. So the two tell each
//! other: [`TimedSocket`] counts while no request is being served, [`timed`] while one is.

mod body;
mod serving;
mod socket;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, ResponseError};

use super::problem::Problem;
use body::TimedBody;
use serving::{Held, Serving};
pub(crate) use socket::TimedSocket;

/// From the first byte of a request to the end of its head, and as long for the first byte of the first one.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);

/// Serves a request whose body has to come in good time, else 408.
pub(crate) async fn timed<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let serving = request.conn_data::<Serving>().map(Serving::begin);
    let is_late = Rc::new(Cell::new(false));
    match request.take_payload() {
        Payload::None => {}
        payload => {
            let payload = Box::pin(TimedBody::new(payload, is_late.clone()));
            request.set_payload(Payload::Stream { payload });
        }
    }
    let answer = next.call(request).await;
    if is_late.get() {
        let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "the body comes too slowly");
        let mut answer = problem.error_response();
        answer.head_mut().set_connection_type(ConnectionType::Close);
        return Err(InternalError::from_response(problem, answer).into());
    }
    Ok(answer?.map_body(|_, body| BoxBody::new(Held::new(body.boxed(), serving))))
}
