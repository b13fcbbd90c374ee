//! Claims challenges, and tokens that end at once.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::client::{Answer, Client, FABRIKAM, REDIRECT, VERIFIER, claims};

const GRAPH: &str = "https://graph.microsoft.com/.default";
const C1: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
const CP1: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;

async fn start() -> (Client, String) {
    let client = Client::start().await;
    client.scenario(json!({ "consent": { "tenant": FABRIKAM, "granted": true } })).await;
    let token = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    (client, token)
}

async fn redeem(client: &Client, refresh_token: &str, claims: Option<&str>) -> Answer {
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("scope", GRAPH)];
    form.extend(claims.map(|claims| ("claims", claims)));
    client.token("cpv", FABRIKAM, &form).await
}

async fn me(client: &Client, answer: &Answer) -> Answer {
    client.api(&format!("{}/v1.0/me", client.ready.graph), &answer.text_of("access_token")).await
}

fn challenge(more: Value) -> Value {
    let mut challenge = json!({ "audience": "graph", "claims": serde_json::from_str::<Value>(C1).unwrap() });
    challenge.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "claims_challenge": challenge })
}

fn headers(answer: &Answer) -> Vec<String> {
    answer.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_api_asks_until_a_token_was_asked_for_with_its_claims() {
    let (client, token) = start().await;
    client.scenario(challenge(json!({}))).await;
    let plain = redeem(&client, &token, None).await;
    let asked = me(&client, &plain).await;
    assert_eq!(asked.status, 401);
    let [header] = headers(&asked).try_into().unwrap();
    assert!(header.contains("error=\"insufficient_claims\""), "{header}");
    let encoded = header.split("claims=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(STANDARD.decode(encoded).unwrap(), C1.as_bytes());
    assert_eq!(me(&client, &redeem(&client, &token, Some(CP1)).await).await.status, 401, "other claims");

    // Merged with what the client can do, as clients send it.
    let merged = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"},"xms_cc":{"values":["CP1"]}}}"#;
    let stepped_up = redeem(&client, &token, Some(merged)).await;
    let inside = claims(&stepped_up.text_of("access_token"));
    assert_eq!((&inside["acrs"], &inside["xms_cc"]), (&json!(["c1"]), &json!(["cp1"])));
    assert_eq!(me(&client, &stepped_up).await.status, 200);
    // Another API does not ask.
    let customers = format!("{}/v1/customers", client.ready.partner_center);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &token),
        ("scope", "https://api.partnercenter.microsoft.com/.default"),
    ];
    let center = client.token("cpv", FABRIKAM, &form).await.text_of("access_token");
    assert_eq!(client.api(&customers, &center).await.status, 200);

    client.scenario(challenge(json!({ "times": 2 }))).await;
    let statuses =
        [me(&client, &plain).await.status, me(&client, &plain).await.status, me(&client, &plain).await.status];
    assert_eq!(statuses, [401, 401, 200]);
    client.scenario(challenge(json!({ "tenant": "contoso.com" }))).await;
    assert_eq!(me(&client, &plain).await.status, 200);
    client.scenario(challenge(json!({ "audience": "partner-center", "status": 403 }))).await;
    assert_eq!((client.api(&customers, &center).await.status, me(&client, &plain).await.status), (403, 200));
    client.scenario(json!({ "claims_challenge": null })).await;
    assert_eq!(client.api(&customers, &center).await.status, 200);
}

