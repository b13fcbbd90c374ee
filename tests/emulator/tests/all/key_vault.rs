//! Key Vault, and the managed identity that may open it.

use partnersam_emulator::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client};

const VENDOR: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// One vault, asked by an app.
struct Vault {
    client: Client,
    token: String,
}

impl Vault {
    async fn open() -> Self {
        let client = Client::start_with(Options::default()).await;
        let token = token(&client, "cpv", VENDOR, "https://vault.azure.net").await;
        Self { client, token }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Answer {
        let joint = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}{path}{joint}api-version=7.4", self.client.ready.key_vault);
        let request = self.client.http.request(method, url).bearer_auth(&self.token);
        self.client.send(if body.is_null() { request } else { request.body(body.to_string()) }).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, Value::Null).await
    }

    async fn set(&self, name: &str, value: &str) -> Answer {
        self.ask(Method::PUT, &format!("/secrets/{name}"), json!({ "value": value })).await
    }

    async fn told(&self, change: Value) {
        let mut change = change;
        change["vault"] = json!("emulator");
        self.client.scenario(json!({ "vaults": change })).await;
    }
}

async fn token(client: &Client, profile: &str, tenant: &str, resource: &str) -> String {
    let form = [("grant_type", "client_credentials"), ("scope", &format!("{resource}/.default"))];
    client.token(profile, tenant, &form).await.text_of("access_token")
}

