//! What an app is consented to at a customer, as Microsoft Graph shows it there. Partner Center has no call for that
//! (<https://learn.microsoft.com/graph/api/serviceprincipal-list>, <https://learn.microsoft.com/graph/api/oauth2permissiongrant-list>).

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Method, Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::call::{bearer, with_ids};
use crate::chance::request_id;
use crate::error::{Actor, Error, ErrorKind, Result};
use crate::protocol::{json_body, outside_text};
use crate::secret::AccessToken;

/// As much as the transport reads.
const LARGEST_BODY: usize = 1 << 20;

/// Values that Graph takes in one `in (…)` (<https://learn.microsoft.com/graph/filter-query-parameter>).
pub const MOST_IN_FILTER: usize = 15;

/// What an app is consented to in one tenant, for all users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    grants: Vec<StandingGrant>,
    known: Vec<String>,
}

/// One resource and the scopes granted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingGrant {
    /// The resource's app id, a GUID in lower case.
    pub app_id: String,
    /// The resource's name in that tenant.
    pub name: String,
    /// The scopes, as the tenant has them.
    pub scopes: Vec<String>,
}

impl Standing {
    /// `grants`, in a tenant that knows these resources, each by its app id.
    pub fn new(grants: Vec<StandingGrant>, known: Vec<String>) -> Self {
        Self { grants, known }
    }

    /// Everything that is granted.
    pub fn grants(&self) -> &[StandingGrant] {
        &self.grants
    }

    /// What is granted of that resource.
    pub fn scopes_of(&self, app_id: &str) -> &[String] {
        self.grants.iter().find(|grant| grant.app_id == app_id).map(|grant| grant.scopes.as_slice()).unwrap_or_default()
    }

    /// Whether the tenant has a service principal of that resource.
    pub fn knows(&self, app_id: &str) -> bool {
        self.known.iter().any(|known| known == app_id) || self.grants.iter().any(|grant| grant.app_id == app_id)
    }
}

/// A service principal: an app as a tenant knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Its id in that tenant.
    pub id: String,
    /// The app's id, in lower case.
    pub app_id: String,
    /// Its name there.
    pub name: String,
}

/// A permission that a client has on behalf of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionGrant {
    /// The resource's service principal.
    pub resource_id: String,
    /// Whether it holds for all users; else for one.
    pub for_all: bool,
    /// The scopes.
    pub scopes: Vec<String>,
}

/// One page of a collection.
#[derive(Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page is; to be asked for with [`next_request`] only.
    pub next: Option<String>,
}

/// The request for the service principals of these apps, [`MOST_IN_FILTER`] at most.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn principals_request(base: &Url, app_ids: &[&str], token: &AccessToken) -> Result<Request<Vec<u8>>> {
    let list: Vec<_> = app_ids.iter().map(|id| format!("'{}'", id.replace('\'', "''"))).collect();
    let filter = format!("appId in ({})", list.join(", "));
    get(under(base, "/v1.0/servicePrincipals", &[("$filter", &filter), ("$select", SELECT)]), token)
}

/// The request for one service principal by its id.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header; `ResponseMalformed` for an id that Graph cannot have meant.
pub fn principal_request(base: &Url, id: &str, token: &AccessToken) -> Result<Request<Vec<u8>>> {
    // Goes into the path: nothing but a GUID may.
    let id = Uuid::try_parse(id).map_err(|_| malformed("names a resource by no id"))?;
    get(under(base, &format!("/v1.0/servicePrincipals/{id}"), &[("$select", SELECT)]), token)
}

/// The request for what a client is granted.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn grants_request(base: &Url, client: &Principal, token: &AccessToken) -> Result<Request<Vec<u8>>> {
    let filter = format!("clientId eq '{}'", client.id.replace('\'', "''"));
    get(under(base, "/v1.0/oauth2PermissionGrants", &[("$filter", &filter)]), token)
}

/// The request for a page that another one named.
///
/// Errors: `HostNotAllowed` where it is not Graph's own; `InvalidArgument` where the token cannot stand in a header.
pub fn next_request(base: &Url, link: &str, token: &AccessToken) -> Result<Request<Vec<u8>>> {
    let link = Url::parse(link)
        .ok()
        .filter(|link| link.origin() == base.origin() && link.username().is_empty() && link.password().is_none());
    let link = link.ok_or_else(|| {
        Error::new(ErrorKind::HostNotAllowed, "graph", "the next page is said to be at another host than Graph's")
    })?;
    get(link, token)
}