#[tokio::test]
async fn every_legal_form_of_the_header_is_played() {
    let (client, token) = start().await;
    let plain = redeem(&client, &token, None).await;
    for (form, count, encoded) in [
        ("base64", 1, STANDARD.encode(C1)),
        ("base64url", 1, URL_SAFE_NO_PAD.encode(C1)),
        ("several_headers", 3, STANDARD.encode(C1)),
        ("one_header", 1, STANDARD.encode(C1)),
        ("odd", 1, STANDARD.encode(C1)),
    ] {
        client.scenario(challenge(json!({ "form": form }))).await;
        let found = headers(&me(&client, &plain).await);
        assert_eq!(found.len(), count, "{form}: {found:?}");
        assert!(found.concat().contains(&encoded), "{form}: {found:?}");
        assert_eq!(form == "odd", !found.concat().contains("error=\"insufficient_claims\""), "{form}: {found:?}");
    }
    for wrong in [
        json!({ "audience": "exchange" }),
        json!({ "status": 200 }),
        json!({ "form": "none" }),
        json!({ "unknown": true }),
    ] {
        assert_eq!(client.control("/scenario", challenge(wrong.clone())).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn claims_that_need_a_person_wait_for_a_sign_in_with_them() {
    let (client, token) = start().await;
    client.scenario(challenge(json!({ "needs_person": true }))).await;
    let refused = redeem(&client, &token, Some(C1)).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned(), vec![50_076]));
    assert_eq!((refused.text_of("suberror"), refused.text_of("claims")), ("basic_action".to_owned(), C1.to_owned()));
    let v1 = client.app("cpv");
    let form = [
        ("client_id", v1.client_id.as_str()),
        ("client_secret", v1.client_secret.as_deref().unwrap()),
        ("grant_type", "refresh_token"),
        ("refresh_token", token.as_str()),
        ("resource", "https://graph.microsoft.com"),
        ("claims", C1),
    ];
    let refused = client.post(&format!("{}/{FABRIKAM}/oauth2/token", client.ready.authority), &form).await;
    assert_eq!(refused.refusal().1, "interaction_required");
    assert_eq!(redeem(&client, &token, None).await.status, 200, "without the claims nobody is asked");

    let scope = "openid profile offline_access https://graph.microsoft.com/User.Read";
    let signed_in = async |claims: &str| {
        let url = client.authorize_url("cpv", scope, &[("claims", claims)]);
        let code = client.sign_in(&url, "admin@fabrikam.com").await["code"].clone();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        client.token("cpv", "organizations", &form).await
    };
    let plain = signed_in("").await;
    assert_eq!(redeem(&client, &plain.text_of("refresh_token"), Some(C1)).await.status, 400, "without the claims");
    let stepped_up = signed_in(C1).await;
    assert_eq!(claims(&stepped_up.text_of("access_token"))["acrs"], json!(["c1"]));
    assert_eq!(me(&client, &stepped_up).await.status, 200);
    let later = redeem(&client, &stepped_up.text_of("refresh_token"), Some(C1)).await;
    assert_eq!(me(&client, &later).await.status, 200);
    assert_eq!(redeem(&client, &token, Some(C1)).await.status, 400, "the older grant is as it was");
}

#[tokio::test]
async fn malformed_claims_are_refused() {
    let (client, token) = start().await;
    for wrong in ["x", "[]", r#"{"access_token":1}"#] {
        assert_eq!(redeem(&client, &token, Some(wrong)).await.json()["error_codes"], json!([9_002_313]), "{wrong}");
        let url = client.authorize_url("cpv", crate::client::SCOPE, &[("claims", wrong)]);
        let answer = client.get(&url).await;
        assert!(answer.header("location").unwrap().contains("error=invalid_request"), "{wrong}");
    }
}

#[tokio::test]
async fn a_capable_clients_token_lives_a_day_and_ends_with_the_sign_in() {
    let (client, token) = start().await;
    let capable = redeem(&client, &token, Some(CP1)).await;
    let plain = redeem(&client, &token, None).await;
    assert_eq!((&capable.json()["expires_in"], &plain.json()["expires_in"]), (&json!(86_400), &json!(3_599)));
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &token),
        ("scope", "https://api.partnercenter.microsoft.com/.default"),
        ("claims", CP1),
    ];
    assert_eq!(client.token("cpv", FABRIKAM, &form).await.json()["expires_in"], 3_599, "an API that does not evaluate");
    assert_eq!((me(&client, &capable).await.status, me(&client, &plain).await.status), (200, 200));

    client.scenario(json!({ "revoke": { "upn": "admin@fabrikam.com" } })).await;
    let ended = me(&client, &capable).await;
    assert_eq!(ended.status, 401);
    let header = headers(&ended).concat();
    let encoded = header.split("claims=\"").nth(1).unwrap().split('"').next().unwrap();
    let wanted: Value = serde_json::from_slice(&STANDARD.decode(encoded).unwrap()).unwrap();
    assert!(wanted["access_token"]["nbf"]["value"].is_string(), "{wanted}");
    assert_eq!(me(&client, &plain).await.status, 200, "who did not say so is not told before the hour is over");
    assert_eq!(redeem(&client, &token, Some(&wanted.to_string())).await.json()["error_codes"], json!([50_173]));

    client.scenario(json!({ "access_token_lifetime": 60 })).await;
    let again = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    let capable = redeem(&client, &again, Some(CP1)).await;
    assert_eq!((&capable.json()["expires_in"], me(&client, &capable).await.status), (&json!(60), 200));
}
