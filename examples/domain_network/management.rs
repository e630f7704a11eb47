//! Vhosts by the management API of RabbitMQ. A few requests, so no client of its own is needed.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Outcome;

const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_LEN_MAX: u64 = 64 << 10;

/// The API at an address, for whoever may administer.
#[derive(Debug)]
pub(crate) struct Management {
    address: String,
    user: String,
    authorization: String,
}

impl Management {
    /// `user` and `password` as they are, not percent-encoded.
    pub(crate) fn new(address: &str, user: &str, password: &str) -> Self {
        Self {
            address: address.to_owned(),
            user: user.to_owned(),
            authorization: base64(format!("{user}:{password}").as_bytes()),
        }
    }

    /// A vhost in which the user may do everything.
    pub(crate) async fn add_vhost(&self, vhost: &str) -> Outcome<()> {
        self.request("PUT", &format!("/api/vhosts/{vhost}"), "{}").await?;
        let all = r#"{"configure":".*","write":".*","read":".*"}"#;
        self.request("PUT", &format!("/api/permissions/{vhost}/{}", self.user), all)
            .await
    }

    /// Whether it was there or not.
    pub(crate) async fn delete_vhost(&self, vhost: &str) -> Outcome<()> {
        self.request("DELETE", &format!("/api/vhosts/{vhost}"), "").await
    }

    async fn request(&self, method: &str, path: &str, body: &str) -> Outcome<()> {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Basic {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                self.address,
                self.authorization,
                body.len(),
            );
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.take(ANSWER_LEN_MAX).read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = timeout(PATIENCE, exchange).await??;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split_whitespace().nth(1).unwrap_or("no status");
        let is_done = status.starts_with('2') || (method == "DELETE" && status == "404");
        if is_done {
            Ok(())
        } else {
            Err(format!("{method} {path}: {status}").into())
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= three.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_of_every_remainder() {
        assert_eq!(base64(b"guest:guest"), "Z3Vlc3Q6Z3Vlc3Q=");
        assert_eq!(base64(b"a"), "YQ==");
        assert_eq!(base64(b"abc"), "YWJj");
    }
}
