//! Customers: listed, compared with what is wanted, brought to it, and read back.

use std::collections::HashMap;
use std::time::Duration;

use partnersam::app::App;
use partnersam::app::customers::{CustomerOutcome, CustomersRequest, DesiredGrants, Summary, Verdict};
use partnersam::audit::read::Filter;
use partnersam::error::Actor;
use partnersam::{Error, ErrorKind, TenantId};
use serde_json::{Value, json};

use crate::world::{World, partner};

const WANTED: &str = r#"
display_name = "Test Panel"
[grants]
graph = ["Directory.Read.All", "Organization.Read.All", "User.Read"]
arm = ["user_impersonation"]
"#;

fn tenant(n: u128) -> TenantId {
    TenantId::new(uuid::Uuid::from_u128(0xcccc_cccc_0000_4000_8000_0000_0000_0000 + n))
}

impl World {
    fn customers(&self, wanted: &str, only: &[&str]) -> CustomersRequest {
        let mut request =
            CustomersRequest::new(DesiredGrants::parse(wanted).expect("a grants file")).partner(partner());
        request.only = only.iter().map(|name| name.parse().expect("a tenant")).collect();
        request.journal = Some(self.folder.path().join("journal").join("test.jsonl"));
        request
    }

    async fn plan(&self, request: &CustomersRequest) -> (Summary, HashMap<TenantId, CustomerOutcome>) {
        let mut all = HashMap::new();
        let summary = self.another_app().await.plan_customers(request, |_, outcome| keep(&mut all, outcome)).await;
        (summary.expect("a plan"), all)
    }

    async fn apply(&self, request: &CustomersRequest) -> (Summary, HashMap<TenantId, CustomerOutcome>) {
        let app = self.another_app().await;
        let mut all = HashMap::new();
        let summary = app.apply_customers(request, |_, outcome| keep(&mut all, outcome)).await;
        (summary.expect("an end"), all)
    }

    async fn reset_calls(&self) {
        self.control("/calls/reset", json!({})).await;
    }
}

fn keep(all: &mut HashMap<TenantId, CustomerOutcome>, outcome: CustomerOutcome) {
    assert!(all.insert(outcome.customer.tenant, outcome).is_none(), "each customer is told of once");
}

