//! The page that the browser shows at the end: plain HTML that loads nothing, runs nothing and can be framed by nobody.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Response, StatusCode, header};

use crate::error::Error;

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:12vh auto;padding:0 1.25rem}";

/// What to tell the person who signed in. Text as it is: it is escaped here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    heading: String,
    lines: Vec<String>,
}

impl Page {
    /// A page that says this first, for example `Consent stored for fabrikam.com`.
    pub fn new(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), lines: Vec::new() }
    }

    /// And then this, as a paragraph.
    #[must_use]
    pub fn line(mut self, text: impl Into<String>) -> Self {
        self.lines.push(text.into());
        self
    }

    /// The page for a consent that failed.
    pub(super) fn of_error(error: &Error) -> Self {
        Self::new("The consent was not completed")
            .line(format!("What happened: {}.", error.message()))
            .line(format!("What to do: {}.", error.hint()))
    }

    pub(super) fn response(&self, status: StatusCode) -> Response<String> {
        let mut response = Response::new(self.html());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::CONNECTION, "close"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            // Pages that opened this window, or try to load it as a part of theirs, learn nothing of it.
            (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
        );
        response
    }

    fn html(&self) -> String {
        let heading = escape(&self.heading);
        let lines: String = self.lines.iter().map(|line| format!("<p>{}</p>\n", escape(line))).collect();
        format!(include_str!("page.html"), style = STYLE, heading = heading, lines = lines)
    }
}

/// Text for a place between tags.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut html, c| {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
        html
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn text_is_escaped_and_nothing_is_loaded() {
        let page = Page::new("<b>O'Hara & \"Sons\"</b>").line("</p><script>alert(1)</script>{style}").html();
        assert!(page.contains("<h1>&lt;b&gt;O&#39;Hara &amp; &quot;Sons&quot;&lt;/b&gt;</h1>"));
        assert!(page.contains("<p>&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;{style}</p>"));
        for never in ["<script", "src=", "href=", "url(", "@import", "http"] {
            assert!(!page.contains(never), "{never}");
        }
        for always in [
            "<!doctype html>",
            "<html lang=\"en\">",
            "<title>",
            "name=\"viewport\"",
            "content=\"light dark\"",
            "<main>",
            "You can close this window",
        ] {
            assert!(page.contains(always), "{always}");
        }
    }

    #[test]
    fn the_policy_names_the_style_that_the_page_has() {
        let response = Page::new("x").response(StatusCode::OK);
        let style = response
            .body()
            .split_once("<style>")
            .and_then(|(_, rest)| rest.split_once("</style>"))
            .map(|(style, _)| style)
            .unwrap_or_default();
        let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
        let policy =
            response.headers().get("content-security-policy").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; "));
        assert!(policy.contains(&format!("style-src 'sha256-{hash}'")));
        assert!(policy.contains("frame-ancestors 'none'"));
    }

    #[test]
    fn a_failure_says_what_happened_and_what_to_do() {
        let page = Page::of_error(
            &Error::new(ErrorKind::MfaNotProved, "consent", "the sign-in <had> no MFA").with_hint("register MFA"),
        )
        .html();
        assert!(page.contains("the sign-in &lt;had&gt; no MFA."));
        assert!(page.contains("register MFA."));
    }
}
