//! National clouds: their resources are known, the others' are not.

use partnersam_emulator::{Cloud, Options};
use serde_json::json;

use crate::client::{Client, FABRIKAM, claims};

#[tokio::test]
async fn each_cloud_knows_its_own_resources_only() {
    for (cloud, graph, center, others) in [
        (
            Cloud::UsGovernment,
            "https://graph.microsoft.us",
            "https://api.partnercenter.microsoft.com",
            ["https://graph.microsoft.com", "https://management.azure.com", "https://vault.azure.cn"],
        ),
        (
            Cloud::China,
            "https://microsoftgraph.chinacloudapi.cn",
            "https://partner.partnercenterapi.microsoftonline.cn",
            [
                "https://graph.microsoft.com",
                "https://api.partnercenter.microsoft.com",
                "https://vault.usgovcloudapi.net",
            ],
        ),
        (
            Cloud::Public,
            "https://graph.microsoft.com",
            "https://api.partnercenter.microsoft.com",
            ["https://graph.microsoft.us", "https://management.chinacloudapi.cn", "https://vault.azure.cn"],
        ),
    ] {
        let client = Client::start_with(Options { cloud, ..Options::default() }).await;
        assert_eq!(client.ready.cloud, cloud);
        client.scenario(json!({ "consent": { "tenant": FABRIKAM, "granted": true } })).await;
        let scope = format!("openid profile offline_access {center}/user_impersonation");
        let code =
            client.sign_in(&client.authorize_url("cpv", &scope, &[]), "admin@fabrikam.com").await["code"].clone();
        let tokens = client.redeem(&code).await;
        assert_eq!(tokens.status, 200, "{cloud:?}: {}", tokens.text);
        let refresh_token = tokens.text_of("refresh_token");
        let profile = format!("{}/v1/profiles/organization", client.ready.partner_center);
        assert_eq!(client.api(&profile, &tokens.text_of("access_token")).await.status, 200, "{cloud:?}");

        let answer = client.refresh(FABRIKAM, &refresh_token, &format!("{graph}/.default")).await;
        let token = answer.text_of("access_token");
        assert_eq!(claims(&token)["aud"], graph);
        assert_eq!(client.api(&format!("{}/v1.0/me", client.ready.graph), &token).await.status, 200, "{cloud:?}");
        assert_eq!(client.api(&profile, &token).await.text_of("code"), "900420", "{cloud:?}");
        // A name without a resource is this cloud's Graph.
        let bare = client.refresh(FABRIKAM, &refresh_token, "User.Read").await.text_of("access_token");
        assert_eq!(claims(&bare)["aud"], graph);
        for other in others {
            let answer = client.refresh(FABRIKAM, &refresh_token, &format!("{other}/.default")).await;
            assert_eq!(answer.refusal(), (400, "invalid_resource".to_owned(), vec![500_011]), "{cloud:?} {other}");
        }
        let federated = client.app("cpv").federated_credentials[0].audience.clone();
        assert_eq!(federated == "api://AzureADTokenExchange", cloud == Cloud::Public);
    }
}

#[tokio::test]
async fn a_tenant_of_another_cloud_is_named_as_such() {
    let client = Client::start_with(Options { cloud: Cloud::China, ..Options::default() }).await;
    let scope = ("scope", "https://microsoftgraph.chinacloudapi.cn/.default");
    let form = [("grant_type", "client_credentials"), scope];
    for (profile, tenant, expected) in [
        ("cpv", "fabrikam.onmicrosoft.com", 900_382),
        ("cpv", "fabrikam.onmicrosoft.us", 900_382),
        ("public", "fabrikam.onmicrosoft.com", 90_038),
        ("cpv", "nowhere.partner.onmschina.cn", 90_002),
        ("cpv", "nowhere.example", 90_002),
    ] {
        assert_eq!(client.token(profile, tenant, &form).await.refusal().2, [expected], "{profile} {tenant}");
    }
    let metadata = format!("{}/{FABRIKAM}/v2.0/.well-known/openid-configuration", client.ready.authority);
    assert_eq!(client.get(&metadata).await.json()["tenant_region_scope"], "CN");
}

#[test]
fn the_program_takes_the_cloud_by_name() {
    let run = |cloud: &str| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_partnersam-emulator"));
        program.args(["--cloud", cloud, "--no-such-option"]).output().unwrap()
    };
    let text = |output: std::process::Output| String::from_utf8(output.stderr).unwrap();
    assert!(text(run("mars")).contains("not a cloud"));
    assert!(text(run("us-government")).contains("not an option"), "the cloud was taken");
}
