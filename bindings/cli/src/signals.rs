//! Ctrl-C and a polite request to end.

use crate::exit;
use crate::failure::Failure;

/// Which signal ended the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    #[cfg_attr(not(unix), expect(dead_code, reason = "Windows has no SIGTERM"))]
    Terminate,
}

impl Signal {
    /// The code that a shell would report.
    pub(crate) fn exit_code(self) -> i32 {
        match self {
            Self::Interrupt => exit::CANCELLED,
            Self::Terminate => exit::TERMINATED,
        }
    }
}

/// Takes the signals over at once, so that none is lost, and gives a future that ends with the first.
#[cfg(unix)]
pub(crate) fn signalled() -> Result<impl Future<Output = Signal>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let cannot = |error| Failure::internal("signals cannot be received", error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
        }
    })
}

#[cfg(not(unix))]
pub(crate) fn signalled() -> Result<impl Future<Output = Signal>, Failure> {
    let mut interrupt =
        tokio::signal::windows::ctrl_c().map_err(|error| Failure::internal("Ctrl-C cannot be received", error))?;
    Ok(async move {
        interrupt.recv().await;
        Signal::Interrupt
    })
}
