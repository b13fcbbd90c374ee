//! The same operations, blocking: for Python, C, C# and plain Rust. Safe to share between threads, and after a fork.
//!
//! This is the only part of the crate that starts a runtime. Called from inside one it says `NotSupported`; dropped there it ends in order.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::app::config::Config;
use crate::app::consent::{ConsentLink, ConsentOptions, ConsentRequest, Consented};
use crate::app::customers::{Customer, CustomerOutcome, CustomersRequest, Progress, Summary};
use crate::app::doctor::{Checkup, DoctorRequest};
use crate::app::grants::GrantStatus;
use crate::app::import::{ImportOptions, MovePlan, MoveRequest, MovedIn};
use crate::app::incident::{Incident, IncidentRequest, RevokeOptions, Revoked, Step, StepOutcome};
use crate::app::mfa_check::MfaAnswer;
use crate::app::move_store::{Arrived, Opening, Sealing};
use crate::app::renew::Renewed;
use crate::app::rotate_key::{KeyRotated, KeySource, KeyStatus};
use crate::app::token::{Token, TokenRequest};
use crate::app::{self, Parts};
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::fork;
use crate::ids::TenantRef;
use crate::secret::RefreshToken;

/// Asked every 50 milliseconds while an operation waits; an error ends the wait with that error. What was sent is still saved.
pub type Interrupt<'a> = &'a mut dyn FnMut() -> Result<()>;

/// Waits without a way to interrupt.
pub fn never() -> Result<()> {
    Ok(())
}

/// An [`app::App`] and the runtime it runs on.
#[derive(Debug)]
pub struct App {
    state: ArcSwap<State>,
    config: Config,
}

#[derive(Debug)]
struct State {
    app: app::App,
    /// Taken out when the handle closes.
    runtime: Option<Arc<Runtime>>,
    /// Drives the runtime while no caller does, once that is needed.
    keeper: Mutex<Option<Keeper>>,
    /// Those of the calls that have ended, for the next ones.
    alarms: Mutex<Vec<Alarm>>,
    forks: u64,
    can_reopen: bool,
}

/// What ends a wait to ask for an interrupt. It stays set when its call ends: a runtime that has a timer ahead of the new ones of an exchange need not be
/// woken for each of those.
#[derive(Debug)]
struct Alarm {
    rings: Pin<Box<Sleep>>,
    /// When its last call ended.
    ended: Instant,
}

