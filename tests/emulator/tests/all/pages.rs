//! The pages, as a browser meets them.

use serde_json::json;

use crate::client::{Answer, Client, REDIRECT, SCOPE, challenge, claims, pairs_of};

/// The value of a hidden field.
fn hidden(html: &str, name: &str) -> String {
    let start = html.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_default();
    start.split('"').next().unwrap_or_default().replace("&amp;", "&")
}

async fn answer(client: &Client, ctx: &str, fields: &[(&str, &str)]) -> Answer {
    let form = [&[("ctx", ctx)], fields].concat();
    client.post(&format!("{}/common/login", client.ready.authority), &form).await
}

#[tokio::test]
async fn a_person_signs_in_page_by_page() {
    let client = Client::start().await;
    let user = client.user("admin@fabrikam.com");
    let page = client.get(&client.authorize_url("cpv", SCOPE, &[("login_hint", "admin@fabrikam.com")])).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("value=\"admin@fabrikam.com\"") && page.text.contains("name=\"passwd\""));
    assert!(!page.text.contains("src=") && !page.text.contains("<link"), "nothing from elsewhere");
    let ctx = hidden(&page.text, "ctx");

    let page = answer(&client, &ctx, &[("login", &user.upn), ("passwd", "wrong")]).await;
    assert!(page.text.contains("AADSTS50126") && page.text.contains("name=\"passwd\""));
    let page = answer(&client, &ctx, &[("login", &user.upn), ("passwd", &user.password)]).await;
    assert!(page.text.contains("name=\"otp\""), "{}", page.text);
    let page = answer(&client, &ctx, &[("otp", "000000")]).await;
    assert!(page.text.contains("AADSTS500121"));
    let page = answer(&client, &ctx, &[("otp", &user.otp)]).await;
    assert!(page.text.contains("Microsoft Partner Center") && page.text.contains("value=\"accept\""), "{}", page.text);
    let page = answer(&client, &ctx, &[("consent", "accept")]).await;
    assert_eq!(page.status, 302);
    let pairs = pairs_of(page.header("location").unwrap());
    assert_eq!(pairs["state"], "test-state");
    assert_eq!(client.redeem(&pairs["code"]).await.status, 200);

    let page = answer(&client, &ctx, &[("consent", "accept")]).await;
    assert_eq!(page.status, 400, "a sign-in ends once");
}

#[tokio::test]
async fn a_script_posts_all_answers_at_once_and_consents_only_once() {
    let client = Client::start().await;
    let user = client.user("admin@fabrikam.com");
    let all = [("login", user.upn.as_str()), ("passwd", &user.password), ("otp", &user.otp)];
    let url = client.authorize_url("cpv", SCOPE, &[]);
    let ctx = hidden(&client.get(&url).await.text, "ctx");
    let page = answer(&client, &ctx, &[all.as_slice(), &[("consent", "accept")]].concat()).await;
    assert_eq!(page.status, 302);

    let ctx = hidden(&client.get(&url).await.text, "ctx");
    assert_eq!(answer(&client, &ctx, &all).await.status, 302, "no consent page: it was given");
    let ctx = hidden(&client.get(&client.authorize_url("cpv", SCOPE, &[("prompt", "consent")])).await.text, "ctx");
    assert!(answer(&client, &ctx, &all).await.text.contains("value=\"accept\""), "unless it is asked for");
}

#[tokio::test]
async fn cancel_is_an_error_with_the_state() {
    let client = Client::start().await;
    let ctx = hidden(&client.get(&client.authorize_url("cpv", SCOPE, &[])).await.text, "ctx");
    let page = answer(&client, &ctx, &[("consent", "cancel")]).await;
    let pairs = pairs_of(page.header("location").unwrap());
    assert_eq!(
        (pairs["error"].as_str(), pairs["error_subcode"].as_str(), pairs["state"].as_str()),
        ("access_denied", "cancel", "test-state")
    );
    assert!(pairs["error_description"].starts_with("AADSTS65004"));
    assert!(!pairs.contains_key("code"));
}

