//! What every command that runs until it is told to stop has to do: listen, wait for the signal, end with the right code.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use crate::{FAILED, MISUSED};

/// A failure, and the exit code it ends with.
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// A failure of something outside of the configuration.
    pub(crate) fn at_run_time(message: impl ToString) -> Self {
        Self {
            code: FAILED,
            message: message.to_string(),
        }
    }

    /// Wrong usage or configuration.
    pub(crate) fn misuse(message: impl ToString) -> Self {
        Self {
            code: MISUSED,
            message: message.to_string(),
        }
    }
}

/// Says what failed, if anything did, and ends with its code.
pub(crate) fn exit(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            eprintln!("linker-server: {message}");
            ExitCode::from(code)
        }
    }
}

/// Listens on `address`, which `key` names; answers with the real port too.
pub(crate) fn listen(key: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error: std::io::Error| {
        Failure::at_run_time(format!(
            "cannot listen on {key} {address}: {error}; is another process there? Name another address by {key}"
        ))
    };
    let socket = socket2_listener(address).map_err(failed)?;
    let bound = socket.local_addr().map_err(failed)?;
    Ok((socket, bound))
}

fn socket2_listener(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Waits for SIGTERM or SIGINT.
pub(crate) async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
