//! The rotation of an app's credentials through Graph.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::client::{Answer, Client, FABRIKAM};

const GRAPH: &str = "https://graph.microsoft.com/.default";

struct Csp {
    client: Client,
    client_id: String,
    /// App-only, for Graph.
    token: String,
}

impl Csp {
    async fn start() -> Self {
        let client = Client::start().await;
        let answer = client.token("csp", FABRIKAM, &[("grant_type", "client_credentials"), ("scope", GRAPH)]).await;
        let token = answer.text_of("access_token");
        Self { client_id: client.app("csp").client_id, token, client }
    }

    async fn with_secret(&self, secret: &str) -> Answer {
        let form = [
            ("client_id", self.client_id.as_str()),
            ("client_secret", secret),
            ("grant_type", "client_credentials"),
            ("scope", GRAPH),
        ];
        self.client.post(&format!("{}/{FABRIKAM}/oauth2/v2.0/token", self.client.ready.authority), &form).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.api(&format!("{}/v1.0/{path}", self.client.ready.graph), &self.token).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    async fn registration(&self) -> Value {
        self.get(&format!("applications?$filter=appId eq '{}'", self.client_id)).await["value"][0].clone()
    }

    async fn post_as(&self, token: &str, id: &str, action: &str, body: Value) -> Answer {
        let url = format!("{}/v1.0/applications/{id}/{action}", self.client.ready.graph);
        self.client.send(self.client.http.post(url).bearer_auth(token).body(body.to_string())).await
    }

    async fn post(&self, id: &str, action: &str, body: Value) -> Answer {
        self.post_as(&self.token, id, action, body).await
    }

    async fn patch(&self, id: &str, body: Value) -> Answer {
        let url = format!("{}/v1.0/applications/{id}", self.client.ready.graph);
        self.client.send(self.client.http.patch(url).bearer_auth(&self.token).body(body.to_string())).await
    }

    /// The certificate of a new file, registered nowhere: DER in base64, and the key.
    async fn certificate(&self) -> (String, EncodingKey) {
        let body = json!({ "client_id": self.client_id, "register": false });
        let made = self.client.control("/certificates", body).await.json();
        let pem = std::fs::read_to_string(made["certificate"]["pem_file"].as_str().unwrap()).unwrap();
        let (_, after) = pem.split_once("-----BEGIN CERTIFICATE-----").unwrap();
        let der = after.split("-----").next().unwrap().split_whitespace().collect();
        (der, EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap())
    }

    /// A client assertion by this certificate, presented.
    async fn with_certificate(&self, der: &str, key: &EncodingKey) -> Answer {
        let endpoint = format!("{}/{FABRIKAM}/oauth2/v2.0/token", self.client.ready.authority);
        let mut header = Header::new(Algorithm::PS256);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &STANDARD.decode(der).unwrap());
        header.x5t_s256 = Some(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest));
        let claims =
            json!({ "aud": endpoint, "iss": self.client_id, "sub": self.client_id, "jti": "x", "exp": now() + 300 });
        let form = [
            ("client_id", self.client_id.clone()),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned()),
            ("client_assertion", jsonwebtoken::encode(&header, &claims, key).unwrap()),
            ("grant_type", "client_credentials".to_owned()),
            ("scope", GRAPH.to_owned()),
        ];
        self.client.send(self.client.http.post(endpoint).form(&form)).await
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn a_new_secret_works_after_a_while_and_the_old_one_until_it_is_removed() {
    let csp = Csp::start().await;
    let app = csp.registration().await;
    let id = app["id"].as_str().unwrap();
    let old = app["passwordCredentials"][0].clone();
    assert_eq!((&old["hint"], &old["secretText"]), (&json!("emu"), &json!(null)));
    csp.client.scenario(json!({ "propagating": 1 })).await;
    let ask = json!({ "passwordCredential": { "displayName": "test", "endDateTime": "2099-01-02T00:00:00Z" } });
    let added = csp.post(id, "addPassword", ask).await;
    assert_eq!((added.status, added.text_of("endDateTime").as_str()), (200, "2099-01-02T00:00:00Z"));
    let secret = added.text_of("secretText");
    assert_eq!(csp.with_secret(&secret).await.refusal().2, [7_000_215], "not every server has heard of it");
    assert_eq!(csp.with_secret(&secret).await.status, 200);
    let old_secret = csp.client.app("csp").client_secret.unwrap();
    assert_eq!(csp.with_secret(&old_secret).await.status, 200);
    assert_eq!(csp.registration().await["passwordCredentials"].as_array().unwrap().len(), 2);

    assert_eq!(csp.post(id, "removePassword", json!({ "keyId": old["keyId"] })).await.status, 204);
    assert_eq!(csp.with_secret(&old_secret).await.refusal().2, [7_000_215]);
    assert_eq!(csp.with_secret(&secret).await.status, 200);
    assert_eq!(csp.post(id, "removePassword", json!({ "keyId": old["keyId"] })).await.status, 400);
    assert!(!csp.client.get(&format!("{}/state", csp.client.ready.control)).await.text.contains(&secret));

    // The same by app id.
    let keyed = format!("applications(appId='{}')", csp.client_id);
    assert_eq!(csp.get(&keyed).await["id"], id);
    let url = format!("{}/v1.0/{keyed}/addPassword", csp.client.ready.graph);
    let answer = csp.client.send(csp.client.http.post(url).bearer_auth(&csp.token).body("{}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let principal = csp.get(&format!("servicePrincipals(appId='{}')", csp.client_id)).await;
    assert_eq!(principal["appId"], csp.client_id);

    // One that has ended.
    let ended = json!({ "passwordCredential": { "startDateTime": "2020-01-01T00:00:00Z", "endDateTime": "2020-02-01T00:00:00Z" } });
    csp.client.scenario(json!({ "propagating": 0 })).await;
    let ended = csp.post(id, "addPassword", ended).await.text_of("secretText");
    assert_eq!(csp.with_secret(&ended).await.refusal().2, [7_000_222]);
    for wrong in [
        json!({ "passwordCredential": { "endDateTime": "tomorrow" } }),
        json!({ "passwordCredential": { "endDateTime": "2001-01-01T00:00:00Z" } }),
        json!([1]),
    ] {
        assert_eq!(csp.post(id, "addPassword", wrong.clone()).await.status, 400, "{wrong}");
    }
    assert_eq!(csp.post(id, "noSuchAction", json!({})).await.status, 400);
}

#[tokio::test]
async fn a_list_of_certificates_replaces_the_one_before() {
    let csp = Csp::start().await;
    let app = csp.registration().await;
    let id = app["id"].as_str().unwrap();
    assert_eq!(app["keyCredentials"][0]["key"], json!(null));
    let selected = csp.get(&format!("applications/{id}?$select=id,keyCredentials")).await;
    assert!(selected["keyCredentials"][0]["key"].is_string());

    let (der, key) = csp.certificate().await;
    assert_eq!(csp.with_certificate(&der, &key).await.refusal().2, [700_027]);
    let new = json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": der, "displayName": "new" });
    let both = json!({ "keyCredentials": [app["keyCredentials"][0], new] });
    assert_eq!(csp.patch(id, both).await.status, 204);
    assert_eq!(csp.with_certificate(&der, &key).await.status, 200);
    let now_there = csp.registration().await["keyCredentials"].clone();
    assert_eq!((now_there.as_array().unwrap().len(), &now_there[1]["displayName"]), (2, &json!("new")));
    assert_eq!(csp.patch(id, json!({ "keyCredentials": [now_there[0]] })).await.status, 204);
    assert_eq!(csp.with_certificate(&der, &key).await.refusal().2, [700_027]);
    for wrong in [
        json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": "AAAA" }),
        json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "keyId": "eeeeeeee-0000-4000-8000-00000000dead" }),
        json!({ "type": "Symmetric", "usage": "Verify", "key": der }),
    ] {
        assert_eq!(csp.patch(id, json!({ "keyCredentials": [wrong] })).await.status, 400, "{wrong}");
    }
    assert_eq!(
        csp.registration().await["keyCredentials"].as_array().unwrap().len(),
        1,
        "what is refused changes nothing"
    );
}