/// Reads a page of service principals; `retry_after` is what the headers ask for.
///
/// Errors: what [`refusal`] says of a status other than success; `ResponseMalformed`.
pub fn read_principals<B: AsRef<[u8]>>(
    response: &Response<B>,
    retry_after: Option<Duration>,
) -> Result<Page<Principal>> {
    let page: Collection<RawPrincipal> = read(response, retry_after)?;
    Ok(Page { rows: page.value.into_iter().map(RawPrincipal::principal).collect(), next: page.next })
}

/// Reads one service principal; see [`read_principals`].
pub fn read_principal<B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Result<Principal> {
    read(response, retry_after).map(RawPrincipal::principal)
}

/// Reads a page of permission grants; see [`read_principals`].
pub fn read_grants<B: AsRef<[u8]>>(
    response: &Response<B>,
    retry_after: Option<Duration>,
) -> Result<Page<PermissionGrant>> {
    let page: Collection<RawGrant> = read(response, retry_after)?;
    let rows = page.value.into_iter().map(|raw| PermissionGrant {
        resource_id: raw.resource_id,
        for_all: raw.consent_type.eq_ignore_ascii_case("AllPrincipals"),
        scopes: raw.scope.unwrap_or_default().split_ascii_whitespace().map(outside_text::name).collect(),
    });
    Ok(Page { rows: rows.collect(), next: page.next })
}

/// What a refusal of Graph means here: HTTP status, the wait that its headers ask for, and its body
/// (<https://learn.microsoft.com/graph/errors>).
pub fn refusal(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Error {
    let (code, text) = said(body);
    let kind = match status {
        408 => ErrorKind::Timeout,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::ServerUnavailable,
        300..=399 => ErrorKind::RedirectRefused,
        401 => ErrorKind::InteractionRequired,
        403 => ErrorKind::AudienceNotConsented,
        ..300 => ErrorKind::ResponseMalformed,
        _ => ErrorKind::RequestRefused,
    };
    let words = if kind == ErrorKind::AudienceNotConsented {
        "Graph does not let the account or the app read what is granted there"
    } else {
        kind.sentence()
    };
    let message = if text.is_empty() { format!("{words}: http status {status}") } else { format!("{words}: {text}") };
    let mut error = Error::new(kind, "graph", message).with_http_status(status);
    if !code.is_empty() {
        error = error.with_service_code(code);
    }
    if kind == ErrorKind::AudienceNotConsented {
        error = error.with_actor(Actor::PartnerAdministrator).with_hint(
            "name a scope of graph that may read grants in the grants file, such as Directory.Read.All, and give the account a GDAP role that may, \
             such as Directory Readers, then run `partnersam customers apply PARTNER --file grants.toml --customer CUSTOMER`",
        );
    }
    retry_after.into_iter().fold(error, Error::with_retry_after)
}

const SELECT: &str = "id,appId,displayName";

fn under(base: &Url, path: &str, query: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url.query_pairs_mut().extend_pairs(query);
    url
}

fn get(url: Url, token: &AccessToken) -> Result<Request<Vec<u8>>> {
    Request::builder()
        .method(Method::GET)
        .uri(url.as_str())
        .header(AUTHORIZATION, bearer(token)?)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .header("client-request-id", request_id().to_string())
        .body(Vec::new())
        .map_err(|_| Error::new(ErrorKind::Internal, "graph", "a request to Graph could not be built"))
}

fn read<T: DeserializeOwned, B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Result<T> {
    let body = response.body().as_ref();
    if !response.status().is_success() {
        return Err(with_ids(refusal(response.status().as_u16(), retry_after, body), response));
    }
    json_body::parse(body, LARGEST_BODY).ok_or_else(|| malformed("cannot be read"))
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::ResponseMalformed, "graph", format!("Graph's answer {what}"))
}

/// Code and text of a refusal, fit to be shown.
fn said(body: &[u8]) -> (String, String) {
    let body: Value = json_body::parse(body, LARGEST_BODY).unwrap_or_default();
    let text = |name: &str| body.pointer(&format!("/error/{name}")).and_then(Value::as_str).unwrap_or_default();
    (outside_text::name(text("code")), outside_text::sentence(text("message")))
}

