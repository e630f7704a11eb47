//! What the benchmarks measure: the ways that a message takes, each as one step that can be done again and again.

pub(crate) mod bus;
pub(crate) mod custody;
pub(crate) mod envelope;
pub(crate) mod frames;
pub(crate) mod network;
mod sample;
pub(crate) mod session;

/// One way through the core.
pub(crate) struct Path {
    /// By which a baseline knows it.
    pub(crate) name: &'static str,
    /// Makes all that the step needs and that shall not be measured.
    pub(crate) ready: fn() -> Step,
}

/// Does it once. It ends in the state that it began in, as far as cost goes, and panics where it did something else than it is meant to:
/// a refusal is quick.
pub(crate) type Step = Box<dyn FnMut()>;
