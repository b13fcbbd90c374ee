//! The person at a browser, and the partner's own program that calls Partner Center: by plain requests, as they would be sent.

use partnersam_emulator::Ready;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::{at, text};
use crate::failure::Failure;

/// Signs in by the emulator's control port, which fills in its pages as a person would.
pub(super) struct Person {
    http: reqwest::Client,
    control: String,
    partner_center: String,
}

/// What Partner Center said.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The header `isMfaCompliant`.
    pub(super) mfa: String,
    pub(super) body: Value,
}

impl Person {
    pub(super) fn new(ready: &Ready) -> Result<Self, Failure> {
        let unusable =
            |error: &dyn std::fmt::Display| Failure::internal("the demo's browser could not be set up", error);
        let pem = fs_err::read(&ready.ca_file).map_err(|error| unusable(&error))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(&error))?;
        let http = reqwest::Client::builder()
            .tls_certs_only(certificates)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(30))
            .build()
            .map_err(|error| unusable(&error))?;
        Ok(Self { http, control: ready.control.clone(), partner_center: ready.partner_center.clone() })
    }

    /// Opens the link, signs in, consents, and lets the browser post the reply. Returns the heading of the last page.
    pub(super) async fn sign_in(&self, link: &str, who: &str) -> Result<String, Failure> {
        let body = serde_json::json!({ "authorize_url": link, "upn": who }).to_string();
        let signed_in = self.control("/signin", body).await?;
        let action = text(&signed_in, "/form/action");
        if action.is_empty() {
            return Err(Failure::internal("the sign-in did not end in a form", text(&signed_in, "/message")));
        }
        let mut reply = Serializer::new(String::new());
        for (name, value) in at(&signed_in, "/form/fields").as_object().into_iter().flatten() {
            reply.append_pair(name, value.as_str().unwrap_or_default());
        }
        let request =
            self.http.post(action).header("content-type", "application/x-www-form-urlencoded").body(reply.finish());
        let page = request.send().await.map_err(failed)?.text().await.map_err(failed)?;
        let heading =
            page.split_once("<h1>").and_then(|(_, rest)| rest.split_once("</h1>")).map(|(heading, _)| heading);
        heading.map(str::to_owned).ok_or_else(|| Failure::internal("the last page has no heading", "none"))
    }

    /// Lists the partner's customers.
    pub(super) async fn customers(&self, token: &str) -> Result<Answer, Failure> {
        let request = self
            .http
            .get(format!("{}/v1/customers", self.partner_center))
            .bearer_auth(token)
            .header("ValidateMfa", "true");
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let mfa = answer
            .headers()
            .get("isMfaCompliant")
            .and_then(|value| value.to_str().ok())
            .unwrap_or("not said")
            .to_owned();
        // Replies of the real service may begin with a byte order mark, too.
        let text = answer.text().await.map_err(failed)?;
        let body = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_default();
        Ok(Answer { status, mfa, body })
    }

    /// Tells the emulator how to behave.
    pub(super) async fn behave(&self, scenario: &str) -> Result<(), Failure> {
        self.control("/scenario", scenario.to_owned()).await.map(drop)
    }

    async fn control(&self, path: &str, body: String) -> Result<Value, Failure> {
        let request =
            self.http.post(format!("{}{path}", self.control)).header("content-type", "application/json").body(body);
        let text = request.send().await.map_err(failed)?.text().await.map_err(failed)?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::internal("the emulator's control port gave no JSON", error))
    }
}

fn failed(error: reqwest::Error) -> Failure {
    // Its address may hold the parameters of a reply.
    Failure::internal("a request of the demo's browser failed", error.without_url())
}
