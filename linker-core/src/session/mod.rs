//! One connection as a state machine: `(state, input, now) → effects`. No socket, no actor: a transport feeds it and carries its effects out.

mod config;
mod context;
mod effect;
mod login;
mod proof;
mod pump;
mod rate;
mod shared;
mod state;

pub use config::SessionConfig;
pub use context::{FrameContext, SessionContext};
pub use effect::{CallResult, Draft, SessionEffect};
pub use login::{LoginRefusal, check_login};
pub use proof::ProofWindow;
pub use shared::{SharedLimits, SharedVerdict};
pub use state::{CLOSE_LINGER, Session, SessionPage};
