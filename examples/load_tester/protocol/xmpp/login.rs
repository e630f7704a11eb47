//! From the upgrade to a session that messages reach: stream, SASL PLAIN, stream again, resource, presence.

use memchr::memmem::find;

use super::{DOMAIN, append_element, attribute, start_tag};
use crate::error::LoadError;
use crate::protocol::Reader;
use crate::wire::Incoming;

/// Steps of logging in, in [`crate::protocol::Session`].
const OPENED: u8 = 0;
const AUTHENTICATING: u8 = 1;
const OPENED_AGAIN: u8 = 2;
const BINDING: u8 = 3;
const PRESENT: u8 = 4;
const LOGGED_IN: u8 = 5;

/// A server without accounts lets in by any.
const PASSWORD: &str = "x";

/// Opens a stream.
pub(crate) fn append_open(out: &mut Vec<u8>) {
    let open =
        format!("<open xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" to=\"{DOMAIN}\" version=\"1.0\"/>");
    append_element(out, &open);
}

/// Understands what is no message, and takes the next step.
pub(super) fn on_element(element: &[u8], to: Reader<'_>) -> Result<Option<Incoming<'static>>, LoadError> {
    let tag = start_tag(element);
    let name_len = tag
        .iter()
        .take_while(|byte| !byte.is_ascii_whitespace() && **byte != b'/')
        .count();
    let step = &mut to.session.step;
    match tag.get(..name_len).unwrap_or_default() {
        b"<stream:features" if *step == OPENED => {
            *step = AUTHENTICATING;
            let credentials = base64(format!("\0{}\0{PASSWORD}", to.user_id).as_bytes());
            let auth = format!(
                "<auth xmlns=\"urn:ietf:params:xml:ns:xmpp-sasl\" mechanism=\"PLAIN\">{credentials}</auth>"
            );
            append_element(to.answers, &auth);
        }
        b"<success" if *step == AUTHENTICATING => {
            *step = OPENED_AGAIN;
            append_open(to.answers);
        }
        b"<stream:features" if *step == OPENED_AGAIN => {
            *step = BINDING;
            append_element(
                to.answers,
                "<iq xmlns=\"jabber:client\" type=\"set\" id=\"bind\">\
                 <bind xmlns=\"urn:ietf:params:xml:ns:xmpp-bind\"><resource>r</resource></bind></iq>",
            );
        }
        b"<iq" if *step == BINDING && attribute(tag, b" id=") == Some(b"bind") => {
            if attribute(tag, b" type=") != Some(b"result") {
                return Ok(Some(Incoming::LoginReply { accepted: false }));
            }
            *step = PRESENT;
            append_element(to.answers, "<presence xmlns=\"jabber:client\"/>");
            // Answered after the presence, by a pong or by an error where there is no ping.
            let ping = format!(
                "<iq xmlns=\"jabber:client\" type=\"get\" id=\"ready\" to=\"{DOMAIN}\"><ping xmlns=\"urn:xmpp:ping\"/></iq>"
            );
            append_element(to.answers, &ping);
        }
        b"<iq" if *step == PRESENT && attribute(tag, b" id=") == Some(b"ready") => {
            *step = LOGGED_IN;
            return Ok(Some(Incoming::LoginReply { accepted: true }));
        }
        b"<failure" => return Ok(Some(Incoming::LoginReply { accepted: false })),
        b"<stream:error" => {
            return Ok(Some(Incoming::Error {
                code: if find(element, b"<conflict").is_some() {
                    "stream conflict"
                } else {
                    "stream error"
                },
                of: None,
            }));
        }
        b"<open" | b"<close" | b"<stream:features" | b"<iq" | b"<presence" => {}
        _ => return Err(LoadError::Protocol("an XMPP element that makes no sense")),
    }
    Ok(None)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let padded = [0, 1, 2].map(|at| u32::from(three.get(at).copied().unwrap_or(0)));
        let bits = padded[0] << 16 | padded[1] << 8 | padded[2];
        for at in 0..4 {
            if at <= three.len() {
                let digit = bits >> (18 - 6 * at) & 0x3F;
                text.push(char::from(DIGITS[digit as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_specification() {
        // RFC 4648, 10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
