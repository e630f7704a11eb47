//! A load tester for a Linker node on this machine, and for the servers that it is compared with.
//!
//! ```text
//! cargo build --release -p linker-server && cargo build --release -p linker-actors --example load_tester --example echo_server
//! target/release/examples/load_tester closed --spawn target/release/linker-server --server-cpu 0 --keep-awake --with-echo
//! target/release/examples/load_tester --help
//! ```
//!
//! It has its own WebSocket client on one epoll per thread, because it must be far cheaper than the server it
//! measures. Linux only: it reads `/proc`.

#[cfg(target_os = "linux")]
mod app;
#[cfg(target_os = "linux")]
mod check;
#[cfg(target_os = "linux")]
mod cli;
#[cfg(target_os = "linux")]
mod clients;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod commands;
#[cfg(target_os = "linux")]
mod error;
#[cfg(target_os = "linux")]
mod fake_server;
#[cfg(target_os = "linux")]
mod flight;
#[cfg(target_os = "linux")]
mod frame;
#[cfg(target_os = "linux")]
mod gauges;
#[cfg(target_os = "linux")]
mod listening;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod protocol;
#[cfg(target_os = "linux")]
mod random;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod runner;
#[cfg(target_os = "linux")]
mod scenario;
#[cfg(target_os = "linux")]
mod server_process;
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(target_os = "linux")]
mod stream_check;
#[cfg(target_os = "linux")]
mod tally;
#[cfg(target_os = "linux")]
mod target;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    app::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("the load tester reads /proc and runs on Linux only");
    std::process::ExitCode::from(2)
}
