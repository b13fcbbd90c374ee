//! The reply to a consent link (RFC 6749 section 4.1.2), however it came: as a query, as a posted form, or as a pasted address.
//!
//! It comes through a browser and from anybody: nothing in it is believed before the state is known to be ours.

use std::fmt;

use url::{Url, form_urlencoded};

use super::classify;
use super::error_reply::ErrorReply;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::secret::AuthorizationCode;

const LONGEST_REPLY: usize = 64 << 10;
const MOST_PARAMETERS: usize = 64;
const LONGEST_CODE: usize = 16 << 10;
const LONGEST_STATE: usize = 512;
const LONGEST_ISSUER: usize = 1024;

/// A reply that is well formed. Whether it is wanted is for the state to tell.
pub struct RedirectReply {
    /// The state that the flow was begun with, to be compared in constant time or looked up by its hash. Kept out of logs.
    pub state: String,
    /// How the sign-in ended.
    pub outcome: Outcome,
}

/// How a sign-in ended.
#[derive(Debug)]
pub enum Outcome {
    /// The person consented.
    Code {
        /// What redeems for the grant.
        code: AuthorizationCode,
        /// Who says so (RFC 9207), where they say.
        iss: Option<String>,
    },
    /// The person, or the service, said no.
    Denied(ErrorReply),
    /// An administrator consented for the tenant. No code comes with it, and the tenant's name is a hint only: anybody can write it there.
    AdminConsent {
        /// The tenant as the reply names it.
        tenant: Option<TenantId>,
        /// What was consented to.
        scopes: Vec<String>,
    },
}

impl RedirectReply {
    /// Reads a reply in any of its forms: the body of a posted form, a query, or the whole address that the browser ended at.
    ///
    /// Errors, here and below: `AuthorizationResponseInvalid` where it is too large, has a parameter twice, has no state, or holds neither a code nor
    /// an error nor an administrator's consent. They quote nothing of it.
    pub fn parse(reply: &str) -> Result<Self> {
        // In a form and in a query a colon and slashes are encoded, and no parameter's name holds them.
        let name = reply.split('=').next().unwrap_or_default();
        if name.contains("://") {
            Self::from_url(reply)
        } else {
            Self::from_query(reply.trim().trim_start_matches('?'))
        }
    }

    /// Reads a query string, without its question mark.
    pub fn from_query(query: &str) -> Result<Self> {
        Self::from_form(query.as_bytes())
    }

    /// Reads the body of a posted form (`response_mode=form_post`).
    pub fn from_form(body: &[u8]) -> Result<Self> {
        if body.len() > LONGEST_REPLY {
            return Err(invalid("is too large"));
        }
        let mut reply = Parameters::default();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in form_urlencoded::parse(body) {
            // RFC 6749 section 3.1: not more than once, whichever it is. Which of two would another reader take?
            if seen.iter().any(|known| *known == name) {
                return Err(invalid("has a parameter twice"));
            }
            if seen.len() == MOST_PARAMETERS {
                return Err(invalid("has too many parameters"));
            }
            match &*name {
                "code" => reply.code = Some(AuthorizationCode::new(value.into_owned())),
                "state" => reply.state = value.into_owned(),
                "iss" => reply.iss = Some(value.into_owned()),
                "error" => reply.error = Some(value.into_owned()),
                "error_description" => reply.error_description = value.into_owned(),
                "error_subcode" => reply.error_subcode = Some(value.into_owned()),
                "admin_consent" => reply.admin_consent = value.eq_ignore_ascii_case("true"),
                "tenant" => reply.tenant = value.parse().ok(),
                "scope" => reply.scopes = value.split_ascii_whitespace().map(str::to_owned).collect(),
                _ => {}
            }
            seen.push(name.into_owned());
        }
        reply.judge()
    }

    /// Reads the whole address that a browser ended at, as a person pasted it.
    pub fn from_url(text: &str) -> Result<Self> {
        let text = text.trim().trim_matches(['"', '\'', '<', '>']);
        if text.len() > LONGEST_REPLY {
            return Err(invalid("is too large"));
        }
        let hint = "copy the whole address that the browser shows after the sign-in, from http to the end";
        let url = Url::parse(text).map_err(|_| invalid("is not an address").with_hint(hint))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("is not an address of a web page").with_hint(hint));
        }
        match url.query().or_else(|| url.fragment()) {
            Some(query) => Self::from_query(query),
            None => Err(invalid("has no parameters").with_hint(hint)),
        }
    }
}

impl fmt::Debug for RedirectReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedirectReply").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

