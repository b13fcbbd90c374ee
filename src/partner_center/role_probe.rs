//! The cheapest calls that tell whether the account has a role in Partner Center, and a relationship to one customer: one page of one customer, and that
//! customer (<https://learn.microsoft.com/partner-center/developer/get-a-list-of-customers>).

use std::time::Duration;

use http::{Method, Request, Response};
use url::Url;

use super::call::{self, CallIds};
use super::errors;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::secret::AccessToken;

/// Asks for one customer, whichever comes first.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn any_customer(base: &Url, token: &AccessToken, purpose: &str) -> Result<Request<Vec<u8>>> {
    let mut request = call::request(Method::GET, base, "/v1/customers", token, purpose, CallIds::random())?;
    *request.uri_mut() = format!("{}?size=1", request.uri()).parse().map_err(|_| {
        Error::new(ErrorKind::Internal, "partner-center", "a request to Partner Center could not be built")
    })?;
    Ok(request)
}

/// Asks for this customer.
///
/// Errors: `InvalidArgument` where the token cannot stand in a header.
pub fn one_customer(base: &Url, token: &AccessToken, customer: TenantId, purpose: &str) -> Result<Request<Vec<u8>>> {
    call::request(Method::GET, base, &format!("/v1/customers/{customer}"), token, purpose, CallIds::random())
}

/// Reads the reply to either; `retry_after` is what its headers ask for.
///
/// Errors: what [`errors::refusal`] says of a status other than success.
pub fn read<B: AsRef<[u8]>>(response: &Response<B>, retry_after: Option<Duration>) -> Result<()> {
    if response.status().is_success() {
        return Ok(());
    }
    let error = errors::refusal(response.status().as_u16(), retry_after, response.body().as_ref());
    Err(call::with_ids(error, response))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_page_of_one_or_that_one() {
        let base = Url::parse("https://api.partnercenter.microsoft.com").unwrap();
        let token = AccessToken::new("test-token");
        let customer = TenantId::new(uuid::Uuid::from_u128(0xcccc));
        assert_eq!(
            any_customer(&base, &token, "doctor").unwrap().uri().path_and_query().unwrap(),
            "/v1/customers?size=1"
        );
        let one = one_customer(&base, &token, customer, "doctor").unwrap();
        assert_eq!(one.uri().path(), format!("/v1/customers/{customer}"));
    }

    #[test]
    fn a_missing_role_is_told_as_one() {
        let refused = Response::builder().status(403).body(br#"{"code":"900308"}"#.to_vec()).unwrap();
        assert_eq!(read(&refused, None).unwrap_err().kind(), ErrorKind::PartnerCenterForbidden);
        assert!(read(&Response::new(Vec::new()), None).is_ok());
    }
}