#[derive(Deserialize)]
struct Collection<T> {
    value: Vec<T>,
    #[serde(rename = "@odata.nextLink", default)]
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPrincipal {
    id: String,
    app_id: String,
    #[serde(default)]
    display_name: Option<String>,
}

impl RawPrincipal {
    fn principal(self) -> Principal {
        let name = self.display_name.map(|name| outside_text::name(&name)).unwrap_or_default();
        Principal { id: self.id, app_id: self.app_id.to_ascii_lowercase(), name }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawGrant {
    resource_id: String,
    #[serde(default)]
    consent_type: String,
    #[serde(default)]
    scope: Option<String>,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ID: &str = "dddddddd-0000-4000-8000-000000000001";

    fn base() -> Url {
        Url::parse("https://graph.microsoft.com").unwrap()
    }

    fn token() -> AccessToken {
        AccessToken::new("test-token")
    }

    fn response(status: u16, body: &Value) -> Response<Vec<u8>> {
        Response::builder().status(status).body(body.to_string().into_bytes()).unwrap()
    }

    fn query(request: &Request<Vec<u8>>) -> Vec<(String, String)> {
        Url::parse(&request.uri().to_string()).unwrap().query_pairs().into_owned().collect()
    }

    #[test]
    fn principals_and_grants_are_asked_for_by_filter() {
        let request = principals_request(&base(), &["a", "b'c"], &token()).unwrap();
        assert_eq!(request.uri().path(), "/v1.0/servicePrincipals");
        assert_eq!(query(&request)[0], ("$filter".to_owned(), "appId in ('a', 'b''c')".to_owned()));
        assert_eq!(request.headers()["authorization"], "Bearer test-token");
        let client = Principal { id: ID.to_owned(), app_id: String::new(), name: String::new() };
        let request = grants_request(&base(), &client, &token()).unwrap();
        assert_eq!(query(&request)[0].1, format!("clientId eq '{ID}'"));
        assert!(principal_request(&base(), ID, &token()).unwrap().uri().path().ends_with(ID));
        assert!(principal_request(&base(), "../me", &token()).is_err());
    }

    #[test]
    fn the_next_page_is_graph_s_or_nobody_s() {
        assert!(next_request(&base(), "https://graph.microsoft.com/v1.0/x?$skiptoken=1", &token()).is_ok());
        for other in
            ["https://evil.example/v1.0/x", "http://graph.microsoft.com/x", "https://u@graph.microsoft.com/", "/x", ""]
        {
            let error = next_request(&base(), other, &token()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::HostNotAllowed, "{other}");
        }
    }

    #[test]
    fn rows_are_read_with_what_is_needed_of_them() {
        let page = read_grants(
            &response(200, &json!({ "value": [
                { "clientId": "c", "consentType": "AllPrincipals", "resourceId": "r", "scope": " User.Read  Mail.Read " },
                { "clientId": "c", "consentType": "Principal", "resourceId": "r", "scope": null },
            ], "@odata.nextLink": "https://graph.microsoft.com/next" })),
            None,
        )
        .unwrap();
        assert_eq!(page.rows[0].scopes, ["User.Read", "Mail.Read"]);
        assert_eq!((page.rows[0].for_all, page.rows[1].for_all, page.rows[1].scopes.len()), (true, false, 0));
        assert_eq!(page.next.as_deref(), Some("https://graph.microsoft.com/next"));
        let rows = json!({ "value": [{ "id": ID, "appId": "ABC", "displayName": "API\u{1b}" }] });
        let page = read_principals(&response(200, &rows), None).unwrap();
        assert_eq!((page.rows[0].app_id.as_str(), page.rows[0].name.as_str(), page.next), ("abc", "API", None));
        assert!(read_principals(&response(200, &json!({ "value": [{}] })), None).is_err());
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let body = json!({ "error": { "code": "Authorization_RequestDenied", "message": "Insufficient privileges to complete the operation." } });
        let error = refusal(403, None, body.to_string().as_bytes());
        assert_eq!(
            (error.kind(), error.service_code()),
            (ErrorKind::AudienceNotConsented, Some("Authorization_RequestDenied"))
        );
        assert!(error.hint().contains("Directory.Read.All"), "{}", error.hint());
        let wait = Some(Duration::from_secs(7));
        assert_eq!(refusal(429, wait, b"").retry_after(), wait);
        assert_eq!(refusal(503, None, b"<html>").kind(), ErrorKind::ServerUnavailable);
    }

    proptest! {
        #[test]
        fn any_reply_is_answered(status in 100_u16..=999, body in proptest::collection::vec(any::<u8>(), 0..256)) {
            let response = Response::builder().status(status).body(body).unwrap();
            let _ = read_principals(&response, None);
            let _ = read_grants(&response, None);
            let _ = read_principal(&response, None);
        }
    }
}
