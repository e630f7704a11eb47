//! Whether a port has the service that one expects there: by speaking its protocol, since anything may listen anywhere.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::local::connect;

/// A service on this machine answers within this, or is not there.
const TIMEOUT: Duration = Duration::from_secs(3);
/// No answer to what is asked here is longer; what says so speaks another protocol.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// No login takes more steps.
const STEPS_MAX: usize = 200;

/// Whether anything at all listens.
pub(super) fn listens(address: SocketAddr) -> bool {
    connect(address, TIMEOUT).is_ok()
}

/// Logs in as `postgres` without a password.
///
/// # Errors
/// It is not PostgreSQL, does not let one in, or nobody is there.
pub(super) fn postgres(address: SocketAddr) -> Result<()> {
    login_to_postgres(connect(address, TIMEOUT)?)
}

/// Says PING.
///
/// # Errors
/// It is not Redis, wants a password, or nobody is there.
pub(super) fn redis(address: SocketAddr) -> Result<()> {
    ping_redis(connect(address, TIMEOUT)?)
}

/// Logs in as `guest` and opens the vhost `/`.
///
/// # Errors
/// It does not speak AMQP 0-9-1, does not let one in, or nobody is there.
pub(super) fn rabbitmq(address: SocketAddr) -> Result<()> {
    login_to_rabbitmq(connect(address, TIMEOUT)?)
}

fn login_to_postgres(mut stream: impl Read + Write) -> Result<()> {
    const PROTOCOL_3: u32 = 196_608;
    const LOGIN_IS_OK: [u8; 4] = [0; 4];
    let mut body = PROTOCOL_3.to_be_bytes().to_vec();
    body.extend(b"user\0postgres\0database\0postgres\0\0");
    stream.write_all(&with_length(&body)?)?;
    for _ in 0..STEPS_MAX {
        let [kind, length @ ..] = read_array::<5>(&mut stream)?;
        let length = usize::try_from(u32::from_be_bytes(length))?;
        let length = length.checked_sub(4).context("not PostgreSQL")?;
        let body = read_vec(&mut stream, length)?;
        match kind {
            b'R' => ensure!(body == LOGIN_IS_OK, "it asks for a password"),
            b'Z' => {
                // A farewell; nobody minds when it does not arrive.
                let _ = stream.write_all(b"X\0\0\0\x04");
                return Ok(());
            }
            // Settings and the key to cancel with.
            b'S' | b'K' | b'N' | b'v' => {}
            _ => bail!("it lets nobody in"),
        }
    }
    bail!("it never becomes ready")
}

/// A startup packet: its length counts itself.
fn with_length(body: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(body.len() + 4)?;
    Ok([&length.to_be_bytes()[..], body].concat())
}

fn ping_redis(mut stream: impl Read + Write) -> Result<()> {
    stream.write_all(b"PING\r\n")?;
    ensure!(
        read_array(&mut stream)? == *b"+PONG\r\n",
        "not a Redis that anybody may use"
    );
    Ok(())
}

fn login_to_rabbitmq(mut stream: impl Read + Write) -> Result<()> {
    const START_OK: [u8; 4] = [0, 10, 0, 11];
    const TUNE_OK: [u8; 4] = [0, 10, 0, 31];
    const OPEN: [u8; 4] = [0, 10, 0, 40];
    const CLOSE: [u8; 4] = [0, 10, 0, 50];
    stream.write_all(b"AMQP\0\0\x09\x01")?;
    expect_method(&mut stream, [0, 10, 0, 10])?;
    // No properties, PLAIN, user and password, and a language.
    let login = b"\0\0\0\0\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US";
    stream.write_all(&method(START_OK, login)?)?;
    // What the broker proposes is taken as it is, without heartbeats.
    let tune = expect_method(&mut stream, [0, 10, 0, 30])?;
    let [channels_and_frame @ .., _, _] = tune.as_slice() else {
        bail!("not AMQP")
    };
    stream.write_all(&method(TUNE_OK, &[channels_and_frame, &[0, 0]].concat())?)?;
    stream.write_all(&method(OPEN, b"\x01/\0\0")?)?;
    expect_method(&mut stream, [0, 10, 0, 41])?;
    // Otherwise the broker's log has a warning for each look; nobody minds when it does not arrive.
    let _ = stream.write_all(&method(CLOSE, b"\0\xc8\0\0\0\0\0")?);
    let _ = expect_method(&mut stream, [0, 10, 0, 51]);
    Ok(())
}

