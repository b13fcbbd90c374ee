//! Partner Center, Graph and Azure Resource Manager.

use serde_json::json;

use crate::client::{Answer, CONTOSO, Client, FABRIKAM};

async fn profile(client: &Client, token: &str) -> Answer {
    let request = client.http.get(format!("{}/v1/profiles/organization", client.ready.partner_center));
    client
        .send(
            request
                .bearer_auth(token)
                .header("ValidateMfa", "true")
                .header("MS-RequestId", "r-1")
                .header("MS-CorrelationId", "c-1"),
        )
        .await
}

#[tokio::test]
async fn partner_center_takes_only_users_with_mfa() {
    let client = Client::start().await;
    let with = client.tokens("admin@fabrikam.com").await;
    let answer = profile(&client, with["access_token"].as_str().unwrap()).await;
    assert_eq!((answer.status, answer.header("isMfaCompliant")), (200, Some("true")));
    assert_eq!((answer.header("ms-requestid"), answer.header("ms-correlationid")), (Some("r-1"), Some("c-1")));
    assert_eq!(answer.json()["companyName"], "Fabrikam");

    let without = client.tokens("legacy@fabrikam.com").await;
    let answer = profile(&client, without["access_token"].as_str().unwrap()).await;
    assert_eq!(
        (answer.status, answer.header("isMfaCompliant"), answer.text_of("code").as_str()),
        (401, Some("false"), "900421")
    );

    client.scenario(json!({ "mfa": false })).await;
    let off = client.tokens("admin@fabrikam.com").await;
    assert_eq!(profile(&client, off["access_token"].as_str().unwrap()).await.text_of("code"), "900421");
}

#[tokio::test]
async fn each_api_takes_only_its_own_audience() {
    let client = Client::start().await;
    client.scenario(json!({ "consent": { "tenant": FABRIKAM, "granted": true } })).await;
    let tokens = client.tokens("admin@fabrikam.com").await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let access = async |resource: &str| {
        client.refresh(FABRIKAM, refresh_token, &format!("{resource}/.default")).await.text_of("access_token")
    };
    let center = access("https://api.partnercenter.microsoft.com").await;
    let graph = access("https://graph.microsoft.com").await;
    let arm = access("https://management.core.windows.net/").await;

    assert_eq!(profile(&client, &graph).await.text_of("code"), "900420");
    assert_eq!(profile(&client, &access("https://graph.windows.net").await).await.text_of("code"), "900420");
    assert_eq!(profile(&client, &access("fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd").await).await.status, 200);
    assert_eq!(profile(&client, "").await.text_of("code"), "800001");
    assert_eq!(profile(&client, &format!("{center}x")).await.status, 401);
    assert_eq!(
        profile(&client, tokens["id_token"].as_str().unwrap()).await.status,
        401,
        "an id token is no access token"
    );

    let organization = format!("{}/v1.0/organization", client.ready.graph);
    assert_eq!(
        client.api(&organization, &graph).await.json()["value"][0]["verifiedDomains"][0]["name"],
        "fabrikam.com"
    );
    let wrong = client.api(&organization, &center).await;
    assert_eq!((wrong.status, wrong.json()["error"]["code"].as_str()), (401, Some("InvalidAuthenticationToken")));
    assert!(wrong.header("www-authenticate").unwrap().contains("/common/oauth2/authorize"));
    assert_eq!(
        client.api(&format!("{}/v1.0/me", client.ready.graph), &graph).await.json()["userPrincipalName"],
        "admin@fabrikam.com"
    );

    let tenants = format!("{}/tenants?api-version=2022-12-01", client.ready.arm);
    assert_eq!(client.api(&tenants, &arm).await.json()["value"][0]["tenantId"], FABRIKAM);
    assert_eq!(client.api(&tenants, &graph).await.json()["error"]["code"], "InvalidAuthenticationTokenAudience");
    assert_eq!(client.api(&format!("{}/tenants", client.ready.arm), &arm).await.status, 400);
}

