//! One call to Partner Center or Graph: with a token, at the service's pace, and again where that helps.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::WWW_AUTHENTICATE;
use http::{Request, Response, StatusCode};
use url::Url;

use crate::app::Inner;
use crate::app::pace::Pace;
use crate::app::token_cache::CacheKey;
use crate::audience::Audience;
use crate::chance::jitter;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::protocol::claims_challenge;
use crate::secret::AccessToken;
use crate::transport::{EXCHANGE_DEADLINE, RetryPolicy, retry_after};

/// Where thousands of calls are made, one waits longer than a person would.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// How long one call is put off by a service that asks to slow down.
const THROTTLED_FOR: Duration = Duration::from_secs(600);

impl Inner {
    /// Sends what `build` makes of a token, and brings the answer, of whatever status. A refused token is replaced once, with what the service asks
    /// of the new one. `build` is called for each attempt and must name the same call each time.
    pub(in crate::app) async fn call(
        self: &Arc<Self>,
        key: &CacheKey,
        pace: Option<Pace>,
        build: impl Fn(&AccessToken) -> Result<Request<Vec<u8>>>,
    ) -> Result<Response<Vec<u8>>> {
        // What failed is a token for this service: so says the advice, too.
        let named = |error: Error| error.with_context("audience", key.audience.name());
        let token = self.token_for(key.clone(), false, None).await.map_err(named)?;
        let response = self.send_again(pace.as_ref(), || build(token.secret())).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let headers = response.headers().get_all(WWW_AUTHENTICATE);
        let claims = claims_challenge::find(headers.iter().map(http::HeaderValue::as_bytes)).map(|found| found.claims);
        // Partner Center says 401 for much that a new token does not mend.
        if claims.is_none() && key.audience != Audience::Graph {
            return Ok(response);
        }
        let token = self.token_for(key.clone(), true, claims).await.map_err(named)?;
        self.send_again(pace.as_ref(), || build(token.secret())).await
    }

    /// Sends what `build` makes, and again where that helps.
    pub(in crate::app) async fn send_again(
        &self,
        pace: Option<&Pace>,
        build: impl Fn() -> Result<Request<Vec<u8>>>,
    ) -> Result<Response<Vec<u8>>> {
        let policy = RetryPolicy {
            attempts: self.retry.attempts.saturating_mul(2),
            longest_wait: self.retry.longest_wait.max(LONGEST_WAIT),
            ..self.retry
        };
        let mut attempt = 0;
        let mut patience = THROTTLED_FOR;
        loop {
            attempt += 1;
            if let Some(pace) = pace {
                pace.turn().await;
            }
            let answer = self.transport.send(build()?, EXCHANGE_DEADLINE).await;
            let asked = match &answer {
                Ok(response) if is_passing(response.status()) => retry_after(response.headers(), SystemTime::now()),
                Err(error) if error.kind().retry() == Retry::After => None,
                _ => return answer,
            };
            let is_throttled = answer.as_ref().is_ok_and(|response| response.status() == StatusCode::TOO_MANY_REQUESTS);
            let wait = match asked.filter(|_| is_throttled) {
                // Not a failure of this call: its turn comes, however many others are before it.
                Some(asked) => {
                    attempt -= 1;
                    Some(asked + self.retry.first_wait.mul_f64(jitter())).filter(|wait| *wait <= policy.longest_wait)
                }
                None => policy.wait(attempt, asked, jitter()),
            };
            let Some(wait) = wait else { return answer };
            if is_throttled {
                patience = patience.saturating_sub(wait);
                if patience.is_zero() {
                    return answer;
                }
                if let Some(pace) = pace {
                    pace.hold(wait).await;
                }
            }
            tracing::debug!(attempt, ?wait, "a call failed, trying again");
            tokio::time::sleep(wait).await;
        }
    }

    pub(super) fn partner_center(&self) -> Result<&Url> {
        self.config.authority.partner_center().ok_or_else(|| absent("Partner Center"))
    }

    pub(in crate::app) fn graph(&self) -> Result<&Url> {
        self.config.authority.graph().ok_or_else(|| absent("Graph"))
    }
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

fn absent(service: &str) -> Error {
    Error::new(ErrorKind::NotSupported, "customers", format!("this authority has no {service}"))
}
