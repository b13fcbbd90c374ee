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
