//! Links between domains on RabbitMQ: the ingress, and the ways into it.

mod bounds;
mod fixture;
mod link_down;
#[cfg(target_os = "linux")]
mod restart;
mod sending;
mod taking_over;
