//! Loopback ports and the loop that accepts on them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use hyper::service::{Service, service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::{fault, state::World};

/// Which of the services a port plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    Authority,
    PartnerCenter,
    Graph,
    Arm,
    Control,
    KeyVault,
}

/// Six ports, each on 127.0.0.1 and, where the machine has it, on [::1].
pub(crate) struct Ports {
    bound: Vec<(u16, Vec<TcpListener>)>,
}

const FACES: u16 = 6;

impl Ports {
    pub(crate) async fn bind(base: Option<u16>) -> io::Result<Self> {
        let mut bound = Vec::new();
        for offset in 0..FACES {
            bound.push(match base {
                Some(base) => {
                    let port = base.checked_add(offset).ok_or_else(|| {
                        io::Error::new(io::ErrorKind::InvalidInput, format!("the port base is too high: {base}"))
                    })?;
                    bind_both(port).await?
                }
                None => bind_random().await?,
            });
        }
        Ok(Self { bound })
    }

    /// The port of the face with this place in the order authority, Partner Center, Graph, ARM, control, Key Vault.
    pub(crate) fn number(&self, place: usize) -> u16 {
        self.bound.get(place).map_or(0, |(port, _)| *port)
    }

    pub(crate) fn into_listeners(self) -> impl Iterator<Item = Vec<TcpListener>> {
        self.bound.into_iter().map(|(_, listeners)| listeners)
    }
}

async fn bind_random() -> io::Result<(u16, Vec<TcpListener>)> {
    // The same number may be taken on the other address family: then another number.
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..50 {
        let probe = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let port = probe.local_addr()?.port();
        match second(port).await {
            Ok(six) => return Ok((port, std::iter::once(probe).chain(six).collect())),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn bind_both(port: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    let four = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let port = four.local_addr()?.port();
    let six = second(port).await?;
    Ok((port, std::iter::once(four).chain(six).collect()))
}

/// The listener on [::1], nothing on a machine without IPv6, an error where the port is taken.
async fn second(port: u16) -> io::Result<Option<TcpListener>> {
    match TcpListener::bind(SocketAddr::from((IpAddr::V6(Ipv6Addr::LOCALHOST), port))).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(_) => Ok(None),
    }
}

/// The most bytes that a request may bring; the handlers' own limits are lower.
const LARGEST_REQUEST: usize = 4 << 20;

/// Serves one listener until the task is aborted; its connections end with it.
pub(crate) async fn accept(listener: TcpListener, tls: TlsAcceptor, face: Face, router: Router, world: Arc<World>) {
    let mut connections = JoinSet::new();
    let mut hang_up = world.connections.listen();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let open = (face != Face::Control).then(|| world.connections.one_more());
                    let served = connection(stream, tls.clone(), face, router.clone(), Arc::clone(&world));
                    connections.spawn(async move {
                        let _open = open;
                        served.await;
                    });
                }
                // Out of descriptors, most likely: let some connections end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            Ok(()) = hang_up.changed(), if face != Face::Control => connections.shutdown().await,
        }
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, face: Face, router: Router, world: Arc<World>) {
    // Small replies: waiting to fill a packet only adds latency. A refusal here costs nothing else.
    drop(stream.set_nodelay(true));
    let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_secs(10), tls.accept(stream)).await else { return };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let router = router.clone();
        let world = Arc::clone(&world);
        async move {
            // Read to its end even where nobody wants it: over a body that is left lying hyper closes the connection under the client's next request.
            let (head, body) = request.into_parts();
            let Ok(body) = axum::body::to_bytes(axum::body::Body::new(body), LARGEST_REQUEST).await else {
                return Ok(StatusCode::PAYLOAD_TOO_LARGE.into_response());
            };
            let request = Request::from_parts(head, axum::body::Body::from(body));
            let mut response = fault::around(&world, face, request, |request| router.call(request)).await;
            if response.extensions().get::<fault::Abort>().is_some() {
                return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
            }
            // What the others keep by their clocks is by this one, too.
            if let Some(date) = date(&world) {
                response.headers_mut().entry(header::DATE).or_insert(date);
            }
            Ok::<Response, io::Error>(response)
        }
    });
    // A peer that goes away or talks nonsense is its own problem.
    drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
}

/// The emulator's clock as a header has it.
fn date(world: &World) -> Option<HeaderValue> {
    let since = Duration::from_secs(u64::try_from(world.lock().now()).ok()?);
    HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since)).ok()
}