/// What a denial is shown as, once its state is known to be ours.
///
/// Errors: `ConsentDeclined`, `AdminConsentRequired`, `ConditionalAccessBlocked`, ... as AADSTS number and error say.
pub fn denial(reply: &ErrorReply) -> Error {
    let cancelled = reply.suberror.as_deref() == Some("cancel");
    if cancelled {
        return Error::new(ErrorKind::ConsentDeclined, "consent", "the person who signed in cancelled")
            .with_entra(reply.to_details());
    }
    classify::refusal("consent", reply)
}

#[derive(Default)]
struct Parameters {
    code: Option<AuthorizationCode>,
    state: String,
    iss: Option<String>,
    error: Option<String>,
    error_description: String,
    error_subcode: Option<String>,
    admin_consent: bool,
    tenant: Option<TenantId>,
    scopes: Vec<String>,
}

impl Parameters {
    fn judge(self) -> Result<RedirectReply> {
        let is_plain = |text: &str, most: usize| {
            !text.is_empty() && text.len() <= most && text.bytes().all(|b| matches!(b, b' '..=b'~'))
        };
        if !is_plain(&self.state, LONGEST_STATE) {
            return Err(invalid("has no state"));
        }
        // Errors first: a code beside one is not a consent.
        let outcome = match (self.error, self.code) {
            (Some(error), _) => Outcome::Denied(ErrorReply {
                suberror: self.error_subcode.map(|subcode| super::outside_text::name(&subcode)),
                ..ErrorReply::of(&error, &self.error_description)
            }),
            // EXPOSE: looks at its characters and length.
            (None, Some(code)) if is_plain(code.expose(), LONGEST_CODE) => {
                if self.iss.as_ref().is_some_and(|iss| !is_plain(iss, LONGEST_ISSUER)) {
                    return Err(invalid("names an issuer that cannot be one"));
                }
                Outcome::Code { code, iss: self.iss }
            }
            (None, Some(_)) => return Err(invalid("has a code that cannot be one")),
            (None, None) if self.admin_consent => Outcome::AdminConsent { tenant: self.tenant, scopes: self.scopes },
            (None, None) => return Err(invalid("has neither a code nor an error")),
        };
        Ok(RedirectReply { state: self.state, outcome })
    }
}

