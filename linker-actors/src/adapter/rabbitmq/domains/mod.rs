//! Links between domains on RabbitMQ: the ingress of this node's domain, and the ways into those of its neighbours.
//!
//! **The ingress** of a domain is an exchange that decides by the routing key, and the queues behind it (`topology.rs`). RELIABLE payloads are in quorum queues with
//! a single active consumer: all nodes consume all of them, and the broker hands one queue to one node at a time, in order, at most
//! [`IngressOptions::prefetch`] payloads ahead of the acknowledgements. FAST payloads are in queues that live in memory, states in one of each node.
//!
//! **A link** is one connection to the neighbour's broker with two channels: one that confirms, and one for FAST. It declares nothing there, so the account it uses needs
//! to write to one exchange and nothing else. That the exchange is there is known from the confirmation of a payload that goes nowhere.
//!
//! **Bounds.** A link holds at most [`LINK_PAYLOADS_MAX`] payloads and [`LINK_BYTES_MAX`] that are not answered. A RELIABLE queue at its bound refuses, which a sender
//! sees as [`LinkError::Full`](linker_core::port::LinkError::Full); the others drop their oldest.

mod acks;
mod ingress;
mod intake;
mod line;
mod links;
mod outbox;
mod session;
mod topology;

pub use self::ingress::{IngressOptions, RabbitIngress};
pub use self::links::{LinkOptions, RabbitLink, RabbitLinks};
pub use self::outbox::{LINK_BYTES_MAX, LINK_PAYLOADS_MAX};
