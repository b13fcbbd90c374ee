//! A control panel vendor's consent for customers, and what is between.

use serde_json::{Value, json};

use crate::client::{Answer, Client};

const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
const ARM: &str = "797f4846-ba00-4fd7-ba43-dac1f8f63013";
const WINGTIP: &str = "cccccccc-0000-4000-8000-000000000003";

/// A vendor's app at a partner, with a token for Partner Center.
struct Vendor {
    client: Client,
    app_id: String,
    token: String,
    refresh_token: String,
}

impl Vendor {
    async fn start() -> Self {
        let client = Client::start().await;
        let tokens = client.tokens("admin@fabrikam.com").await;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        Self {
            app_id: client.app("cpv").client_id,
            token: text("access_token"),
            refresh_token: text("refresh_token"),
            client,
        }
    }

    fn url(&self, customer: &str) -> String {
        format!("{}/v1/customers/{customer}/applicationconsents", self.client.ready.partner_center)
    }

    fn body(&self, resource: &str, scope: &str) -> Value {
        json!({
            "applicationId": self.app_id, "displayName": "test",
            "applicationGrants": [{ "enterpriseApplicationId": resource, "scope": scope }],
        })
    }

    async fn post_as(&self, token: &str, customer: &str, body: &Value) -> Answer {
        let request = self.client.http.post(self.url(customer)).bearer_auth(token);
        self.client.send(request.body(body.to_string())).await
    }

    async fn post(&self, customer: &str, body: &Value) -> Answer {
        self.post_as(&self.token, customer, body).await
    }

    /// Consents to a little of Graph.
    async fn consent(&self, customer: &str) -> Answer {
        self.post(customer, &self.body(GRAPH, "User.Read, Directory.Read.All")).await
    }

    async fn withdraw(&self, customer: &str) -> Answer {
        let url = format!("{}/{}", self.url(customer), self.app_id);
        self.client.send(self.client.http.delete(url).bearer_auth(&self.token)).await
    }

    /// What stands at the customer, as the app reads it through Graph: scopes by API, or why it cannot.
    async fn read_back(&self, customer: &str, graph_token: &str) -> Vec<(String, String)> {
        let get = async |path: &str, filter: &str| {
            let mut url = url::Url::parse(&format!("{}/v1.0/{path}", self.client.ready.graph)).unwrap();
            url.query_pairs_mut().append_pair("$filter", filter);
            let answer = self.client.api(url.as_str(), graph_token).await;
            assert_eq!(answer.status, 200, "{customer}: {}", answer.text);
            answer.json()["value"].clone()
        };
        let principals = get("servicePrincipals", &format!("appId eq '{}'", self.app_id)).await;
        let Some(id) = principals[0]["id"].as_str() else { return Vec::new() };
        let grants = get("oauth2PermissionGrants", &format!("clientId eq '{id}'")).await;
        let mut found = Vec::new();
        for grant in grants.as_array().unwrap() {
            assert_eq!((&grant["consentType"], &grant["principalId"]), (&json!("AllPrincipals"), &json!(null)));
            for api in [GRAPH, ARM] {
                let row = get("servicePrincipals", &format!("appId eq '{api}'")).await;
                if row[0]["id"] == grant["resourceId"] {
                    found.push((api.to_owned(), grant["scope"].as_str().unwrap().to_owned()));
                }
            }
        }
        found
    }

    async fn graph_token(&self, customer: &str) -> Answer {
        self.client.refresh(customer, &self.refresh_token, "https://graph.microsoft.com/.default").await
    }
}