fn invalid(how: &str) -> Error {
    Error::new(ErrorKind::AuthorizationResponseInvalid, "consent", format!("the reply to the consent link {how}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code_of(reply: Result<RedirectReply>) -> (String, String, Option<String>) {
        match reply.unwrap() {
            RedirectReply { state, outcome: Outcome::Code { code, iss } } => (state, code.expose().to_owned(), iss),
            other => panic!("{other:?}"),
        }
    }

    fn denied(reply: Result<RedirectReply>) -> ErrorReply {
        match reply.unwrap().outcome {
            Outcome::Denied(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_code_is_read_however_it_came() {
        let query = "code=test-code%2B1&state=test-state&session_state=s&iss=https%3A%2F%2Fop.example";
        let read = ("test-state".to_owned(), "test-code+1".to_owned(), Some("https://op.example".to_owned()));
        assert_eq!(code_of(RedirectReply::from_query(query)), read);
        assert_eq!(code_of(RedirectReply::from_form(query.as_bytes())), read);
        for whole in [query.to_owned(), format!("?{query}\n"), format!("http://localhost:8400/?{query}")] {
            assert_eq!(code_of(RedirectReply::parse(&whole)), read, "{whole}");
        }
        for pasted in [
            format!("http://localhost:8400/?{query}"),
            format!("  \"https://consent.example/done?{query}#\"\n"),
            format!("<http://localhost/#{query}>"),
        ] {
            assert_eq!(code_of(RedirectReply::from_url(&pasted)), read, "{pasted}");
        }
        assert_eq!(code_of(RedirectReply::from_query("code=c&state=s")).2, None);
    }

    #[test]
    fn errors_go_first() {
        let query = "error=access_denied&error_description=AADSTS65004%3A+User+declined+to+consent.%0d%0aTrace+ID%3a+t&state=s&code=c";
        let reply = denied(RedirectReply::from_query(query));
        assert_eq!((reply.error.as_str(), reply.codes.as_slice()), ("access_denied", [65004].as_slice()));
        let error = denial(&reply);
        assert_eq!((error.kind(), error.operation()), (ErrorKind::ConsentDeclined, "consent"));
        assert!(error.message().ends_with(": AADSTS65004: User declined to consent."), "{error}");
    }

    #[test]
    fn denials_say_who_must_act() {
        for (query, kind) in [
            ("error=access_denied&error_subcode=cancel", ErrorKind::ConsentDeclined),
            ("error=access_denied", ErrorKind::ConsentDeclined),
            ("error=access_denied&error_description=AADSTS90094%3A+x", ErrorKind::AdminConsentRequired),
            ("error=access_denied&error_description=AADSTS53003%3A+x", ErrorKind::ConditionalAccessBlocked),
            (
                "error=consent_required&error_description=AADSTS65004%3A+x&admin_consent=True&tenant=x",
                ErrorKind::ConsentDeclined,
            ),
            ("error=interaction_required", ErrorKind::InteractionRequired),
            ("error=login_required", ErrorKind::InteractionRequired),
            ("error=server_error", ErrorKind::ServerUnavailable),
            ("error=temporarily_unavailable", ErrorKind::ServerUnavailable),
            ("error=invalid_request&error_description=AADSTS50011%3A+x", ErrorKind::AppMisconfigured),
            ("error=unauthorized_client&error_description=AADSTS700016%3A+x", ErrorKind::AppNotFound),
            ("error=invalid_scope", ErrorKind::AudienceInvalid),
            ("error=never_heard_of", ErrorKind::RequestRefused),
        ] {
            let error = denial(&denied(RedirectReply::from_query(&format!("{query}&state=s"))));
            assert_eq!(error.kind(), kind, "{query}");
            assert!(error.entra().is_some() && error.http_status().is_none());
        }
    }

    #[test]
    fn an_administrator_s_consent_is_an_outcome_of_its_own() {
        let query = "admin_consent=True&tenant=aaaabbbb-0000-cccc-1111-dddd2222eeee&state=s&scope=https%3A%2F%2Fgraph.microsoft.com%2FUser.Read+x";
        match RedirectReply::from_query(query).unwrap().outcome {
            Outcome::AdminConsent { tenant, scopes } => {
                assert_eq!(tenant.unwrap().to_string(), "aaaabbbb-0000-cccc-1111-dddd2222eeee");
                assert_eq!(scopes, ["https://graph.microsoft.com/User.Read", "x"]);
            }
            other => panic!("{other:?}"),
        }
        assert!(RedirectReply::from_query("admin_consent=False&state=s").is_err());
        assert!(RedirectReply::from_query("admin_consent=True").is_err());
    }

    #[test]
    fn what_is_incomplete_or_ambiguous_is_refused_without_being_repeated() {
        let long = |name: &str, length: usize| format!("{name}={}", "canary".repeat(length / 6 + 1));
        for bad in [
            String::new(),
            "state=canary".to_owned(),
            "code=canary".to_owned(),
            "code=canary&state=".to_owned(),
            "code=&state=canary".to_owned(),
            "code=canary&code=canary&state=s".to_owned(),
            "code=canary&state=s&state=s".to_owned(),
            "code=canary&state=s&x=1&x=2".to_owned(),
            "error=canary&error=x&state=s".to_owned(),
            "code=canary%00&state=s".to_owned(),
            "code=canary%0d%0a&state=s".to_owned(),
            "code=canary%ff&state=s".to_owned(),
            "code=canary&state=s%0a".to_owned(),
            "code=canary&state=s&iss=%00".to_owned(),
            "code=canary&state=s&iss=".to_owned(),
            format!("state=s&{}", long("code", LONGEST_CODE)),
            format!("code=canary&{}", long("state", LONGEST_STATE)),
            format!("code=c&state=s&{}", long("x", LONGEST_REPLY)),
            format!("code=c&state=s&{}", (0..100).map(|n| format!("x{n}=&")).collect::<String>()),
        ] {
            let error = RedirectReply::from_query(&bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AuthorizationResponseInvalid, "{bad:.60}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        for pasted in ["", "canary", "code=canary&state=s", "http://localhost/", "javascript:canary?code=c&state=s"] {
            let error = RedirectReply::from_url(pasted).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{pasted}");
        }
        // A name that is only the same once it is decoded is the same name.
        assert!(RedirectReply::from_query("code=a&c%6fde=b&state=s").is_err());
    }

    #[test]
    fn debug_shows_neither_code_nor_state() {
        let shown = format!("{:?}", RedirectReply::from_query("code=canary-c&state=canary-s").unwrap());
        assert!(!shown.contains("canary"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_reply_is_answered(body in proptest::collection::vec(any::<u8>(), 0..256), text in ".*") {
            let _ = RedirectReply::from_form(&body);
            let _ = RedirectReply::parse(&text);
            let _ = RedirectReply::from_url(&text);
            let _ = RedirectReply::from_url(&format!("http://localhost/?{text}"));
        }

        #[test]
        fn what_is_encoded_comes_back(code in "[ -~]{1,200}", state in "[ -~]{1,200}") {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("code", &code).append_pair("state", &state).finish();
            prop_assert_eq!(code_of(RedirectReply::from_query(&query)), (state, code, None));
        }
    }
}
