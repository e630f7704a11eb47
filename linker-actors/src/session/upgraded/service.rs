//! The handshake of the upgraded transport, from the HTTP dispatcher's hands into a session's.

use std::sync::Arc;
use std::time::Duration;

use actix_codec::Framed;
use actix_http::h1::Codec;
use actix_http::header::SEC_WEBSOCKET_KEY;
use actix_http::{Method, Request, StatusCode, ws};
use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::actor::UpgradedSession;
use crate::node::Node;
use crate::worker::Worker;

/// How long a client may take to take a refusal.
const REFUSAL_TIME: Duration = Duration::from_secs(10);

/// Takes over the sockets of WebSocket requests.
#[derive(Clone)]
pub(crate) struct UpgradeService {
    node: Arc<Node>,
    path: &'static str,
}

impl UpgradeService {
    pub(crate) fn new(node: Arc<Node>, path: &'static str) -> Self {
        Self { node, path }
    }

    /// Starts a session on the socket, or answers why not.
    pub(crate) async fn call<T>(self, request: Request, framed: Framed<T, Codec>) -> std::io::Result<()>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let parts = framed.into_parts();
        let (mut io, early) = (parts.io, parts.read_buf.freeze());
        match self.admit(&request) {
            Ok((admitted, greeting)) => {
                let worker = Worker::of_this_thread(&self.node);
                // The session must not live inside the dispatcher's future, which is several times its size.
                actix_rt::spawn(UpgradedSession::run(worker, io, greeting, early, admitted));
                Ok(())
            }
            Err((status, reason)) => {
                let refusing = async {
                    io.write_all(refusal(status, reason).as_bytes()).await?;
                    io.shutdown().await
                };
                tokio::time::timeout(REFUSAL_TIME, refusing).await?
            }
        }
    }

    fn admit(
        &self,
        request: &Request,
    ) -> Result<(crate::session::Admitted, BytesMut), (StatusCode, &'static str)> {
        let head = request.head();
        if request.path() != self.path {
            return Err((StatusCode::NOT_FOUND, "there is no WebSocket here"));
        }
        if *request.method() != Method::GET || ws::verify_handshake(head).is_err() {
            return Err((StatusCode::BAD_REQUEST, "not a WebSocket handshake of version 13"));
        }
        let key = head
            .headers()
            .get(SEC_WEBSOCKET_KEY)
            .ok_or((StatusCode::BAD_REQUEST, "no key"))?;
        let address = request.peer_addr().map(|peer| peer.ip());
        let admitted = self.node.admission.admit(head.headers(), address)?;
        let mut greeting = BytesMut::with_capacity(160);
        greeting.put_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ",
        );
        greeting.put_slice(&ws::hash_key(key.as_bytes()));
        greeting.put_slice(b"\r\n\r\n");
        Ok((admitted, greeting))
    }
}

fn refusal(status: StatusCode, reason: &str) -> String {
    let line = status.canonical_reason().unwrap_or_default();
    let status = status.as_u16();
    let len = reason.len();
    format!(
        "HTTP/1.1 {status} {line}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n{reason}"
    )
}