#[tokio::test]
async fn a_key_is_rolled_by_whoever_holds_one() {
    let csp = Csp::start().await;
    let id = csp.registration().await["id"].as_str().unwrap().to_owned();
    let pem = std::fs::read(&csp.client.app("csp").certificates[0].pem_file).unwrap();
    let own = EncodingKey::from_rsa_pem(&pem).unwrap();
    let signed = |algorithm, key: &EncodingKey, audience: &str, lifetime: u64| {
        let claims = json!({ "aud": audience, "iss": id, "nbf": now(), "exp": now() + lifetime });
        jsonwebtoken::encode(&Header::new(algorithm), &claims, key).unwrap()
    };
    let proof = |key: &EncodingKey, audience: &str| signed(Algorithm::RS256, key, audience, 600);
    let (der, key) = csp.certificate().await;
    let ask = |proof: String| {
        json!({
            "keyCredential": { "type": "AsymmetricX509Cert", "usage": "Verify", "key": der },
            "passwordCredential": null, "proof": proof,
        })
    };
    const GRAPH_APP: &str = "00000002-0000-0000-c000-000000000000";
    let long = signed(Algorithm::RS256, &own, GRAPH_APP, 601);
    let other = signed(Algorithm::PS256, &own, GRAPH_APP, 600);
    for wrong in [proof(&key, GRAPH_APP), proof(&own, "https://graph.microsoft.com"), long, other, String::new()] {
        assert_eq!(csp.post(&id, "addKey", ask(wrong)).await.status, 400);
    }
    let added = csp.post(&id, "addKey", ask(proof(&own, GRAPH_APP))).await;
    assert_eq!(added.status, 200, "{}", added.text);
    assert_eq!(csp.with_certificate(&der, &key).await.status, 200);
    let gone = json!({ "keyId": added.text_of("keyId"), "proof": proof(&key, GRAPH_APP) });
    assert_eq!(csp.post(&id, "removeKey", gone).await.status, 204);
    assert_eq!(csp.with_certificate(&der, &key).await.status, 401);
}

