//! Connections: few, shared, opened when they are needed and again when they broke.
//!
//! Statements are sent one behind the other on a connection without waiting for the answers (every operation is one statement, so none needs a connection to
//! itself), and a further connection is opened only while all others are busy. One of them, the *session*, also listens for what other processes tell and holds
//! this process's leases, which PostgreSQL lets go of when the session ends in whatever way.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Row, Socket};
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::store::lease::jittered;
use crate::store::password::{Account, PasswordSource};
use crate::store::postgres::address::{Address, CONNECT, Tls as Way};
use crate::store::postgres::fault;
use crate::store::postgres::records::Value;
use crate::store::postgres::tls::{self, Tls};

/// How long a statement may take to be answered. After that the connection counts as broken.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// After a connection failed, callers are told so at once for this long, instead of each waiting for another attempt.
const GIVEN_UP: Duration = Duration::from_millis(500);

/// The waits between attempts to get the session back.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// What a statement needs, with their types, so that the server is asked once and not first what it makes of them.
pub(super) type Values<'a> = &'a [Value<'a>];

/// What others are told over, and how it is listened to.
pub(super) const CHANNEL: &str = "partnersam";
const LISTEN: &str = "LISTEN partnersam";

/// What comes from the session by itself.
#[derive(Debug)]
pub(super) enum Event {
    /// Somebody told something.
    Told(String),
    /// The session is back after it was lost: whatever was told meanwhile was missed.
    Back,
}

type OnEvent = Box<dyn Fn(Event) + Send + Sync>;

/// See [the module](self).
pub(super) struct Pool {
    address: Address,
    password: PasswordSource,
    tls: OnceLock<Tls>,
    links: Mutex<Vec<Arc<Link>>>,
    opening: tokio::sync::Mutex<()>,
    trouble: Mutex<Option<Trouble>>,
    on_event: OnceLock<OnEvent>,
    had_session: AtomicBool,
}

/// One connection.
pub(super) struct Link {
    pub(super) client: Client,
    is_session: bool,
    busy: AtomicUsize,
}

/// Why the database cannot be used.
struct Trouble {
    since: UnixTime,
    tried: Instant,
    error: Error,
}

/// A statement that did not work.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) error: Error,
    /// It may have been carried out all the same.
    pub(super) is_uncertain: bool,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        fault.error
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("location", &self.address.location()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("is_session", &self.is_session).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(address: Address, password: PasswordSource) -> Arc<Self> {
        Arc::new(Self {
            address,
            password,
            tls: OnceLock::new(),
            links: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            trouble: Mutex::default(),
            on_event: OnceLock::new(),
            had_session: AtomicBool::new(false),
        })
    }

    /// The same place for a forked child, with nothing open.
    pub(super) fn reopened(&self) -> Arc<Self> {
        Self::new(self.address.clone(), self.password.clone())
    }

    /// Names who gets what comes by itself. The first that is named stays.
    pub(super) fn on_event(&self, told: OnEvent) {
        let _ = self.on_event.set(told);
    }

    pub(super) fn location(&self) -> String {
        self.address.location()
    }

    /// What is wrong, and since when.
    pub(super) fn trouble(&self) -> Option<(UnixTime, Error)> {
        lock(&self.trouble).as_ref().map(|trouble| (trouble.since, trouble.error.clone()))
    }

    /// Runs one statement on whichever connection is free.
    pub(super) async fn query(self: &Arc<Self>, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let link = self.link().await.map_err(unsent)?;
        self.query_on(&link, sql, values).await
    }

    /// Runs one statement on this connection.
    pub(super) async fn query_on(
        self: &Arc<Self>,
        link: &Arc<Link>,
        sql: &str,
        values: Values<'_>,
    ) -> Result<Vec<Row>, Fault> {
        let _busy = Busy::new(link);
        match tokio::time::timeout(ANSWER, link.client.query_typed(sql, values)).await {
            Ok(Ok(rows)) => {
                self.is_well();
                Ok(rows)
            }
            Ok(Err(error)) => {
                let is_uncertain = fault::is_uncertain(&error);
                if error.is_closed() || link.client.is_closed() {
                    self.drop_link(link);
                }
                let error = self.at(fault::failure(error));
                if error.kind() == ErrorKind::StoreUnavailable {
                    self.is_in_trouble(&error, false);
                }
                Err(Fault { error, is_uncertain })
            }
            Err(_) => {
                self.drop_link(link);
                let error = self.at(fault::too_slow());
                self.is_in_trouble(&error, true);
                Err(Fault { error, is_uncertain: true })
            }
        }
    }

    /// The connection that listens and holds the leases.
    pub(super) async fn session(self: &Arc<Self>) -> Result<Arc<Link>> {
        loop {
            if let Some(session) = self.open_links().into_iter().find(|link| link.is_session) {
                return Ok(session);
            }
            let _opening = self.opening.lock().await;
            if !self.open_links().iter().any(|link| link.is_session) {
                return self.open().await;
            }
        }
    }

    /// A connection of the caller's own, for what needs a transaction. It does not count among the others and ends with the caller.
    pub(super) async fn private(&self) -> Result<Client> {
        let (client, driven) = self.connect().await?;
        tokio::spawn(async move {
            let _ = driven.run(|_| {}).await;
        });
        Ok(client)
    }

    async fn link(self: &Arc<Self>) -> Result<Arc<Link>> {
        loop {
            let links = self.open_links();
            let least = links.iter().min_by_key(|link| link.busy.load(Ordering::Relaxed)).cloned();
            if let Some(link) = least.clone()
                && (links.len() >= self.address.connections || link.busy.load(Ordering::Relaxed) == 0)
            {
                return Ok(link);
            }
            match (self.opening.try_lock(), least) {
                (Ok(_opening), _) => return self.open().await,
                (Err(_), Some(link)) => return Ok(link),
                (Err(_), None) => drop(self.opening.lock().await),
            }
        }
    }

    /// Opens one more. The caller holds `opening`.
    async fn open(self: &Arc<Self>) -> Result<Arc<Link>> {
        if let Some(trouble) = lock(&self.trouble).as_ref().filter(|trouble| trouble.tried.elapsed() < GIVEN_UP) {
            return Err(trouble.error.clone());
        }
        let opened = self.connect().await;
        let (client, driven) = opened.inspect_err(|error| self.is_in_trouble(error, true))?;
        let is_session = !self.open_links().iter().any(|link| link.is_session);
        let link = Arc::new(Link { client, is_session, busy: AtomicUsize::new(0) });
        let pool = Arc::downgrade(self);
        let runs = Arc::downgrade(&link);
        tokio::spawn(async move {
            let told = |payload: String| tell(&pool, Event::Told(payload));
            let outcome = driven.run(told).await;
            if let Some(pool) = pool.upgrade() {
                pool.was_lost(&runs, outcome);
            }
        });
        if is_session {
            // A standby does not listen, and is good for reading all the same.
            if let Err(error) = link.client.batch_execute(LISTEN).await {
                tracing::debug!(error = %fault::failure(error), "the database does not tell what other processes change");
            }
            if self.had_session.swap(true, Ordering::AcqRel) {
                tell(&Arc::downgrade(self), Event::Back);
            }
        }
        lock(&self.links).push(Arc::clone(&link));
        self.is_well();
        Ok(link)
    }

    async fn connect(&self) -> Result<(Client, Driven)> {
        let mut config = self.address.config.clone();
        let (password, tls) = (self.find_password()?, self.tls()?);
        if let Some(password) = password {
            // EXPOSE: the database lets us in for it.
            config.password(Zeroizing::new(password.expose().as_bytes().to_vec()).as_slice());
        }
        let connect = async {
            match tls {
                Some(tls) => open_by(&config, tls).await,
                None => open_by(&config, NoTls).await,
            }
        };
        let connected = tokio::time::timeout(CONNECT + ANSWER, connect).await;
        connected.unwrap_or_else(|_| Err(fault::too_slow())).map_err(|error| self.at(error))
    }

    fn find_password(&self) -> Result<Option<Arc<crate::secret::DatabasePassword>>> {
        let (host, config) = (self.address.host(), &self.address.config);
        let account = Account {
            host: &host,
            port: self.address.port(0),
            database: self.address.database(),
            user: config.get_user().unwrap_or_default(),
        };
        let mut source = self.password.clone();
        if let Some(passfile) = &self.address.passfile {
            source.passfile = Some(passfile.clone());
        }
        source.password(account)
    }

    fn tls(&self) -> Result<Option<Tls>> {
        let Way::Verified { root } = &self.address.tls else { return Ok(None) };
        if let Some(tls) = self.tls.get() {
            return Ok(Some(tls.clone()));
        }
        let tls = tls::connector(root.as_deref())?;
        Ok(Some(self.tls.get_or_init(|| tls).clone()))
    }

    fn open_links(&self) -> Vec<Arc<Link>> {
        // What is closed is taken out by whoever drives it; until then it is only passed over.
        lock(&self.links).iter().filter(|link| !link.client.is_closed()).cloned().collect()
    }

    /// Uses a connection no more. The session is got back even when nobody asks for anything: who only serves from memory must hear of a revocation, too.
    fn drop_link(self: &Arc<Self>, broken: &Arc<Link>) {
        let mut links = lock(&self.links);
        let before = links.len();
        links.retain(|link| !Arc::ptr_eq(link, broken));
        if links.len() < before && broken.is_session {
            tokio::spawn(get_back(Arc::downgrade(self)));
        }
    }

    fn was_lost(self: &Arc<Self>, link: &Weak<Link>, outcome: Result<(), tokio_postgres::Error>) {
        if let Err(error) = outcome {
            self.is_in_trouble(&self.at(fault::failure(error)), false);
        }
        if let Some(link) = link.upgrade() {
            self.drop_link(&link);
        }
    }

    fn is_well(&self) {
        if let Some(trouble) = lock(&self.trouble).take() {
            tracing::info!(store = self.address.location(), since = %trouble.since, "the store is back");
        }
    }

    fn is_in_trouble(&self, error: &Error, was_tried: bool) {
        let mut trouble = lock(&self.trouble);
        let now = Instant::now();
        match trouble.as_mut() {
            Some(trouble) => {
                trouble.error = error.clone();
                if was_tried {
                    trouble.tried = now;
                }
            }
            None => {
                tracing::warn!(
                    store = self.address.location(),
                    error = error.kind().id(),
                    reason = error.message(),
                    "the store is degraded: cached tokens are served, nothing is redeemed"
                );
                let tried = if was_tried { Some(now) } else { now.checked_sub(GIVEN_UP) };
                *trouble = Some(Trouble { since: wall_clock(), tried: tried.unwrap_or(now), error: error.clone() });
            }
        }
    }

    /// Says which store an error is about.
    fn at(&self, error: Error) -> Error {
        error.with_context("store", self.address.location())
    }
}

async fn get_back(pool: Weak<Pool>) {
    let mut wait = FIRST_WAIT;
    loop {
        tokio::time::sleep(jittered(wait)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
        let Some(pool) = pool.upgrade() else { return };
        match pool.session().await {
            Ok(_) => return,
            Err(error) => tracing::debug!(%error, "the store is still away"),
        }
    }
}

fn tell(pool: &Weak<Pool>, event: Event) {
    if let Some(pool) = pool.upgrade()
        && let Some(told) = pool.on_event.get()
    {
        told(event);
    }
}

fn unsent(error: Error) -> Fault {
    Fault { error, is_uncertain: false }
}

fn wall_clock() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixTime(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a statement that is on its way.
struct Busy<'a>(&'a Link);

impl<'a> Busy<'a> {
    fn new(link: &'a Link) -> Self {
        link.busy.fetch_add(1, Ordering::Relaxed);
        Self(link)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What has to be run for a client to get answers.
enum Driven {
    Plain(Connection<Socket, tokio_postgres::tls::NoTlsStream>),
    Tls(Connection<Socket, tls::Stream<Socket>>),
}

impl Driven {
    async fn run(self, told: impl Fn(String)) -> Result<(), tokio_postgres::Error> {
        match self {
            Self::Plain(connection) => drive(connection, told).await,
            Self::Tls(connection) => drive(connection, told).await,
        }
    }
}

impl From<Connection<Socket, tokio_postgres::tls::NoTlsStream>> for Driven {
    fn from(connection: Connection<Socket, tokio_postgres::tls::NoTlsStream>) -> Self {
        Self::Plain(connection)
    }
}

impl From<Connection<Socket, tls::Stream<Socket>>> for Driven {
    fn from(connection: Connection<Socket, tls::Stream<Socket>>) -> Self {
        Self::Tls(connection)
    }
}

async fn open_by<T>(config: &tokio_postgres::Config, tls: T) -> Result<(Client, Driven)>
where
    T: MakeTlsConnect<Socket>,
    Driven: From<Connection<Socket, T::Stream>>,
{
    let (client, connection) = config.connect(tls).await.map_err(fault::failure)?;
    Ok((client, Driven::from(connection)))
}

async fn drive<S, T>(mut connection: Connection<S, T>, told: impl Fn(String)) -> Result<(), tokio_postgres::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(AsyncMessage::Notification(notification))) if notification.channel() == CHANNEL => {
                told(notification.payload().to_owned());
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error),
            None => return Ok(()),
        }
    }
}
