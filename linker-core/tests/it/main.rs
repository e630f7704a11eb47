//! Properties and laws of linker-core, by its public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a generator or helper that fails has to fail its test; clippy knows only functions marked as tests"
)]

mod app_laws;
mod bus_codec;
mod codec_roundtrip;
mod custody_laws;
mod custody_nodes;
mod custody_upstream;
mod directory_change;
mod directory_laws;
mod distribution_laws;
mod duration_laws;
mod envelope_codec;
mod flooding;
mod graph_laws;
mod id_laws;
mod link_state_laws;
mod lone_session;
mod meta_document;
mod meta_laws;
mod meta_mistakes;
mod moved_homes;
mod network_simulation;
mod pem_laws;
mod sequencer_laws;
mod session_inputs;
mod session_laws;
mod shared_limits;
mod simulation;
mod strategy;
mod trace_laws;
mod upstream_aside;
mod upstream_lanes;
mod virtual_time;
