//! Whether a request to the listener is the awaited reply: pure rules, from the outermost inwards.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::header::{ALLOW, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{Response, StatusCode};
use url::{Host, Url, form_urlencoded};

use super::ReplyMode;
use super::page::Page;

/// A reply has a handful: code, state, session_state, iss, id_token, client_info; or error, error_description, error_uri, error_subcode, state.
const MOST_PARAMETERS: usize = 32;

/// Why a request is not the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Sent to a name that is not ours: a foreign page whose name now points to this machine (DNS rebinding).
    Misdirected,
    NotFound,
    WrongMethod,
    /// A script, a frame or a picture; or a form of a page that anybody on the network could have written.
    NotANavigation,
    NotAForm,
    TooLarge,
    /// Forged, stale or malformed.
    NotTheReply,
    AlreadyAnswered,
}

impl Refusal {
    pub(super) fn response(self, mode: ReplyMode) -> Response<String> {
        let (status, text) = match self {
            Self::Misdirected => (StatusCode::MISDIRECTED_REQUEST, "This address belongs to another program."),
            Self::NotFound => (StatusCode::NOT_FOUND, "There is nothing at this address."),
            Self::WrongMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                "This address only receives the reply of the sign-in page. Finish the sign-in there.",
            ),
            Self::NotANavigation => {
                (StatusCode::FORBIDDEN, "This address only receives the reply of the sign-in page.")
            }
            Self::NotAForm => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "This address only receives the reply of the sign-in page.")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "This is too large to be the reply of the sign-in page."),
            Self::NotTheReply => (
                StatusCode::BAD_REQUEST,
                "This is not the reply that is waited for. Use the newest consent link, and only that.",
            ),
            Self::AlreadyAnswered => (
                StatusCode::CONFLICT,
                "The reply was already received. See the first window, or the terminal, for how it ended.",
            ),
        };
        let mut response = Page::new("Nothing was done").line(text).response(status);
        if self == Self::WrongMethod
            && let Ok(method) = HeaderValue::from_str(mode.method().as_str())
        {
            response.headers_mut().insert(ALLOW, method);
        }
        response
    }
}

/// What the `Host` header must be: one of these, to the letter.
pub(super) fn hosts(port: u16) -> [String; 3] {
    ["localhost", "127.0.0.1", "[::1]"].map(|name| match port {
        // A browser leaves out the port that goes without saying.
        80 => name.to_owned(),
        _ => format!("{name}:{port}"),
    })
}

/// The rules for everything before the body.
pub(super) fn check(head: &Parts, hosts: &[String; 3], mode: ReplyMode) -> Result<(), Refusal> {
    // No browser sends a whole address to a server that is no proxy.
    if head.uri.authority().is_some()
        || !only(&head.headers, &HOST).is_some_and(|host| hosts.iter().any(|ours| ours.as_bytes() == host.as_bytes()))
    {
        return Err(Refusal::Misdirected);
    }
    if head.uri.path() != "/" {
        return Err(Refusal::NotFound);
    }
    if head.method != mode.method() {
        return Err(Refusal::WrongMethod);
    }
    if !is_navigation(&head.headers) {
        return Err(Refusal::NotANavigation);
    }
    match mode {
        ReplyMode::FormPost if head.uri.query().is_some() => Err(Refusal::NotTheReply),
        ReplyMode::FormPost if !is_form(&head.headers) => Err(Refusal::NotAForm),
        _ => Ok(()),
    }
}

/// Whether these are the parameters of an authorization response (RFC 6749 section 4.1.2) with exactly this state. The state is compared in constant time.
pub(super) fn carries(raw: &str, state: &str) -> bool {
    let mut parameters: Vec<(_, _)> = form_urlencoded::parse(raw.as_bytes()).take(MOST_PARAMETERS + 1).collect();
    if parameters.len() > MOST_PARAMETERS {
        return false;
    }
    parameters.sort_unstable();
    // RFC 6749 section 3.1: none may be there twice.
    let twice = parameters.iter().zip(parameters.iter().skip(1)).any(|((name, _), (next, _))| name == next);
    !twice
        && parameters
            .iter()
            .any(|(name, value)| name == "state" && verify_slices_are_equal(value.as_bytes(), state.as_bytes()).is_ok())
}

/// Whether a person's window went here: by Fetch Metadata (<https://www.w3.org/TR/fetch-metadata/>) where the browser sends it, and by `Origin`.
fn is_navigation(headers: &HeaderMap) -> bool {
    let is_or_lacks = |name: &HeaderName, expected: &str| {
        !headers.contains_key(name) || only(headers, name).is_some_and(|value| value == expected)
    };
    is_or_lacks(&HeaderName::from_static("sec-fetch-mode"), "navigate")
        // Not in a frame.
        && is_or_lacks(&HeaderName::from_static("sec-fetch-dest"), "document")
        && (!headers.contains_key(ORIGIN) || only(headers, &ORIGIN).is_some_and(is_protected_origin))
}

