//! The listener that takes the reply to a consent link from the browser of a person at this machine (RFC 8252 section 7.3).
//!
//! What reaches a loopback port comes from anybody: every page that the browser shows, every program on the machine. So
//! one exact request is the reply (`hit.rs` judges), and everything else costs little, is told nothing, and neither ends the
//! wait nor delays it: connections live for seconds, are few, and the oldest idle one makes room for a new one.
//!
//! All of it runs inside the future of [`Loopback::serve`], without a task of its own: dropping the future closes every socket at once.

mod hit;
mod page;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::{pending, poll_fn};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::{Method, Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use url::Url;

use self::hit::Refusal;
pub use self::page::Page;
use crate::error::{Error, ErrorKind, Result};

const OPERATION: &str = "consent";

/// A form with a code, a state and an id token has a few kilobytes.
const LARGEST_BODY: usize = 64 * 1024;
/// A browser sends every cookie that any program on `localhost` ever set, whatever its port.
const LARGEST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 100;
const MOST_CONNECTIONS: usize = 64;
/// A browser on this machine needs milliseconds for a request.
const CONNECTION_LIFE: Duration = Duration::from_secs(5);
/// How long the browser may take to fetch its answer before the sockets close.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// 128 bits in base64url without padding: a shorter state could be guessed.
const SHORTEST_STATE: usize = 22;

/// How the reply comes back: the `response_mode` of the consent link (OAuth 2.0 Form Post Response Mode; OAuth 2.0 Multiple Response Types section 2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// As a form that the sign-in page posts: the code is never in an address that a person could be talked into sending on.
    #[default]
    FormPost,
    /// In the query of a redirect, for servers without `form_post`. The code stays in the browser's history.
    Query,
}

impl ReplyMode {
    /// The value of the parameter `response_mode`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FormPost => "form_post",
            Self::Query => "query",
        }
    }

    fn method(self) -> Method {
        match self {
            Self::FormPost => Method::POST,
            Self::Query => Method::GET,
        }
    }
}

/// A port on 127.0.0.1 and [::1] that waits for one reply to one consent link.
#[derive(Debug)]
pub struct Loopback {
    listeners: Listeners,
    port: u16,
    redirect_uri: Url,
    mode: ReplyMode,
}

impl Loopback {
    /// Listens on 127.0.0.1 and, where the machine has it, on [::1]: on `port`, or on a free one (also for 0).
    ///
    /// Needs a Tokio runtime with I/O and time. From here on a browser may connect; it is answered by [`serve`](Self::serve).
    ///
    /// Errors: `InvalidArgument` where the port is taken on either address or may not be used, `NetworkUnavailable` where the
    /// machine gives no port at all.
    pub async fn bind(port: Option<u16>) -> Result<Self> {
        let (listeners, port) = match port.filter(|port| *port != 0) {
            Some(port) => (Listeners::on(port).await.map_err(|error| cannot_listen(port, &error))?, port),
            None => Listeners::on_a_free_port().await.map_err(|error| {
                Error::new(
                    ErrorKind::NetworkUnavailable,
                    OPERATION,
                    "this machine gives no loopback port to receive the reply on",
                )
                .with_hint("check the loopback interface and the limits of this account, or use a link with `--link`")
                .with_cause(error)
            })?,
        };
        // Entra takes any port for a registered `http://localhost`, and only for that name.
        let redirect_uri = Url::parse(&format!("http://localhost:{port}/"))
            .map_err(|_| Error::new(ErrorKind::Internal, OPERATION, "the listener's address is not a valid one"))?;
        Ok(Self { listeners, port, redirect_uri, mode: ReplyMode::default() })
    }

    /// Takes the reply in another way than `form_post`. The consent link must name the same one.
    #[must_use]
    pub fn with_reply_mode(mut self, mode: ReplyMode) -> Self {
        self.mode = mode;
        self
    }

    /// The redirect address for the consent link, for example `http://localhost:41001/`.
    pub fn redirect_uri(&self) -> &Url {
        &self.redirect_uri
    }

