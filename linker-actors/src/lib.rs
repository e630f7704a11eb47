//! Linker as a library.
//!
//! A host builds a node, mounts its WebSocket endpoint in its own actix-web `App`, and talks to its users by a handle:
//!
//! ```no_run
//! use actix_web::{App, HttpServer};
//! use linker_actors::{Linker, Outgoing};
//! use linker_core::app::{AuthMethod, ClientApp};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let app = ClientApp {
//!     app_name: "ANZ".parse()?,
//!     app_id: "app-id-343".into(),
//!     master: Some("ANZ-1".parse()?),
//!     isolated: false,
//!     auth: AuthMethod::None,
//! };
//! let linker = Linker::builder().client_app(app).sqlite("linker.db").start().await?;
//! let handle = linker.handle();
//! let mounted = linker.handle();
//! let server = HttpServer::new(move || App::new().configure(|config| mounted.configure(config)))
//!     .on_connect(handle.on_connect())
//!     .bind("127.0.0.1:8088")?
//!     .run();
//! handle.send("ANZ-2".parse()?, Outgoing::new(&"hello")?).await?;
//! server.await?;
//! linker.stop().await;
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

pub mod adapter;
mod attempts;
mod authenticators;
mod builder;
mod cluster;
mod config;
mod data_dir;
mod endpoint;
mod error;
mod graph;
mod handle;
mod inspection;
mod linker;
mod links;
mod load;
mod logins;
mod message_type;
#[cfg(feature = "meta")]
mod meta;
mod metrics;
mod node;
mod presence;
mod pushes;
mod router;
mod runtime;
mod session;
mod shared_limits;
mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
mod trace;
mod undecodable;
mod upstream;
mod worker;

pub use attempts::Attempts;
pub use builder::LinkerBuilder;
pub use config::NodeConfig;
pub use data_dir::{DataDir, DataDirError};
pub use endpoint::{WEBSOCKET_PATH, tune_socket};
pub use error::{ConfigError, SendError, SetDirectoryError, StartError};
pub use handle::{Event, Events, Health, LinkerHandle, Outgoing, Receipt, SendState};
pub use inspection::{Elsewhere, MessageReport, MessageState, NodeReport, SessionReport, UserError};
pub use linker::Linker;
pub use linker_core as core;
pub use links::{DomainReport, LinkReport, OwnLink};
pub use load::{ByFeature, NodeLoad, ProcessLoad, ProcessUse, Rates, SlowSession, SlowSessions, Trouble};
#[cfg(feature = "auth")]
pub use logins::{LoginError, Placed, RevokeError, TOKEN_SECRET_LEN_MIN, TOKEN_TIME_MAX, TokenOptions};
pub use message_type::{Caller, Handler, HandlerError, Reply};
#[cfg(feature = "meta")]
pub use meta::MetaServer;
pub use pushes::{NewPush, PushError, PushReport, PushTarget, Undelivered};
pub use session::Arriving;
pub use trace::{About, Span, SpanKind, SpanSink};
pub use upstream::UpstreamHandler;