#[tokio::test]
async fn customers_come_in_pages_behind_a_byte_order_mark() {
    let client = Client::start().await;
    let token = client.tokens("admin@fabrikam.com").await["access_token"].as_str().unwrap().to_owned();
    let page = async |query: &str, continuation: Option<&str>| {
        let mut request =
            client.http.get(format!("{}/v1/customers{query}", client.ready.partner_center)).bearer_auth(&token);
        if let Some(continuation) = continuation {
            request = request.header("MS-ContinuationToken", continuation);
        }
        client.send(request).await
    };
    let all = page("", None).await;
    assert!(all.text.starts_with('\u{feff}'));
    assert_eq!((&all.json()["totalCount"], all.json()["links"].get("next")), (&json!(5), None));

    let mut domains = Vec::new();
    let mut answer = page("?size=2", None).await;
    loop {
        let body = answer.json();
        domains.extend(
            body["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["companyProfile"]["domain"].as_str().unwrap().to_owned()),
        );
        let Some(next) = body["links"].get("next") else { break };
        let header = next["headers"][0].clone();
        assert_eq!(header["key"], "MS-ContinuationToken");
        let uri = next["uri"].as_str().unwrap().trim_start_matches("/customers").to_owned();
        answer = page(&uri, header["value"].as_str()).await;
    }
    assert_eq!(domains, ["contoso.com", "tailspin.example", "wingtip.example", "adatum.example", "woodgrove.example"]);
    assert_eq!(
        (page("?size=0", None).await.status, page("?seekOperation=Next", Some("junk")).await.status),
        (400, 400)
    );
}

#[tokio::test]
async fn a_vendor_consents_for_a_customer_through_partner_center() {
    let client = Client::start().await;
    let tokens = client.tokens("admin@fabrikam.com").await;
    let (access, refresh_token) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let client_id = client.app("cpv").client_id;
    let consents = format!(
        "{}/v1/customers/cccccccc-0000-4000-8000-000000000003/applicationconsents",
        client.ready.partner_center
    );
    let grants = json!([{ "enterpriseApplicationId": "00000003-0000-0000-c000-000000000000", "scope": "User.Read, Directory.Read.All" }]);
    let body = json!({ "applicationId": client_id, "applicationGrants": grants, "displayName": "test" }).to_string();
    let post = async || client.send(client.http.post(&consents).bearer_auth(access).body(body.clone())).await;
    let graph = async |scope| client.refresh("wingtip.example", refresh_token, scope).await;

    assert_eq!(graph("https://graph.microsoft.com/.default").await.json()["error_codes"], json!([65_001]));
    assert_eq!((post().await.status, post().await.status), (201, 409));
    assert_eq!(graph("https://graph.microsoft.com/User.Read").await.status, 200);
    assert_eq!(
        graph("https://graph.microsoft.com/Mail.Read").await.json()["error_codes"],
        json!([65_001]),
        "only what was granted"
    );
    let gone = client.send(client.http.delete(format!("{consents}/{client_id}")).bearer_auth(access)).await;
    assert_eq!(gone.status, 204);
    assert_eq!(graph("https://graph.microsoft.com/User.Read").await.status, 400);

    let other = consents.replace("000000000003", "000000000101");
    assert_eq!(
        client.send(client.http.post(&other).bearer_auth(access).body(body.clone())).await.text_of("code"),
        "20002"
    );
}

#[tokio::test]
async fn an_app_alone_reaches_where_it_is_installed() {
    let client = Client::start().await;
    let token = async |tenant: &str, scope: &str| {
        client.token("cpv", tenant, &[("grant_type", "client_credentials"), ("scope", scope)]).await
    };
    let graph = "https://graph.microsoft.com/.default";
    let answer = token(CONTOSO, graph).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.json().get("refresh_token").is_none());
    let access = crate::client::claims(&answer.text_of("access_token"));
    assert_eq!((&access["idtyp"], access.get("upn"), access.get("amr")), (&json!("app"), None, None));
    let me = client.api(&format!("{}/v1.0/me", client.ready.graph), &answer.text_of("access_token")).await;
    assert_eq!(me.status, 400);

    for (tenant, scope, expected) in [
        ("wingtip.example", graph, 7_000_229),
        ("organizations", graph, 50_059),
        (CONTOSO, "https://graph.microsoft.com/User.Read", 1_002_012),
        (CONTOSO, "https://graph.microsoft.com/.default https://management.azure.com/.default", 70_011),
    ] {
        assert_eq!(token(tenant, scope).await.json()["error_codes"], json!([expected]), "{tenant} {scope}");
    }
}

#[tokio::test]
async fn an_app_alone_may_do_what_its_roles_say() {
    let client = Client::start().await;
    let token = async |profile: &str, tenant: &str| {
        let form = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
        client.token(profile, tenant, &form).await
    };
    let roles = |answer: &Answer| crate::client::claims(&answer.text_of("access_token"))["roles"].clone();
    let principals = format!("{}/v1.0/servicePrincipals", client.ready.graph);
    let own = token("csp", FABRIKAM).await;
    assert!(roles(&own).as_array().unwrap().contains(&json!("Directory.Read.All")));
    assert_eq!(client.api(&principals, &own.text_of("access_token")).await.status, 200);

    // The vendor's app is unknown at the partner, then known by a user's consent, which gives it no role of its own.
    assert_eq!(token("cpv", FABRIKAM).await.json()["error_codes"], json!([7_000_229]));
    client.tokens("admin@fabrikam.com").await;
    let known = token("cpv", FABRIKAM).await;
    assert_eq!((known.status, roles(&known)), (200, json!(null)));
    assert_eq!(client.api(&principals, &known.text_of("access_token")).await.status, 403);
    let change = json!({
        "tenant": FABRIKAM, "client_id": client.app("cpv").client_id, "resource": "graph", "roles": ["Directory.Read.All"],
        "granted": true,
    });
    client.scenario(json!({ "app_roles": change })).await;
    let assigned = token("cpv", FABRIKAM).await;
    assert_eq!(roles(&assigned), json!(["Directory.Read.All"]));
    assert_eq!(client.api(&principals, &assigned.text_of("access_token")).await.status, 200);

    // Partner Center lists customers for an app alone, and has what it keeps for users.
    let form = [("grant_type", "client_credentials"), ("scope", "https://api.partnercenter.microsoft.com/.default")];
    let alone = client.token("csp", FABRIKAM, &form).await.text_of("access_token");
    let center = async |path: &str| client.api(&format!("{}/v1/{path}", client.ready.partner_center), &alone).await;
    assert_eq!(center("customers").await.status, 200);
    let answer = center("nonMfaCompliantPartnerPrincipals").await;
    assert_eq!((answer.status, answer.text_of("code").as_str()), (403, "900329"));
}
