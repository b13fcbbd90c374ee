//! What the token endpoint refuses, and how it says so.

use serde_json::json;

use crate::client::{CONTOSO, Client, FABRIKAM};

#[tokio::test]
async fn an_error_has_all_its_fields_and_echoes_the_request_id() {
    let client = Client::start().await;
    let id = "11111111-2222-4333-8444-555555555555";
    let request = client
        .http
        .post(format!("{}/{CONTOSO}/oauth2/v2.0/token", client.ready.authority))
        .form(&[
            ("grant_type", "client_credentials"),
            ("client_id", &client.app("cpv").client_id),
            ("client_secret", "wrong"),
        ])
        .header("client-request-id", id)
        .header("return-client-request-id", "true");
    let answer = client.send(request).await;
    assert_eq!(answer.refusal(), (401, "invalid_client".into(), vec![7_000_215]));
    assert_eq!(answer.header("client-request-id"), Some(id));
    let body = answer.json();
    assert_eq!(body["correlation_id"], id);
    let description = body["error_description"].as_str().unwrap();
    let lines: Vec<_> = description.split("\r\n").collect();
    assert!(lines[0].starts_with("AADSTS7000215: "));
    assert_eq!(lines[1], format!("Trace ID: {}", body["trace_id"].as_str().unwrap()));
    assert_eq!(lines[2], format!("Correlation ID: {id}"));
    assert_eq!(lines[3], format!("Timestamp: {}", body["timestamp"].as_str().unwrap()));
    assert_eq!(body["error_uri"], format!("{}/error?code=7000215", client.ready.authority));
    assert!(body.get("suberror").is_none() && body.get("claims").is_none());
}

#[tokio::test]
async fn clients_and_parameters_are_checked() {
    let client = Client::start().await;
    let (cpv, public) = (client.app("cpv"), client.app("public"));
    let (id, secret) =
        (("client_id", cpv.client_id.as_str()), ("client_secret", cpv.client_secret.as_deref().unwrap()));
    let grant = ("grant_type", "client_credentials");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", "0.emu-no-such-token")];
    let scope = ("scope", "https://graph.microsoft.com/.default");
    for (tenant, form, status, error, code) in [
        (CONTOSO, vec![id, secret, scope], 400, "invalid_request", 900_144),
        (CONTOSO, vec![grant, secret, scope], 400, "invalid_request", 900_144),
        (CONTOSO, vec![grant, id, scope], 401, "invalid_client", 7_000_218),
        (
            CONTOSO,
            vec![grant, ("client_id", "eeeeeeee-0000-4000-8000-00000000ffff"), scope],
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            CONTOSO,
            vec![refresh[0], refresh[1], ("client_id", &public.client_id), ("client_secret", "any")],
            401,
            "invalid_client",
            700_025,
        ),
        (CONTOSO, vec![refresh[0], refresh[1], id, secret, scope], 400, "invalid_grant", 70_000),
        (
            CONTOSO,
            vec![grant, id, secret, ("resource", "https://graph.microsoft.com")],
            400,
            "invalid_request",
            901_002,
        ),
        (
            CONTOSO,
            vec![grant, id, secret, ("scope", "https://unknown.example/.default")],
            400,
            "invalid_resource",
            500_011,
        ),
        (CONTOSO, vec![grant, id, secret, ("scope", "no_such")], 400, "invalid_scope", 70_011),
        (CONTOSO, vec![grant, id, secret, scope, scope], 400, "invalid_request", 9_000_411),
        (
            CONTOSO,
            vec![("grant_type", "password"), id, secret, scope, ("username", "a"), ("password", "b")],
            400,
            "unsupported_grant_type",
            70_003,
        ),
        ("nowhere.example", vec![grant, id, secret, scope], 400, "invalid_request", 90_002),
    ] {
        let answer = client.post(&format!("{}/{tenant}/oauth2/v2.0/token", client.ready.authority), &form).await;
        assert_eq!(answer.refusal(), (status, error.into(), vec![code]), "{}", answer.text);
    }
    let answer = client.get(&format!("{}/{CONTOSO}/oauth2/v2.0/token", client.ready.authority)).await;
    assert_eq!(answer.json()["error_codes"], json!([900_561]));

    client.scenario(json!({ "secret_expired": true })).await;
    let answer = client.token("cpv", CONTOSO, &[grant, scope]).await;
    assert_eq!(answer.refusal(), (401, "invalid_client".into(), vec![7_000_222]));
}

#[tokio::test]
async fn a_secret_must_be_encoded_to_arrive_whole() {
    let client = Client::start().await;
    let app = client.app("cpv");
    let url = format!("{}/{CONTOSO}/oauth2/v2.0/token", client.ready.authority);
    let raw = format!(
        "grant_type=client_credentials&scope=https://graph.microsoft.com/.default&client_id={}&client_secret={}",
        app.client_id,
        app.client_secret.clone().unwrap()
    );
    let request = client.http.post(&url).header("content-type", "application/x-www-form-urlencoded").body(raw);
    assert_eq!(client.send(request).await.refusal().2, [7_000_215]);

    // The same secret by HTTP Basic, encoded as RFC 6749 section 2.3.1 says.
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let request = client
        .http
        .post(&url)
        .basic_auth(encode(&app.client_id), Some(encode(&app.client_secret.unwrap())))
        .form(&[("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")]);
    assert_eq!(client.send(request).await.status, 200);
}

#[tokio::test]
async fn one_audience_can_be_given_an_error_of_its_own() {
    let client = Client::start().await;
    client.scenario(json!({ "consent": { "tenant": FABRIKAM, "granted": true } })).await;
    let token = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    client
        .scenario(json!({ "error_for": {
            "audience": "graph", "error": "interaction_required", "error_codes": [50_076], "suberror": "basic_action",
            "claims": { "access_token": { "acrs": { "essential": true, "value": "c1" } } },
        } }))
        .await;
    let answer = client.refresh(FABRIKAM, &token, "https://graph.microsoft.com/.default").await;
    assert_eq!(
        (answer.refusal(), answer.text_of("suberror")),
        ((400, "interaction_required".into(), vec![50_076]), "basic_action".into())
    );
    assert!(answer.text_of("claims").contains("\"acrs\""));
    assert_eq!(client.refresh(FABRIKAM, &token, "https://management.azure.com/.default").await.status, 200);
    client.scenario(json!({ "error_for": null })).await;
    assert_eq!(client.refresh(FABRIKAM, &token, "https://graph.microsoft.com/.default").await.status, 200);
}
