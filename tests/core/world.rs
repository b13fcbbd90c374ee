//! A world to play in: an emulator of its own, an app with a store of its own, and someone who signs in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use partnersam::app::config::Config;
use partnersam::app::consent::{ConsentOptions, ConsentRequest, Consented};
use partnersam::app::token::Token;
use partnersam::app::{App, Parts};
use partnersam::transport::{HttpClient, Transport};
use partnersam::{Audience, Error, TenantRef};
use partnersam_emulator::{Emulator, Options};
use serde_json::{Value, json};

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) app: App,
    control: reqwest::Client,
}

pub(crate) fn partner() -> TenantRef {
    "fabrikam.com".parse().expect("a domain")
}

impl World {
    /// With an SQLite store and a key file.
    pub(crate) async fn new() -> Self {
        Self::with(Parts::default()).await
    }

    /// In another cloud than the public one.
    pub(crate) async fn in_cloud(cloud: partnersam_emulator::Cloud) -> Self {
        Self::with_options(Options { cloud, ..Options::default() }, Parts::default()).await
    }

    async fn with(parts: Parts) -> Self {
        Self::with_options(Options::default(), parts).await
    }

    async fn with_options(options: Options, parts: Parts) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options { ready_file: Some(folder.path().join("ready.json")), ..options };
        let emulator = Emulator::start(options).await.expect("an emulator");
        let ca = std::fs::read(&emulator.ready().ca_file).expect("a certificate");
        let control = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&ca).expect("PEM")])
            .no_proxy()
            .build()
            .expect("a client");
        partnersam::store::create_key_file(&folder.path().join("key")).expect("a key");
        let config = config(folder.path());
        let app = App::open_with(config, parts).await.expect("an app");
        Self { emulator, folder, app, control }
    }

    /// A second app on the same store and emulator, as another process would have it.
    pub(crate) async fn another_app(&self) -> App {
        App::open(config(self.folder.path())).await.expect("an app")
    }

    /// An app with another store, as another host would have it.
    pub(crate) async fn app_at(&self, store: &str, parts: Parts) -> App {
        self.app_with(|config| config.store = store.to_owned(), parts).await
    }

    /// An app on the same store and emulator, with what `change` changes.
    pub(crate) async fn app_with(&self, change: impl FnOnce(&mut Config), parts: Parts) -> App {
        let mut config = config(self.folder.path());
        change(&mut config);
        App::open_with(config, parts).await.expect("an app")
    }

    /// An app on the same store and emulator, with what `change` changes, and everything that it sends.
    pub(crate) async fn watched_app(&self, change: impl FnOnce(&mut Config)) -> (App, Sent) {
        let sent = Sent::default();
        let kept = sent.clone();
        let app = self.app_by(|config| {
            change(config);
            let inner = HttpClient::new(config.authority.clone(), config.ca_file.clone());
            Arc::new(Watched { inner, sent: kept })
        });
        (app.await, sent)
    }

    /// An app on the same store and emulator, with what `change` changes, and with the transport that it gives.
    pub(crate) async fn app_by(&self, change: impl FnOnce(&mut Config) -> Arc<dyn Transport>) -> App {
        let mut config = config(self.folder.path());
        let transport = change(&mut config);
        let parts = Parts { transport: Some(transport), ..Parts::default() };
        App::open_with(config, parts).await.expect("an app")
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.emulator.ready().control);
        let request = self.control.post(url).header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.expect("an answer").bytes().await.expect("a body");
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }

    /// A call to a service with this token.
    pub(crate) async fn get(&self, url: &str, token: &Token) -> reqwest::Response {
        // EXPOSE: for the service it is for.
        let header = format!("Bearer {}", token.secret().expose());
        self.control.get(url).header("authorization", header).send().await.expect("an answer")
    }

    pub(crate) async fn scenario(&self, scenario: Value) {
        self.control("/scenario", scenario).await;
    }

    /// What stands in it now: registrations, grants, consents.
    pub(crate) async fn state(&self) -> Value {
        let url = format!("{}/state", self.emulator.ready().control);
        let answer = self.control.get(url).send().await.expect("an answer").bytes().await.expect("a body");
        serde_json::from_slice(&answer).expect("JSON")
    }

    /// The token requests since the last reset.
    pub(crate) async fn requests(&self) -> Vec<Value> {
        let url = format!("{}/requests", self.emulator.ready().control);
        let answer = self.control.get(url).send().await.expect("an answer").bytes().await.expect("a body");
        let log: Value = serde_json::from_slice(&answer).expect("JSON");
        log["requests"].as_array().expect("a list").clone()
    }

    /// The calls to Partner Center and Graph since the last reset, with this method and this in their path.
    pub(crate) async fn calls(&self, method: &str, part: &str) -> Vec<Value> {
        let url = format!("{}/calls", self.emulator.ready().control);
        let answer = self.control.get(url).send().await.expect("an answer").bytes().await.expect("a body");
        let log: Value = serde_json::from_slice(&answer).expect("JSON");
        let calls = log["calls"].as_array().expect("a list").iter();
        let fits =
            |call: &&Value| call["method"] == method && call["path"].as_str().is_some_and(|path| path.contains(part));
        calls.filter(fits).cloned().collect()
    }

    /// Whether the service takes this form, sent by whoever has what is in it.
    pub(crate) async fn takes_form(&self, tenant: &str, form: &[(&str, &str)]) -> bool {
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.emulator.ready().authority);
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.control.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
        request.send().await.expect("an answer").status().is_success()
    }

    /// How many of them had this grant type.
    pub(crate) async fn redemptions(&self, grant_type: &str) -> usize {
        self.requests().await.iter().filter(|entry| entry["grant_type"] == grant_type).count()
    }

    pub(crate) async fn forget_requests(&self) {
        self.control("/requests/reset", json!({})).await;
    }

    /// Signs in at `url` as `upn` and brings the reply.
    pub(crate) async fn sign_in(&self, url: &str, upn: &str) -> String {
        let answer = self.control("/signin", json!({ "authorize_url": url, "upn": upn, "accept": true })).await;
        let fields = answer["form"]["fields"].as_object().unwrap_or_else(|| panic!("no form in {answer}"));
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields {
            form.append_pair(name, value.as_str().expect("a text"));
        }
        form.finish()
    }

    pub(crate) fn ask(&self) -> ConsentRequest {
        let mut request = ConsentRequest::new(partner());
        request.redirect_uri = Some("http://localhost:5001/".parse().expect("an address"));
        request
    }

    pub(crate) async fn consent_as(&self, upn: &str) -> Result<Consented, Error> {
        let link = self.app.begin_consent(&self.ask()).await?;
        let reply = self.sign_in(link.url.as_str(), upn).await;
        self.app.complete_consent(&reply, ConsentOptions::default()).await
    }

    pub(crate) async fn consent(&self) -> Consented {
        self.consent_as("admin@fabrikam.com").await.expect("a consent")
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.folder.path().join("data").join("grants.db")
    }
}