const METHOD_FRAME: u8 = 1;
const FRAME_END: u8 = 0xce;

fn method(class_and_method: [u8; 4], arguments: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(4 + arguments.len())?.to_be_bytes();
    let head = [METHOD_FRAME, 0, 0];
    Ok([&head[..], &length, &class_and_method, arguments, &[FRAME_END]].concat())
}

/// The arguments of the method that must come next.
fn expect_method(stream: &mut impl Read, class_and_method: [u8; 4]) -> Result<Vec<u8>> {
    let [kind, _, _, length @ ..] = read_array::<7>(stream)?;
    ensure!(kind == METHOD_FRAME, "not AMQP 0-9-1");
    let length = usize::try_from(u32::from_be_bytes(length))?;
    let payload = read_vec(stream, length)?;
    let [end] = read_array(stream)?;
    let arguments = payload.strip_prefix(&class_and_method[..]);
    ensure!(end == FRAME_END, "not AMQP 0-9-1");
    Ok(arguments.context("it lets nobody in")?.to_vec())
}

fn read_array<const N: usize>(stream: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_vec(stream: &mut impl Read, length: usize) -> Result<Vec<u8>> {
    ensure!(length <= ANSWER_BYTES_MAX, "another protocol");
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor};
    use std::net::TcpListener;

    use super::*;

    /// Says its part whatever it hears.
    struct Says(Cursor<Vec<u8>>);

    impl Read for Says {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.read(into)
        }
    }

    impl Write for Says {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn says(parts: &[&[u8]]) -> Says {
        Says(Cursor::new(parts.concat()))
    }

    #[test]
    fn postgres_counts_once_it_is_ready_for_whoever_has_no_password() {
        let ok: &[u8] = b"R\0\0\0\x08\0\0\0\0";
        let setting: &[u8] = b"S\0\0\0\x08a\0b\0";
        let ready: &[u8] = b"Z\0\0\0\x05I";
        assert!(login_to_postgres(says(&[ok, setting, ready])).is_ok());
        assert!(login_to_postgres(says(&[b"R\0\0\0\x08\0\0\0\x03"])).is_err());
        assert!(login_to_postgres(says(&[ok, b"E\0\0\0\x05\0"])).is_err());
        assert!(login_to_postgres(says(&[ok, setting])).is_err());
        assert!(login_to_postgres(says(&[&setting.repeat(STEPS_MAX), ready])).is_err());
    }

    #[test]
    fn redis_counts_when_it_asks_for_no_password() {
        assert!(ping_redis(says(&[b"+PONG\r\n"])).is_ok());
        assert!(ping_redis(says(&[b"-NOAUTH Authentication required.\r\n"])).is_err());
        assert!(ping_redis(says(&[b"-LOADING Redis is loading\r\n"])).is_err());
    }

    #[test]
    fn rabbitmq_counts_once_the_vhost_is_open() {
        let start = method([0, 10, 0, 10], b"\0\x09").unwrap();
        let tune = method([0, 10, 0, 30], b"\x07\xff\0\x02\0\0\0\x3c").unwrap();
        let open = method([0, 10, 0, 41], b"\0").unwrap();
        let close = method([0, 10, 0, 50], b"\x01\x93\x07REFUSED\0\0\0\0").unwrap();
        assert!(login_to_rabbitmq(says(&[&start, &tune, &open])).is_ok());
        assert!(login_to_rabbitmq(says(&[&start, &close])).is_err());
        assert!(login_to_rabbitmq(says(&[&start, &tune, &close])).is_err());
        // What a broker of another version of AMQP answers.
        assert!(login_to_rabbitmq(says(&[b"AMQP\x03\x01\0\0"])).is_err());
    }

    #[test]
    fn somebody_else_on_the_port_does_not_count() {
        let other: [&[u8]; 4] = [
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"",
            &[0xff; 200],
        ];
        for other in other {
            assert!(login_to_postgres(says(&[other])).is_err());
            assert!(ping_redis(says(&[other])).is_err());
            assert!(login_to_rabbitmq(says(&[other])).is_err());
        }
    }

    #[test]
    fn who_says_nothing_is_not_waited_for_without_end() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        assert!(listens(address));
        let stream = connect(address, Duration::from_millis(50)).unwrap();
        assert!(ping_redis(stream).is_err());
        drop(silent);
        assert!(!listens(address));
    }
}
