//! The device flow.

use serde_json::{Value, json};

use crate::client::{Answer, Client, FABRIKAM, SCOPE, claims};

async fn begin(client: &Client) -> Value {
    let app = client.app("public");
    let url = format!("{}/{FABRIKAM}/oauth2/v2.0/devicecode", client.ready.authority);
    let answer = client.post(&url, &[("client_id", &app.client_id), ("scope", SCOPE)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn poll(client: &Client, begun: &Value) -> Answer {
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    client
        .token("public", FABRIKAM, &[("grant_type", grant), ("device_code", begun["device_code"].as_str().unwrap())])
        .await
}

#[tokio::test]
async fn a_device_waits_for_the_person_and_gets_tokens_once() {
    let client = Client::start().await;
    let begun = begin(&client).await;
    assert_eq!((&begun["interval"], &begun["expires_in"]), (&json!(1), &json!(900)));
    let code = begun["user_code"].as_str().unwrap();
    assert!(begun["message"].as_str().unwrap().contains(code));
    assert_eq!(poll(&client, &begun).await.refusal(), (400, "authorization_pending".into(), vec![70_016]));
    client.scenario(json!({ "slow_down": 1 })).await;
    assert_eq!(poll(&client, &begun).await.refusal().1, "slow_down");
    assert_eq!(poll(&client, &begun).await.refusal().1, "authorization_pending");

    // By the pages: the code, then the sign-in.
    let page = client.get(&format!("{}?user_code={code}", begun["verification_uri"].as_str().unwrap())).await;
    assert!(page.text.contains(&format!("value=\"{code}\"")));
    let user = client.user("admin@fabrikam.com");
    let form = [
        ("user_code", code),
        ("login", &user.upn),
        ("passwd", &user.password),
        ("otp", &user.otp),
        ("consent", "accept"),
    ];
    let page = client.post(begun["verification_uri"].as_str().unwrap(), &form).await;
    assert!(page.text.contains("You are signed in"), "{}", page.text);

    let answer = poll(&client, &begun).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let access = claims(&answer.text_of("access_token"));
    assert_eq!((&access["amr"], &access["appidacr"]), (&json!(["pwd", "mfa"]), &json!("0")));
    assert!(!answer.text_of("refresh_token").is_empty());
    assert_eq!(poll(&client, &begun).await.refusal(), (400, "bad_verification_code".into(), vec![70_018]));
}

#[tokio::test]
async fn a_declined_or_late_device_code_is_over() {
    let client = Client::start().await;
    let begun = begin(&client).await;
    let decline = json!({ "user_code": begun["user_code"], "upn": "admin@fabrikam.com", "accept": false });
    assert_eq!(client.control("/signin", decline).await.status, 200);
    assert_eq!(poll(&client, &begun).await.refusal().1, "authorization_declined");

    let begun = begin(&client).await;
    client.scenario(json!({ "clock_offset": 901 })).await;
    assert_eq!(poll(&client, &begun).await.refusal().1, "expired_token");
    let late = json!({ "user_code": begun["user_code"], "upn": "admin@fabrikam.com" });
    assert_eq!(client.control("/signin", late).await.refusal(), (400, "bad_verification_code".into(), vec![70_018]));
}

#[tokio::test]
async fn v1_names_the_grant_its_own_way() {
    let client = Client::start().await;
    let app = client.app("public");
    let base = format!("{}/{FABRIKAM}/oauth2", client.ready.authority);
    let resource = ("resource", "https://api.partnercenter.microsoft.com");
    let begun = client.post(&format!("{base}/devicecode"), &[("client_id", &app.client_id), resource]).await.json();
    assert_eq!(begun["interval"], "1");
    let done = client.control("/signin", json!({ "user_code": begun["user_code"], "upn": "admin@fabrikam.com" })).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let code = begun["device_code"].as_str().unwrap();
    let answer = client
        .post(
            &format!("{base}/token"),
            &[("grant_type", "device_code"), ("client_id", &app.client_id), ("code", code), resource],
        )
        .await;
    assert_eq!((answer.status, &answer.json()["expires_in"]), (200, &json!("3599")), "{}", answer.text);
}