#[tokio::test]
async fn only_who_may_rotates() {
    let csp = Csp::start().await;
    let id = csp.registration().await["id"].as_str().unwrap().to_owned();
    let add = async |token: &str| csp.post_as(token, &id, "addPassword", json!({})).await.status;
    let take = |granted: bool| json!({ "app_roles": { "tenant": FABRIKAM, "client_id": csp.client_id, "resource": "graph", "roles": ["Application.ReadWrite.OwnedBy"], "granted": granted } });
    let secret = csp.client.app("csp").client_secret.unwrap();
    csp.client.scenario(take(false)).await;
    let without = csp.with_secret(&secret).await.text_of("access_token");
    assert_eq!(add(&without).await, 403);
    csp.client.scenario(take(true)).await;
    let with = csp.with_secret(&secret).await.text_of("access_token");
    assert_eq!(add(&with).await, 200);

    // A user needs the permission by consent, and to be an administrator.
    let scopes = json!(["Application.ReadWrite.All"]);
    csp.client
        .scenario(json!({ "consent": { "tenant": FABRIKAM, "resource": "graph", "scopes": scopes, "granted": true } }))
        .await;
    for (upn, scope, expected) in [
        ("admin@fabrikam.com", "Application.ReadWrite.All", 200),
        ("service@fabrikam.com", "Application.ReadWrite.All", 403),
    ] {
        let seeded = json!({ "client_id": csp.client_id, "upns": [upn] });
        let grant = csp.client.control("/grants", seeded).await.json()["grants"][0]["refresh_token"].clone();
        let form = [("grant_type", "refresh_token"), ("refresh_token", grant.as_str().unwrap()), ("scope", scope)];
        let token = csp.client.token("csp", FABRIKAM, &form).await.text_of("access_token");
        assert_eq!(add(&token).await, expected, "{upn}");
    }
    // The vendor's app is not registered here.
    let vendors = csp.get(&format!("applications?$filter=appId eq '{}'", csp.client.app("cpv").client_id)).await;
    assert_eq!(vendors["value"], json!([]));
}
