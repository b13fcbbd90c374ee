//! Who calls the token endpoint, and whether the credential is right.

use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::errors::{EntraError, aadsts, missing};
use crate::{form::Form, ready::App, state::State};

/// The app of a request, and what it showed.
pub(crate) struct Client {
    pub(crate) id: Option<String>,
    secret: Option<String>,
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
        }
    }

    /// The registration, if there is one.
    pub(crate) fn app(&self, state: &State, tenant: &str) -> Result<App, EntraError> {
        let id = self.id.as_deref().ok_or_else(|| missing("client_id"))?;
        state.directory.app(id).cloned().ok_or_else(|| unknown(id, tenant))
    }

    /// Checks the credential.
    pub(crate) fn authenticate(&self, state: &State, app: &App) -> Result<(), EntraError> {
        match (&app.client_secret, &self.secret) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(aadsts(
                700_025,
                "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
            )),
            (Some(_), None) => Err(aadsts(
                7_000_218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            )),
            (Some(right), Some(sent)) if right == sent => {
                if state.scenario.secret_expired {
                    return Err(aadsts(
                        7_000_222,
                        format!(
                            "The provided client secret keys for app '{}' are expired. Create new keys for your app.",
                            app.client_id
                        ),
                    ));
                }
                Ok(())
            }
            (Some(_), Some(_)) => Err(aadsts(
                7_000_215,
                format!(
                    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
                    app.client_id
                ),
            )),
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