    /// Waits for the reply that carries `state`, has `complete` make something of it, and shows the browser how that ended.
    ///
    /// `complete` gets the reply as it came, a form body or a query without its `?`: it holds the code, so it belongs in no
    /// log. It runs once, also where the browser goes away meanwhile; the page for its error is made here. A second reply is refused.
    /// `limit` is the time for the reply to come: once it is there, `complete` ends by its own deadlines, for a code that was sent off
    /// must not be dropped half way.
    ///
    /// All sockets are closed within a second after `complete` ended, and at once when this future is dropped.
    ///
    /// Errors: what `complete` returns; `ConsentLinkExpired` where no reply came within `limit`; `Internal` for a state that is too short to be safe.
    pub async fn serve<T, F>(self, state: &str, limit: Duration, complete: impl FnOnce(String) -> F) -> Result<T>
    where
        F: Future<Output = Result<(T, Page)>>,
    {
        if state.len() < SHORTEST_STATE {
            return Err(Error::new(
                ErrorKind::Internal,
                OPERATION,
                "the state of a consent link is too short to be safe",
            ));
        }
        let (claim, mut claimed) = oneshot::channel();
        let waiting = Waiting {
            hosts: hit::hosts(self.port),
            mode: self.mode,
            state: state.to_owned(),
            claim: Mutex::new(Some(claim)),
        };
        let mut door = Door {
            listeners: self.listeners,
            waiting: Arc::new(waiting),
            open: FuturesUnordered::new(),
            idle: VecDeque::new(),
            next: 0,
        };
        tracing::debug!(port = self.port, mode = self.mode.as_str(), "waiting for the reply to the consent link");

        let reply = tokio::select! {
            // A reply that came in time is taken, however late this future is polled.
            biased;
            reply = &mut claimed => reply.map_err(|_| Error::new(ErrorKind::Internal, OPERATION, "the listener lost the reply"))?,
            () = sleep(limit) => return Err(too_late(limit)),
            never = door.tend() => match never {},
        };
        door.keep(reply.connection);
        let outcome = {
            let mut complete = pin!(complete(reply.raw));
            tokio::select! {
                outcome = &mut complete => outcome,
                never = door.tend() => match never {},
            }
        };
        let (answer, outcome) = match outcome {
            Ok((value, page)) => (Answer { status: http::StatusCode::OK, page }, Ok(value)),
            Err(error) => (Answer { status: http::StatusCode::BAD_REQUEST, page: Page::of_error(&error) }, Err(error)),
        };
        // A browser that went away is no failure of the consent.
        drop(reply.answer.send(answer));
        door.close(reply.connection).await;
        outcome
    }
}

fn cannot_listen(port: u16, error: &io::Error) -> Error {
    let message = match error.kind() {
        io::ErrorKind::AddrInUse => format!("the port for the reply is in use by another program: {port}"),
        io::ErrorKind::PermissionDenied => format!("this account may not listen on the port for the reply: {port}"),
        _ => format!("the port for the reply cannot be listened on: {port}"),
    };
    Error::new(ErrorKind::InvalidArgument, OPERATION, message)
        .with_hint("name another port with `--port`, or leave it out and a free one is taken")
        .with_context("port", port)
        .with_cause(error)
}

fn too_late(limit: Duration) -> Error {
    Error::new(ErrorKind::ConsentLinkExpired, OPERATION, format!("no reply came from the browser within the time limit: {} s", limit.as_secs()))
        .with_hint("run `partnersam consent PARTNER` again and finish the sign-in in the browser, or use `--link` where somebody else signs in")
}

/// The same port on both loopback addresses.
#[derive(Debug)]
struct Listeners {
    four: TcpListener,
    six: Option<TcpListener>,
}

impl Listeners {
    async fn on(port: u16) -> io::Result<Self> {
        let four = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let six = match TcpListener::bind((Ipv6Addr::LOCALHOST, four.local_addr()?.port())).await {
            Ok(six) => Some(six),
            // Without IPv6 there is nobody to reach on [::1]. Otherwise another program has the port there and would get the reply.
            Err(error) => match TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await {
                Ok(_) => return Err(error),
                Err(_) => None,
            },
        };
        Ok(Self { four, six })
    }

