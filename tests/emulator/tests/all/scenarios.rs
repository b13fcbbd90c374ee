//! Being told to misbehave.

use serde_json::json;

use crate::client::{CONTOSO, Client, FABRIKAM};

const CENTER: &str = "https://api.partnercenter.microsoft.com/.default offline_access";

#[tokio::test]
async fn so_many_requests_fail_as_told() {
    let client = Client::start().await;
    let token = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    client.scenario(json!({ "fail": { "path": "token", "times": 2, "status": 429, "headers": { "Retry-After": "7" }, "body": { "told": true } } })).await;
    for _ in 0..2 {
        let answer = client.refresh(FABRIKAM, &token, CENTER).await;
        assert_eq!(
            (answer.status, answer.header("retry-after"), answer.json()),
            (429, Some("7"), json!({ "told": true }))
        );
    }
    assert_eq!(client.refresh(FABRIKAM, &token, CENTER).await.status, 200);

    client
        .scenario(
            json!({ "fail": [{ "path": "partner_center", "status": 500 }, { "path": "/discovery/", "status": 404 }] }),
        )
        .await;
    let profile = format!("{}/v1/profiles/organization", client.ready.partner_center);
    assert_eq!((client.get(&profile).await.status, client.get(&profile).await.status), (500, 401));
    assert_eq!(client.get(&format!("{}/common/discovery/v2.0/keys", client.ready.authority)).await.status, 404);
    client.scenario(json!({ "fail": { "path": "any", "times": 100 } })).await;
    client.scenario(json!({ "fail": null })).await;
    assert_eq!(client.get(&profile).await.status, 401);
}

#[tokio::test]
async fn a_lost_reply_was_done_all_the_same() {
    let client = Client::start().await;
    let token = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    let lose = async |when: &str| {
        client.scenario(json!({ "strict_refresh": true, "fail": { "path": "token", "abort": when } })).await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", &token), ("scope", CENTER)];
        let app = client.app("cpv");
        let credential =
            [("client_id", app.client_id.as_str()), ("client_secret", app.client_secret.as_deref().unwrap())];
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, *value)).chain(credential).collect();
        let url = format!("{}/{FABRIKAM}/oauth2/v2.0/token", client.ready.authority);
        assert!(client.http.post(url).form(&form).send().await.is_err(), "{when}");
    };
    lose("before").await;
    let log = client.requests().await;
    assert_eq!(log["requests"].as_array().unwrap().last().unwrap()["new_refresh_token_sha256"], json!(null));
    lose("after").await;
    assert_eq!(client.refresh(FABRIKAM, &token, CENTER).await.json()["error_codes"], json!([70_000]), "it was used");
}

#[tokio::test]
async fn access_tokens_end_by_the_clock_or_at_once() {
    let client = Client::start().await;
    let profile = format!("{}/v1/profiles/organization", client.ready.partner_center);
    let tokens = client.tokens("admin@fabrikam.com").await;
    let (access, refresh_token) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    assert_eq!(client.api(&profile, access).await.status, 200);
    client.scenario(json!({ "expire_tokens": true })).await;
    assert_eq!(client.api(&profile, access).await.status, 401);
    client.scenario(json!({ "access_token_lifetime": 60 })).await;
    let answer = client.refresh(FABRIKAM, refresh_token, CENTER).await;
    assert_eq!(answer.json()["expires_in"], 60);
    let access = answer.text_of("access_token");
    assert_eq!(client.api(&profile, &access).await.status, 200);
    client.scenario(json!({ "clock_offset": 61 })).await;
    assert_eq!(client.api(&profile, &access).await.status, 401);
}

#[tokio::test]
async fn replies_can_lack_or_write_things_otherwise() {
    let client = Client::start().await;
    let token = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    client.scenario(json!({ "omit_refresh_token": true, "numbers_as_strings": true, "strict_refresh": true })).await;
    for _ in 0..2 {
        let answer = client.refresh(FABRIKAM, &token, CENTER).await.json();
        assert_eq!(
            (&answer["expires_in"], answer.get("refresh_token")),
            (&json!("3599"), None),
            "the old one has to stay good"
        );
    }
}

