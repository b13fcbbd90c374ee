//! Whether a redirect address is registered for the app, as far as the sign-in page tells without a sign-in: a silent request (`prompt=none`) is sent
//! back to a registered address, and refused on the page (AADSTS50011) where it is not
//! (<https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>).

use url::{Host, Url};

use crate::ids::ClientId;

/// What was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The service would send a reply there.
    Yes,
    /// It is not among the app's redirect addresses.
    No,
    /// The app itself is not known there.
    AppUnknown,
    /// It cannot be told.
    Unknown,
}

/// The address to ask; nothing in it is secret, and nobody is signed in by it.
pub fn address(authorization_endpoint: &Url, client_id: &ClientId, redirect_uri: &Url) -> Url {
    let mut url = authorization_endpoint.clone();
    url.query_pairs_mut()
        .append_pair("client_id", client_id.as_str())
        .append_pair("response_type", "code")
        .append_pair("response_mode", "query")
        .append_pair("redirect_uri", redirect_uri.as_str())
        .append_pair("scope", "openid")
        .append_pair("prompt", "none");
    url
}

/// Judges the answer by its status and page.
pub fn judge(status: u16, page: &[u8]) -> Registered {
    const MOST: usize = 256 << 10;
    if (300..400).contains(&status) {
        return Registered::Yes;
    }
    let page = String::from_utf8_lossy(page.get(..page.len().min(MOST)).unwrap_or_default());
    if page.contains("AADSTS50011") || page.contains("invalid_redirect_uri") {
        Registered::No
    } else if page.contains("AADSTS700016") {
        Registered::AppUnknown
    } else {
        Registered::Unknown
    }
}

/// Why no service would take this address, whatever is registered.
pub fn unusable(redirect_uri: &Url) -> Option<&'static str> {
    let is_loopback = match redirect_uri.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match redirect_uri.scheme() {
        _ if redirect_uri.fragment().is_some() => Some("it has a fragment"),
        _ if !redirect_uri.username().is_empty() || redirect_uri.password().is_some() => Some("it has user info"),
        "https" => None,
        "http" if is_loopback => None,
        "http" => Some("it is http on another host than localhost"),
        _ => Some("it is neither https nor http://localhost"),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_request_signs_nobody_in() {
        let endpoint = Url::parse("https://login.example/t/oauth2/v2.0/authorize").unwrap();
        let client = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse().unwrap();
        let url = address(&endpoint, &client, &Url::parse("https://vendor.example/reply?x=1").unwrap());
        let pairs: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(pairs.get("prompt").unwrap(), "none");
        assert_eq!(pairs.get("redirect_uri").unwrap(), "https://vendor.example/reply?x=1");
    }

    #[test]
    fn the_page_says_what_is_not_registered() {
        for (status, page, verdict) in [
            (302, "", Registered::Yes),
            (303, "AADSTS50011", Registered::Yes),
            (400, "<p>AADSTS50011: The redirect URI</p>", Registered::No),
            (400, "AADSTS700016: not found", Registered::AppUnknown),
            (200, "<title>Sign in</title>", Registered::Unknown),
            (503, "", Registered::Unknown),
        ] {
            assert_eq!(judge(status, page.as_bytes()), verdict, "{status} {page}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for (address, usable) in [
            ("https://vendor.example/reply", true),
            ("http://localhost:5001/", true),
            ("http://127.0.0.1/", true),
            ("http://vendor.example/", false),
            ("https://vendor.example/#x", false),
            ("https://user@vendor.example/", false),
            ("custom:reply", false),
        ] {
            assert_eq!(unusable(&Url::parse(address).unwrap()).is_none(), usable, "{address}");
        }
    }

    proptest! {
        #[test]
        fn any_page_is_judged(status in any::<u16>(), page in proptest::collection::vec(any::<u8>(), 0..128)) {
            judge(status, &page);
        }
    }
}
