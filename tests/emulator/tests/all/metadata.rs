//! Discovery.

use serde_json::json;

use crate::client::{Client, FABRIKAM};

#[tokio::test]
async fn a_tenant_is_found_by_guid_domain_or_word() {
    let client = Client::start().await;
    let authority = &client.ready.authority;
    for (tenant, segment, id) in [
        (FABRIKAM, FABRIKAM, FABRIKAM),
        ("FABRIKAM.com", FABRIKAM, FABRIKAM),
        ("organizations", "organizations", "{tenantid}"),
        ("common", "common", "{tenantid}"),
    ] {
        let v2 = client.get(&format!("{authority}/{tenant}/v2.0/.well-known/openid-configuration")).await.json();
        assert_eq!(v2["issuer"], format!("{authority}/{id}/v2.0"));
        assert_eq!(v2["token_endpoint"], format!("{authority}/{segment}/oauth2/v2.0/token"));
        assert_eq!(v2["device_authorization_endpoint"], format!("{authority}/{segment}/oauth2/v2.0/devicecode"));
        let v1 = client.get(&format!("{authority}/{tenant}/.well-known/openid-configuration")).await.json();
        assert_eq!(v1["issuer"], format!("{authority}/{id}/"));
        assert_eq!(client.get(v1["jwks_uri"].as_str().unwrap()).await.json()["keys"][0]["issuer"], v1["issuer"]);
    }
    let unknown = client.get(&format!("{authority}/nowhere.example/v2.0/.well-known/openid-configuration")).await;
    assert_eq!(unknown.refusal(), (400, "invalid_tenant".into(), vec![90_002]));
}

#[tokio::test]
async fn instance_discovery_knows_itself_only() {
    let client = Client::start().await;
    let authority = &client.ready.authority;
    let ask = async |endpoint: &str| {
        client
            .get(&format!("{authority}/common/discovery/instance?api-version=1.1&authorization_endpoint={endpoint}"))
            .await
    };
    let own = ask(&format!("{authority}/fabrikam.com/oauth2/v2.0/authorize")).await.json();
    assert_eq!(
        own["tenant_discovery_endpoint"],
        format!("{authority}/fabrikam.com/v2.0/.well-known/openid-configuration")
    );
    assert_eq!(own["metadata"][0]["preferred_network"], json!(authority.trim_start_matches("https://")));
    for other in
        ["https://login.example/common/oauth2/authorize", "http://localhost/common/oauth2/authorize", "junk", ""]
    {
        assert_eq!(ask(other).await.refusal().1, "invalid_instance", "{other}");
    }
}