    async fn on_a_free_port() -> io::Result<(Self, u16)> {
        const ATTEMPTS: usize = 50;
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..ATTEMPTS {
            match Self::on(0).await {
                Ok(listeners) => {
                    let port = listeners.four.local_addr()?.port();
                    return Ok((listeners, port));
                }
                // Free on one address and taken on the other: the next number.
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The next connection. Takes from both addresses in turn by chance, so that a flood on one does not starve the other.
    async fn accept(&self) -> TcpStream {
        loop {
            let accepted = tokio::select! {
                accepted = self.four.accept() => accepted,
                accepted = async {
                    match &self.six {
                        Some(six) => six.accept().await,
                        None => pending().await,
                    }
                } => accepted,
            };
            match accepted {
                Ok((stream, _)) => return stream,
                // Out of descriptors, most likely: connections end by themselves soon.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// What a connection needs to know of the reply that is waited for.
struct Waiting {
    hosts: [String; 3],
    mode: ReplyMode,
    state: String,
    /// Taken by the one genuine reply.
    claim: Mutex<Option<oneshot::Sender<Reply>>>,
}

/// The genuine reply, and the way back to the browser that brought it.
struct Reply {
    connection: u64,
    raw: String,
    answer: oneshot::Sender<Answer>,
}

struct Answer {
    status: http::StatusCode,
    page: Page,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// The listeners and the connections that are open, all driven by whoever awaits [`Door::tend`].
struct Door {
    listeners: Listeners,
    waiting: Arc<Waiting>,
    /// Each ends with its number.
    open: FuturesUnordered<BoxFuture<'static, u64>>,
    /// Those that may be closed to make room, oldest first.
    idle: VecDeque<(u64, AbortHandle)>,
    next: u64,
}

impl Door {
    /// Takes and serves connections for ever. Nothing is lost when it is dropped and called again.
    async fn tend(&mut self) -> Infallible {
        loop {
            tokio::select! {
                stream = self.listeners.accept() => self.admit(stream),
                Some(ended) = self.open.next(), if !self.open.is_empty() => self.idle.retain(|(number, _)| *number != ended),
            }
        }
    }

    fn admit(&mut self, stream: TcpStream) {
        while self.idle.len() >= MOST_CONNECTIONS {
            // The newest may be the reply, and a browser sends it at once: who came first and said nothing goes first.
            let Some((_, oldest)) = self.idle.pop_front() else { break };
            oldest.abort();
            tracing::debug!("closed the oldest connection to make room");
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let (handle, registration) = AbortHandle::new_pair();
        let serving = Abortable::new(connection(stream, number, Arc::clone(&self.waiting)), registration);
        self.idle.push_back((number, handle));
        self.open.push(Box::pin(async move {
            // Closed to make room, or ended by itself: both are over.
            let _ = serving.await;
            number
        }));
    }

    /// Never closes this connection to make room.
    fn keep(&mut self, number: u64) {
        self.idle.retain(|(other, _)| *other != number);
    }

    /// Closes the listeners, lets one connection fetch its answer, and closes the rest.
    async fn close(self, last: u64) {
        let Self { listeners, mut open, .. } = self;
        drop(listeners);
        let answered = async {
            while let Some(ended) = open.next().await {
                if ended == last {
                    break;
                }
            }
        };
        // Where the browser went away before, its connection is gone and the others end or are cut off here.
        drop(timeout(LAST_WORDS, answered).await);
    }
}

/// Serves one connection: one request, one answer, and the end within seconds, unless it brought the genuine reply.
async fn connection(stream: TcpStream, number: u64, waiting: Arc<Waiting>) {
    let genuine = AtomicBool::new(false);
    let service = service_fn(|request| {
        let (waiting, genuine) = (&waiting, &genuine);
        async move { Ok::<_, Infallible>(respond(request, number, waiting, genuine).await) }
    });
    let serving = http1::Builder::new()
        .keep_alive(false)
        // Its own timer would end later than the one below.
        .header_read_timeout(None)
        .max_headers(MOST_HEADERS)
        .max_header_size(LARGEST_HEAD)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let too_long = async {
        sleep(CONNECTION_LIFE).await;
        if genuine.load(Ordering::Relaxed) {
            // `Door::close` ends it.
            pending::<()>().await;
        }
    };
    tokio::select! {
        // Whoever talks nonsense or goes away is told nothing and harms nothing.
        _ = serving => {}
        () = too_long => {}
    }
}

async fn respond(request: Request<Incoming>, number: u64, waiting: &Waiting, genuine: &AtomicBool) -> Response<String> {
    match take_reply(request, number, waiting, genuine).await {
        Ok(answer) => match answer.await {
            Ok(answer) => answer.page.response(answer.status),
            // `complete` was dropped: the sockets close in the same moment.
            Err(_) => Refusal::AlreadyAnswered.response(waiting.mode),
        },
        Err(refusal) => {
            // Which rule, never what was sent: a forged hit may hold anything, and a late genuine one holds a code.
            tracing::debug!(reason = ?refusal, "refused a request that is not the awaited reply");
            refusal.response(waiting.mode)
        }
    }
}

/// Judges a request; where it is the genuine reply, hands it over and returns where its answer will come from.
async fn take_reply(
    request: Request<Incoming>,
    connection: u64,
    waiting: &Waiting,
    genuine: &AtomicBool,
) -> Result<oneshot::Receiver<Answer>, Refusal> {
    let (head, body) = request.into_parts();
    hit::check(&head, &waiting.hosts, waiting.mode)?;
    let raw = match waiting.mode {
        ReplyMode::FormPost => read(body).await?,
        ReplyMode::Query => head.uri.query().unwrap_or_default().to_owned(),
    };
    if !hit::carries(&raw, &waiting.state) {
        return Err(Refusal::NotTheReply);
    }
    let claim = waiting.claim.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(Refusal::AlreadyAnswered)?;
    let (answer, answered) = oneshot::channel();
    genuine.store(true, Ordering::Relaxed);
    claim.send(Reply { connection, raw, answer }).map_err(|_| Refusal::AlreadyAnswered)?;
    Ok(answered)
}

async fn read(mut body: Incoming) -> Result<String, Refusal> {
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Err(Refusal::TooLarge);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(|_| Refusal::NotTheReply)?.into_data() else { continue };
        if bytes.len() + data.len() > LARGEST_BODY {
            return Err(Refusal::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    String::from_utf8(bytes).map_err(|_| Refusal::NotTheReply)
}

#[cfg(test)]
mod tests;