/// A thread that drives the runtime for what nobody waits for.
#[derive(Debug)]
struct Keeper {
    /// Ends it when dropped.
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl App {
    /// Opens the app that the environment and the user's configuration file describe.
    pub fn from_env() -> Result<Self> {
        Self::open(Config::from_env()?)
    }

    /// Opens the app that `config` describes.
    pub fn open(config: Config) -> Result<Self> {
        Ok(Self { state: ArcSwap::from_pointee(State::open(config.clone(), Parts::default(), true)?), config })
    }

    /// Opens it with some parts brought along. Such a handle does not survive a fork.
    pub fn open_with(config: Config, parts: Parts) -> Result<Self> {
        Ok(Self { state: ArcSwap::from_pointee(State::open(config.clone(), parts, false)?), config })
    }

    /// The asynchronous app inside. Its futures run on this handle's runtime: hand them to [`App::run`].
    pub fn app(&self) -> Result<app::App> {
        Ok(self.state()?.app.clone())
    }

    /// Runs `operation` to its end on this thread, asking `interrupt` now and then.
    ///
    /// This thread drives the runtime meanwhile: nothing is handed from thread to thread, which would cost more than the rest of an exchange. Several
    /// threads may do so at the same time; one of them drives for all.
    pub fn run<T, F>(&self, operation: impl FnOnce(app::App) -> F, interrupt: Interrupt<'_>) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        const PATIENCE: Duration = Duration::from_millis(50);
        /// Shorter than this, and nothing that happened meanwhile could not as well happen while the request is on its way.
        const PAUSE: Duration = Duration::from_millis(1);
        let state = self.state()?;
        let runtime = state.runtime()?;
        outside_of_a_runtime()?;
        // Of some kilobytes, and moved once, not from hand to hand.
        let mut operation = Box::pin(operation(state.app.clone()));
        let ended = runtime.block_on(async {
            let alarm = state.alarms.lock().unwrap_or_else(PoisonError::into_inner).pop();
            if alarm.as_ref().is_none_or(|alarm| alarm.ended.elapsed() > PAUSE) {
                // A connection that the server closed while nobody looked is noticed before a request is sent over it.
                tokio::task::yield_now().await;
            }
            let mut rings = alarm.map_or_else(|| Box::pin(tokio::time::sleep(PATIENCE)), |alarm| alarm.rings);
            loop {
                tokio::select! {
                    biased;
                    result = &mut operation => {
                        let alarm = Alarm { rings, ended: Instant::now() };
                        state.alarms.lock().unwrap_or_else(PoisonError::into_inner).push(alarm);
                        return Ok(result);
                    }
                    () = &mut rings => {
                        interrupt()?;
                        rings.as_mut().reset(tokio::time::Instant::now() + PATIENCE);
                    }
                }
            }
        });
        match ended {
            Ok(result) => result,
            Err(interrupted) => {
                // What was sent goes on without the one who asked for it, and is saved.
                state.keep_running()?;
                Err(interrupted)
            }
        }
    }

    /// The runtime's handle, for bindings that have futures of their own to run. From then on a thread drives it.
    pub fn runtime(&self) -> Result<tokio::runtime::Handle> {
        let state = self.state()?;
        state.keep_running()?;
        Ok(state.runtime()?.handle().clone())
    }

    /// See [`app::App::token`]. One that is in memory costs a hash look-up.
    pub fn token(&self, request: &TokenRequest, interrupt: Interrupt<'_>) -> Result<Arc<Token>> {
        if let Some(token) = self.token_in_memory(request)? {
            return Ok(token);
        }
        let request = request.clone();
        self.run(|app| async move { app.token(&request).await }, interrupt)
    }

    /// The token if it is in memory and fresh, without waiting.
    pub fn token_in_memory(&self, request: &TokenRequest) -> Result<Option<Arc<Token>>> {
        if request.fresh || request.claims.is_some() || request.app_only {
            return Ok(None);
        }
        let state = self.state()?;
        let known = |name: &Option<TenantRef>| name.as_ref().and_then(|name| state.app.tenant_in_memory(name));
        let Some(partner) = known(&request.partner) else { return Ok(None) };
        let tenant = if request.customer.is_some() { known(&request.customer) } else { Some(partner) };
        match tenant {
            Some(tenant) => state.app.token_in_memory(partner, tenant, &request.audience, request.purpose.as_deref()),
            None => Ok(None),
        }
    }

    /// See [`app::App::begin_consent`].
    pub fn begin_consent(&self, request: &ConsentRequest, interrupt: Interrupt<'_>) -> Result<ConsentLink> {
        self.run(|app| async move { app.begin_consent(request).await }, interrupt)
    }

    /// See [`app::App::complete_consent`].
    pub fn complete_consent(
        &self,
        reply: &str,
        options: ConsentOptions,
        interrupt: Interrupt<'_>,
    ) -> Result<Consented> {
        self.run(|app| async move { app.complete_consent(reply, options).await }, interrupt)
    }

    /// See [`app::App::import_grant`].
    pub fn import_grant(
        &self,
        partner: &TenantRef,
        refresh_token: RefreshToken,
        options: &ImportOptions,
        interrupt: Interrupt<'_>,
    ) -> Result<Consented> {
        self.run(|app| async move { app.import_grant(partner, refresh_token, options).await }, interrupt)
    }

    /// See [`app::App::plan_move_in`].
    pub fn plan_move_in(&self, request: &MoveRequest, interrupt: Interrupt<'_>) -> Result<MovePlan> {
        self.run(|app| async move { app.plan_move_in(request).await }, interrupt)
    }

    /// See [`app::App::move_in`].
    pub fn move_in(&self, request: &MoveRequest, interrupt: Interrupt<'_>) -> Result<MovedIn> {
        self.run(|app| async move { app.move_in(request).await }, interrupt)
    }

    /// See [`app::App::grants`].
    pub fn grants(&self, interrupt: Interrupt<'_>) -> Result<Vec<GrantStatus>> {
        self.run(|app| async move { app.grants().await }, interrupt)
    }

    /// See [`app::App::grant`].
    pub fn grant(&self, partner: &TenantRef, interrupt: Interrupt<'_>) -> Result<GrantStatus> {
        self.run(|app| async move { app.grant(partner).await }, interrupt)
    }

    /// See [`app::App::renew`].
    pub fn renew(&self, partner: &TenantRef, interrupt: Interrupt<'_>) -> Result<UnixTime> {
        self.run(|app| async move { app.renew(partner).await }, interrupt)
    }

    /// See [`app::App::renew_due`].
    pub fn renew_due(
        &self,
        by: UnixTime,
        progress: impl FnMut(usize, usize, &Renewed) + Send,
        interrupt: Interrupt<'_>,
    ) -> Result<Vec<Renewed>> {
        self.run(|app| async move { app.renew_due(by, progress).await }, interrupt)
    }

    /// See [`app::App::check_mfa`].
    pub fn check_mfa(&self, partner: &TenantRef, interrupt: Interrupt<'_>) -> Result<MfaAnswer> {
        self.run(|app| async move { app.check_mfa(partner).await }, interrupt)
    }

    /// See [`app::App::doctor`].
    pub fn doctor(&self, request: &DoctorRequest, interrupt: Interrupt<'_>) -> Result<Checkup> {
        self.run(|app| async move { Ok(app.doctor(request).await) }, interrupt)
    }

    /// See [`app::App::customers`].
    pub fn customers(
        &self,
        partner: Option<&TenantRef>,
        purpose: Option<&str>,
        interrupt: Interrupt<'_>,
    ) -> Result<Vec<Customer>> {
        self.run(|app| async move { app.customers(partner, purpose).await }, interrupt)
    }

    /// See [`app::App::plan_customers`].
    pub fn plan_customers(
        &self,
        request: &CustomersRequest,
        each: impl FnMut(Progress, CustomerOutcome) + Send,
        interrupt: Interrupt<'_>,
    ) -> Result<Summary> {
        self.run(|app| async move { app.plan_customers(request, each).await }, interrupt)
    }

    /// See [`app::App::apply_customers`].
    pub fn apply_customers(
        &self,
        request: &CustomersRequest,
        each: impl FnMut(Progress, CustomerOutcome) + Send,
        interrupt: Interrupt<'_>,
    ) -> Result<Summary> {
        self.run(|app| async move { app.apply_customers(request, each).await }, interrupt)
    }

    /// See [`app::App::export_store`].
    pub fn export_store(&self, to: &Path, sealing: &Sealing, interrupt: Interrupt<'_>) -> Result<u64> {
        self.run(|app| async move { app.export_store(to, sealing, |_, _| {}).await }, interrupt)
    }

    /// See [`app::App::import_store`].
    pub fn import_store(
        &self,
        from: &Path,
        opening: &Opening,
        progress: impl FnMut(usize, usize, &Arrived) + Send,
        interrupt: Interrupt<'_>,
    ) -> Result<Vec<Arrived>> {
        self.run(|app| async move { app.import_store(from, opening, progress).await }, interrupt)
    }

    /// See [`app::App::key_status`].
    pub fn key_status(&self, interrupt: Interrupt<'_>) -> Result<KeyStatus> {
        self.run(|app| async move { app.key_status().await }, interrupt)
    }

    /// See [`app::App::rotate_key`].
    pub fn rotate_key(
        &self,
        to: Option<&KeySource>,
        each: impl FnMut(u64, u64) + Send,
        interrupt: Interrupt<'_>,
    ) -> Result<KeyRotated> {
        self.run(|app| async move { app.rotate_key(to, each).await }, interrupt)
    }

    /// See [`app::App::retire_key`].
    pub fn retire_key(&self, interrupt: Interrupt<'_>) -> Result<bool> {
        self.run(|app| async move { app.retire_key().await }, interrupt)
    }

    /// See [`app::App::revoke`].
    pub fn revoke(&self, partner: &TenantRef, interrupt: Interrupt<'_>) -> Result<bool> {
        self.run(|app| async move { app.revoke(partner).await }, interrupt)
    }

    /// See [`app::App::revoke_with`].
    pub fn revoke_with(
        &self,
        partner: &TenantRef,
        options: RevokeOptions,
        interrupt: Interrupt<'_>,
    ) -> Result<Revoked> {
        self.run(|app| async move { app.revoke_with(partner, options).await }, interrupt)
    }

    /// See [`app::App::plan_incident`].
    pub fn plan_incident(&self, request: &IncidentRequest, interrupt: Interrupt<'_>) -> Result<Vec<Step>> {
        self.run(|app| async move { app.plan_incident(request).await }, interrupt)
    }

    /// See [`app::App::run_incident`].
    pub fn run_incident(
        &self,
        request: &IncidentRequest,
        each: impl FnMut(&StepOutcome) + Send,
        interrupt: Interrupt<'_>,
    ) -> Result<Incident> {
        self.run(|app| async move { app.run_incident(request, each).await }, interrupt)
    }

    /// The state to work with. In a forked child it is opened anew; the parent's is left alone, for closing its connections would disturb the parent.
    fn state(&self) -> Result<Arc<State>> {
        let state = self.state.load_full();
        if state.forks == fork::count() {
            return Ok(state);
        }
        let store = if state.can_reopen { state.app.store_after_fork() } else { None };
        let store = store.ok_or_else(|| {
            Error::new(
                ErrorKind::ForkedHandle,
                "open",
                "the handle was opened before a fork, and its store or its parts are in memory",
            )
        })?;
        let parts = Parts { store: Some(store), ..Parts::default() };
        let reopened = Arc::new(State::open(self.config.clone(), parts, true)?);
        std::mem::forget(self.state.swap(reopened.clone()));
        std::mem::forget(state);
        Ok(reopened)
    }
}

impl State {
    fn open(config: Config, parts: Parts, can_reopen: bool) -> Result<Self> {
        outside_of_a_runtime()?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| no_threads(&error))?;
        let app = runtime.block_on(app::App::open_with(config, parts))?;
        let (keeper, alarms) = (Mutex::default(), Mutex::default());
        Ok(Self { app, runtime: Some(Arc::new(runtime)), keeper, alarms, forks: fork::count(), can_reopen })
    }

