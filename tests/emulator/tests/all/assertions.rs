//! Apps that prove themselves by a certificate or by another identity provider.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use partnersam_emulator::Certificate;
use serde_json::{Value, json};

use crate::client::{Answer, CONTOSO, Client, FABRIKAM, claims};

const GRAPH: &str = "https://graph.microsoft.com/.default";
const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const VENDOR: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// A certificate with its key, read as a client reads it.
struct Signer {
    der: Vec<u8>,
    key: EncodingKey,
}

impl Signer {
    fn of(certificate: &Certificate) -> Self {
        let text = std::fs::read(&certificate.pem_file).unwrap();
        let marker = "-----BEGIN CERTIFICATE-----";
        let pem = String::from_utf8(text.clone()).unwrap();
        let body: String =
            pem.split_once(marker).unwrap().1.split("-----").next().unwrap().split_whitespace().collect();
        Self { der: STANDARD.decode(body).unwrap(), key: EncodingKey::from_rsa_pem(&text).unwrap() }
    }

    fn thumbprint(&self, algorithm: &'static aws_lc_rs::digest::Algorithm) -> String {
        URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(algorithm, &self.der))
    }

    fn sha256(&self) -> String {
        self.thumbprint(&aws_lc_rs::digest::SHA256)
    }

    fn sha1(&self) -> String {
        self.thumbprint(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY)
    }

    fn ps256(&self) -> Header {
        let mut header = Header::new(Algorithm::PS256);
        header.x5t_s256 = Some(self.sha256());
        header
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).unwrap()
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

struct Cpv {
    client: Client,
    signer: Signer,
    client_id: String,
}

impl Cpv {
    async fn start() -> Self {
        let client = Client::start().await;
        let app = client.app("cpv");
        Self { signer: Signer::of(&app.certificates[0]), client_id: app.client_id, client }
    }

    fn endpoint(&self, tenant: &str) -> String {
        format!("{}/{tenant}/oauth2/v2.0/token", self.client.ready.authority)
    }

