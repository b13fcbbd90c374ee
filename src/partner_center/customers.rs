//! The partner's customers, page by page (<https://learn.microsoft.com/partner-center/developer/get-a-list-of-customers>).

use std::time::Duration;

use http::{HeaderValue, Method, Request, Response};
use serde::Deserialize;
use url::Url;

use super::call::{self, CallIds};
use super::errors;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::protocol::{json_body, outside_text};
use crate::secret::AccessToken;

/// Customers on a page; Partner Center gives no more.
pub const PAGE: usize = 500;

/// As much as the transport reads.
const LARGEST_BODY: usize = 1 << 20;

/// A customer of a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The customer's tenant.
    pub tenant: TenantId,
    /// The company's name; empty where it is not known.
    pub name: String,
    /// The tenant's first domain, where it is known.
    pub domain: Option<String>,
}

/// One page of customers.
#[derive(Debug)]
pub struct Page {
    /// In the service's order.
    pub customers: Vec<Customer>,
    /// How many there are on all pages, where the service says.
    pub total: Option<usize>,
    /// Where the next page begins; none on the last.
    pub next: Option<Continuation>,
}

/// Where a page begins, in the service's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation(HeaderValue);

/// The request for a page of `size` customers.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn request(
    base: &Url,
    size: usize,
    from: Option<&Continuation>,
    token: &AccessToken,
    purpose: &str,
) -> Result<Request<Vec<u8>>> {
    let mut request = call::request(Method::GET, base, "/v1/customers", token, purpose, CallIds::random())?;
    // The service sends the next page's address, too. What it says is not followed: the token goes where it was meant to go.
    let query = if from.is_some() { format!("size={size}&seekOperation=Next") } else { format!("size={size}") };
    let address = format!("{}?{query}", request.uri());
    *request.uri_mut() = address.parse().map_err(|_| {
        Error::new(ErrorKind::Internal, "partner-center", "a request to Partner Center could not be built")
    })?;
    if let Some(Continuation(token)) = from {
        request.headers_mut().insert("MS-ContinuationToken", token.clone());
    }
    Ok(request)
}

/// Reads a page; `retry_after` is what the headers ask for.
///
/// Errors: what [`errors::refusal`] says of a status other than success; `ResponseMalformed` for a page that is none, for to leave a customer out would be
/// worse than to stop.
pub fn read<B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Result<Page> {
    let body = response.body().as_ref();
    if !response.status().is_success() {
        return Err(call::with_ids(errors::refusal(response.status().as_u16(), retry_after, body), response));
    }
    let malformed = |what: &str| {
        Error::new(ErrorKind::ResponseMalformed, "partner-center", format!("the list of customers {what}"))
    };
    let page: RawPage = json_body::parse(body, LARGEST_BODY).ok_or_else(|| malformed("cannot be read"))?;
    let customers = page
        .items
        .into_iter()
        .map(|raw| raw.customer().ok_or_else(|| malformed("has a customer without a tenant id")))
        .collect::<Result<Vec<_>>>()?;
    let next = match (page.continuation_token, page.links.next) {
        (Some(token), _) if !token.is_empty() => Some(token),
        (_, Some(link)) => Some(
            link.headers
                .into_iter()
                .find(|header| header.key.eq_ignore_ascii_case("MS-ContinuationToken"))
                .map(|header| header.value)
                .ok_or_else(|| malformed("goes on without saying where"))?,
        ),
        _ => None,
    };
    let next = next
        .map(|token| HeaderValue::from_str(&token).map(Continuation).map_err(|_| malformed("goes on at no place")))
        .transpose()?;
    Ok(Page { customers, total: page.total_count, next })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPage {
    items: Vec<RawCustomer>,
    #[serde(default)]
    total_count: Option<usize>,
    #[serde(default)]
    continuation_token: Option<String>,
    #[serde(default)]
    links: Links,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Links {
    next: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Header {
    key: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCustomer {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    company_profile: Option<Profile>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Profile {
    tenant_id: Option<String>,
    domain: Option<String>,
    company_name: Option<String>,
}

impl RawCustomer {
    fn customer(self) -> Option<Customer> {
        let profile = self.company_profile.unwrap_or_default();
        let tenant = profile.tenant_id.or(self.id)?.parse().ok()?;
        let shown = |text: Option<String>| text.map(|text| outside_text::name(&text)).filter(|text| !text.is_empty());
        Some(Customer { tenant, name: shown(profile.company_name).unwrap_or_default(), domain: shown(profile.domain) })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn response(status: u16, body: &Value) -> Response<Vec<u8>> {
        // As the service sends it.
        Response::builder().status(status).body(format!("\u{feff}{body}").into_bytes()).unwrap()
    }

    fn row(n: u128, name: &str) -> Value {
        let id = uuid::Uuid::from_u128(n).to_string();
        json!({ "id": id, "companyProfile": { "tenantId": id, "domain": "contoso.example", "companyName": name }, "links": {} })
    }

    #[test]
    fn pages_are_asked_for_one_after_the_other() {
        let base = Url::parse("https://api.partnercenter.microsoft.com").unwrap();
        let token = AccessToken::new("test-token");
        let first = request(&base, PAGE, None, &token, "test").unwrap();
        assert_eq!(first.uri(), "https://api.partnercenter.microsoft.com/v1/customers?size=500");
        assert!(!first.headers().contains_key("ms-continuationtoken"));
        let page = read(
            &response(200, &json!({
                "totalCount": 3, "items": [row(1, "Contoso"), row(2, "Tailspin\u{1b}[31m")], "continuationToken": "test-next",
                "links": { "next": { "uri": "https://evil.example", "method": "GET", "headers": [] } },
            })),
            None,
        )
        .unwrap();
        assert_eq!((page.customers.len(), page.total), (2, Some(3)));
        assert_eq!(page.customers[1].name, "Tailspin [31m");
        let second = request(&base, PAGE, page.next.as_ref(), &token, "test").unwrap();
        assert_eq!(second.uri(), "https://api.partnercenter.microsoft.com/v1/customers?size=500&seekOperation=Next");
        assert_eq!(second.headers()["ms-continuationtoken"], "test-next");
    }

    #[test]
    fn the_place_may_stand_in_the_link_only() {
        let link =
            json!({ "next": { "uri": "/customers", "headers": [{ "key": "MS-ContinuationToken", "value": "t" }] } });
        let page = read(&response(200, &json!({ "items": [], "links": link })), None).unwrap();
        assert_eq!(page.next, Some(Continuation(HeaderValue::from_static("t"))));
        let last = read(&response(200, &json!({ "items": [row(1, "")], "links": { "self": {} } })), None).unwrap();
        assert_eq!((last.next, last.customers[0].domain.as_deref()), (None, Some("contoso.example")));
    }

    #[test]
    fn no_customer_is_left_out_silently() {
        for body in [
            json!({ "items": [{ "id": "not a guid" }] }),
            json!({ "items": [{}] }),
            json!({ "totalCount": 1 }),
            json!([]),
            json!({ "items": [], "links": { "next": { "headers": [] } } }),
            json!({ "items": [], "continuationToken": "a\nb" }),
        ] {
            assert_eq!(read(&response(200, &body), None).unwrap_err().kind(), ErrorKind::ResponseMalformed, "{body}");
        }
        let refused = read(&response(401, &json!({ "code": "900421" })), None).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PartnerCenterMfaRequired);
    }

    proptest! {
        #[test]
        fn any_reply_is_answered(status in 100_u16..=999, body in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = read(&Response::builder().status(status).body(body).unwrap(), None);
        }
    }
}
