//! The app behind the Python objects: open until it is closed, shared by an app and its credentials.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use partnersam::app;
use partnersam::blocking;
use partnersam::error::{Error, ErrorKind, Result};
use partnersam::{Config, fork};
use pyo3::prelude::*;

use crate::error::Failure;
use crate::wait;

/// An open app. Without locks, so that a fork while other threads use it leaves nothing locked in the child.
pub(crate) struct Handle {
    app: ArcSwapOption<blocking::App>,
    /// What is known without the app, so that it can be shown after it was closed.
    pub(crate) config: Config,
    /// Counts what made kept tokens old beyond the core's own count: a token was fetched although a good one was at hand.
    replaced: AtomicU64,
}

/// A point in the life of the tokens: what is kept with an equal stamp was not overtaken by a consent, a revocation or a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    forks: u64,
    changes: u64,
}

impl Handle {
    /// Opens the app with the lock released; Ctrl-C ends the wait for a keyring or a slow disk.
    pub(crate) fn open(
        py: Python<'_>,
        config: impl FnOnce() -> Result<Config> + Send + 'static,
    ) -> PyResult<Arc<Self>> {
        let (send, opened) = mpsc::channel();
        let opening = move || {
            let opened = config().and_then(|config| blocking::App::open(config.clone()).map(|app| (app, config)));
            // Nobody listens after Ctrl-C.
            let _ = send.send(opened);
        };
        std::thread::Builder::new().name("partnersam-open".to_owned()).spawn(opening).map_err(|error| {
            Failure::from(Error::new(ErrorKind::Internal, "open", "no thread can be started").with_cause(error))
        })?;
        let (app, config) = wait::until(py, move |interrupt| {
            loop {
                match opened.recv_timeout(Duration::from_millis(50)) {
                    Ok(opened) => return opened,
                    Err(mpsc::RecvTimeoutError::Timeout) => interrupt()?,
                    Err(mpsc::RecvTimeoutError::Disconnected) => {
                        return Err(Error::new(ErrorKind::Panic, "open", "opening the app ended before its time"));
                    }
                }
            }
        })?;
        let handle = Arc::new(Self { app: ArcSwapOption::from_pointee(app), config, replaced: AtomicU64::new(0) });
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|handle| handle.strong_count() > 0);
        open.push(Arc::downgrade(&handle));
        Ok(handle)
    }

    pub(crate) fn app(&self) -> Result<Arc<blocking::App>> {
        self.app.load_full().ok_or_else(closed)
    }

    /// Whether nothing has made what was kept at `stamp` old. Never waits: in a forked child everything is old until the first real call.
    pub(crate) fn is_current(&self, stamp: Stamp) -> bool {
        if stamp.forks != fork::count() {
            return false;
        }
        let app = self.app.load();
        app.as_ref().and_then(|app| app.app().ok()).is_some_and(|app| self.stamp(&app) == stamp)
    }

    /// The stamp of what `app` is asked for from now on.
    pub(crate) fn stamp(&self, app: &app::App) -> Stamp {
        Stamp { forks: fork::count(), changes: app.epoch().wrapping_add(self.replaced.load(Ordering::Acquire)) }
    }

    /// Makes every kept token old.
    pub(crate) fn note_replaced(&self) {
        self.replaced.fetch_add(1, Ordering::AcqRel);
    }

    /// Closes the app once the calls that are under way have ended.
    pub(crate) fn close(&self, py: Python<'_>) {
        let app = self.app.swap(None);
        py.detach(|| drop(app));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let Some(app) = self.app.swap(None) else { return };
        let mut app = Some(app);
        // Its last saves need no interpreter, and may be waiting for a thread that waits for the lock we hold.
        if Python::try_attach(|py| py.detach(|| drop(app.take()))).is_none() {
            drop(app.take());
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::HandleInvalid, "call", "the app was closed")
}

static OPEN: Mutex<Vec<Weak<Handle>>> = Mutex::new(Vec::new());

/// Waits, at most two seconds, until what was redeemed is saved: called when the interpreter ends.
#[pyfunction]
pub(crate) fn _settle(py: Python<'_>) {
    const LAST_SAVES: Duration = Duration::from_secs(2);
    let open: Vec<Arc<Handle>> =
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
    for handle in open {
        let Some(app) = handle.app.load_full() else { continue };
        let settled = py.detach(|| {
            app.run(
                |app| async move {
                    app.settle(LAST_SAVES).await;
                    Ok(())
                },
                &mut blocking::never,
            )
        });
        // An app of before a fork has nothing of this process to save.
        drop(settled);
    }
}

/// Before a fork: closes what must not be open across it.
#[pyfunction]
pub(crate) fn _before_fork(py: Python<'_>) {
    // Whoever it waits for may need the lock to come to an end.
    py.detach(fork::prepare);
}

/// After a fork, in the parent.
#[pyfunction]
pub(crate) fn _after_fork() {
    fork::resume();
}

/// Tells the core that this process is a forked child.
#[pyfunction]
pub(crate) fn _note_fork() {
    fork::note_child();
}
