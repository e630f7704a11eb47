//! The bus on RabbitMQ against what brokers and networks do.

#[cfg(target_os = "linux")]
mod broker;
mod domains;
pub(crate) mod fixture;
mod network;
mod refused;
#[cfg(target_os = "linux")]
mod restart;
