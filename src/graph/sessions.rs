//! The end of an account's sign-ins: every refresh token that came of them is refused from then on, whoever has a copy
//! (<https://learn.microsoft.com/graph/api/user-revokesigninsessions>).
//!
//! A reset of the password does not do that for confidential clients, such as this app
//! (<https://learn.microsoft.com/entra/identity-platform/refresh-tokens>).

use std::time::Duration;

use http::{Method, Request, Response};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::call::{self, Denied};
use crate::error::{Actor, Result};
use crate::protocol::json_body;
use crate::secret::AccessToken;

/// Whose sign-ins end.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    /// Of the account that the token is for.
    Own,
    /// Of the account with this object id, by a token that may do that to others.
    Account(Uuid),
}

/// The request that ends sign-ins. Graph writes `id` into its log.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn revoke_request(base: &Url, whose: Whose, token: &AccessToken, id: Uuid) -> Result<Request<Vec<u8>>> {
    let path = match whose {
        Whose::Own => "/v1.0/me/revokeSignInSessions".to_owned(),
        Whose::Account(account) => format!("/v1.0/users/{account}/revokeSignInSessions"),
    };
    call::request(Method::POST, base, &path, None, token, id)
}

/// Reads the reply.
///
/// Errors: `AudienceNotConsented` where the token may not do that; those of other statuses; `ResponseMalformed` where Graph says that it did not.
pub fn read_revoked<B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Result<()> {
    const DENIED: Denied = Denied {
        words: "Graph does not let the app end the account's sign-ins",
        actor: Actor::PartnerAdministrator,
        hint: "an administrator of the partner's tenant revokes the account's sessions; for the next time, add the delegated permission \
               User.RevokeSessions.All of graph to the app registration, name it in `scopes`, and have the partner consent anew",
    };
    call::check(response, retry_after, DENIED)?;
    // `{"value": true}`, or nothing at all (204).
    let body: Option<Value> = json_body::parse(response.body().as_ref(), call::LARGEST_BODY);
    match body.as_ref().and_then(|body| body.get("value")) {
        Some(Value::Bool(false)) => Err(call::malformed("says that the sign-ins were not ended")),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn answer(status: u16, body: &str) -> Result<()> {
        read_revoked(&Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap(), None)
    }

    #[test]
    fn the_request_names_whose_sign_ins_end() {
        let (base, token) = (Url::parse("https://graph.microsoft.com").unwrap(), AccessToken::new("test-token"));
        let own = revoke_request(&base, Whose::Own, &token, Uuid::from_u128(1)).unwrap();
        assert_eq!(own.method(), Method::POST);
        assert_eq!(own.uri(), "https://graph.microsoft.com/v1.0/me/revokeSignInSessions");
        assert_eq!(own.headers()["client-request-id"], Uuid::from_u128(1).to_string());
        let of = revoke_request(&base, Whose::Account(Uuid::from_u128(2)), &token, Uuid::from_u128(1)).unwrap();
        assert_eq!(of.uri().path(), format!("/v1.0/users/{}/revokeSignInSessions", Uuid::from_u128(2)));
        assert!(!format!("{of:?}").contains("test-token"));
    }

    #[test]
    fn only_what_was_done_counts() {
        answer(200, r#"{"value":true}"#).unwrap();
        answer(204, "").unwrap();
        assert_eq!(answer(200, r#"{"value":false}"#).unwrap_err().kind(), ErrorKind::ResponseMalformed);
        let denied = answer(403, r#"{"error":{"code":"Authorization_RequestDenied","message":"no"}}"#).unwrap_err();
        assert_eq!((denied.kind(), denied.actor()), (ErrorKind::AudienceNotConsented, Actor::PartnerAdministrator));
        assert_eq!(answer(503, "").unwrap_err().kind(), ErrorKind::ServerUnavailable);
        assert_eq!(answer(429, "").unwrap_err().kind(), ErrorKind::RateLimited);
    }
}