fn error(outcome: &CustomerOutcome) -> &Error {
    outcome.error.as_ref().expect("an error")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_goes_over_all_pages_and_is_another_partner_s_for_another_partner() {
    let world = World::new().await;
    world.consent().await;
    world.control("/customers", json!({ "count": 1_001 })).await;
    let customers = world.app.customers(Some(&partner()), None).await.expect("a list");
    assert_eq!(customers.len(), 1_006);
    let contoso = customers.iter().find(|customer| customer.tenant == tenant(1)).expect("a customer");
    assert_eq!(contoso.domain.as_deref(), Some("contoso.com"));
    assert_eq!(world.calls("GET", "/v1/customers").await.len(), 3);
    let refused = world.app.customers(Some(&"northwind.example".parse().expect("a domain")), None).await;
    assert_eq!(refused.expect_err("no grant").kind(), ErrorKind::ConsentRequired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_is_missing_extra_or_in_the_way_and_changes_nothing() {
    let world = World::new().await;
    world.consent().await;
    for change in [
        json!({ "consent": { "tenant": "tailspin.example", "resource": "graph", "scopes": ["Directory.Read.All", "Mail.Read"], "granted": true } }),
        json!({ "customers": { "customer": "woodgrove.example", "relationship": false } }),
    ] {
        world.scenario(change).await;
    }
    // The samples are consented to more than is wanted here.
    let (summary, all) = world.plan(&world.customers(WANTED, &[])).await;
    assert_eq!((summary.customers, summary.no_consent, summary.failed), (5, 1, 1));
    let contoso = &all[&tenant(1)];
    assert_eq!((contoso.verdict, contoso.service_principal), (Verdict::ToChange, Some(true)));
    let extra: Vec<_> = contoso
        .differences
        .iter()
        .filter(|row| !row.is_none())
        .map(|row| (row.name.as_str(), row.missing.len()))
        .collect();
    assert!(extra.contains(&("exchange", 0)), "{extra:?}");
    let graph = all[&tenant(2)].differences.iter().find(|row| row.name == "graph").expect("a row");
    assert!(graph.extra.contains(&"Mail.Read".to_owned()), "{graph:?}");
    let wingtip = &all[&tenant(3)];
    assert_eq!((wingtip.verdict, wingtip.service_principal), (Verdict::NoConsent, None));
    assert_eq!(wingtip.differences.iter().map(|row| row.missing.len()).sum::<usize>(), 4);
    let woodgrove = error(&all[&tenant(5)]);
    assert_eq!((woodgrove.kind(), woodgrove.operation()), (ErrorKind::AccountUnusable, "customers"));
    assert!(woodgrove.hint().contains("GDAP"), "{}", woodgrove.hint());
    for method in ["POST", "DELETE"] {
        assert_eq!(world.calls(method, "applicationconsents").await.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_at_a_customer_is_on_record_and_none_is_made_off_it() {
    let world = World::new().await;
    world.consent().await;
    let request = world.customers(WANTED, &["contoso.com", "wingtip.example"]);
    let mut recorded = Vec::new();
    let by_operation = Filter { fields: vec![("operation", "customers".to_owned())], ..Filter::default() };
    // The second run finds nothing to change.
    for _ in 0..2 {
        world.apply(&request).await;
        recorded.clear();
        let read = world.app.audit_lines(&by_operation, |_, fields| {
            recorded.push(["customer", "outcome", "partner"].map(|name| fields[name].as_str().map(str::to_owned)));
            Ok(())
        });
        read.await.expect("lines");
        recorded.sort();
        let of = |n: u128, outcome: &str| {
            [tenant(n).to_string(), outcome.to_owned(), "bbbbbbbb-0000-4000-8000-000000000001".to_owned()].map(Some)
        };
        assert_eq!(recorded, [of(1, "begun"), of(1, "ok"), of(3, "begun"), of(3, "ok")]);
    }

    let other = world.customers(&WANTED.replace("User.Read", "Mail.Read"), &["contoso.com"]);
    world.reset_calls().await;
    let (app, _) = world
        .watched_app(|config| {
            let in_its_way = world.folder.path().join("not-a-folder");
            std::fs::write(&in_its_way, b"x").expect("a file");
            config.audit.folder = Some(in_its_way.join("audit"));
        })
        .await;
    let refused = app.apply_customers(&other, |_, _| {}).await.expect_err("an end");
    assert_eq!(refused.kind(), ErrorKind::AuditUnwritable);
    for method in ["POST", "DELETE"] {
        assert_eq!(world.calls(method, "applicationconsents").await.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn applying_brings_every_customer_to_what_is_wanted_and_reads_it_back() {
    let world = World::new().await;
    world.consent().await;
    // What was changed shows late, as it does there.
    world.scenario(json!({ "consent_lag": 2 })).await;
    let request = world.customers(WANTED, &["contoso.com", "wingtip.example"]);
    let (summary, all) = world.apply(&request).await;
    assert_eq!((summary.applied, summary.failed), (2, 0), "{all:?}");
    assert!(all[&tenant(1)].withdrew, "what is too much goes by withdrawing everything");
    assert!(!all[&tenant(3)].withdrew, "there was nothing to withdraw");
    assert_eq!(all[&tenant(3)].consented, ["graph", "arm"]);
    for call in world.calls("POST", "applicationconsents").await {
        assert_eq!(
            (call["status"].as_u64(), call["tenant"].as_str()),
            (Some(201), Some("bbbbbbbb-0000-4000-8000-000000000001"))
        );
    }
    assert!(!request.journal.clone().expect("a path").exists(), "a run that came to its end leaves no journal");

    world.reset_calls().await;
    let (summary, _) = world.apply(&request).await;
    assert_eq!((summary.as_desired, summary.customers), (2, 2));
    assert_eq!(world.calls("POST", "applicationconsents").await.len(), 0, "what is as wanted is left alone");
    // Tokens for what was consented to just now.
    let arm =
        partnersam::app::token::TokenRequest::new(partnersam::Audience::Arm).partner(partner()).customer(tenant(3));
    assert_eq!(world.another_app().await.token(&arm).await.expect("a token").tenant, tenant(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn already_exists_counts_only_after_it_was_read_back() {
    let world = World::new().await;
    world.consent().await;
    // Without Graph nothing can be read, and something else than what is wanted stands there: to other scopes.
    world.scenario(json!({ "consent": { "tenant": "contoso.com", "resource": "graph", "granted": false } })).await;
    let wanted = WANTED.replace("arm = [\"user_impersonation\"]", "exchange = [\"EWS.AccessAsUser.All\"]");
    let (summary, all) = world.apply(&world.customers(&wanted, &["contoso.com"])).await;
    assert_eq!(summary.applied, 1, "{all:?}");
    let posts = world.calls("POST", "applicationconsents").await;
    let statuses: Vec<_> = posts.iter().filter_map(|call| call["status"].as_u64()).collect();
    assert_eq!(statuses, [409, 201, 201, 201], "exchange was there, graph not; then both anew");
    assert_eq!(world.calls("DELETE", "applicationconsents").await.len(), 1);
    let (_, all) = world.plan(&world.customers(&wanted, &["contoso.com"])).await;
    assert_eq!(all[&tenant(1)].verdict, Verdict::AsDesired);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_replaced() {
    let world = World::new().await;
    world.consent().await;
    for change in [
        json!({ "consent": { "tenant": "wingtip.example", "resource": "graph", "scopes": ["User.Read"], "granted": true } }),
    ] {
        world.scenario(change).await;
    }
    let request = world.customers(WANTED, &["wingtip.example"]);
    let (_, all) = world.plan(&request).await;
    let unreadable = error(&all[&tenant(3)]);
    assert_eq!((unreadable.kind(), unreadable.http_status()), (ErrorKind::AudienceNotConsented, Some(403)));
    assert!(unreadable.hint().contains("Directory.Read.All"), "{}", unreadable.hint());
    let (summary, all) = world.apply(&request).await;
    assert_eq!(summary.applied, 1, "{all:?}");
    assert!(all[&tenant(3)].withdrew);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_customer_s_refusal_says_who_must_act_and_stops_nobody_else() {
    let world = World::new().await;
    world.consent().await;
    for change in [
        json!({ "customers": { "customer": "contoso.com", "gdap_role": false } }),
        json!({ "customers": { "customer": "tailspin.example", "blocked": true } }),
        json!({ "customers": { "customer": "adatum.example", "relationship": false } }),
        json!({ "customers": { "customer": "wingtip.example", "fail": { "status": 500, "code": "1000", "times": 2 } } }),
    ] {
        world.scenario(change).await;
    }
    let (summary, all) = world.apply(&world.customers(WANTED, &[])).await;
    assert_eq!((summary.applied, summary.failed), (2, 3), "{all:?}");
    assert_eq!(all[&tenant(3)].verdict, Verdict::Applied, "a passing fault is sat through");
    for (n, kind, actor, words) in [
        (1, ErrorKind::PartnerCenterForbidden, Actor::PartnerAdministrator, "GDAP security group"),
        (2, ErrorKind::ConditionalAccessBlocked, Actor::CustomerAdministrator, "except the partner's account"),
        (4, ErrorKind::AccountUnusable, Actor::PartnerAdministrator, "GDAP security group"),
    ] {
        let error = error(&all[&tenant(n)]);
        assert_eq!((error.kind(), error.actor()), (kind, actor));
        assert!(error.hint().contains(words) && error.hint().contains(&tenant(n).to_string()), "{}", error.hint());
        assert!(!all[&tenant(n)].withdrew, "who may not consent may not withdraw either");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_fails_after_the_withdrawal_is_told_and_made_good_by_the_next_run() {
    let world = World::new().await;
    world.consent().await;
    let wanted = WANTED.replace("arm = [\"user_impersonation\"]", "arm = [\"no_such\"]");
    let (summary, all) = world.apply(&world.customers(&wanted, &["contoso.com"])).await;
    assert_eq!(summary.failed, 1);
    let refused = error(&all[&tenant(1)]);
    assert_eq!(refused.to_document().context["resource"], "arm");
    assert!(refused.to_document().context.contains_key("withdrawn"), "{refused:?}");
    assert_eq!(all[&tenant(1)].consented, ["graph"], "a scope that is not known says nothing of the other resource");
    let (summary, _) = world.apply(&world.customers(WANTED, &["contoso.com"])).await;
    assert_eq!(summary.applied, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_befall_all_stops_the_run() {
    let world = World::new().await;
    world.consent().await;
    world.scenario(json!({ "revoke": { "upn": "admin@fabrikam.com" } })).await;
    world.forget_requests().await;
    let app = world.another_app().await;
    let refused = app.plan_customers(&world.customers(WANTED, &["contoso.com", "adatum.example"]), |_, _| {}).await;
    assert_eq!(refused.expect_err("revoked").kind(), ErrorKind::GrantRevoked);
    let request = CustomersRequest { partner: None, ..world.customers(WANTED, &[]) };
    let refused = world.app.plan_customers(&request, |_, _| {}).await.expect_err("revoked");
    assert_eq!((refused.kind(), refused.operation()), (ErrorKind::GrantRevoked, "customers"));
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_is_sat_through() {
    let world = World::new().await;
    world.consent().await;
    world.scenario(json!({ "consents_per_second": 2, "graph_per_second": 20 })).await;
    let (summary, all) = world.apply(&world.customers(WANTED, &[])).await;
    assert_eq!((summary.applied, summary.failed), (5, 0), "{all:?}");
    let throttled =
        world.calls("POST", "applicationconsents").await.iter().filter(|call| call["status"] == 429).count();
    assert!(throttled > 0, "nothing was throttled, so nothing was shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_short_goes_on_without_repeating_what_was_proved() {
    let world = World::new().await;
    world.consent().await;
    world.control("/customers", json!({ "count": 60 })).await;
    let request = world.customers(WANTED, &[]);
    let cut = |app: App| {
        let request = request.clone();
        async move {
            let (told, mut hear) = tokio::sync::mpsc::unbounded_channel();
            let run =
                tokio::spawn(async move { app.apply_customers(&request, |_, outcome| drop(told.send(outcome))).await });
            let mut proved = Vec::new();
            while proved.len() < 12 {
                let outcome = hear.recv().await.expect("an outcome");
                assert_eq!(outcome.verdict, Verdict::Applied);
                proved.push(outcome.customer.tenant);
            }
            run.abort();
            assert!(run.await.expect_err("it was cut short").is_cancelled());
            while let Ok(outcome) = hear.try_recv() {
                proved.push(outcome.customer.tenant);
            }
            proved
        }
    };
    let proved = cut(world.another_app().await).await;
    let text = std::fs::read_to_string(request.journal.as_ref().expect("a path")).expect("a journal");
    assert!(!text.contains("eyJ"), "no token in it");
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.reset_calls().await;
    let (summary, all) = world.apply(&request).await;
    assert_eq!((summary.customers, summary.failed), (65, 0), "{summary:?}");
    assert!(summary.proved_before >= proved.len());
    for tenant in proved {
        assert_eq!(all[&tenant].verdict, Verdict::ProvedBefore);
        let repeated = world.calls("POST", &tenant.to_string()).await;
        assert!(repeated.is_empty(), "{repeated:?}");
    }
    let (summary, _) = world.plan(&request).await;
    assert_eq!(summary.as_desired, 65);
}

/// A sandbox is a tenant like others, and so is an indirect partner's customer: nothing in a request says which it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_partner_of_another_kind_needs_nothing_else() {
    let world = World::new().await;
    world.consent().await;
    let added = world.control("/partners", json!({ "count": 1 })).await;
    let text = |place: &str| added["partners"][0].pointer(place).and_then(Value::as_str).expect("a text").to_owned();
    let (name, upn) = (text("/tenant/id"), text("/user/upn"));
    let sandbox: partnersam::TenantRef = name.parse().expect("a tenant");
    world.control("/customers", json!({ "count": 3, "partner": name })).await;
    let mut ask = world.ask();
    ask.partner = sandbox.clone();
    let link = world.app.begin_consent(&ask).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), &upn).await;
    world.app.complete_consent(&reply, partnersam::app::consent::ConsentOptions::default()).await.expect("a consent");
    let mut request = world.customers(WANTED, &[]);
    request.partner = Some(sandbox.clone());
    assert_eq!(world.app.customers(Some(&sandbox), None).await.expect("a list").len(), 3);
    let (summary, all) = world.apply(&request).await;
    assert_eq!((summary.applied, summary.failed), (3, 0), "{all:?}");
}
