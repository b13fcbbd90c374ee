//! Conditional Access at the token endpoint.

use serde_json::{Value, json};

use crate::client::{Answer, CONTOSO, Client, FABRIKAM};

const GRAPH: &str = "https://graph.microsoft.com/.default";
const CENTER: &str = "https://api.partnercenter.microsoft.com/.default";

async fn start() -> Client {
    let client = Client::start().await;
    client.scenario(json!({ "consent": { "tenant": FABRIKAM, "granted": true } })).await;
    client
}

async fn grant(client: &Client, upn: &str, mfa: bool) -> String {
    let body = json!({ "client_id": client.app("cpv").client_id, "upns": [upn], "mfa": mfa });
    client.control("/grants", body).await.json()["grants"][0]["refresh_token"].as_str().unwrap().to_owned()
}

async fn policy(client: &Client, policy: Value) {
    client.scenario(json!({ "conditional_access": policy })).await;
}

/// `error`, `suberror` and the number.
fn refusal(answer: &Answer) -> (String, String, u64) {
    assert_eq!(answer.status, 400, "{}", answer.text);
    (answer.text_of("error"), answer.text_of("suberror"), answer.refusal().2[0])
}

fn wrong(suberror: &str, code: u64) -> (String, String, u64) {
    ("invalid_grant".to_owned(), suberror.to_owned(), code)
}

#[tokio::test]
async fn a_block_is_where_it_was_put() {
    let client = start().await;
    let token = grant(&client, "admin@fabrikam.com", true).await;
    policy(&client, json!({ "rule": "block", "audience": "graph", "tenant": "contoso.com" })).await;
    let blocked = client.refresh(CONTOSO, &token, GRAPH).await;
    assert_eq!(refusal(&blocked), wrong("message_only", 53_003));
    assert!(blocked.text_of("claims").contains("capolids"));
    assert_eq!(client.refresh(FABRIKAM, &token, GRAPH).await.status, 200);
    assert_eq!(client.refresh(CONTOSO, &token, "https://management.azure.com/.default").await.status, 200);
    policy(&client, json!([{ "rule": "block", "upn": "legacy@fabrikam.com" }, { "rule": "block", "client_id": client.app("csp").client_id }])).await;
    assert_eq!(client.refresh(CONTOSO, &token, GRAPH).await.status, 200);
    let other = grant(&client, "legacy@fabrikam.com", true).await;
    assert_eq!(client.refresh(FABRIKAM, &other, GRAPH).await.status, 400);
    policy(&client, json!(null)).await;
    assert_eq!(client.refresh(FABRIKAM, &other, GRAPH).await.status, 200);
}

#[tokio::test]
async fn mfa_is_asked_for_and_ages() {
    let client = start().await;
    let with = grant(&client, "admin@fabrikam.com", true).await;
    let without = grant(&client, "admin@fabrikam.com", false).await;
    let never = grant(&client, "legacy@fabrikam.com", false).await;
    policy(&client, json!({ "rule": "mfa" })).await;
    assert_eq!(client.refresh(FABRIKAM, &with, CENTER).await.status, 200);
    assert_eq!(refusal(&client.refresh(FABRIKAM, &without, CENTER).await), wrong("basic_action", 50_076));
    assert_eq!(refusal(&client.refresh(FABRIKAM, &never, CENTER).await), wrong("basic_action", 50_079));
    policy(&client, json!({ "rule": "mfa_age", "seconds": 3600 })).await;
    assert_eq!(client.refresh(FABRIKAM, &with, CENTER).await.status, 200);
    assert_eq!(refusal(&client.refresh(FABRIKAM, &without, CENTER).await).2, 50_076);
    client.scenario(json!({ "clock_offset": 3600 })).await;
    assert_eq!(refusal(&client.refresh(FABRIKAM, &with, CENTER).await), wrong("basic_action", 50_078));
    // Somebody signs in again.
    let again = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(client.refresh(FABRIKAM, &again, CENTER).await.status, 200);
}

#[tokio::test]
async fn a_sign_in_grows_too_old_however_often_it_is_refreshed() {
    let client = start().await;
    policy(&client, json!({ "rule": "sign_in_frequency", "seconds": 100 })).await;
    let mut token = grant(&client, "admin@fabrikam.com", true).await;
    client.scenario(json!({ "clock_offset": 60 })).await;
    token = client.refresh(FABRIKAM, &token, GRAPH).await.text_of("refresh_token");
    client.scenario(json!({ "clock_offset": 120 })).await;
    let refused = client.refresh(FABRIKAM, &token, GRAPH).await;
    assert_eq!(refusal(&refused), wrong("token_expired", 70_043));
    let app = client.app("cpv");
    let form = [
        ("client_id", app.client_id.as_str()),
        ("client_secret", app.client_secret.as_deref().unwrap()),
        ("grant_type", "refresh_token"),
        ("refresh_token", token.as_str()),
        ("resource", "https://graph.microsoft.com"),
    ];
    let v1 = client.post(&format!("{}/{FABRIKAM}/oauth2/token", client.ready.authority), &form).await;
    assert_eq!(v1.refusal(), (400, "interaction_required".to_owned(), vec![70_043]));
    for bad in [
        json!({ "rule": "mfa_age" }),
        json!({ "rule": "block", "seconds": 5 }),
        json!({ "rule": "block", "audience": "nothing" }),
        json!({ "rule": "nothing" }),
    ] {
        let answer = client.control("/scenario", json!({ "conditional_access": bad })).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_grant_by_device_code_stays_one() {
    let client = start().await;
    let app = client.app("public").client_id;
    let form = [("client_id", app.as_str()), ("scope", "openid offline_access User.Read")];
    let begin = async || {
        let devices = format!("{}/{FABRIKAM}/oauth2/v2.0/devicecode", client.ready.authority);
        let device = client.post(&devices, &form).await;
        let code = device.text_of("user_code");
        client.control("/signin", json!({ "user_code": code, "upn": "admin@fabrikam.com" })).await;
        device.text_of("device_code")
    };
    let poll = async |device_code: &str| {
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        client.token("public", FABRIKAM, &[("grant_type", grant), ("device_code", device_code)]).await
    };
    let refresh = async |token: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", GRAPH)];
        client.token("public", FABRIKAM, &form).await
    };
    let mut token = poll(&begin().await).await.text_of("refresh_token");
    token = refresh(&token).await.text_of("refresh_token");
    policy(&client, json!({ "rule": "block_device_code" })).await;
    assert_eq!(refusal(&refresh(&token).await), wrong("message_only", 53_003), "months later");
    assert_eq!(refusal(&poll(&begin().await).await).2, 53_003);
    let by_browser = grant(&client, "admin@fabrikam.com", true).await;
    assert_eq!(client.refresh(FABRIKAM, &by_browser, GRAPH).await.status, 200);
}
