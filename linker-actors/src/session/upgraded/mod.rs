//! The stock server's transport: the session owns the socket of an upgraded request. It reads into a buffer of its worker and keeps none of its own
//! while idle, and it stays in charge of its timers when the client does not read.

mod actor;
mod context;
mod service;

pub(crate) use service::UpgradeService;
