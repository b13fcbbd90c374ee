//! Graph: pages, filters, permissions, throttling, and the end of sign-ins.

use serde_json::{Value, json};

use crate::client::{Answer, CONTOSO, Client, FABRIKAM};

const GRAPH: &str = "https://graph.microsoft.com/.default";

async fn graph_token(client: &Client, tenant: &str, refresh_token: &str) -> String {
    client.refresh(tenant, refresh_token, GRAPH).await.text_of("access_token")
}

async fn get(client: &Client, path: &str, token: &str) -> Answer {
    client.api(&format!("{}/v1.0/{path}", client.ready.graph), token).await
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn collections_come_in_pages() {
    let client = Client::start().await;
    let refresh_token = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    let token = graph_token(&client, CONTOSO, &refresh_token).await;
    let all = get(&client, "servicePrincipals", &token).await.json();
    assert!(all.get("@odata.nextLink").is_none());
    let all = all["value"].as_array().unwrap().clone();
    client.scenario(json!({ "graph_page": 5 })).await;
    let mut seen = Vec::new();
    let mut answer = get(&client, "servicePrincipals", &token).await.json();
    loop {
        seen.extend(answer["value"].as_array().unwrap().clone());
        let Some(next) = answer["@odata.nextLink"].as_str() else { break };
        assert!(next.starts_with(&client.ready.graph));
        answer = client.api(next, &token).await.json();
    }
    assert_eq!(seen, all);
    assert!(seen.len() > 10);

    let id = all[0]["id"].as_str().unwrap();
    assert_eq!(get(&client, &format!("servicePrincipals/{id}"), &token).await.json()["appId"], all[0]["appId"]);
    let grants = get(&client, &format!("servicePrincipals/{id}/oauth2PermissionGrants?$top=2"), &token).await.json();
    assert_eq!(grants["value"].as_array().unwrap().len(), 2);
    let next = client.api(grants["@odata.nextLink"].as_str().unwrap(), &token).await.json();
    assert_eq!(next["value"].as_array().unwrap().len(), 2);
    assert_ne!(next["value"][0], grants["value"][0]);
    assert_eq!(code(&get(&client, "servicePrincipals/none", &token).await), (404, "Request_ResourceNotFound".into()));
}

#[tokio::test]
async fn filters_and_permissions_are_checked() {
    let client = Client::start().await;
    let refresh_token = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    let token = graph_token(&client, CONTOSO, &refresh_token).await;
    for (query, expected) in [
        ("servicePrincipals?$filter=appId%20eq%20'x'", (200, String::new())),
        ("servicePrincipals?$filter=appId", (400, "Request_BadRequest".to_owned())),
        ("servicePrincipals?$filter=owner eq 'x'", (400, "Request_UnsupportedQuery".to_owned())),
        ("servicePrincipals?$top=0", (400, "Request_BadRequest".to_owned())),
        ("oauth2PermissionGrants?$skiptoken=junk", (400, "Request_BadRequest".to_owned())),
        ("applications?$filter=appId eq 'x'", (200, String::new())),
    ] {
        assert_eq!(code(&get(&client, query, &token).await), expected, "{query}");
    }
    let narrow = client.refresh(CONTOSO, &refresh_token, "https://graph.microsoft.com/User.Read").await;
    let narrow = narrow.text_of("access_token");
    for path in ["servicePrincipals", "oauth2PermissionGrants", "applications"] {
        let expected = (403, "Authorization_RequestDenied".to_owned());
        assert_eq!(code(&get(&client, path, &narrow).await), expected, "{path}");
    }
    client.scenario(json!({ "graph_per_second": 1 })).await;
    let mut answer = get(&client, "me", &token).await;
    for _ in 0..50 {
        if answer.status == 429 {
            break;
        }
        answer = get(&client, "me", &token).await;
    }
    assert_eq!((code(&answer), answer.header("retry-after")), ((429, "TooManyRequests".into()), Some("1")));
}

/// A refresh token of this app and user.
async fn seeded(client: &Client, profile: &str, upn: &str) -> String {
    let body = json!({ "client_id": client.app(profile).client_id, "upns": [upn] });
    client.control("/grants", body).await.json()["grants"][0]["refresh_token"].as_str().unwrap().to_owned()
}

async fn redeem(client: &Client, profile: &str, refresh_token: &str, scope: &str) -> Answer {
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("scope", scope)];
    client.token(profile, FABRIKAM, &form).await
}

