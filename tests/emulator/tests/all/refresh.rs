//! Refresh tokens: where they may be redeemed, and how they end.

use serde_json::json;

use crate::client::{CONTOSO, Client, FABRIKAM, claims};

const GRAPH: &str = "https://graph.microsoft.com/.default offline_access";
const CENTER: &str = "https://api.partnercenter.microsoft.com/.default offline_access";

#[tokio::test]
async fn one_refresh_token_serves_the_partner_and_its_customers() {
    let client = Client::start().await;
    let refresh_token = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    for (tenant, scope, tid) in [
        (FABRIKAM, CENTER, FABRIKAM),
        ("fabrikam.com", CENTER, FABRIKAM),
        ("organizations", CENTER, FABRIKAM),
        (CONTOSO, GRAPH, "cccccccc-0000-4000-8000-000000000001"),
    ] {
        let answer = client.refresh(tenant, &refresh_token, scope).await;
        assert_eq!(answer.status, 200, "{tenant}: {}", answer.text);
        let access = claims(&answer.text_of("access_token"));
        assert_eq!((access["tid"].as_str().unwrap(), &access["amr"]), (tid, &json!(["pwd", "mfa"])));
        assert_ne!(answer.text_of("refresh_token"), refresh_token, "another each time");
    }
    for (tenant, expected) in [
        ("northwind.example", 50_020),
        ("litware.example", 50_020),
        ("nowhere.example", 90_002),
        ("wingtip.example", 65_001),
    ] {
        let answer = client.refresh(tenant, &refresh_token, GRAPH).await;
        assert_eq!(answer.json()["error_codes"], json!([expected]), "{tenant}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_old_one_stays_good_unless_it_is_strict() {
    let client = Client::start().await;
    let first = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(client.refresh(FABRIKAM, &first, CENTER).await.status, 200);
    assert_eq!(client.refresh(FABRIKAM, &first, CENTER).await.status, 200);

    client.scenario(json!({ "strict_refresh": true })).await;
    let second = client.refresh(FABRIKAM, &first, CENTER).await.text_of("refresh_token");
    let reused = client.refresh(FABRIKAM, &first, CENTER).await;
    assert_eq!(
        (reused.refusal(), reused.text_of("suberror")),
        ((400, "invalid_grant".into(), vec![70_000]), "bad_token".into())
    );
    // A refusal for another reason does not use a token up.
    assert_eq!(client.refresh(FABRIKAM, &second, GRAPH).await.json()["error_codes"], json!([65_001]));
    let third = client.refresh(FABRIKAM, &second, CENTER).await;
    assert_eq!(third.status, 200, "{}", third.text);

    client.scenario(json!({ "revoke_family": true })).await;
    assert_eq!(client.refresh(FABRIKAM, &second, CENTER).await.json()["error_codes"], json!([70_000]));
    assert_eq!(
        client.refresh(FABRIKAM, &third.text_of("refresh_token"), CENTER).await.json()["error_codes"],
        json!([50_173])
    );
}

#[tokio::test]
async fn revocation_is_by_user_tenant_or_all() {
    let client = Client::start().await;
    let of = async |upn| client.tokens(upn).await["refresh_token"].as_str().unwrap().to_owned();
    let (admin, legacy, other) =
        (of("admin@fabrikam.com").await, of("legacy@fabrikam.com").await, of("admin@northwind.example").await);
    let alive =
        async |token: &str| client.refresh("organizations", token, CENTER).await.json()["error_codes"] == json!(null);

    client.scenario(json!({ "revoke": { "upn": "Admin@fabrikam.com" } })).await;
    assert_eq!((alive(&admin).await, alive(&legacy).await, alive(&other).await), (false, true, true));
    let answer = client.refresh(FABRIKAM, &admin, CENTER).await;
    assert_eq!(
        (answer.refusal(), answer.text_of("suberror")),
        ((400, "invalid_grant".into(), vec![50_173]), "bad_token".into())
    );
    client.scenario(json!({ "revoke": { "tenant": "fabrikam.com" } })).await;
    assert_eq!((alive(&legacy).await, alive(&other).await), (false, true));
    client.scenario(json!({ "revoke": "all" })).await;
    assert!(!alive(&other).await);
    assert!(alive(&of("admin@fabrikam.com").await).await, "a new sign-in is a new one");
}

#[tokio::test]
async fn ninety_days_slide() {
    let client = Client::start().await;
    let first = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    client.scenario(json!({ "clock_offset": 89 * 86_400 })).await;
    let second = client.refresh(FABRIKAM, &first, CENTER).await.text_of("refresh_token");
    client.scenario(json!({ "clock_offset": 100 * 86_400 })).await;
    let answer = client.refresh(FABRIKAM, &first, CENTER).await;
    assert_eq!(
        (answer.refusal(), answer.text_of("suberror")),
        ((400, "invalid_grant".into(), vec![700_082]), "token_expired".into())
    );
    assert_eq!(client.refresh(FABRIKAM, &second, CENTER).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_belongs_to_its_client() {
    let client = Client::start().await;
    let token = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", CENTER)];
    let answer = client.token("csp", FABRIKAM, &form).await;
    assert_eq!(
        (answer.refusal(), answer.text_of("suberror")),
        ((400, "invalid_grant".into(), vec![700_007]), "client_mismatch".into())
    );
}

#[tokio::test]
async fn consent_is_per_tenant_and_audience() {
    let client = Client::start().await;
    let token = client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    let status = async |tenant: &str, scope: &str| client.refresh(tenant, &token, scope).await.status;
    assert_eq!(status(FABRIKAM, GRAPH).await, 400);
    client.scenario(json!({ "consent": { "tenant": "fabrikam.com", "resource": "graph", "granted": true } })).await;
    assert_eq!(status(FABRIKAM, GRAPH).await, 200);
    client
        .scenario(
            json!({ "consent": [{ "tenant": CONTOSO, "resource": "https://graph.microsoft.com", "granted": false }] }),
        )
        .await;
    assert_eq!(
        (status(CONTOSO, GRAPH).await, status(CONTOSO, "https://management.azure.com/.default").await),
        (400, 200)
    );
    client.scenario(json!({ "consent": { "tenant": CONTOSO, "granted": false } })).await;
    assert_eq!(status(CONTOSO, "https://management.azure.com/.default").await, 400);
}
