//! Nonsense in, an answer out, and nothing broken.

use serde_json::json;

use crate::client::Client;

#[tokio::test]
async fn junk_is_answered_and_survived() {
    let client = Client::start().await;
    let authority = client.ready.authority.clone();
    let faces =
        [&authority, &client.ready.partner_center, &client.ready.graph, &client.ready.arm, &client.ready.control]
            .map(String::clone);
    let paths = [
        "/",
        "//",
        "/%00",
        "/%ff%fe",
        "/a/b/c/d/e/f",
        "/common/oauth2/v2.0/token",
        "/%2e%2e/oauth2/token",
        "/organizations/oauth2/v2.0/authorize?%ff=%zz&&=&a",
        "/v1/customers/%00?size=-1",
        "/v1.0/me?$filter=%",
        "/tenants",
        "/scenario",
        "/signin",
        "/grants",
        "/common/login",
        "/devicelogin",
        "/common/oauth2/devicecode",
        "/x/discovery/keys",
        "/common/discovery/instance?authorization_endpoint=https://%5B",
        "/x/adminconsent?client_id=%F0%9F%92%A9",
    ];
    let bodies = [
        "",
        "=&=&=",
        "%",
        "grant_type=%00&client_id=\u{1f4a9}",
        "{",
        "[[[[[[[[[[",
        "null",
        "{\"upn\":1}",
        "grant_type=refresh_token&refresh_token=0.emu%00",
    ];
    let deep = "[".repeat(50_000);
    for face in &faces {
        for path in paths {
            let url = format!("{face}{path}");
            let got = client
                .http
                .get(&url)
                .header("authorization", "Bearer ..")
                .header("client-request-id", "junk")
                .send()
                .await
                .unwrap();
            assert!(got.status().as_u16() < 500, "{url}: {}", got.status());
            for body in bodies.iter().copied().chain([deep.as_str()]) {
                let posted = client
                    .http
                    .post(&url)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(body.to_owned())
                    .send()
                    .await
                    .unwrap();
                assert!(posted.status().as_u16() < 500, "{url} {:.40}: {}", body, posted.status());
            }
        }
    }
    let big = client
        .http
        .post(format!("{authority}/common/oauth2/v2.0/token"))
        .body("a".repeat(1 << 20))
        .send()
        .await
        .unwrap();
    assert_eq!(big.status(), 413);
    assert!(client.tokens("admin@fabrikam.com").await["access_token"].is_string());
}

#[tokio::test]
async fn junk_from_callers_with_a_token_is_answered_too() {
    let client = Client::start().await;
    let tenant = crate::client::FABRIKAM;
    let scopes = json!(["Directory.ReadWrite.All"]);
    client
        .scenario(json!({ "consent": { "tenant": tenant, "resource": "graph", "scopes": scopes, "granted": true } }))
        .await;
    let tokens = client.tokens("admin@fabrikam.com").await;
    let center = tokens["access_token"].as_str().unwrap().to_owned();
    let graph = client
        .refresh(tenant, tokens["refresh_token"].as_str().unwrap(), "https://graph.microsoft.com/.default")
        .await
        .text_of("access_token");
    let control = String::new();
    let customer = "/v1/customers/cccccccc-0000-4000-8000-000000000003/applicationconsents";
    let paths = [
        (&client.ready.partner_center, &center, customer.to_owned()),
        (&client.ready.partner_center, &center, format!("{customer}/%00")),
        (&client.ready.graph, &graph, "/v1.0/oauth2PermissionGrants?$filter=%27&$top=-1&$skiptoken=%00".to_owned()),
        (
            &client.ready.graph,
            &graph,
            "/v1.0/oauth2PermissionGrants?$skiptoken=emulator-after-18446744073709551615".to_owned(),
        ),
        (&client.ready.graph, &graph, "/v1.0/servicePrincipals(appId='')".to_owned()),
        (&client.ready.graph, &graph, "/v1.0/applications(appId='x')/addPassword".to_owned()),
        (&client.ready.graph, &graph, "/v1.0/users/%00/revokeSignInSessions".to_owned()),
        (&client.ready.graph, &graph, "/v1.0/applications/x/addKey".to_owned()),
        (&client.ready.control, &control, "/customers".to_owned()),
        (&client.ready.control, &control, "/certificates".to_owned()),
        (&client.ready.control, &control, "/federated-token".to_owned()),
        (&client.ready.control, &control, "/password-reset".to_owned()),
    ];
    let bodies = [
        "",
        "{",
        "null",
        "[]",
        "{\"applicationId\":1}",
        "{\"applicationId\":\"\",\"applicationGrants\":[{}]}",
        "{\"keyCredentials\":[{}]}",
        "{\"keyCredential\":{},\"proof\":\"..\"}",
        "{\"count\":-1}",
        "{\"count\":1,\"fail\":{}}",
        "{\"lifetime\":9223372036854775807}",
        "{\"lifetime\":-9223372036854775808}",
        "{\"client_id\":\"\",\"valid_days\":9223372036854775807}",
        "{\"upn\":\"\",\"how\":\"\"}",
    ];
    for (face, token, path) in &paths {
        let url = format!("{face}{path}");
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            for body in bodies {
                let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
                let request = client.http.request(method.clone(), &url).bearer_auth(token).body(body);
                let status = request.send().await.unwrap().status().as_u16();
                assert!(status < 500, "{method} {url} {body}: {status}");
            }
        }
    }
    for claims in
        ["{}", "{\"access_token\":{\"xms_cc\":1,\"acrs\":[]}}", "{\"access_token\":{\"acrs\":{\"values\":[1,null]}}}"]
    {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
            ("scope", "https://graph.microsoft.com/.default"),
            ("claims", claims),
        ];
        assert_eq!(client.token("cpv", tenant, &form).await.status, 200, "{claims}");
    }
}

#[tokio::test]
async fn junk_in_front_of_tls_disturbs_nobody() {
    use tokio::io::AsyncWriteExt as _;
    let client = Client::start().await;
    let port = url::Url::parse(&client.ready.authority).unwrap().port().unwrap();
    let mut open = Vec::new();
    for _ in 0..50 {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        open.push(stream);
    }
    assert!(client.tokens("admin@fabrikam.com").await["access_token"].is_string());
}

#[tokio::test]
async fn sign_ins_of_the_control_port_stay_at_this_authority() {
    let client = Client::start().await;
    for url in
        ["https://login.example/common/oauth2/v2.0/authorize", "http://localhost/common/oauth2/authorize", "junk"]
    {
        let answer = client.control("/signin", json!({ "authorize_url": url, "upn": "admin@fabrikam.com" })).await;
        assert_eq!(answer.status, 400, "{url}");
    }
}
