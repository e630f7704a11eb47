//! Routers: one a thread that has sessions, and one for everybody else.

mod actor;
mod directory;
mod lookup;
mod messages;
mod outlets;
mod state;
mod targets;

pub(crate) use actor::RouterActor;
pub(crate) use directory::Routers;
pub(crate) use messages::{PageRead, RouterMail};
pub(crate) use outlets::RouterOutlets;
pub(crate) use state::Router;
pub(crate) use targets::Target;
