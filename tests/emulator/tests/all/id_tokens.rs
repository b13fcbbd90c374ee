//! Id tokens by their keys, good and bad.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::client::{Client, FABRIKAM, claims};

async fn keys(client: &Client) -> Vec<Value> {
    let metadata = client
        .get(&format!("{}/fabrikam.com/v2.0/.well-known/openid-configuration", client.ready.authority))
        .await
        .json();
    client.get(metadata["jwks_uri"].as_str().unwrap()).await.json()["keys"].as_array().unwrap().clone()
}

fn verifies(token: &str, keys: &[Value]) -> bool {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let header: Value = serde_json::from_slice(&decode(message.split('.').next().unwrap())).unwrap();
    let Some(key) = keys.iter().find(|key| key["kid"] == header["kid"]) else { return false };
    let public =
        RsaPublicKeyComponents { n: decode(key["n"].as_str().unwrap()), e: decode(key["e"].as_str().unwrap()) };
    header["alg"] == "RS256"
        && public.verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &decode(signature)).is_ok()
}

async fn id_token(client: &Client) -> String {
    client.tokens("admin@fabrikam.com").await["id_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_good_one_verifies_and_says_who() {
    let client = Client::start().await;
    let token = id_token(&client).await;
    let keys = keys(&client).await;
    assert!(verifies(&token, &keys));
    assert_eq!(keys[0]["issuer"], format!("{}/{FABRIKAM}/v2.0", client.ready.authority));
    let id = claims(&token);
    assert_eq!(id["iss"], format!("{}/{FABRIKAM}/v2.0", client.ready.authority));
    assert_eq!(id["aud"], client.app("cpv").client_id);
    assert_eq!((&id["nonce"], &id["tid"]), (&json!("test-nonce"), &json!(FABRIKAM)));
    assert_eq!(
        (&id["preferred_username"], &id["oid"]),
        (&json!("admin@fabrikam.com"), &json!(client.user("admin@fabrikam.com").oid))
    );
    assert!(id["auth_time"].is_i64() && id.get("amr").is_none());
}

#[tokio::test]
async fn each_bad_one_is_bad_in_its_own_way() {
    let client = Client::start().await;
    let good = claims(&id_token(&client).await);
    let keys = keys(&client).await;
    for (bad, claim) in [("issuer", "iss"), ("audience", "aud"), ("nonce", "nonce"), ("tenant", "tid")] {
        client.scenario(json!({ "bad_id_token": bad })).await;
        let token = id_token(&client).await;
        assert!(verifies(&token, &keys), "{bad}");
        assert_ne!(claims(&token)[claim], good[claim], "{bad}");
    }
    client.scenario(json!({ "bad_id_token": "expired" })).await;
    let token = id_token(&client).await;
    assert!(claims(&token)["exp"].as_i64() < good["iat"].as_i64().map(|iat| iat - 300) && verifies(&token, &keys));
    client.scenario(json!({ "bad_id_token": "signature" })).await;
    assert!(!verifies(&id_token(&client).await, &keys));
    client.scenario(json!({ "bad_id_token": "alg_none" })).await;
    assert!(id_token(&client).await.ends_with('.'));
    client.scenario(json!({ "bad_id_token": null })).await;
    assert!(verifies(&id_token(&client).await, &keys));
}

#[tokio::test]
async fn keys_roll_over_and_the_former_one_still_verifies() {
    let client = Client::start().await;
    let tokens = client.tokens("admin@fabrikam.com").await;
    let before = keys(&client).await;
    client.scenario(json!({ "rotate_keys": true })).await;
    let new = id_token(&client).await;
    assert!(!verifies(&new, &before), "a client has to fetch the keys again");
    let after = keys(&client).await;
    assert_eq!(after.len(), 2);
    assert!(verifies(&new, &after) && verifies(tokens["id_token"].as_str().unwrap(), &after));
    let profile = format!("{}/v1/profiles/organization", client.ready.partner_center);
    assert_eq!(client.api(&profile, tokens["access_token"].as_str().unwrap()).await.status, 200);
}