#[tokio::test]
async fn a_consent_is_one_resource_and_reads_back_through_graph() {
    let vendor = Vendor::start().await;
    let created = vendor.consent(WINGTIP).await;
    assert_eq!((created.status, created.text_of("applicationId")), (201, vendor.app_id.clone()));
    let token = vendor.graph_token(WINGTIP).await.text_of("access_token");
    let graph_only = vec![(GRAPH.to_owned(), "Directory.Read.All User.Read".to_owned())];
    assert_eq!(vendor.read_back(WINGTIP, &token).await, graph_only);

    let pascal = json!({
        "ApplicationId": vendor.app_id,
        "ApplicationGrants": [{ "EnterpriseApplicationId": ARM, "Scope": "user_impersonation" }],
    });
    assert_eq!(vendor.post(WINGTIP, &pascal).await.status, 201);
    assert_eq!(vendor.read_back(WINGTIP, &token).await.len(), 2);
    let again = vendor.consent(WINGTIP).await;
    assert_eq!(again.status, 409);
    assert!(again.text_of("description").contains("Permission entry already exists"));

    // The principal outlives its grants.
    assert_eq!(vendor.withdraw(WINGTIP).await.status, 204);
    assert_eq!(vendor.read_back(WINGTIP, &token).await, []);
    assert_eq!(vendor.graph_token(WINGTIP).await.json()["error_codes"], json!([65_001]));
    assert_eq!(vendor.consent(WINGTIP).await.status, 201);
}

#[tokio::test]
async fn what_is_no_consent_is_refused() {
    let vendor = Vendor::start().await;
    let mut two = vendor.body(GRAPH, "User.Read");
    two["applicationGrants"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "enterpriseApplicationId": ARM, "scope": "user_impersonation" }));
    let mut none = vendor.body(GRAPH, "User.Read");
    none["applicationGrants"] = json!([]);
    let mut other = vendor.body(GRAPH, "User.Read");
    other["applicationId"] = json!(vendor.client.app("csp").client_id);
    for body in [
        two,
        none,
        other,
        vendor.body(GRAPH, ""),
        vendor.body(ARM, "no_such"),
        vendor.body("eeeeeeee-0000-4000-8000-00000000dead", "User.Read"),
        json!({ "applicationId": vendor.app_id }),
        json!("text"),
    ] {
        let answer = vendor.post(WINGTIP, &body).await;
        assert_eq!((answer.status, answer.text_of("code").as_str()), (400, "2000"), "{body}");
    }
    assert_eq!(vendor.graph_token(WINGTIP).await.status, 400, "nothing was consented to");
}

#[tokio::test]
async fn who_may_not_consent_is_told_why() {
    let vendor = Vendor::start().await;
    let refused = async |scenario: Value, undo: Value, expected: &str| {
        vendor.client.scenario(scenario).await;
        for answer in [vendor.consent(WINGTIP).await, vendor.withdraw(WINGTIP).await] {
            assert_eq!((answer.status, answer.text_of("code").as_str()), (403, expected));
        }
        vendor.client.scenario(undo).await;
    };
    let of = |name: &str, value: bool| json!({ "customers": { "customer": "wingtip.example", name: value } });
    refused(of("gdap_role", false), of("gdap_role", true), "900308").await;
    refused(of("blocked", true), of("blocked", false), "900309").await;
    vendor.client.scenario(of("relationship", false)).await;
    assert_eq!(vendor.graph_token(WINGTIP).await.json()["error_codes"], json!([50_020]));
    refused(of("relationship", false), of("relationship", true), "20002").await;
    let agent = |member: bool| json!({ "admin_agent": { "upn": "admin@fabrikam.com", "member": member } });
    refused(agent(false), agent(true), "900308").await;
    assert_eq!(vendor.consent(WINGTIP).await.status, 201);

    // Nobody but a user of this app, with MFA.
    let fabrikam = "fabrikam.com";
    vendor.client.scenario(json!({ "consent": { "tenant": fabrikam, "granted": true } })).await;
    let form = [("grant_type", "client_credentials"), ("scope", "https://api.partnercenter.microsoft.com/.default")];
    let alone = vendor.client.token("csp", fabrikam, &form).await.text_of("access_token");
    let mut own = vendor.body(ARM, "user_impersonation");
    own["applicationId"] = json!(vendor.client.app("csp").client_id);
    assert_eq!(vendor.post_as(&alone, WINGTIP, &own).await.text_of("code"), "900329");
    let without = vendor.client.tokens("legacy@fabrikam.com").await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(vendor.post_as(&without, WINGTIP, &own).await.text_of("code"), "900421");
}

