//! Which failures mean that the broker will never take this node.

use std::io;

use lapin::protocol::{AMQPErrorKind, AMQPHardError};
use lapin::{Error, ErrorKind};
use linker_core::port::BusError;

use super::address::Address;

/// Why there is no connection: for now, or for good.
pub(super) fn why(error: &Error, address: &Address) -> BusError {
    let user = address.user();
    match error.kind() {
        ErrorKind::ProtocolError(protocol) => match protocol.kind() {
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
                // Others may leave.
                if !protocol.get_message().as_str().contains("limit") =>
            {
                refused(format!(
                    "the broker at {address} has no virtual host {} for user {user}: create it, or give the user access to it",
                    address.vhost()
                ))
            }
            AMQPErrorKind::Soft(lapin::protocol::AMQPSoftError::ACCESSREFUSED) => refused(format!(
                "the broker at {address} refuses user {user}: wrong user or password, or too few permissions"
            )),
            _ => away(error, address),
        },
        ErrorKind::ParsingError(_) | ErrorKind::InvalidProtocolVersion(_) => {
            refused(format!("what answers at {address} does not speak AMQP 0-9-1"))
        }
        ErrorKind::IOError(io) if address.is_tls() && io.kind() == io::ErrorKind::InvalidData => {
            refused(format!("no TLS connection with the broker at {address}: {io}"))
        }
        _ => away(error, address),
    }
}

fn refused(sentence: String) -> BusError {
    BusError::Refused(sentence)
}

/// The texts of lapin and of the broker name no password.
fn away(error: &Error, address: &Address) -> BusError {
    BusError::Away(format!("the broker at {address}: {error}"))
}