    /// Good claims for a tenant, with these changes.
    fn claims(&self, tenant: &str, changes: &Value) -> Value {
        let mut claims = json!({
            "aud": self.endpoint(tenant), "iss": self.client_id, "sub": self.client_id,
            "jti": "test-id", "nbf": now(), "exp": now() + 600,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    async fn present(&self, tenant: &str, assertion: &str) -> Answer {
        let form = [
            ("client_id", self.client_id.as_str()),
            ("client_assertion_type", KIND),
            ("client_assertion", assertion),
            ("grant_type", "client_credentials"),
            ("scope", GRAPH),
        ];
        self.client.post(&self.endpoint(tenant), &form).await
    }

    async fn code_of(&self, header: &Header, changes: Value) -> u64 {
        let assertion = self.signer.sign(header, &self.claims(VENDOR, &changes));
        let answer = self.present(VENDOR, &assertion).await;
        let (status, error, codes) = answer.refusal();
        assert!(status == 401 && error == "invalid_client" || status == 400 && error == "invalid_request", "{changes}");
        codes[0]
    }
}

#[tokio::test]
async fn a_certificate_proves_the_app_by_either_algorithm() {
    let cpv = Cpv::start().await;
    let mut with_chain = cpv.signer.ps256();
    with_chain.x5c = Some(vec![STANDARD.encode(&cpv.signer.der)]);
    let mut rs256 = Header::new(Algorithm::RS256);
    rs256.x5t = Some(cpv.signer.sha1());
    for header in [cpv.signer.ps256(), with_chain, rs256] {
        let assertion = cpv.signer.sign(&header, &cpv.claims(VENDOR, &json!({})));
        let answer = cpv.present(VENDOR, &assertion).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(claims(&answer.text_of("access_token"))["appidacr"], "2");
    }
    let secret = cpv.client.token("cpv", VENDOR, &[("grant_type", "client_credentials"), ("scope", GRAPH)]).await;
    assert_eq!(claims(&secret.text_of("access_token"))["appidacr"], "1");

    let log = cpv.client.requests().await;
    let column = |name: &str| -> Vec<Value> {
        log["requests"].as_array().unwrap().iter().map(|entry| entry[name].clone()).collect()
    };
    assert_eq!(column("credential"), ["certificate", "certificate", "certificate", "secret"]);
    assert_eq!(column("assertion_algorithm"), [json!("PS256"), json!("PS256"), json!("RS256"), json!(null)]);
    assert_eq!(column("assertion_reused"), [false, true, true, false], "the id was the same, and Entra does not mind");
    assert_eq!(column("assertion_key")[2], cpv.signer.sha1());
}

#[tokio::test]
async fn the_audience_is_this_token_endpoint_or_the_issuer() {
    let cpv = Cpv::start().await;
    let authority = cpv.client.ready.authority.clone();
    let by_address = authority.replace("localhost", "127.0.0.1");
    for (audience, expected) in [
        (cpv.endpoint(VENDOR), 200),
        (format!("{by_address}/{VENDOR}/oauth2/v2.0/token"), 200),
        (format!("{authority}/{VENDOR}/v2.0"), 200),
        (format!("{authority}/{VENDOR}/"), 200),
        (format!("{authority}/{VENDOR}/oauth2/token"), 401),
        (cpv.endpoint(FABRIKAM), 401),
        (cpv.endpoint("organizations"), 401),
        (format!("https://login.microsoftonline.com/{VENDOR}/oauth2/v2.0/token"), 401),
        ("api://AzureADTokenExchange".to_owned(), 401),
    ] {
        let claims = cpv.claims(VENDOR, &json!({ "aud": audience }));
        let answer = cpv.present(VENDOR, &cpv.signer.sign(&cpv.signer.ps256(), &claims)).await;
        assert_eq!(answer.status, expected, "{audience}");
        if expected == 401 {
            assert_eq!(answer.json()["error_codes"], json!([700_023]), "{audience}");
        }
    }
    // By domain, where the assertion names the tenant by its id, and at v1.
    let claims = cpv.claims(VENDOR, &json!({}));
    assert_eq!(
        cpv.present("vendor.example", &cpv.signer.sign(&cpv.signer.ps256(), &claims)).await.status,
        200,
        "the id stands for the domain"
    );
    let v1 = format!("{authority}/{VENDOR}/oauth2/token");
    let assertion = cpv.signer.sign(&cpv.signer.ps256(), &cpv.claims(VENDOR, &json!({ "aud": v1 })));
    let form = [
        ("client_id", cpv.client_id.as_str()),
        ("client_assertion_type", KIND),
        ("client_assertion", &assertion),
        ("grant_type", "client_credentials"),
        ("resource", "https://graph.microsoft.com"),
    ];
    assert_eq!(cpv.client.post(&v1, &form).await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_with_an_assertion_has_its_number() {
    let cpv = Cpv::start().await;
    let header = cpv.signer.ps256();
    let other = cpv.client.app("csp").client_id;
    for (changes, expected) in [
        (json!({ "exp": now() - 301, "nbf": now() - 900 }), 700_024),
        (json!({ "nbf": now() + 400 }), 700_024),
        (json!({ "exp": now() + 25 * 3600 }), 700_024),
        (json!({ "exp": null }), 50_027),
        (json!({ "sub": null }), 50_027),
        (json!({ "aud": null }), 50_027),
        (json!({ "sub": other }), 700_021),
        (json!({ "iss": other }), 700_211),
        (json!({ "iss": "https://idp.example" }), 700_211),
    ] {
        assert_eq!(cpv.code_of(&header, changes.clone()).await, expected, "{changes}");
    }
    let fractions = cpv.claims(VENDOR, &json!({ "nbf": now() as f64 + 0.25, "exp": now() as f64 + 600.25 }));
    assert_eq!(cpv.present(VENDOR, &cpv.signer.sign(&header, &fractions)).await.status, 200);
    // Within five minutes, clocks may differ.
    let skewed = cpv.claims(VENDOR, &json!({ "nbf": now() + 200, "exp": now() + 800 }));
    assert_eq!(cpv.present(VENDOR, &cpv.signer.sign(&header, &skewed)).await.status, 200);

    let mut unnamed = Header::new(Algorithm::PS256);
    assert_eq!(cpv.code_of(&unnamed, json!({})).await, 5_002_730);
    unnamed.x5t_s256 = Some(URL_SAFE_NO_PAD.encode([7; 32]));
    assert_eq!(cpv.code_of(&unnamed, json!({})).await, 700_027);
    // The other app's certificate, which has the same key.
    let csp = Signer::of(&cpv.client.app("csp").certificates[0]);
    assert_eq!(cpv.code_of(&csp.ps256(), json!({})).await, 700_027);
    let mut chain = header.clone();
    chain.x5c = Some(vec![STANDARD.encode(&csp.der)]);
    assert_eq!(cpv.code_of(&chain, json!({})).await, 700_027);

    let good = cpv.signer.sign(&header, &cpv.claims(VENDOR, &json!({})));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let altered = format!("{}.{signature}", message.replacen('.', "..", 1));
    for (assertion, expected) in [
        (format!("{message}.{}", URL_SAFE_NO_PAD.encode([1; 256])), 700_027),
        (format!("{message}."), 700_027),
        (altered, 50_027),
        ("not-a-jwt".to_owned(), 50_027),
        (
            jsonwebtoken::encode(
                &Header::new(Algorithm::HS256),
                &cpv.claims(VENDOR, &json!({})),
                &EncodingKey::from_secret(b"guess"),
            )
            .unwrap(),
            5_002_738,
        ),
    ] {
        assert_eq!(cpv.present(VENDOR, &assertion).await.json()["error_codes"], json!([expected]), "{assertion}");
    }
}

#[tokio::test]
async fn an_assertion_is_the_only_credential_and_belongs_to_a_confidential_client() {
    let cpv = Cpv::start().await;
    let good = cpv.signer.sign(&cpv.signer.ps256(), &cpv.claims(VENDOR, &json!({})));
    let public = cpv.client.app("public").client_id;
    let secret = cpv.client.app("cpv").client_secret.unwrap();
    let send = async |client_id: &str, more: &[(&str, &str)]| {
        let mut form = vec![("client_id", client_id), ("grant_type", "client_credentials"), ("scope", GRAPH)];
        form.extend(more);
        cpv.client.post(&cpv.endpoint(VENDOR), &form).await.json()["error_codes"].clone()
    };
    let both = [("client_assertion_type", KIND), ("client_assertion", good.as_str())];
    assert_eq!(send(&public, &both).await, json!([700_025]));
    assert_eq!(send(&cpv.client_id, &both[..1]).await, json!([900_144]));
    assert_eq!(send(&cpv.client_id, &both[1..]).await, json!([900_144]));
    let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer");
    assert_eq!(send(&cpv.client_id, &[kind, both[1]]).await, json!([90_023]));
    assert_eq!(send(&cpv.client_id, &[both[0], both[1], ("client_secret", &secret)]).await, json!([90_023]));
    assert_eq!(send(&cpv.client_id, &[]).await, json!([7_000_218]));
}

#[tokio::test]
async fn a_users_grant_is_redeemed_with_a_certificate_and_a_device_code_begun_with_one() {
    let cpv = Cpv::start().await;
    let refresh_token = cpv.client.tokens("admin@fabrikam.com").await["refresh_token"].as_str().unwrap().to_owned();
    let sign = |tenant: &str| cpv.signer.sign(&cpv.signer.ps256(), &cpv.claims(tenant, &json!({})));
    let assertion = sign(CONTOSO);
    let form = [
        ("client_id", cpv.client_id.as_str()),
        ("client_assertion_type", KIND),
        ("client_assertion", &assertion),
        ("grant_type", "refresh_token"),
        ("refresh_token", &refresh_token),
        ("scope", GRAPH),
    ];
    let answer = cpv.client.post(&cpv.endpoint(CONTOSO), &form).await;
    assert_eq!(claims(&answer.text_of("access_token"))["appidacr"], "2");

    let devices = format!("{}/{FABRIKAM}/oauth2/v2.0/devicecode", cpv.client.ready.authority);
    let begin = async |assertion: &str| {
        let form = [
            ("client_id", cpv.client_id.as_str()),
            ("scope", "openid User.Read"),
            ("client_assertion_type", KIND),
            ("client_assertion", assertion),
        ];
        cpv.client.post(&devices, &form).await
    };
    assert_eq!(begin(&sign(FABRIKAM)).await.status, 200);
    assert_eq!(begin(&sign(VENDOR)).await.json()["error_codes"], json!([700_023]));
}

#[tokio::test]
async fn a_new_certificate_may_take_its_time() {
    let cpv = Cpv::start().await;
    let add = async |more: Value| {
        let mut body = json!({ "client_id": cpv.client_id });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = cpv.client.control("/certificates", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let certificate: Certificate = serde_json::from_value(answer.json()["certificate"].clone()).unwrap();
        (Signer::of(&certificate), certificate)
    };
    let try_it = async |signer: &Signer| {
        cpv.present(VENDOR, &signer.sign(&signer.ps256(), &cpv.claims(VENDOR, &json!({})))).await
    };
    cpv.client.scenario(json!({ "propagating": 2 })).await;
    let (spreading, files) = add(json!({})).await;
    for expected in [401, 401, 200, 200] {
        let answer = try_it(&spreading).await;
        assert_eq!(answer.status, expected);
        if expected == 401 {
            assert_eq!(answer.json()["error_codes"], json!([700_027]));
        }
    }
    assert_eq!(try_it(&cpv.signer).await.status, 200, "the older one works all the time");
    assert_eq!(try_it(&add(json!({ "refuse_times": 0 })).await.0).await.status, 200);
    assert_eq!(try_it(&add(json!({ "register": false })).await.0).await.status, 401);
    let (expired, _) = add(json!({ "valid_days": -1, "refuse_times": 0 })).await;
    let answer = try_it(&expired).await;
    assert!(answer.text.contains("AADSTS700027") && answer.text.contains("expired"), "{}", answer.text);

    // A reset forgets all but the sample's; the files stay until the end.
    cpv.client.control("/reset", json!({})).await;
    assert_eq!((try_it(&spreading).await.status, try_it(&cpv.signer).await.status), (401, 200));
    assert!(files.pem_file.exists() && files.pfx_file.exists());
}

#[tokio::test]
async fn another_identity_providers_word_is_taken_to_the_letter() {
    let cpv = Cpv::start().await;
    let mint = async |body: Value| {
        let answer = cpv.client.control("/federated-token", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text_of("token")
    };
    let good = mint(json!({})).await;
    let answer = cpv.present(VENDOR, &good).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(claims(&answer.text_of("access_token"))["appidacr"], "2");
    assert_eq!(cpv.client.requests().await["requests"][0]["credential"], "federated");
    for (change, expected) in [
        (json!({ "issuer": "https://another.example" }), 700_211),
        (json!({ "subject": "System:serviceaccount:automation:cpv" }), 700_213),
        (json!({ "audience": "api://azureadtokenexchange" }), 700_212),
        (json!({ "lifetime": -400 }), 700_024),
        (json!({ "client_id": cpv.client.app("csp").client_id }), 700_213),
    ] {
        let token = mint(change.clone()).await;
        assert_eq!(cpv.present(VENDOR, &token).await.json()["error_codes"], json!([expected]), "{change}");
    }
    let (message, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode([1; 256]));
    assert_eq!(cpv.present(VENDOR, &forged).await.json()["error_codes"], json!([50_013]));

    // The issuer is a real one: its metadata leads to the key that signed.
    let issuer = cpv.client.ready.workload_issuer.clone();
    assert_eq!(cpv.client.app("cpv").federated_credentials[0].issuer, issuer);
    let metadata = cpv.client.get(&format!("{issuer}/.well-known/openid-configuration")).await.json();
    assert_eq!(metadata["issuer"], issuer);
    let keys = cpv.client.get(metadata["jwks_uri"].as_str().unwrap()).await.json();
    let jwk = serde_json::from_value(keys["keys"][0].clone()).unwrap();
    let mut how = jsonwebtoken::Validation::new(Algorithm::RS256);
    how.set_audience(&["api://AzureADTokenExchange"]);
    jsonwebtoken::decode::<Value>(&good, &jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap(), &how).unwrap();
}

#[test]
fn the_files_are_private() {
    // The permissions and the removal at the end are in `lifecycle`.
    let folder = tempfile::tempdir().unwrap();
    let options =
        partnersam_emulator::Options { ready_file: Some(folder.path().join("ready.json")), ..Default::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let emulator = partnersam_emulator::Emulator::start(options).await.unwrap();
        for app in emulator.ready().apps.iter().filter(|app| !app.public) {
            let certificate = &app.certificates[0];
            assert_eq!(certificate.pem_file, folder.path().join(format!("ready.{}.pem", app.profile)));
            assert_eq!(certificate.thumbprint_sha256.len(), 64);
            #[cfg(unix)]
            for file in [&certificate.pem_file, &certificate.pfx_file] {
                use std::os::unix::fs::PermissionsExt as _;
                assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
            }
        }
        emulator.stop().await;
    });
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