#[tokio::test]
async fn a_customer_fails_as_often_as_told() {
    let vendor = Vendor::start().await;
    let fail = json!({ "status": 500, "code": "1000", "times": 2 });
    vendor.client.scenario(json!({ "customers": { "customer": [WINGTIP, "contoso.com"], "fail": fail } })).await;
    for _ in 0..2 {
        let answer = vendor.consent(WINGTIP).await;
        assert_eq!((answer.status, answer.text_of("code").as_str()), (500, "1000"));
    }
    assert_eq!(vendor.consent(WINGTIP).await.status, 201);
    assert_eq!(vendor.withdraw("cccccccc-0000-4000-8000-000000000001").await.status, 500);
    vendor.client.scenario(json!({ "customers": { "customer": "all", "fail": null } })).await;
    assert_eq!(vendor.withdraw("cccccccc-0000-4000-8000-000000000001").await.status, 204);
    for wrong in [
        json!({ "customers": { "customer": "fabrikam.com", "blocked": true } }),
        json!({ "customers": { "customer": WINGTIP, "no_such": true } }),
        json!({ "customers": { "customer": WINGTIP, "fail": { "code": "x", "status": 200 } } }),
        json!({ "admin_agent": { "upn": "nobody@fabrikam.com", "member": false } }),
    ] {
        assert_eq!(vendor.client.control("/scenario", wrong.clone()).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn reads_may_lag_behind() {
    let vendor = Vendor::start().await;
    vendor.consent(WINGTIP).await;
    let token = vendor.graph_token(WINGTIP).await.text_of("access_token");
    // Two reads for one look: of the principal and of its grants.
    vendor.client.scenario(json!({ "consent_lag": 2 })).await;
    vendor.withdraw(WINGTIP).await;
    assert_eq!(vendor.read_back(WINGTIP, &token).await.len(), 1, "as it was");
    assert_eq!(vendor.read_back(WINGTIP, &token).await.len(), 0);
    vendor.consent(WINGTIP).await;
    assert_eq!(vendor.read_back(WINGTIP, &token).await.len(), 0, "as it was");
    assert_eq!(vendor.read_back(WINGTIP, &token).await.len(), 1);
}

#[tokio::test]
async fn so_many_consents_a_second_and_no_more() {
    let vendor = Vendor::start().await;
    vendor.client.scenario(json!({ "consents_per_second": 1 })).await;
    let mut throttled = None;
    // The first uses the second up; a slow machine may get a few through.
    for _ in 0..50 {
        let answer = vendor.withdraw(WINGTIP).await;
        if answer.status == 429 {
            throttled = Some(answer);
            break;
        }
    }
    let throttled = throttled.unwrap();
    assert_eq!(throttled.header("retry-after"), Some("1"));
    assert_eq!(
        throttled.json(),
        json!({ "statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds." })
    );
    vendor.client.scenario(json!({ "consents_per_second": 0 })).await;
    assert_eq!(vendor.withdraw(WINGTIP).await.status, 204);
}

#[tokio::test]
async fn thousands_of_customers_come_by_one_call() {
    let vendor = Vendor::start().await;
    let add = async |body: Value| {
        let answer = vendor.client.control("/customers", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["customers"].as_array().unwrap().clone()
    };
    let plain = add(json!({ "count": 1200 })).await;
    let consents = json!([{ "client_id": vendor.app_id, "resource": "graph", "scopes": ["Directory.Read.All"] }]);
    let consented = add(json!({ "count": 2, "consents": consents })).await;
    let blocked = add(json!({ "count": 1, "gdap_role": false, "fail": { "code": "1000" } })).await;
    let other = add(json!({ "count": 1, "partner": "northwind.example" })).await;
    let id = |rows: &[Value], index: usize| rows[index]["id"].as_str().unwrap().to_owned();
    assert_eq!(consented[0]["domain"], "c001201.customers.example");

    let request = vendor.client.http.get(format!("{}/v1/customers?size=500", vendor.client.ready.partner_center));
    let page = vendor.client.send(request.bearer_auth(&vendor.token)).await.json();
    assert_eq!((&page["totalCount"], page["items"].as_array().unwrap().len()), (&json!(1208), 500));

    assert_eq!(vendor.graph_token(&id(&plain, 1199)).await.json()["error_codes"], json!([65_001]));
    let token = vendor.graph_token(&id(&consented, 1)).await.text_of("access_token");
    let found = vendor.read_back(&id(&consented, 1), &token).await;
    assert_eq!(found, [(GRAPH.to_owned(), "Directory.Read.All".to_owned())]);
    assert_eq!(vendor.consent(&id(&blocked, 0)).await.text_of("code"), "900308");
    assert_eq!(vendor.consent(&id(&other, 0)).await.text_of("code"), "20002");
    assert_eq!(vendor.consent(&id(&plain, 0)).await.status, 201);
    for wrong in [
        json!({ "count": 0 }),
        json!({ "count": 1, "partner": "nowhere.example" }),
        json!({ "count": 1, "consents": [{ "resource": "arm", "scopes": ["no_such"] }] }),
        json!({ "count": 1, "unknown": true }),
    ] {
        assert_eq!(vendor.client.control("/customers", wrong.clone()).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn calls_are_counted_with_what_they_say_of_themselves() {
    let vendor = Vendor::start().await;
    let request = vendor.client.http.get(format!("{}/v1/customers?size=1", vendor.client.ready.partner_center));
    let request = request
        .bearer_auth(&vendor.token)
        .header("MS-RequestId", "r-1")
        .header("MS-CorrelationId", "c-1")
        .header("MS-PartnerCenter-Application", "monthly report");
    vendor.client.send(request).await;
    vendor.client.get(&format!("{}/v1.0/me", vendor.client.ready.graph)).await;
    let log = vendor.client.get(&format!("{}/calls", vendor.client.ready.control)).await;
    let calls = log.json();
    assert_eq!(calls["count"], 2);
    let first = &calls["calls"][0];
    for (name, value) in [
        ("api", json!("partner_center")),
        ("path", json!("/v1/customers?size=1")),
        ("status", json!(200)),
        ("request_id", json!("r-1")),
        ("correlation_id", json!("c-1")),
        ("application", json!("monthly report")),
        ("client_id", json!(vendor.app_id)),
        ("upn", json!("admin@fabrikam.com")),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
    assert_eq!((&calls["calls"][1]["api"], &calls["calls"][1]["status"]), (&json!("graph"), &json!(401)));
    assert!(!log.text.contains(&vendor.token));
    vendor.client.control("/calls/reset", json!({})).await;
    assert_eq!(vendor.client.get(&format!("{}/calls", vendor.client.ready.control)).await.json()["count"], 0);
}

#[tokio::test]
async fn partner_center_reports_who_came_without_mfa() {
    let vendor = Vendor::start().await;
    let without = vendor.client.tokens("legacy@fabrikam.com").await["access_token"].as_str().unwrap().to_owned();
    let get = async |path: &str, token: &str| {
        vendor.client.api(&format!("{}/v1/{path}", vendor.client.ready.partner_center), token).await
    };
    assert_eq!(get("nonMfaCompliantPartnerPrincipals", &vendor.token).await.json()["totalCount"], 0);
    assert_eq!(get("nonMfaCompliantPartnerPrincipals", &without).await.text_of("code"), "900421");
    let report = get("nonMfaCompliantPartnerPrincipals", &vendor.token).await.json();
    assert_eq!((&report["totalCount"], &report["items"][0]["upn"]), (&json!(1), &json!("legacy@fabrikam.com")));
    assert!(report["items"][0]["lastNonMfaCompliantRequestDateTime"].is_string());
    let adoption = get("applicationmfaadoptionstatus", &vendor.token).await.json();
    assert_eq!(
        (&adoption["items"][0]["totalRequestCount"], &adoption["items"][0]["mfaCompliantRequestCount"]),
        (&json!(4), &json!(3))
    );
    assert_eq!(get("partnerRequests", &vendor.token).await.json()["totalCount"], 5);
    // Before the enforcement, the answer is given and the header tells.
    vendor.client.scenario(json!({ "mfa_enforced": false })).await;
    let request = vendor.client.http.get(format!("{}/v1/profiles/organization", vendor.client.ready.partner_center));
    let ask = async || {
        let request = request.try_clone().unwrap();
        vendor.client.send(request.bearer_auth(&without).header("ValidateMfa", "true")).await
    };
    let answer = ask().await;
    assert_eq!((answer.status, answer.header("ismfacompliant")), (200, Some("false")));
    vendor.client.scenario(json!({ "mfa_header": false })).await;
    assert_eq!(ask().await.header("ismfacompliant"), None);
}