#[tokio::test]
async fn revoking_sessions_ends_what_was_and_nothing_after() {
    let client = Client::start().await;
    let scopes = json!(["User.RevokeSessions.All", "User.Read"]);
    client
        .scenario(json!({ "consent": { "tenant": FABRIKAM, "resource": "graph", "scopes": scopes, "granted": true } }))
        .await;
    let service = seeded(&client, "cpv", "service@fabrikam.com").await;
    let admin = seeded(&client, "cpv", "admin@fabrikam.com").await;
    let other = seeded(&client, "cpv", "legacy@fabrikam.com").await;
    let post = async |path: &str, token: &str| {
        client.send(client.http.post(format!("{}/v1.0/{path}", client.ready.graph)).bearer_auth(token)).await
    };
    let token = redeem(&client, "cpv", &service, GRAPH).await.text_of("access_token");
    let denied = post("users/admin@fabrikam.com/revokeSignInSessions", &token).await;
    assert_eq!(code(&denied), (403, "Authorization_RequestDenied".into()), "not an administrator");
    assert_eq!(post("me/revokeSignInSessions", &token).await.json()["value"], json!(true));
    assert_eq!(redeem(&client, "cpv", &service, GRAPH).await.refusal(), (400, "invalid_grant".into(), vec![50_173]));

    let admin_token = redeem(&client, "cpv", &admin, GRAPH).await.text_of("access_token");
    let oid = client.user("legacy@fabrikam.com").oid;
    assert_eq!(post(&format!("users/{oid}/revokeSignInSessions"), &admin_token).await.status, 200);
    assert_eq!(redeem(&client, "cpv", &other, GRAPH).await.refusal().2, [50_173]);
    assert_eq!(redeem(&client, "cpv", &admin, GRAPH).await.status, 200, "only whose sessions these were");
    let again = seeded(&client, "cpv", "legacy@fabrikam.com").await;
    assert_eq!(redeem(&client, "cpv", &again, GRAPH).await.status, 200);
    let stranger = post("users/admin@contoso.com/revokeSignInSessions", &admin_token).await;
    assert_eq!(code(&stranger), (404, "Request_ResourceNotFound".into()));
    let narrow = redeem(&client, "cpv", &admin, "https://graph.microsoft.com/User.Read").await.text_of("access_token");
    assert_eq!(post("me/revokeSignInSessions", &narrow).await.status, 403);
    let app = client.token("csp", FABRIKAM, &[("grant_type", "client_credentials"), ("scope", GRAPH)]).await;
    let app = app.text_of("access_token");
    assert_eq!(post("me/revokeSignInSessions", &app).await.status, 400);
    assert_eq!(post("users/admin@fabrikam.com/revokeSignInSessions", &app).await.status, 200);
    assert_eq!(redeem(&client, "cpv", &admin, GRAPH).await.refusal().2, [50_173]);
}

#[tokio::test]
async fn a_password_reset_does_not_end_a_confidential_clients_grants() {
    let client = Client::start().await;
    client.scenario(json!({ "consent": { "tenant": FABRIKAM, "granted": true } })).await;
    let reset = async |how: Value| {
        let mut body = json!({ "upn": "admin@fabrikam.com" });
        if !how.is_null() {
            body["how"] = how;
        }
        client.control("/password-reset", body).await.json()
    };
    for how in [json!(null), json!("azure_portal")] {
        let confidential = seeded(&client, "cpv", "admin@fabrikam.com").await;
        let public = seeded(&client, "public", "admin@fabrikam.com").await;
        let answer = reset(how.clone()).await;
        assert_eq!(answer["revoked"], 1, "{how}");
        assert_eq!(redeem(&client, "cpv", &confidential, GRAPH).await.status, 200, "{how}");
        assert_eq!(redeem(&client, "public", &public, GRAPH).await.refusal().2, [50_173], "{how}");
        // The new password is in force.
        let url = client.authorize_url("cpv", crate::client::SCOPE, &[]);
        let old = client.control("/signin", json!({ "authorize_url": url, "upn": "admin@fabrikam.com", "password": client.user("admin@fabrikam.com").password })).await;
        assert_eq!(old.status, 400);
        let new = client
            .control(
                "/signin",
                json!({ "authorize_url": url, "upn": "admin@fabrikam.com", "password": answer["password"] }),
            )
            .await;
        assert_eq!(new.status, 200);
    }
    let confidential = seeded(&client, "cpv", "admin@fabrikam.com").await;
    assert_eq!(reset(json!("entra_admin_center")).await["kept"], 0);
    assert_eq!(redeem(&client, "cpv", &confidential, GRAPH).await.refusal().2, [50_173]);
}
