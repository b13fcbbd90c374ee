use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use partnersam::app::App;
use partnersam::app::credential::certificate::{CertificateFile, CertificateFiles};
use partnersam::app::credential::signer::{ExternalSigner, Signer as _};
use partnersam::app::credential::{AssertionCredential, Credentials, SecretCredential};
use partnersam::app::incident::{Incident, IncidentRequest, RevokeOptions, StepState};
use partnersam::audit::read::Filter;
use partnersam::transport::{HttpClient, Transport};
use partnersam::{ErrorKind, TenantRef};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::world::{Sent, World, graph, partner};

/// An app whose secret lies in a file, as a rotation needs it, and everything that it sends.
async fn app(world: &World) -> (App, PathBuf, Sent) {
    let (file, secret) = secret_file(world);
    let (app, sent) = world.watched_app(move |config| config.credentials = secret).await;
    (app, file, sent)
}

fn secret_file(world: &World) -> (PathBuf, Credentials) {
    let file = world.folder.path().join("secret");
    if !file.exists() {
        let sample = world.emulator.ready().apps.iter().find(|app| app.profile == "cpv").expect("an app");
        std::fs::write(&file, sample.client_secret.as_deref().expect("a secret")).expect("a file");
    }
    let secret = Credentials::one(SecretCredential::from_file(file.clone()));
    (file, secret)
}

/// With a consent to end sign-ins.
async fn consented() -> World {
    let world = World::new().await;
    world.consent().await;
    let consent = json!({ "tenant": "fabrikam.com", "resource": "graph", "scopes": ["User.RevokeSessions.All"], "granted": true });
    world.scenario(json!({ "consent": consent })).await;
    world
}

/// The refresh token in use, as a thief would have copied it.
async fn stolen(app: &App, sent: &Sent) -> String {
    let mut fresh = graph();
    fresh.fresh = true;
    app.token(&fresh).await.expect("a token");
    sent.take("refresh_token")[0]["refresh_token"].clone()
}

const CLIENT: &str = "eeeeeeee-0000-4000-8000-000000000001";
const SCOPE: (&str, &str) = ("scope", "https://graph.microsoft.com/.default");

/// Whether the service takes this refresh token from who has this secret of the app.
async fn redeems(world: &World, token: &str, secret: &str) -> bool {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT),
        ("client_secret", secret),
        SCOPE,
        ("refresh_token", token),
    ];
    world.takes_form("fabrikam.com", &form).await
}

/// Whether the service takes this secret.
async fn takes(world: &World, secret: &str) -> bool {
    let form = [("grant_type", "client_credentials"), ("client_id", CLIENT), ("client_secret", secret), SCOPE];
    world.takes_form("vendor.example", &form).await
}

/// Stops for ever at the first request whose path has this in it: before it is sent, or when its answer has come.
#[derive(Debug)]
struct Held {
    inner: HttpClient,
    part: &'static str,
    after: bool,
    reached: Arc<Notify>,
}

impl Transport for Held {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        deadline: Duration,
    ) -> BoxFuture<'_, partnersam::Result<http::Response<Vec<u8>>>> {
        Box::pin(async move {
            let is_it = request.uri().path().contains(self.part);
            let answer = if is_it && !self.after { None } else { Some(self.inner.send(request, deadline).await) };
            if let Some(answer) = answer.filter(|_| !is_it) {
                return answer;
            }
            self.reached.notify_one();
            std::future::pending().await
        })
    }
}

/// A service of which not every server knows the new credential yet: once it is in its place, its first token requests are refused.
#[derive(Debug)]
struct Unheard {
    inner: HttpClient,
    file: PathBuf,
    old: Vec<u8>,
    left: AtomicUsize,
}

impl Transport for Unheard {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        deadline: Duration,
    ) -> BoxFuture<'_, partnersam::Result<http::Response<Vec<u8>>>> {
        let is_new = std::fs::read(&self.file).expect("a file") != self.old;
        let is_refused = is_new
            && request.uri().path().ends_with("/token")
            && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        if !is_refused {
            return self.inner.send(request, deadline);
        }
        let body =
            json!({ "error": "invalid_client", "error_description": "AADSTS700027: test", "error_codes": [700027] });
        let answer = http::Response::builder().status(401).header("content-type", "application/json");
        let answer = answer.body(body.to_string().into_bytes()).expect("an answer");
        Box::pin(async { Ok(answer) })
    }
}