/// Status, code, inner code.
fn refusal(answer: &Answer) -> (u16, String, String) {
    let error = &answer.json()["error"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (answer.status, text(&error["code"]), text(&error["innererror"]["code"]))
}

fn refused(status: u16, code: &str, inner: &str) -> (u16, String, String) {
    (status, code.to_owned(), inner.to_owned())
}

#[tokio::test]
async fn a_secret_has_versions_and_names_have_no_case() {
    let vault = Vault::open().await;
    let first = vault.set("A-Name", "not-a-real-value-1").await;
    assert_eq!(first.status, 200, "{}", first.text);
    let second = vault
        .ask(
            Method::PUT,
            "/secrets/a-name",
            json!({ "value": "not-a-real-value-2", "contentType": "text/plain", "tags": { "a": "b" }, "attributes": { "exp": 1_900_000_000 } }),
        )
        .await;
    let id = second.text_of("id");
    assert!(id.starts_with(&format!("{}/secrets/A-Name/", vault.client.ready.key_vault)), "{id}");
    let latest = vault.get("/secrets/A-NAME/").await.json();
    assert_eq!(latest["value"], "not-a-real-value-2");
    assert_eq!((&latest["tags"]["a"], &latest["attributes"]["exp"]), (&json!("b"), &json!(1_900_000_000)));
    let version = first.text_of("id").rsplit('/').next().unwrap().to_owned();
    assert_eq!(vault.get(&format!("/secrets/a-name/{version}")).await.text_of("value"), "not-a-real-value-1");

    let off = json!({ "attributes": { "enabled": false } });
    assert_eq!(vault.ask(Method::PATCH, &format!("/secrets/a-name/{version}"), off).await.status, 200);
    let answer = vault.get(&format!("/secrets/a-name/{version}")).await;
    assert_eq!(refusal(&answer), refused(403, "Forbidden", "SecretDisabled"));
    assert_eq!(vault.get("/secrets/a-name").await.status, 200);
    let versions = vault.get("/secrets/a-name/versions").await.json();
    let enabled: Vec<_> =
        versions["value"].as_array().unwrap().iter().map(|row| &row["attributes"]["enabled"]).collect();
    assert_eq!(enabled, [&json!(false), &json!(true)]);
    assert!(versions["value"][0]["value"].is_null(), "a list shows values");
}

#[tokio::test]
async fn lists_have_pages_of_at_most_25_at_their_own_host() {
    let vault = Vault::open().await;
    for number in 0..30 {
        vault.set(&format!("secret-{number:02}"), "not-a-real-value").await;
    }
    let first = vault.get("/secrets").await.json();
    assert_eq!(first["value"].as_array().unwrap().len(), 25);
    let next = first["nextLink"].as_str().unwrap();
    assert!(next.starts_with(&vault.client.ready.key_vault), "{next}");
    let second = vault.client.send(vault.client.http.get(next).bearer_auth(&vault.token)).await.json();
    assert_eq!((second["value"].as_array().unwrap().len(), &second["nextLink"]), (5, &Value::Null));
    assert_eq!(vault.get("/secrets?maxresults=26").await.status, 400);
    assert_eq!(vault.get("/secrets?maxresults=7").await.json()["value"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn what_a_vault_does_not_take_is_refused() {
    let vault = Vault::open().await;
    let bad = refused(400, "BadParameter", "");
    assert_eq!(refusal(&vault.set("under_score", "x").await), bad);
    assert_eq!(refusal(&vault.set(&"x".repeat(128), "x").await), bad);
    assert_eq!(refusal(&vault.set("large", &"x".repeat(25 * 1024 + 1)).await), bad);
    assert_eq!(vault.set("large", &"x".repeat(25 * 1024)).await.status, 200);
    let tags: serde_json::Map<_, _> = (0..16).map(|number| (format!("t{number}"), json!("x"))).collect();
    assert_eq!(refusal(&vault.ask(Method::PUT, "/secrets/a", json!({ "value": "x", "tags": tags })).await), bad);
    assert_eq!(refusal(&vault.ask(Method::PUT, "/secrets/a", json!({})).await), bad);
    assert_eq!(refusal(&vault.get("/secrets/none").await), refused(404, "SecretNotFound", ""));
    let url = format!("{}/secrets?api-version=1999-01-01", vault.client.ready.key_vault);
    assert_eq!(refusal(&vault.client.send(vault.client.http.get(url).bearer_auth(&vault.token)).await), bad);
}

#[tokio::test]
async fn soft_delete_keeps_the_name_until_it_is_recovered_or_purged() {
    let vault = Vault::open().await;
    vault.told(json!({ "lag": 1 })).await;
    vault.set("a", "not-a-real-value").await;
    let deleted = vault.ask(Method::DELETE, "/secrets/a", Value::Null).await.json();
    assert_eq!(deleted["recoveryId"], format!("{}/deletedsecrets/a", vault.client.ready.key_vault));
    assert_eq!(refusal(&vault.set("a", "x").await), refused(409, "Conflict", "ObjectIsBeingDeleted"));
    assert_eq!(refusal(&vault.set("a", "x").await), refused(409, "Conflict", "ObjectIsDeletedButRecoverable"));
    assert_eq!(vault.get("/secrets/a").await.status, 404);
    assert_eq!(vault.get("/deletedsecrets/a").await.status, 200);
    assert_eq!(vault.ask(Method::POST, "/deletedsecrets/a/recover", Value::Null).await.status, 200);
    assert_eq!(refusal(&vault.set("a", "x").await), refused(409, "Conflict", "ObjectIsBeingRecovered"));
    assert_eq!(vault.get("/secrets/a").await.text_of("value"), "not-a-real-value");

    vault.ask(Method::DELETE, "/secrets/a", Value::Null).await;
    let purge = async || vault.ask(Method::DELETE, "/deletedsecrets/a", Value::Null).await;
    assert_eq!(refusal(&purge().await), refused(409, "Conflict", "ObjectIsBeingDeleted"));
    vault.told(json!({ "purge_protection": true })).await;
    assert_eq!(refusal(&purge().await), refused(403, "Forbidden", ""));
    vault.told(json!({ "purge_protection": false })).await;
    assert_eq!(purge().await.status, 204);
    assert_eq!(vault.get("/deletedsecrets/a").await.status, 404);
    assert_eq!(vault.set("a", "x").await.status, 200);
}

#[tokio::test]
async fn a_backup_comes_back_and_ends_at_500_versions() {
    let vault = Vault::open().await;
    for _ in 0..500 {
        vault.set("a", "not-a-real-value").await;
    }
    let backup = vault.ask(Method::POST, "/secrets/a/backup", Value::Null).await;
    assert_eq!(backup.status, 200, "{}", backup.text);
    vault.set("a", "not-a-real-value").await;
    assert_eq!(vault.ask(Method::POST, "/secrets/a/backup", Value::Null).await.status, 400);
    assert_eq!(vault.ask(Method::POST, "/secrets/restore", backup.json()).await.status, 409);
    vault.ask(Method::DELETE, "/secrets/a", Value::Null).await;
    vault.ask(Method::DELETE, "/deletedsecrets/a", Value::Null).await;
    assert_eq!(vault.ask(Method::POST, "/secrets/restore", backup.json()).await.status, 200);
    assert_eq!(vault.get("/secrets/a").await.status, 200);
    assert_eq!(vault.ask(Method::POST, "/secrets/restore", json!({ "value": "eA" })).await.status, 400);
}

#[tokio::test]
async fn whoever_may_not_is_told_by_whom() {
    let vault = Vault::open().await;
    let app = vault.client.app("cpv").client_id;
    vault.set("a", "x").await;
    vault.told(json!({ "roles": { app.as_str(): "user" } })).await;
    assert_eq!(vault.get("/secrets/a").await.status, 200);
    assert_eq!(refusal(&vault.set("a", "x").await), refused(403, "Forbidden", "ForbiddenByRbac"));
    vault.told(json!({ "roles": { app.as_str(): "reader" } })).await;
    assert_eq!(refusal(&vault.get("/secrets/a").await), refused(403, "Forbidden", "ForbiddenByRbac"));
    assert_eq!(vault.get("/secrets").await.status, 200);
    vault.told(json!({ "access_policies": { app.as_str(): ["get"] } })).await;
    assert_eq!(vault.get("/secrets/a").await.status, 200);
    assert_eq!(refusal(&vault.get("/secrets").await), refused(403, "Forbidden", "AccessDenied"));
    vault.told(json!({ "firewall": true })).await;
    assert_eq!(refusal(&vault.get("/secrets/a").await), refused(403, "Forbidden", "ForbiddenByFirewall"));
    vault.told(json!({ "firewall": false, "access_policies": null, "roles": { app: "officer" }, "requests_per_second": 1 })).await;
    vault.get("/secrets/a").await;
    let throttled = vault.get("/secrets/a").await;
    assert_eq!((refusal(&throttled), throttled.header("retry-after")), (refused(429, "Throttled", ""), Some("1")));
}

#[tokio::test]
async fn a_challenge_names_the_vaults_tenant_and_only_its_tokens_count() {
    let vault = Vault::open().await;
    let url = format!("{}/secrets/a?api-version=7.4", vault.client.ready.key_vault);
    let bare = vault.client.get(&url).await;
    let authority = &vault.client.ready.authority;
    let expected = format!("Bearer authorization=\"{authority}/{VENDOR}\", resource=\"https://vault.azure.net\"");
    assert_eq!((bare.status, bare.header("www-authenticate")), (401, Some(expected.as_str())));
    vault.told(json!({ "challenge": { "by_scope": true, "resource": "https://vault.evil.example" } })).await;
    let bare = vault.client.get(&url).await;
    let expected =
        format!("Bearer authorization_uri=\"{authority}/{VENDOR}\", scope=\"https://vault.evil.example/.default\"");
    assert_eq!(bare.header("www-authenticate"), Some(expected.as_str()));

    let graph = token(&vault.client, "cpv", VENDOR, "https://graph.microsoft.com").await;
    let fabrikam = token(&vault.client, "csp", "fabrikam.com", "https://vault.azure.net").await;
    for wrong in [graph, fabrikam] {
        let answer = vault.client.send(vault.client.http.get(&url).bearer_auth(wrong)).await;
        assert_eq!(refusal(&answer), refused(401, "Unauthorized", ""));
    }
    vault.told(json!({ "tenant": "fabrikam.com" })).await;
    assert_eq!(refusal(&vault.get("/secrets/a").await), refused(401, "Unauthorized", ""));
    let calls = vault.client.get(&format!("{}/calls", vault.client.ready.control)).await.json();
    assert!(calls["calls"].as_array().unwrap().iter().all(|call| call["api"] == "key_vault"), "{calls}");
}

#[tokio::test]
async fn a_managed_identity_gets_tokens_without_a_credential() {
    let vault = Vault::open().await;
    let identity = vault.client.ready.managed_identity.clone().unwrap();
    let ask = async |url: String, header: (&str, &str)| {
        let joint = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{joint}resource=https://vault.azure.net&api-version=2019-08-01");
        vault.client.send(vault.client.http.get(url).header(header.0, header.1)).await
    };
    let answer = ask(identity.endpoint.clone(), ("x-identity-header", &identity.header)).await;
    let token = answer.text_of("access_token");
    let url = format!("{}/secrets?api-version=7.4", vault.client.ready.key_vault);
    let listed = async |token: &str| vault.client.send(vault.client.http.get(&url).bearer_auth(token)).await.status;
    assert_eq!(listed(&token).await, 200, "{}", answer.text);
    let machine = format!("{}/metadata/identity/oauth2/token", vault.client.ready.control);
    assert_eq!(listed(&ask(machine.clone(), ("metadata", "true")).await.text_of("access_token")).await, 200);
    assert_eq!(ask(machine, ("metadata", "no")).await.status, 400);
    assert_eq!(ask(identity.endpoint.clone(), ("x-identity-header", "wrong")).await.status, 401);
    assert_eq!(
        ask(format!("{}?client_id=another", identity.endpoint), ("x-identity-header", &identity.header)).await.status,
        400
    );
}
