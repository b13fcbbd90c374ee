//! How requests leave: the trait [`Transport`], its adapter for reqwest, and when to try again.

mod http_client;
mod retry;

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;

pub use http_client::HttpClient;
pub use retry::{RetryPolicy, retry_after};

use crate::error::Result;

/// Sends one request and brings one answer back. Implementations check the host, follow no redirect, keep no cookie, and cap what they read.
///
/// An answer of any status is `Ok`; errors are for requests without an answer. Errors hold neither address parameters nor bodies.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends `request`, with `deadline` for the whole exchange.
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<http::Response<Vec<u8>>>>;
}

/// How long one HTTP exchange may take, connection and body included.
pub const EXCHANGE_DEADLINE: Duration = Duration::from_secs(30);

/// The most bytes that an answer may have.
pub const LARGEST_ANSWER: usize = 1 << 20;