fn everything() -> IncidentRequest {
    IncidentRequest { customer_consents: true, ..IncidentRequest::default() }
}

fn states(incident: &Incident) -> Vec<(&'static str, StepState)> {
    incident.steps.iter().map(|end| (end.step.action.as_str(), end.state)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_sends_and_changes_nothing() {
    let world = consented().await;
    let (app, file, _) = app(&world).await;
    world.control("/calls/reset", json!({})).await;
    world.forget_requests().await;
    let secret = std::fs::read(&file).expect("a secret");
    let request = IncidentRequest { partners: vec![partner()], ..everything() };
    let steps = app.plan_incident(&request).await.expect("a plan");
    let names: Vec<_> = steps.iter().map(|step| step.action.as_str()).collect();
    assert_eq!(
        names,
        [
            "tokens",
            "consents",
            "sessions",
            "credential-add",
            "credential-prove",
            "credential-switch",
            "credential-remove",
            "grant"
        ]
    );
    assert!(world.calls("GET", "").await.is_empty() && world.calls("POST", "").await.is_empty());
    assert!(world.requests().await.is_empty());
    assert_eq!(std::fs::read(&file).expect("a secret"), secret);
    app.grant(&partner()).await.expect("the grant");
    let unknown: TenantRef = "northwind.example".parse().expect("a domain");
    let request = IncidentRequest { partners: vec![unknown], ..IncidentRequest::default() };
    assert_eq!(app.plan_incident(&request).await.expect_err("no grant").kind(), ErrorKind::ConsentRequired);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_ends_everything_that_could_be_stolen() {
    let world = consented().await;
    let (app, file, sent) = app(&world).await;
    let stolen = stolen(&app, &sent).await;
    let old = std::fs::read_to_string(&file).expect("a secret");
    assert!(redeems(&world, &stolen, &old).await, "a thief could use it");
    world.control("/calls/reset", json!({})).await;
    world.scenario(json!({ "propagating": 2 })).await;

    let mut told = Vec::new();
    let incident = app.run_incident(&everything(), |end| told.push(end.step.number)).await.expect("an incident");
    assert!(incident.steps.iter().all(|end| end.state == StepState::Done), "{:#?}", incident.steps);
    assert_eq!(told, (1..=8).collect::<Vec<_>>());

    let new = std::fs::read_to_string(&file).expect("a secret");
    assert_ne!(new, old);
    assert!(!takes(&world, &old).await && takes(&world, &new).await);
    assert!(!file.with_file_name("secret.next").exists());
    assert!(!redeems(&world, &stolen, &new).await, "the sign-ins are ended");
    assert_eq!(app.grant(&partner()).await.expect_err("gone").kind(), ErrorKind::ConsentRequired);
    let withdrawn = world.calls("DELETE", "applicationconsents").await;
    assert_eq!(withdrawn.len(), 5, "one each for the partner's customers");
    assert_eq!(world.calls("POST", "revokeSignInSessions").await.len(), 1);

    let text = std::fs::read_to_string(&incident.evidence).expect("evidence");
    let evidence: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(evidence["steps"].as_array().expect("steps").len(), 8);
    assert!(evidence["steps"][2]["correlation_ids"][0].is_string());
    assert!(evidence["know"][0].as_str().expect("a text").contains("password"));
    for secret in [&old, &new, &stolen] {
        assert!(!text.contains(secret.trim()), "no secret in the evidence");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&incident.evidence).expect("facts").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let mut recorded = Vec::new();
    let by = Filter { fields: vec![("operation", "incident".to_owned())], ..Filter::default() };
    app.audit_lines(&by, |_, fields| {
        if fields["outcome"] == "ok" {
            recorded.push(fields["step"].as_str().expect("a step").to_owned());
        }
        Ok(())
    })
    .await
    .expect("lines");
    recorded.retain(|step| step != "consent");
    assert_eq!(
        recorded,
        [
            "begin",
            "tokens",
            "consents",
            "sessions",
            "credential-add",
            "credential-prove",
            "credential-switch",
            "credential-remove",
            "grant"
        ]
    );
    assert_eq!(incident.consents[0].name, "fabrikam.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cut_short_incident_did_is_not_done_again() {
    let world = consented().await;
    let parts = [
        "/applicationconsents",
        "/revokeSignInSessions",
        // What it adds when its answer is lost is a stray, which the next run removes before it adds another.
        "/addPassword",
        "/removePassword",
        // And these are those of the old secret.
        "/removePassword",
    ];
    for (part, after) in parts.into_iter().flat_map(|part| [(part, false), (part, true)]) {
        let (_, secret) = secret_file(&world);
        let reached = Arc::new(Notify::new());
        let told = reached.clone();
        let app = world
            .app_by(move |config| {
                config.credentials = secret;
                let inner = HttpClient::new(config.authority.clone(), config.ca_file.clone());
                Arc::new(Held { inner, part, after, reached: told })
            })
            .await;
        let run = tokio::spawn(async move { app.run_incident(&everything(), |_| {}).await });
        tokio::select! {
            () = reached.notified() => run.abort(),
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("{part} was not asked for"),
        }
        assert!(run.await.expect_err("cut short").is_cancelled());
    }
    assert_eq!(world.calls("POST", "revokeSignInSessions").await.len(), 2, "once more, for its answer was lost");
    let (app, file, _) = app(&world).await;
    let other = IncidentRequest { keep_credential: true, ..everything() };
    let refused = app.run_incident(&other, |_| {}).await.expect_err("other choices");
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    let incident = app.run_incident(&everything(), |_| {}).await.expect("an incident");
    let (before, last): (Vec<_>, Vec<_>) =
        states(&incident).into_iter().partition(|(_, state)| *state == StepState::DoneBefore);
    let before: Vec<_> = before.into_iter().map(|(name, _)| name).collect();
    assert_eq!(before, ["tokens", "consents", "sessions", "credential-add", "credential-prove", "credential-switch"]);
    assert_eq!(last, [("credential-remove", StepState::Done), ("grant", StepState::Done)]);
    assert!(takes(&world, &std::fs::read_to_string(&file).expect("a secret")).await);
    let again = app.run_incident(&everything(), |_| {}).await.expect("an incident of no partner");
    assert!(again.steps.iter().all(|end| end.state == StepState::Done), "the last one is closed: {again:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_here_is_told_and_the_rest_is_done() {
    let world = consented().await;
    let (app, file, _) = app(&world).await;
    let old = std::fs::read_to_string(&file).expect("a secret");
    // The grant gives no token any more, and the app may not write its registration.
    world
        .scenario(json!({
            "error_for": { "audience": "graph", "error": "invalid_grant", "error_codes": [50076], "suberror": "basic_action" },
        }))
        .await;
    let incident = app.run_incident(&everything(), |_| {}).await.expect("an incident");
    let sessions = incident.steps.iter().find(|end| end.step.action.as_str() == "sessions").expect("a step");
    assert_eq!(sessions.state, StepState::ByHand);
    assert!(sessions.by_hand.as_deref().expect("a text").contains("admin@fabrikam.com"), "{sessions:?}");
    let grant = incident.steps.last().expect("a step");
    assert_eq!((grant.step.action.as_str(), grant.state), ("grant", StepState::Done));
    assert_eq!(std::fs::read_to_string(&file).expect("a secret"), old, "nothing took its place");
    assert!(incident.is_settled());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_postponed_and_the_grant_is_kept_for_it() {
    let world = consented().await;
    let (app, _, _) = app(&world).await;
    let request = IncidentRequest { keep_credential: true, ..IncidentRequest::default() };
    world.scenario(json!({ "fail": { "path": "/revokeSignInSessions", "times": 50, "status": 503 } })).await;
    let incident = app.run_incident(&request, |_| {}).await.expect("an incident");
    let all = [("tokens", StepState::Done), ("sessions", StepState::Postponed), ("grant", StepState::Postponed)];
    assert_eq!(states(&incident), all);
    app.grant(&partner()).await.expect("it is still there");
    world.scenario(json!({ "fail": null })).await;
    let incident = app.run_incident(&request, |_| {}).await.expect("an incident");
    let all = [("tokens", StepState::DoneBefore), ("sessions", StepState::Done), ("grant", StepState::Done)];
    assert_eq!(states(&incident), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_begun_that_cannot_be_recorded() {
    let world = World::new().await;
    world.consent().await;
    world.control("/calls/reset", json!({})).await;
    let in_the_way = world.folder.path().join("not-a-folder");
    std::fs::write(&in_the_way, b"x").expect("a file");
    let (app, _) = world.watched_app(|config| config.audit.folder = Some(in_the_way.join("audit"))).await;
    let error = app.run_incident(&everything(), |_| {}).await.expect_err("no record");
    assert_eq!(error.kind(), ErrorKind::AuditUnwritable);
    let options = RevokeOptions { everywhere: true, customer_consents: true };
    assert_eq!(app.revoke_with(&partner(), options).await.expect_err("no record").kind(), ErrorKind::AuditUnwritable);
    assert!(world.calls("POST", "").await.is_empty() && world.calls("DELETE", "").await.is_empty());
    app.grant(&partner()).await.expect("it is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_everywhere_ends_what_others_hold() {
    let world = consented().await;
    let (app, file, sent) = app(&world).await;
    let stolen = stolen(&app, &sent).await;
    let secret = std::fs::read_to_string(&file).expect("a secret");
    // A new password is no remedy: this is what people believe, and why there is a verb.
    world.control("/password-reset", json!({ "upn": "admin@fabrikam.com", "how": "azure_portal" })).await;
    assert!(redeems(&world, &stolen, &secret).await);
    let options = RevokeOptions { everywhere: true, customer_consents: false };
    let revoked = app.revoke_with(&partner(), options).await.expect("revoked");
    assert!(revoked.removed && revoked.steps.iter().all(|end| end.state == StepState::Done), "{revoked:#?}");
    assert!(!redeems(&world, &stolen, &secret).await);
    let error = app.token(&graph()).await.expect_err("no grant");
    assert_eq!(error.kind(), ErrorKind::ConsentRequired);
}

/// The certificate that the app is registered with, in files of its own: PEM in one file or two, or PFX.
fn certificate_files(world: &World, name: &str, form: &str) -> CertificateFiles {
    let sample = world.emulator.ready().apps.iter().find(|app| app.profile == "cpv").expect("an app");
    let made = &sample.certificates[0];
    let place = |ending: &str| world.folder.path().join(format!("{name}.{ending}"));
    let files = |key, passphrase| CertificateFiles { certificate: place("certificate"), key, passphrase };
    let pem = std::fs::read_to_string(&made.pem_file).expect("a certificate");
    let (key, certificate) = pem.split_at(pem.find("-----BEGIN CERTIFICATE").expect("a certificate"));
    let (content, files) = match form {
        "pem" => (pem.clone().into_bytes(), files(None, None)),
        "two" => (certificate.as_bytes().to_vec(), files(Some(place("key")), None)),
        _ => (std::fs::read(&made.pfx_file).expect("a PFX file"), files(None, Some(place("passphrase")))),
    };
    if !files.certificate.exists() {
        std::fs::write(&files.certificate, content).expect("a file");
        files.key.iter().for_each(|path| std::fs::write(path, key).expect("a file"));
        files.passphrase.iter().for_each(|path| std::fs::write(path, &made.pfx_passphrase).expect("a file"));
    }
    files
}

fn by_certificate(files: &CertificateFiles) -> Credentials {
    Credentials::one(AssertionCredential::new(CertificateFile::new(files.clone())))
}

/// The certificates of the app that the service takes, by what it calls them.
async fn registered(world: &World) -> Vec<(String, String)> {
    let state = world.state().await;
    let apps = state["credentials"].as_array().expect("a list");
    let app = apps.iter().find(|app| app["client_id"] == CLIENT).expect("an app");
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = app["certificates"].as_array().expect("a list").iter();
    rows.map(|row| (text(row, "name"), text(row, "thumbprint_sha256"))).collect()
}

/// Whether the app may act as itself by the certificate in these files.
async fn proves(world: &World, files: &CertificateFiles) -> bool {
    let app = world
        .app_by(|config| {
            config.credentials = by_certificate(files);
            Arc::new(HttpClient::new(config.authority.clone(), config.ca_file.clone()))
        })
        .await;
    let mut request = graph();
    request.fresh = true;
    app.token(&request).await.is_ok()
}

fn only_the_app() -> IncidentRequest {
    IncidentRequest { customer_consents: false, ..IncidentRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_in_its_own_form_and_place() {
    for form in ["pem", "two", "pfx"] {
        let world = World::new().await;
        let files = certificate_files(&world, "app", form);
        let copied = certificate_files(&world, "copied", form);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&files.certificate, std::fs::Permissions::from_mode(0o640)).expect("a mode");
        }
        let before = registered(&world).await;
        let (app, _) = world.watched_app(|config| config.credentials = by_certificate(&files)).await;
        let plan = app.plan_incident(&only_the_app()).await.expect("a plan");
        assert!(plan.iter().any(|step| step.what().contains("a new certificate")), "{plan:?}");
        world.scenario(json!({ "propagating": if form == "pem" { 2 } else { 0 } })).await;
        let incident = app.run_incident(&only_the_app(), |_| {}).await.expect("an incident");
        assert!(incident.steps.iter().all(|end| end.state == StepState::Done), "{form}: {:#?}", incident.steps);

        let after = registered(&world).await;
        assert_eq!((before.len(), after.len()), (1, 1), "{form}: {after:?}");
        assert_ne!(before[0].1, after[0].1);
        assert!(after[0].0.starts_with("partnersam incident "), "{after:?}");
        world.consent().await;
        assert!(proves(&world, &files).await && !proves(&world, &copied).await, "{form}");
        let names: Vec<_> = std::fs::read_dir(world.folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        assert!(!names.iter().any(|name| name.ends_with(".next") || name.ends_with(".both")), "{names:?}");
        let now = std::fs::read(&files.certificate).expect("a certificate");
        assert_eq!(form == "two", !String::from_utf8_lossy(&now).contains("PRIVATE KEY") && form != "pfx");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &PathBuf| std::fs::metadata(path).expect("facts").permissions().mode() & 0o777;
            assert_eq!(mode(&files.certificate), 0o640, "who could read the old one reads the new one");
        }
        let evidence = std::fs::read_to_string(&incident.evidence).expect("evidence");
        assert!(!evidence.contains("PRIVATE KEY") && evidence.contains(&after[0].1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_not_heard_of_the_new_one_is_asked_again() {
    let world = World::new().await;
    for (file, credentials) in [secret_file(&world), {
        let files = certificate_files(&world, "app", "pem");
        (files.certificate.clone(), by_certificate(&files))
    }] {
        let old = std::fs::read(&file).expect("a file");
        let app = world
            .app_by(|config| {
                config.credentials = credentials;
                let inner = HttpClient::new(config.authority.clone(), config.ca_file.clone());
                Arc::new(Unheard { inner, file, old, left: AtomicUsize::new(2) })
            })
            .await;
        let incident = app.run_incident(&only_the_app(), |_| {}).await.expect("an incident");
        assert!(incident.steps.iter().all(|end| end.state == StepState::Done), "{:#?}", incident.steps);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finds_a_key_without_its_certificate_meanwhile() {
    let world = World::new().await;
    let files = certificate_files(&world, "app", "two");
    let ended = Arc::new(AtomicBool::new(false));
    let (read, end) = (files.clone(), ended.clone());
    let reader = std::thread::spawn(move || {
        let text = |path: &PathBuf| std::fs::read_to_string(path).expect("a file");
        let key_file = read.key.as_ref().expect("a file of its own");
        let (old_key, old_certificate) = (text(key_file), text(&read.certificate));
        let mut looks = 0;
        while !end.load(Ordering::Relaxed) {
            let (key, certificate) = (text(key_file), text(&read.certificate));
            // What was read while the key changed says nothing.
            if text(key_file) == key {
                let is_old = key == old_key;
                assert!(if is_old { certificate.contains(&old_certificate) } else { certificate != old_certificate });
                looks += 1;
            }
        }
        CertificateFile::new(read.clone()).certificate().expect("a certificate with its key");
        looks
    });
    let (app, _) = world.watched_app(|config| config.credentials = by_certificate(&files)).await;
    let incident = app.run_incident(&only_the_app(), |_| {}).await.expect("an incident");
    assert!(incident.steps.iter().all(|end| end.state == StepState::Done), "{:#?}", incident.steps);
    ended.store(true, Ordering::Relaxed);
    assert!(reader.join().expect("no failure") > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_whose_rotation_was_cut_short_is_gone_on_with() {
    for form in ["pem", "two"] {
        let world = World::new().await;
        let files = certificate_files(&world, "app", form);
        for (part, after) in [("/addKey", false), ("/addKey", true), ("/removeKey", false), ("/removeKey", true)] {
            let credentials = by_certificate(&files);
            let reached = Arc::new(Notify::new());
            let told = reached.clone();
            let app = world
                .app_by(move |config| {
                    config.credentials = credentials;
                    let inner = HttpClient::new(config.authority.clone(), config.ca_file.clone());
                    Arc::new(Held { inner, part, after, reached: told })
                })
                .await;
            let run = tokio::spawn(async move { app.run_incident(&only_the_app(), |_| {}).await });
            tokio::select! {
                () = reached.notified() => run.abort(),
                () = tokio::time::sleep(Duration::from_secs(60)) => panic!("{part} was not asked for"),
            }
            assert!(run.await.expect_err("cut short").is_cancelled());
        }
        assert_eq!(world.calls("POST", "addKey").await.len(), 1, "what was added and not heard of is found");
        let (app, _) = world.watched_app(|config| config.credentials = by_certificate(&files)).await;
        let incident = app.run_incident(&only_the_app(), |_| {}).await.expect("an incident");
        assert!(incident.is_settled(), "{:#?}", incident.steps);
        let state =
            |name: &str| incident.steps.iter().find(|end| end.step.action.as_str() == name).map(|end| end.state);
        assert_eq!(state("credential-switch"), Some(StepState::DoneBefore));
        assert_eq!(state("credential-remove"), Some(StepState::Done));
        assert_eq!(registered(&world).await.len(), 1);
        world.consent().await;
        assert!(proves(&world, &files).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_lay_there_before_is_not_taken_for_a_new_one() {
    let world = World::new().await;
    let files = certificate_files(&world, "app", "pem");
    let next = files.certificate.with_file_name("app.certificate.next");
    std::fs::copy(&files.certificate, &next).expect("a file");
    let (app, _) = world.watched_app(|config| config.credentials = by_certificate(&files)).await;
    let before = registered(&world).await;
    let incident = app.run_incident(&only_the_app(), |_| {}).await.expect("an incident");
    assert!(incident.steps.iter().all(|end| end.state == StepState::Done), "{:#?}", incident.steps);
    assert_ne!(registered(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_elsewhere_is_left_to_a_person_in_plain_words() {
    let world = World::new().await;
    let files = certificate_files(&world, "app", "two");
    let key = CertificateFile::new(files.clone());
    let certificate = partnersam::app::credential::certificate::Certificate::from_pem_file(&files.certificate);
    let signer = ExternalSigner::new(certificate.expect("a certificate"), move |algorithm, message| {
        futures_util::FutureExt::now_or_never(key.sign(algorithm, message)).expect("it does not wait")
    });
    let credentials = Credentials::one(AssertionCredential::new(signer));
    let (app, _) = world.watched_app(move |config| config.credentials = credentials).await;
    let before = registered(&world).await;
    let plan = app.plan_incident(&only_the_app()).await.expect("a plan");
    assert!(plan.iter().filter(|step| step.partner().is_none()).all(|step| step.what().contains("by hand")));
    let incident = app.run_incident(&only_the_app(), |_| {}).await.expect("an incident");
    let add = incident.steps.iter().find(|end| end.step.action.as_str() == "credential-add").expect("a step");
    assert_eq!(add.state, StepState::ByHand);
    assert_eq!(add.error.as_ref().map(partnersam::Error::kind), Some(ErrorKind::NotSupported));
    assert!(add.by_hand.as_deref().is_some_and(|text| text.contains("where it is kept")), "{add:?}");
    assert_eq!(registered(&world).await, before);
}