#[tokio::test]
async fn form_post_carries_code_and_id_token_that_belong_together() {
    let client = Client::start().await;
    let user = client.user("admin@fabrikam.com");
    let state = "<\"&'>";
    let url = client.authorize_url(
        "cpv",
        SCOPE,
        &[("response_type", "code id_token"), ("response_mode", "form_post"), ("state", state)],
    );
    let ctx = hidden(&client.get(&url).await.text, "ctx");
    let all = [("login", user.upn.as_str()), ("passwd", &user.password), ("otp", &user.otp), ("consent", "accept")];
    let page = answer(&client, &ctx, &all).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains(&format!("<form method=\"post\" action=\"{REDIRECT}\">")), "{}", page.text);
    assert!(page.text.contains("value=\"&lt;&quot;&amp;&#39;&gt;\""), "the state is escaped");
    let id_token = claims(&hidden(&page.text, "id_token"));
    assert_eq!(id_token["nonce"], "test-nonce");
    // OpenID Connect Core section 3.3.2.11.
    let whole = challenge(&hidden(&page.text, "code"));
    assert_eq!(id_token["c_hash"].as_str().unwrap()[..20], whole[..20]);
    assert_eq!(client.redeem(&hidden(&page.text, "code")).await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_with_client_redirect_or_tenant_is_shown_and_never_redirected() {
    let client = Client::start().await;
    for (more, code) in [
        (("redirect_uri", "https://evil.example/callback"), "AADSTS50011"),
        (("redirect_uri", "http://localhost.evil.example/callback"), "AADSTS50011"),
        (("client_id", "eeeeeeee-0000-4000-8000-00000000ffff"), "AADSTS700016"),
        (("client_id", "<script>alert(1)</script>"), "AADSTS700016"),
    ] {
        let page = client.get(&client.authorize_url("cpv", SCOPE, &[more])).await;
        assert_eq!(page.status, 400);
        assert!(page.text.contains(code), "{}", page.text);
        assert!(page.header("location").is_none() && !page.text.contains("<script>"));
    }
    let url = client.authorize_url("cpv", SCOPE, &[]).replace("/organizations/", "/nowhere.example/");
    assert!(client.get(&url).await.text.contains("AADSTS90002"));
}

#[tokio::test]
async fn other_mistakes_go_to_the_redirect() {
    let client = Client::start().await;
    for (more, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "https://unknown.example/.default"), "invalid_resource"),
        (("scope", "no_such_scope"), "invalid_scope"),
        (("prompt", "none"), "login_required"),
        (("prompt", "admin_consent"), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("resource", "https://graph.microsoft.com"), "invalid_request"),
    ] {
        let page = client.get(&client.authorize_url("cpv", SCOPE, &[more])).await;
        assert_eq!(page.status, 302, "{more:?} {}", page.text);
        let pairs = pairs_of(page.header("location").unwrap());
        assert_eq!((pairs["error"].as_str(), pairs["state"].as_str()), (error, "test-state"), "{more:?}");
    }
}

#[tokio::test]
async fn a_stranger_cannot_sign_in_at_another_tenant() {
    let client = Client::start().await;
    let url = client.authorize_url("cpv", SCOPE, &[]).replace("/organizations/", "/fabrikam.com/");
    let answer = client.control("/signin", json!({ "authorize_url": url, "upn": "admin@northwind.example" })).await;
    assert_eq!(answer.refusal(), (400, "invalid_grant".into(), vec![50_020]));
}

#[tokio::test]
async fn an_administrator_consents_first_and_a_service_account_signs_in_then() {
    let client = Client::start().await;
    let url = client.authorize_url("cpv", SCOPE, &[]);
    let answer = client.control("/signin", json!({ "authorize_url": url, "upn": "service@fabrikam.com" })).await;
    assert_eq!(answer.json()["error_codes"], json!([90_094]), "{}", answer.text);

    let consent = format!(
        "{}/fabrikam.com/v2.0/adminconsent?client_id={}&scope=https://api.partnercenter.microsoft.com/.default&redirect_uri={REDIRECT}&state=s-1",
        client.ready.authority,
        client.app("cpv").client_id
    );
    let declined = client
        .control("/signin", json!({ "authorize_url": consent, "upn": "admin@fabrikam.com", "accept": false }))
        .await;
    let pairs = pairs_of(&declined.text_of("location"));
    assert_eq!((pairs["error"].as_str(), pairs["state"].as_str()), ("consent_required", "s-1"));
    let pairs = client.sign_in(&consent, "admin@fabrikam.com").await;
    assert_eq!(
        (pairs["admin_consent"].as_str(), pairs["tenant"].as_str(), pairs["state"].as_str()),
        ("True", crate::client::FABRIKAM, "s-1")
    );
    assert!(!pairs.contains_key("code"));

    assert!(client.sign_in(&url, "service@fabrikam.com").await.contains_key("code"));
}
