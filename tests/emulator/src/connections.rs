//! The open connections, so that they can be closed under the clients that keep them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Those to every port but the control port.
pub(crate) struct Connections {
    /// Changes when all are to be closed.
    hang_up: watch::Sender<()>,
    /// Each open one has a share in it.
    open: Arc<()>,
}

impl Default for Connections {
    fn default() -> Self {
        Self { hang_up: watch::channel(()).0, open: Arc::default() }
    }
}

impl Connections {
    /// One more is open, until what this gives is gone.
    pub(crate) fn one_more(&self) -> Arc<()> {
        self.open.clone()
    }

    /// For whoever accepts them: changes when they are to be closed.
    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.hang_up.subscribe()
    }

    /// Has all of them closed, and waits for that; at most a second.
    pub(crate) async fn close(&self) {
        self.hang_up.send_replace(());
        for _ in 0..1_000 {
            if Arc::strong_count(&self.open) == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
