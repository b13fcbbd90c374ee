//! A small client of the emulator, for these tests.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use partnersam_emulator::{App, Emulator, Options, Ready, User};
use reqwest::Certificate;
use serde_json::{Value, json};
use url::Url;

pub(crate) const REDIRECT: &str = "http://localhost:49999/callback";
pub(crate) const VERIFIER: &str = "test-verifier-test-verifier-test-verifier-0001";
pub(crate) const CONTOSO: &str = "contoso.com";
pub(crate) const FABRIKAM: &str = "bbbbbbbb-0000-4000-8000-000000000001";
/// Scopes of a first consent to Partner Center.
pub(crate) const SCOPE: &str =
    "openid profile offline_access https://api.partnercenter.microsoft.com/user_impersonation";

pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) ready: Ready,
    _emulator: Emulator,
}

/// An answer with its body read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.text.trim_start_matches('\u{feff}'))
            .unwrap_or_else(|error| json!({ "not_json": error.to_string() }))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Status, `error` and the AADSTS numbers: what decides.
    pub(crate) fn refusal(&self) -> (u16, String, Vec<u64>) {
        let body = self.json();
        let codes = body["error_codes"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        (self.status, body["error"].as_str().unwrap_or_default().to_owned(), codes)
    }

    pub(crate) fn text_of(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let emulator = Emulator::start(options).await.unwrap();
        let ready = emulator.ready().clone();
        let ca = Certificate::from_pem(&std::fs::read(&ready.ca_file).unwrap()).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only([ca])
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { http, ready, _emulator: emulator }
    }

    pub(crate) fn app(&self, profile: &str) -> App {
        self.ready.apps.iter().find(|app| app.profile == profile).unwrap().clone()
    }

    pub(crate) fn user(&self, upn: &str) -> User {
        self.ready.users.iter().find(|user| user.upn == upn).unwrap().clone()
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) async fn get(&self, url: &str) -> Answer {
        self.send(self.http.get(url)).await
    }

    pub(crate) async fn post(&self, url: &str, form: &[(&str, &str)]) -> Answer {
        self.send(self.http.post(url).form(form)).await
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> Answer {
        self.send(self.http.post(format!("{}{path}", self.ready.control)).body(body.to_string())).await
    }

    pub(crate) async fn scenario(&self, change: Value) {
        let answer = self.control("/scenario", change).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    /// The authorization URL of an app, with PKCE.
    pub(crate) fn authorize_url(&self, profile: &str, scope: &str, more: &[(&str, &str)]) -> String {
        let mut url = Url::parse(&format!("{}/organizations/oauth2/v2.0/authorize", self.ready.authority)).unwrap();
        let challenge = challenge(VERIFIER);
        let client_id = self.app(profile).client_id;
        let mut pairs: BTreeMap<&str, &str> = BTreeMap::from([
            ("client_id", client_id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", scope),
            ("state", "test-state"),
            ("nonce", "test-nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        pairs.extend(more.iter().copied());
        pairs.retain(|_, value| !value.is_empty());
        url.query_pairs_mut().extend_pairs(pairs);
        url.into()
    }

    /// Signs in by the control port and returns what the redirect carries.
    pub(crate) async fn sign_in(&self, url: &str, upn: &str) -> BTreeMap<String, String> {
        let answer = self.control("/signin", json!({ "authorize_url": url, "upn": upn })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let body = answer.json();
        match body["location"].as_str() {
            Some(location) => pairs_of(location),
            None => serde_json::from_value(body["form"]["fields"].clone()).unwrap(),
        }
    }

    pub(crate) async fn code(&self, profile: &str, upn: &str) -> String {
        self.sign_in(&self.authorize_url(profile, SCOPE, &[]), upn).await["code"].clone()
    }

    /// A token request of an app at a tenant (v2), with its credential.
    pub(crate) async fn token(&self, profile: &str, tenant: &str, more: &[(&str, &str)]) -> Answer {
        let app = self.app(profile);
        let mut form = vec![("client_id", app.client_id.as_str())];
        form.extend(app.client_secret.as_deref().map(|secret| ("client_secret", secret)));
        form.extend(more);
        self.post(&format!("{}/{tenant}/oauth2/v2.0/token", self.ready.authority), &form).await
    }

    /// Redeems a code as the client that asked for it.
    pub(crate) async fn redeem(&self, code: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        self.token("cpv", "organizations", &form).await
    }

    pub(crate) async fn refresh(&self, tenant: &str, refresh_token: &str, scope: &str) -> Answer {
        self.token(
            "cpv",
            tenant,
            &[("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("scope", scope)],
        )
        .await
    }

    /// A consented sign-in to Partner Center and its tokens.
    pub(crate) async fn tokens(&self, upn: &str) -> Value {
        let answer = self.redeem(&self.code("cpv", upn).await).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    pub(crate) async fn api(&self, url: &str, token: &str) -> Answer {
        self.send(self.http.get(url).bearer_auth(token)).await
    }

    pub(crate) async fn requests(&self) -> Value {
        self.get(&format!("{}/requests", self.ready.control)).await.json()
    }
}

/// S256 of a verifier.
pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes()))
}

/// The pairs of a redirect, from query or fragment.
pub(crate) fn pairs_of(location: &str) -> BTreeMap<String, String> {
    let url = Url::parse(location).unwrap();
    let text = url.fragment().or(url.query()).unwrap_or_default();
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// The claims of a token, unchecked.
pub(crate) fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}
