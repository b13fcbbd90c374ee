//! Authorization codes: what they are bound to.

use serde_json::json;

use crate::client::{Client, FABRIKAM, REDIRECT, SCOPE, VERIFIER, claims};

#[tokio::test]
async fn a_code_yields_tokens_once() {
    let client = Client::start().await;
    let code = client.code("cpv", "admin@fabrikam.com").await;
    let answer = client.redeem(&code).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let tokens = answer.json();
    assert_eq!(tokens["expires_in"], 3599);
    assert_eq!(tokens["refresh_in"], 1799);
    assert_eq!(tokens["scope"], "https://api.partnercenter.microsoft.com/user_impersonation");
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(access["aud"], "https://api.partnercenter.microsoft.com");
    assert_eq!(access["ver"], "1.0");
    assert_eq!(access["amr"], json!(["pwd", "mfa"]));
    assert_eq!(access["tid"], FABRIKAM);
    assert_eq!(access["appidacr"], "1");
    assert_eq!(access["upn"], "admin@fabrikam.com");
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    assert!(refresh_token.starts_with("0.emu") && refresh_token.len() > 800);

    assert_eq!(client.redeem(&code).await.refusal(), (400, "invalid_grant".into(), vec![54_005]));
}

#[tokio::test]
async fn a_wrong_verifier_redirect_or_client_is_refused_and_leaves_the_code_good() {
    let client = Client::start().await;
    let code = client.code("cpv", "admin@fabrikam.com").await;
    let base = [("grant_type", "authorization_code"), ("code", code.as_str())];
    let with = |more: &[(&'static str, &'static str)]| [base.as_slice(), more].concat();
    for (profile, tenant, form, expected) in [
        ("cpv", "organizations", with(&[("redirect_uri", REDIRECT), ("code_verifier", "wrong")]), 501_481),
        ("cpv", "organizations", with(&[("redirect_uri", REDIRECT)]), 50_148),
        (
            "cpv",
            "organizations",
            with(&[("redirect_uri", "http://localhost:49998/callback"), ("code_verifier", VERIFIER)]),
            500_112,
        ),
        ("csp", "organizations", with(&[("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)]), 700_007),
        ("cpv", "northwind.example", with(&[("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)]), 700_005),
    ] {
        let answer = client.token(profile, tenant, &form).await;
        assert_eq!(answer.json()["error_codes"], json!([expected]), "{}", answer.text);
    }
    assert_eq!(client.redeem(&code).await.status, 200);
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_refused() {
    let client = Client::start().await;
    let url = client.authorize_url("cpv", SCOPE, &[("code_challenge", ""), ("code_challenge_method", "")]);
    let code = client.sign_in(&url, "admin@fabrikam.com").await["code"].clone();
    assert_eq!(client.redeem(&code).await.refusal(), (400, "invalid_grant".into(), vec![501_481]));
}

#[tokio::test]
async fn a_code_dies_after_ten_minutes() {
    let client = Client::start().await;
    let code = client.code("cpv", "admin@fabrikam.com").await;
    client.scenario(json!({ "clock_offset": 601 })).await;
    assert_eq!(client.redeem(&code).await.refusal(), (400, "invalid_grant".into(), vec![70_008]));
}

#[tokio::test]
async fn several_resources_may_be_consented_to_at_once_and_redeemed_one_by_one() {
    let client = Client::start().await;
    let scope = "openid offline_access https://api.partnercenter.microsoft.com/user_impersonation https://graph.microsoft.com/User.Read \
                 https://management.core.windows.net//user_impersonation";
    let code = client.sign_in(&client.authorize_url("cpv", scope, &[]), "admin@fabrikam.com").await["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("scope", scope),
    ];
    assert_eq!(
        client.token("cpv", "organizations", &form).await.refusal(),
        (400, "invalid_request".into(), vec![28_000])
    );
    let tokens = client.redeem(&code).await.json();
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    for (scope, audience) in [
        ("https://graph.microsoft.com/.default", "https://graph.microsoft.com"),
        // The trailing slash belongs to the resource, so it stays in the audience.
        ("https://management.core.windows.net//.default", "https://management.core.windows.net/"),
        ("https://management.core.windows.net/.default", "https://management.core.windows.net"),
    ] {
        let answer = client.refresh(FABRIKAM, refresh_token, scope).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(claims(&answer.text_of("access_token"))["aud"], audience);
    }
    let answer = client.refresh(FABRIKAM, refresh_token, "https://outlook.office365.com/.default").await;
    assert_eq!(answer.refusal(), (400, "invalid_grant".into(), vec![65_001]));
    assert_eq!(answer.text_of("suberror"), "consent_required");
}

#[tokio::test]
async fn v1_speaks_in_resources_and_strings() {
    let client = Client::start().await;
    let app = client.app("csp");
    let url = format!(
        "{}/common/oauth2/authorize?client_id={}&response_type=code%20id_token&response_mode=form_post&scope=openid%20profile&nonce=n-1&redirect_uri={REDIRECT}",
        client.ready.authority, app.client_id
    );
    let fields = client.sign_in(&url, "admin@fabrikam.com").await;
    assert_eq!(claims(&fields["id_token"])["amr"], json!(["pwd", "mfa"]));
    let resource = "https://api.partnercenter.microsoft.com";
    let token = format!("{}/{FABRIKAM}/oauth2/token", client.ready.authority);
    let credential = [("client_id", app.client_id.as_str()), ("client_secret", app.client_secret.as_deref().unwrap())];
    let code = [
        ("grant_type", "authorization_code"),
        ("code", &fields["code"]),
        ("redirect_uri", REDIRECT),
        ("resource", resource),
    ];
    let answer = client.post(&token, &[credential.as_slice(), &code].concat()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let tokens = answer.json();
    for number in ["expires_in", "ext_expires_in", "expires_on", "not_before"] {
        assert!(tokens[number].is_string(), "{number}: {}", tokens[number]);
    }
    assert_eq!(tokens["scope"], "user_impersonation");
    assert_eq!(tokens["resource"], resource);

    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ("resource", "https://management.azure.com/"),
    ];
    let answer = client.post(&token, &[credential.as_slice(), &refresh].concat()).await;
    assert_eq!(claims(&answer.text_of("access_token"))["aud"], "https://management.azure.com/");
    assert!(answer.json().get("id_token").is_none());
}

#[tokio::test]
async fn the_default_scope_consents_to_the_whole_registration_and_a_named_one_to_itself() {
    let client = Client::start().await;
    let graph = "https://graph.microsoft.com/.default";
    let named = client.tokens("admin@northwind.example").await;
    let tenant = "northwind.example";
    let refused = client.refresh(tenant, named["refresh_token"].as_str().unwrap(), graph).await;
    assert_eq!(refused.json()["error_codes"], json!([65_001]));

    let url = client.authorize_url("cpv", &format!("openid offline_access {graph}"), &[]);
    let code = client.sign_in(&url, "admin@fabrikam.com").await["code"].clone();
    let refresh_token = client.redeem(&code).await.text_of("refresh_token");
    for (scope, status) in [
        ("https://api.partnercenter.microsoft.com/.default", 200),
        ("https://outlook.office365.com/.default", 200),
        ("https://vault.azure.net/.default", 400),
    ] {
        assert_eq!(client.refresh(FABRIKAM, &refresh_token, scope).await.status, status, "{scope}");
    }
}
