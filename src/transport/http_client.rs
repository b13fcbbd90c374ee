//! [`Transport`] by reqwest: TLS by rustls with the operating system's certificate store.

use std::error::Error as _;
use std::sync::OnceLock;
use std::time::Duration;

use fs_err as fs;
use futures_util::future::BoxFuture;

use super::{LARGEST_ANSWER, Transport};
use crate::cloud::Authority;
use crate::error::{Error, ErrorKind, Result};

/// The one HTTP client for requests that carry tokens or secrets. Honours SSL_CERT_FILE and the proxy variables.
#[derive(Debug)]
pub struct HttpClient {
    authority: Authority,
    extra_ca: Option<std::path::PathBuf>,
    /// An endpoint on this machine or its link that has no TLS.
    local_endpoint: Option<url::Url>,
    // Reading the system's certificates takes longer than everything else that a call from a warm store does, so it waits for the first request.
    client: OnceLock<reqwest::Client>,
}

impl HttpClient {
    /// A client for the hosts of `authority`. `extra_ca` is a PEM file that is trusted besides the system's store; for the
    /// emulator, instead of it.
    pub fn new(authority: Authority, extra_ca: Option<std::path::PathBuf>) -> Self {
        Self { authority, extra_ca, local_endpoint: None, client: OnceLock::new() }
    }

    /// The same for the endpoint at which Azure hands a machine its tokens, and for nothing else: that one may be without TLS, and no proxy stands between.
    #[cfg(feature = "keyvault")]
    pub(crate) fn for_local_endpoint(self, endpoint: url::Url) -> Self {
        Self { local_endpoint: Some(endpoint), ..self }
    }

    /// The address that allows a request to `url`: one of the same host and port. None where it may not be sent.
    fn known(&self, url: &url::Url) -> Option<&url::Url> {
        match &self.local_endpoint {
            Some(endpoint) => (endpoint.origin() == url.origin() && endpoint.path() == url.path()).then_some(endpoint),
            None => self.authority.known(url),
        }
    }

    fn client(&self) -> Result<&reqwest::Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let unusable = |message: &str, cause: &dyn std::fmt::Display| {
            Error::new(ErrorKind::TlsFailed, "connect", message).with_cause(cause)
        };
        let mut builder = reqwest::Client::builder()
            .https_only(self.local_endpoint.is_none())
            // A request is one write and its answer one read. HTTP/2 costs a third more CPU for the same request, and saves connections only where many are at
            // work at the same time, which is seldom; there it costs as much.
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            // What may be sent twice is decided where it is known what was sent. Without this, every request is copied in case.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .referer(false)
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("partnersam/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &self.extra_ca {
            let pem = fs::read(path).map_err(|error| unusable("the certificate to trust cannot be read", &error))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|error| unusable("the certificate to trust is not PEM", &error))?;
            builder = if self.authority.is_emulator() {
                // Nobody but the emulator itself, and no proxy on the way to loopback.
                builder.tls_certs_only(certificates).no_proxy()
            } else {
                builder.tls_certs_merge(certificates)
            };
        }
        if self.local_endpoint.is_some() {
            builder = builder.no_proxy();
        }
        if self.authority.is_emulator()
            && let Some(host) = self.authority.vault().and_then(url::Url::host_str)
        {
            // RFC 6761 section 6.3: names under localhost are this machine; not every resolver knows.
            builder = builder.resolve(host, std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0)));
        }
        let client = builder
            .build()
            .map_err(|error| unusable("no secure connection can be set up on this machine", &error.without_url()))?;
        Ok(self.client.get_or_init(|| client))
    }
}

impl Transport for HttpClient {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<http::Response<Vec<u8>>>> {
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            // What is checked is what is sent: this one address, as it was understood once.
            let url = match head.extensions.remove::<url::Url>() {
                Some(url) => url,
                None => url::Url::parse(&head.uri.to_string())
                    .map_err(|_| Error::new(ErrorKind::Internal, "connect", "a request has no valid address"))?,
            };
            let Some(known) = self.known(&url) else {
                return Err(Error::new(
                    ErrorKind::HostNotAllowed,
                    "connect",
                    "the address is outside the configured cloud, so nothing was sent",
                )
                .with_context("host", url.host_str().unwrap_or_default()));
            };
            let host = known.host_str().unwrap_or_default();
            tracing::trace!(host, path = url.path(), "asking the service");
            // For a log that somebody reads: not for each of ten thousand exchanges that nobody follows.
            let path = tracing::enabled!(tracing::Level::DEBUG).then(|| url.path().to_owned());
            let mut request = reqwest::Request::new(head.method, url);
            *request.headers_mut() = head.headers;
            *request.body_mut() = Some(body.into());
            let exchange = async {
                let mut answer = self.client()?.execute(request).await.map_err(|error| translate(error, host))?;
                // Of one piece where the service says how long it is: a buffer that grows leaves copies of its secrets behind.
                let length =
                    answer.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
                let mut response = http::Response::new(Vec::with_capacity(length.min(LARGEST_ANSWER)));
                *response.status_mut() = answer.status();
                *response.headers_mut() = std::mem::take(answer.headers_mut());
                while let Some(chunk) = answer.chunk().await.map_err(|error| translate(error, host))? {
                    if response.body().len() + chunk.len() > LARGEST_ANSWER {
                        return Err(Error::new(
                            ErrorKind::ResponseTooLarge,
                            "connect",
                            format!("the answer has more than {LARGEST_ANSWER} bytes"),
                        )
                        .with_context("host", host));
                    }
                    response.body_mut().extend_from_slice(&chunk);
                }
                // The path names a tenant and an endpoint; what is secret stands in the body or the query.
                tracing::debug!(
                    host,
                    path = path.as_deref(),
                    status = response.status().as_u16(),
                    "the service answered"
                );
                if response.status().is_redirection() {
                    return Err(Error::new(
                        ErrorKind::RedirectRefused,
                        "connect",
                        "the service answered with a redirect, which was not followed",
                    )
                    .with_http_status(response.status().as_u16())
                    .with_context("host", host));
                }
                Ok(response)
            };
            match tokio::time::timeout(deadline, exchange).await {
                Ok(result) => result,
                Err(_) => Err(Error::new(
                    ErrorKind::Timeout,
                    "connect",
                    format!("no answer within {} seconds", deadline.as_secs()),
                )
                .with_context("host", host)),
            }
        })
    }
}

/// The one place where reqwest's errors become ours. Its address is taken off first: it may carry parameters.
fn translate(error: reqwest::Error, host: &str) -> Error {
    let error = error.without_url();
    let mut causes = Vec::new();
    let mut next = error.source();
    let mut is_tls = false;
    while let Some(cause) = next {
        is_tls |= is_of_tls(cause);
        causes.push(cause.to_string());
        next = cause.source();
    }
    let (kind, message) = if error.is_timeout() {
        (ErrorKind::Timeout, "the service did not answer in time")
    } else if is_tls {
        (ErrorKind::TlsFailed, "the service's certificate or its TLS was refused")
    } else if error.is_connect() {
        (ErrorKind::NetworkUnavailable, "the service could not be reached")
    } else {
        (ErrorKind::NetworkUnavailable, "the connection broke off")
    };
    causes.into_iter().fold(Error::new(kind, "connect", message).with_context("host", host), Error::with_cause)
}

/// Whether it is TLS that failed. Each layer hides the one below in an `io::Error`, which is not among its sources.
fn is_of_tls(cause: &(dyn std::error::Error + 'static)) -> bool {
    let hidden = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    cause.is::<rustls::Error>() || hidden.is_some_and(|inner| is_of_tls(inner))
}
