//! Who calls the token endpoint, and whether the credential is right.

use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    assertion::{self, Assertion, Place},
    errors::{EntraError, aadsts, missing},
};
use crate::{form::Form, ready::App, state::State};

/// The app of a request, and what it showed.
pub(crate) struct Client {
    pub(crate) id: Option<String>,
    secret: Option<String>,
    /// `client_assertion_type` and `client_assertion`; either may be missing.
    assertion: Option<(Option<String>, Option<String>)>,
}

/// How an app proved itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A public client has nothing to prove itself with.
    Public,
    Secret,
    Certificate,
    Federated,
}

impl Proof {
    /// The claim `appidacr` of an access token (Microsoft, "Access token claims reference").
    pub(crate) fn appidacr(self) -> &'static str {
        match self {
            Self::Public => "0",
            Self::Secret => "1",
            Self::Certificate | Self::Federated => "2",
        }
    }
}

impl Client {
    /// From the form, or from HTTP Basic (RFC 6749 section 2.3.1: both parts are form-encoded).
    pub(crate) fn of(headers: &HeaderMap, form: &Form) -> Self {
        let basic = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
            .and_then(|encoded| String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok())
            .and_then(|pair| pair.split_once(':').map(|(id, secret)| (decoded(id), decoded(secret))));
        let (id, secret) = basic.unzip();
        Self {
            id: form.get("client_id").map(str::to_owned).or(id),
            secret: form.get("client_secret").map(str::to_owned).or(secret),
            assertion: match (form.get("client_assertion_type"), form.get("client_assertion")) {
                (None, None) => None,
                (kind, text) => Some((kind.map(str::to_owned), text.map(str::to_owned))),
            },
        }
    }

    /// Whether an assertion was sent.
    pub(crate) fn asserts(&self) -> bool {
        self.assertion.is_some()
    }

    /// For the log: the kind of credential that was sent, right or wrong.
    pub(crate) fn shown(&self) -> Option<&'static str> {
        match (&self.assertion, &self.secret) {
            (Some(_), _) => Some(match self.sent_assertion() {
                Some(sent) if sent.is_federated(self.id.as_deref()) => "federated",
                _ => "certificate",
            }),
            (None, Some(_)) => Some("secret"),
            (None, None) => None,
        }
    }

    /// The assertion taken apart, if it is one.
    pub(crate) fn sent_assertion(&self) -> Option<Assertion> {
        self.assertion.as_ref().and_then(|(_, text)| Assertion::parse(text.as_deref()?))
    }

    pub(crate) fn assertion_text(&self) -> Option<&str> {
        self.assertion.as_ref()?.1.as_deref()
    }

    /// The registration, if there is one.
    pub(crate) fn app(&self, state: &State, tenant: &str) -> Result<App, EntraError> {
        let id = self.id.as_deref().ok_or_else(|| missing("client_id"))?;
        state.directory.app(id).cloned().ok_or_else(|| unknown(id, tenant))
    }

    /// Checks the credential.
    pub(crate) fn authenticate(&self, place: &Place<'_>, state: &mut State, app: &App) -> Result<Proof, EntraError> {
        match (&self.assertion, &self.secret) {
            (None, None) if app.public => Ok(Proof::Public),
            _ if app.public => Err(aadsts(
                700_025,
                "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
            )),
            (None, None) => Err(aadsts(
                7_000_218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            )),
            // RFC 6749 section 2.3: no more than one way in a request.
            (Some(_), Some(_)) => {
                Err(aadsts(90_023, "Only one of 'client_assertion' and 'client_secret' may be presented."))
            }
            (Some((None, _)), None) => Err(missing("client_assertion_type")),
            (Some((_, None)), None) => Err(missing("client_assertion")),
            (Some((Some(kind), Some(_))), None) if kind != assertion::TYPE => {
                Err(aadsts(90_023, format!("The 'client_assertion_type' must be '{}'.", assertion::TYPE)))
            }
            (Some((Some(_), Some(text))), None) => {
                Assertion::parse(text).ok_or_else(assertion::unreadable)?.verify(place, state, app)
            }
            (None, Some(secret)) => check_secret(secret, state, app),
        }
    }
}

fn check_secret(sent: &str, state: &mut State, app: &App) -> Result<Proof, EntraError> {
    let now = state.now();
    let all_expired = state.scenario.secret_expired;
    let password =
        state.credentials.of_mut(&app.client_id).passwords.iter_mut().find(|password| password.secret == sent);
    match password {
        Some(password) if password.unheard == 0 => {
            if all_expired || now >= password.ends {
                return Err(aadsts(
                    7_000_222,
                    format!(
                        "The provided client secret keys for app '{}' are expired. Create new keys for your app.",
                        app.client_id
                    ),
                ));
            }
            Ok(Proof::Secret)
        }
        other => {
            if let Some(password) = other {
                password.unheard = password.unheard.saturating_sub(1);
            }
            Err(aadsts(
                7_000_215,
                format!(
                    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
                    app.client_id
                ),
            ))
        }
    }
}

pub(crate) fn unknown(client_id: &str, tenant: &str) -> EntraError {
    let short = |text: &str| text.chars().take(100).collect::<String>();
    aadsts(
        700_016,
        format!(
            "Application with identifier '{}' was not found in the directory '{}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.",
            short(client_id),
            short(tenant)
        ),
    )
}

fn decoded(part: &str) -> String {
    // As a form value, with a name that cannot clash with what the part holds.
    let form = format!("v={}", part.replace('&', "%26"));
    Form::parse(form.as_bytes()).get("v").unwrap_or_default().to_owned()
}