#[tokio::test]
async fn a_delay_is_kept() {
    let client = Client::start().await;
    client.scenario(json!({ "delay_ms": 300, "path": "graph" })).await;
    let begun = std::time::Instant::now();
    client.get(&format!("{}/v1.0/me", client.ready.graph)).await;
    // A lower bound only: a slow machine cannot break it.
    assert!(begun.elapsed().as_millis() >= 300);
    client.scenario(json!({ "delay_ms": 0 })).await;
    assert_eq!(client.get(&format!("{}/state", client.ready.control)).await.json()["scenario"]["delay"], json!([]));
}

#[tokio::test]
async fn the_log_counts_requests_and_holds_no_secret() {
    let client = Client::start().await;
    let token = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    let second = client.refresh(CONTOSO, &token, "https://graph.microsoft.com/.default").await;
    assert_eq!(second.status, 200);
    let log = client.requests().await;
    assert_eq!(log["count"], 2);
    let entries = log["requests"].as_array().unwrap();
    assert_eq!(
        (&entries[1]["grant_type"], &entries[1]["tenant"], &entries[1]["status"]),
        (&json!("refresh_token"), &json!(CONTOSO), &json!(200))
    );
    assert_eq!(entries[0]["new_refresh_token_sha256"], entries[1]["refresh_token_sha256"]);
    let text = log.to_string();
    for secret in [
        &token,
        &second.text_of("refresh_token"),
        &second.text_of("access_token"),
        &client.app("cpv").client_secret.unwrap(),
    ] {
        assert!(!text.contains(secret.as_str()) && !text.contains(&secret[..20]));
    }
    client.control("/requests/reset", json!({})).await;
    assert_eq!(client.requests().await["count"], 0);
}

#[tokio::test]
async fn a_change_that_makes_no_sense_changes_nothing() {
    let client = Client::start().await;
    let state = async || {
        let mut state = client.get(&format!("{}/state", client.ready.control)).await.json();
        state["now"] = json!(null);
        state
    };
    let before = state().await;
    for change in [
        json!({ "no_such": true }),
        json!({ "mfa": false, "access_token_lifetime": 0 }),
        json!({ "mfa": false, "clock_offset": i64::MAX }),
        json!({ "mfa": false, "consent": { "tenant": "nowhere.example", "granted": true } }),
        json!({ "mfa": false, "error_for": { "audience": "nothing", "error": "x" } }),
        json!({ "mfa": false, "fail": { "path": "token", "headers": { "a b": "c" } } }),
        json!({ "mfa": false, "revoke": { "upn": "nobody@fabrikam.com" } }),
        json!({ "mfa": false, "path": "token" }),
        json!([]),
    ] {
        assert_eq!(client.control("/scenario", change.clone()).await.status, 400, "{change}");
        assert_eq!(state().await, before, "{change}");
    }
    client.scenario(json!({ "mfa": false })).await;
    assert_ne!(state().await, before);
    client.control("/reset", json!({})).await;
    assert_eq!(state().await["scenario"], before["scenario"]);
}

#[tokio::test]
async fn many_partners_and_their_grants_come_by_two_calls() {
    let client = Client::start().await;
    let partners = client.control("/partners", json!({ "count": 30 })).await.json();
    let upns: Vec<_> = partners["partners"].as_array().unwrap().iter().map(|row| row["user"]["upn"].clone()).collect();
    assert_eq!(upns.len(), 30);
    let grants =
        client.control("/grants", json!({ "client_id": client.app("cpv").client_id, "upns": upns })).await.json();
    let last = &grants["grants"][29];
    let answer =
        client.refresh(last["tenant"].as_str().unwrap(), last["refresh_token"].as_str().unwrap(), CENTER).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}
