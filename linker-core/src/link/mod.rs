//! What a domain does with messages that come from other domains or go there, as far as it is decided without machinery: their order
//! ([`Sequencer`], [`PairTails`]), and how long one waits that goes in circles ([`settling`]). How bytes cross is the port [`crate::port::Link`].

mod draining;
mod gate;
mod pair_tails;
mod sequencer;
pub mod settling;

pub use draining::{DrainStep, Draining};
pub use gate::{Gate, GateMode};
pub use pair_tails::{PAIR_TIME, PairTails};
pub use sequencer::{Sequencer, WAIT};
