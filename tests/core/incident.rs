use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use partnersam::app::App;
use partnersam::app::credential::{Credentials, SecretCredential};
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
