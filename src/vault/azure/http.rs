//! The official crates' HTTP client is ours: host check, no redirects, caps and deadlines hold for their requests, too.

use std::sync::Arc;

use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode};

use super::fault::carried;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::claims_challenge::challenges;
use crate::transport::{EXCHANGE_DEADLINE, Transport};
use crate::vault::Trust;

/// See [the module](self).
#[derive(Debug)]
pub(super) struct OurHttp {
    pub(super) transport: Arc<dyn Transport>,
    /// Whom a vault's challenge may name; none where nobody challenges.
    pub(super) trust: Option<Trust>,
}

#[async_trait::async_trait]
impl HttpClient for OurHttp {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.exchange(request).await.map_err(carried)
    }
}

impl OurHttp {
    async fn exchange(&self, request: &Request) -> Result<AsyncRawResponse> {
        let unfit = || Error::new(ErrorKind::Internal, "store", "a request to the vault cannot be sent");
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.to_vec(),
            Body::SeekableStream(_) => return Err(unfit()),
        };
        let mut sent = http::Request::builder().method(request.method().as_ref()).uri(request.url().as_str());
        for (name, value) in request.headers().iter() {
            sent = sent.header(name.as_str(), value.as_str());
        }
        let sent = sent.body(body).map_err(|_| unfit())?;
        let answer = self.transport.send(sent, EXCHANGE_DEADLINE).await?;
        let (head, body) = answer.into_parts();
        if head.status == http::StatusCode::UNAUTHORIZED
            && let Some(trust) = &self.trust
        {
            for value in head.headers.get_all(http::header::WWW_AUTHENTICATE) {
                check(value.as_bytes(), trust)?;
            }
        }
        let mut headers = Headers::new();
        for (name, value) in &head.headers {
            if let Ok(value) = value.to_str() {
                headers.insert(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value.to_owned()));
            }
        }
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(head.status.as_u16()), headers, body))
    }
}

/// Refuses a challenge that names another sign-in or another audience than the cloud's: whoever answers there wants a token that is not meant for it.
/// (<https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses>)
pub(super) fn check(header: &[u8], trust: &Trust) -> Result<()> {
    let refused = |what: &str, found: &str| {
        let host = url::Url::parse(found).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        Error::new(
            ErrorKind::HostNotAllowed,
            "store",
            format!("the vault's challenge names {what} that is not the configured cloud's, so no token was sent"),
        )
        .with_context("host", host)
    };
    let is_at = |found: &str, known: &url::Url| {
        url::Url::parse(found)
            .is_ok_and(|url| url.origin() == known.origin() && url.username().is_empty() && url.password().is_none())
    };
    for challenge in challenges(header).iter().filter(|challenge| challenge.scheme == "bearer") {
        for name in ["authorization", "authorization_uri"] {
            if let Some(found) = challenge.parameter(name).filter(|found| !is_at(found, &trust.login)) {
                return Err(refused("a sign-in", found));
            }
        }
        for name in ["resource", "scope"] {
            if let Some(found) = challenge.parameter(name).filter(|found| !is_at(found, &trust.resource)) {
                return Err(refused("an audience", found));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_may_name_the_configured_cloud_only() {
        let trust = Trust {
            login: "https://login.microsoftonline.com".parse().unwrap(),
            resource: "https://vault.azure.net".parse().unwrap(),
        };
        for good in [
            r#"Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net""#,
            r#"Bearer authorization_uri="https://login.microsoftonline.com/t", scope="https://vault.azure.net/.default""#,
            r#"Bearer authorization="https://login.microsoftonline.com/t",resource="https://vault.azure.net/""#,
        ] {
            assert!(check(good.as_bytes(), &trust).is_ok(), "{good}");
        }
        for bad in [
            r#"Bearer authorization="https://login.microsoftonline.com.evil.example/t", resource="https://vault.azure.net""#,
            r#"Bearer authorization="https://login.microsoftonline.us/t", resource="https://vault.azure.net""#,
            r#"Bearer authorization="http://login.microsoftonline.com/t", resource="https://vault.azure.net""#,
            r#"Bearer authorization="https://x@login.microsoftonline.com/t", resource="https://vault.azure.net""#,
            r#"Bearer authorization="https://login.microsoftonline.com/t", resource="https://graph.microsoft.com""#,
            r#"Bearer authorization="https://login.microsoftonline.com/t", scope="https://vault.azure.cn/.default""#,
            r#"Bearer resource="https://vault.azure.net", Bearer scope="https://evil.example/.default""#,
        ] {
            assert_eq!(check(bad.as_bytes(), &trust).unwrap_err().kind(), ErrorKind::HostNotAllowed, "{bad}");
        }
    }
}