    fn runtime(&self) -> Result<&Arc<Runtime>> {
        self.runtime.as_ref().ok_or_else(|| Error::new(ErrorKind::HandleInvalid, "open", "the app was closed"))
    }

    /// Sees to it that the runtime is driven also while no caller waits.
    fn keep_running(&self) -> Result<()> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if keeper.is_none() {
            let runtime = self.runtime()?.clone();
            let (stop, stopped) = oneshot::channel();
            let drive = move || {
                // The sender is never used, only dropped.
                let _ = runtime.block_on(stopped);
            };
            let thread = std::thread::Builder::new().name("partnersam".to_owned()).spawn(drive);
            *keeper = Some(Keeper { stop, thread: thread.map_err(|error| no_threads(&error))? });
        }
        Ok(())
    }
}

/// A thread that drives a runtime must not wait in another one.
fn outside_of_a_runtime() -> Result<()> {
    match tokio::runtime::Handle::try_current() {
        Err(_) => Ok(()),
        Ok(_) => Err(Error::new(ErrorKind::NotSupported, "open", "the blocking API was called from inside a runtime")
            .with_hint("use the asynchronous App there")),
    }
}

fn no_threads(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, "open", "no threads can be started").with_cause(error)
}

impl Drop for State {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if self.forks != fork::count() {
            // The threads are the parent's: there is nothing here to stop. And a lock that one of them held is held for ever.
            std::mem::forget((runtime, keeper, std::mem::take(&mut self.alarms)));
            return;
        }
        let app = self.app.clone();
        if tokio::runtime::Handle::try_current().is_err() {
            return end(&app, runtime, keeper);
        }
        // A thread of a runtime, of ours or of the caller's, must not wait in it: another one does. Where none can be started, the process is about to end.
        let is_keeper =
            keeper.as_ref().is_some_and(|keeper| keeper.thread.thread().id() == std::thread::current().id());
        let ending = std::thread::Builder::new().name("partnersam-end".to_owned());
        let ending = ending.spawn(move || end(&app, runtime, keeper));
        if let Ok(ending) = ending
            && !is_keeper
        {
            let _ = ending.join();
        }
    }
}

fn end(app: &app::App, runtime: Arc<Runtime>, keeper: Option<Keeper>) {
    /// A redemption that was sent gets this long to be saved.
    const LAST_SAVES: Duration = Duration::from_secs(2);
    runtime.block_on(app.settle(LAST_SAVES));
    if let Some(Keeper { stop, thread }) = keeper {
        drop(stop);
        let _ = thread.join();
    }
    if let Some(runtime) = Arc::into_inner(runtime) {
        runtime.shutdown_background();
    }
}