/// The origin of a page that came over TLS or from this machine, or one that its browser keeps to itself.
fn is_protected_origin(origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    if origin == "null" {
        return true;
    }
    let Ok(url) = Url::parse(origin) else { return false };
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Domain(name))) => name == "localhost",
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    only(headers, &CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// The value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use http::Request;

    use super::*;

    const STATE: &str = "state-for-tests-0123456789";
    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

    fn verdict(mode: ReplyMode, method: &str, target: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let request = headers.iter().fold(Request::builder().method(method).uri(target), |request, (name, value)| {
            request.header(*name, *value)
        });
        check(&request.body(()).unwrap().into_parts().0, &hosts(41001), mode)
    }

    fn post(headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let all: Vec<_> = [("host", "localhost:41001"), FORM].into_iter().chain(headers.iter().copied()).collect();
        verdict(ReplyMode::FormPost, "POST", "/", &all)
    }

    #[test]
    fn the_host_must_be_ours_to_the_letter() {
        for host in ["localhost:41001", "127.0.0.1:41001", "[::1]:41001"] {
            assert_eq!(verdict(ReplyMode::FormPost, "POST", "/", &[("host", host), FORM]), Ok(()), "{host}");
        }
        for host in [
            "localhost",
            "localhost:41002",
            "attacker.example:41001",
            "localhost.attacker.example:41001",
            "localhost.:41001",
            "127.0.0.2:41001",
            "0.0.0.0:41001",
            "::1:41001",
            "",
        ] {
            assert_eq!(
                verdict(ReplyMode::FormPost, "POST", "/", &[("host", host), FORM]),
                Err(Refusal::Misdirected),
                "{host}"
            );
        }
        assert_eq!(verdict(ReplyMode::FormPost, "POST", "/", &[FORM]), Err(Refusal::Misdirected));
        assert_eq!(post(&[("host", "localhost:41001")]), Err(Refusal::Misdirected), "twice");
        assert_eq!(
            verdict(ReplyMode::FormPost, "POST", "http://attacker.example/", &[("host", "localhost:41001"), FORM]),
            Err(Refusal::Misdirected)
        );
        assert_eq!(hosts(80), ["localhost", "127.0.0.1", "[::1]"]);
    }

    #[test]
    fn the_path_and_the_method_must_be_the_exact_ones() {
        let host = ("host", "localhost:41001");
        for target in ["/favicon.ico", "/index.html", "//", "/./", "/%2F", "/callback?state=x"] {
            for method in ["GET", "POST"] {
                assert_eq!(
                    verdict(ReplyMode::FormPost, method, target, &[host, FORM]),
                    Err(Refusal::NotFound),
                    "{target}"
                );
            }
        }
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"] {
            assert_eq!(verdict(ReplyMode::FormPost, method, "/", &[host, FORM]), Err(Refusal::WrongMethod), "{method}");
        }
        for method in ["POST", "HEAD", "OPTIONS"] {
            assert_eq!(
                verdict(ReplyMode::Query, method, "/?state=x", &[host, FORM]),
                Err(Refusal::WrongMethod),
                "{method}"
            );
        }
        assert_eq!(verdict(ReplyMode::Query, "GET", "/?state=x", &[host]), Ok(()));
        assert_eq!(verdict(ReplyMode::FormPost, "POST", "/?state=x", &[host, FORM]), Err(Refusal::NotTheReply));
    }

    #[test]
    fn only_a_window_that_navigates_is_heard() {
        for origin in [
            "https://login.microsoftonline.com",
            "https://localhost:41000",
            "http://localhost:41000",
            "http://127.0.0.1:41000",
            "http://[::1]:41000",
            "null",
        ] {
            let headers = [
                ("origin", origin),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-user", "?1"),
            ];
            assert_eq!(post(&headers), Ok(()), "{origin}");
        }
        for mode in ["cors", "no-cors", "same-origin", "websocket", "navigate, cors", ""] {
            assert_eq!(post(&[("sec-fetch-mode", mode)]), Err(Refusal::NotANavigation), "{mode}");
        }
        assert_eq!(
            post(&[("sec-fetch-mode", "navigate"), ("sec-fetch-mode", "cors")]),
            Err(Refusal::NotANavigation),
            "twice"
        );
        for destination in ["iframe", "frame", "embed", "object", "image", "empty"] {
            assert_eq!(
                post(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", destination)]),
                Err(Refusal::NotANavigation),
                "{destination}"
            );
        }
        for origin in [
            "http://attacker.example",
            "http://localhost.attacker.example",
            "chrome-extension://abcdef",
            "file://",
            "localhost",
            "",
        ] {
            assert_eq!(post(&[("origin", origin)]), Err(Refusal::NotANavigation), "{origin}");
        }
    }

    #[test]
    fn only_a_form_is_a_form() {
        let host = ("host", "localhost:41001");
        assert_eq!(
            verdict(
                ReplyMode::FormPost,
                "POST",
                "/",
                &[host, ("content-type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8")]
            ),
            Ok(())
        );
        for kind in [
            "text/plain",
            "application/json",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded2",
            "",
        ] {
            assert_eq!(
                verdict(ReplyMode::FormPost, "POST", "/", &[host, ("content-type", kind)]),
                Err(Refusal::NotAForm),
                "{kind}"
            );
        }
        assert_eq!(verdict(ReplyMode::FormPost, "POST", "/", &[host]), Err(Refusal::NotAForm));
    }

    #[test]
    fn the_state_must_be_there_once_and_equal() {
        assert!(carries(&format!("code=not-a-real-code&state={STATE}"), STATE));
        assert!(carries(&format!("error=access_denied&state={STATE}&error_description=a%26b"), STATE));
        for raw in [
            "",
            "code=x",
            "code=x&state=",
            "code=x&state=state-for-tests-0123456788",
            "code=x&state=state-for-tests-012345678",
            "code=x&State=state-for-tests-0123456789",
            "code=x&state=forged&state=state-for-tests-0123456789",
            "code=x&state=state-for-tests-0123456789&state=state-for-tests-0123456789",
            "code=x&code=y&state=state-for-tests-0123456789",
            "code=x&c%6Fde=y&state=state-for-tests-0123456789",
        ] {
            assert!(!carries(raw, STATE), "{raw}");
        }
        let many: String = (0..MOST_PARAMETERS).map(|number| format!("p{number}=x&")).collect();
        assert!(!carries(&format!("state={STATE}&{many}"), STATE));
    }
}