/// The forms that were posted, each with its fields by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(pub(crate) Arc<Mutex<Vec<HashMap<String, String>>>>);

impl Sent {
    /// Those of this grant type since the last call.
    pub(crate) fn take(&self, grant_type: &str) -> Vec<HashMap<String, String>> {
        let forms = std::mem::take(&mut *self.0.lock().expect("a lock"));
        forms.into_iter().filter(|form| form.get("grant_type").is_some_and(|given| given == grant_type)).collect()
    }
}

#[derive(Debug)]
struct Watched {
    inner: HttpClient,
    sent: Sent,
}

impl Transport for Watched {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        deadline: Duration,
    ) -> BoxFuture<'_, partnersam::Result<http::Response<Vec<u8>>>> {
        let form = url::form_urlencoded::parse(request.body()).into_owned().collect();
        self.sent.0.lock().expect("a lock").push(form);
        self.inner.send(request, deadline)
    }
}

pub(crate) fn config(folder: &Path) -> Config {
    let folder = folder.to_owned();
    Config::from_environment(&move |name| match name {
        "PARTNERSAM_EMULATOR" => Some(folder.join("ready.json").display().to_string()),
        "PARTNERSAM_STORE" => Some(format!("sqlite:{}", folder.join("data").join("grants.db").display())),
        "PARTNERSAM_KEY_FILE" => Some(folder.join("key").display().to_string()),
        "PARTNERSAM_CONFIG" => None,
        _ => None,
    })
    .expect("a configuration")
}

pub(crate) fn graph() -> partnersam::app::token::TokenRequest {
    partnersam::app::token::TokenRequest::new(Audience::Graph).partner(partner())
}
