//! Claims: what the app can do is declared, and what a service's challenge asks for is asked for, past every cache, and by a person where need be.

use std::collections::HashMap;

use partnersam::app::consent::ConsentOptions;
use partnersam::protocol::claims_challenge;
use partnersam::{App, Audience, ErrorKind};
use serde_json::{Value, json};
use url::Url;

use crate::world::{World, graph};

const DECLARED: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
const CHALLENGE: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;

fn claims_of(form: &HashMap<String, String>) -> Value {
    form.get("claims").map_or(Value::Null, |claims| serde_json::from_str(claims).expect("JSON"))
}

fn claims_in(link: &Url) -> Value {
    claims_of(&link.query_pairs().into_owned().collect())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

async fn consent(world: &World, app: &App) {
    let link = app.begin_consent(&world.ask()).await.expect("a link");
    let reply = world.sign_in(link.url.as_str(), "admin@fabrikam.com").await;
    app.complete_consent(&reply, ConsentOptions::default()).await.expect("a consent");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_declares_what_the_app_can_do() {
    let world = World::new().await;
    let (app, sent) = world.watched_app(|_| ()).await;
    let link = app.begin_consent(&world.ask()).await.expect("a link");
    assert_eq!(claims_in(&link.url), json(DECLARED));
    let reply = world.sign_in(link.url.as_str(), "admin@fabrikam.com").await;
    app.complete_consent(&reply, ConsentOptions::default()).await.expect("a consent");
    let forms = sent.0.lock().expect("a lock").clone();
    let tokens: Vec<_> = forms.iter().filter(|form| form.contains_key("grant_type")).collect();
    assert!(tokens.len() >= 3, "a code and two more audiences: {}", tokens.len());
    assert!(tokens.iter().all(|form| claims_of(form) == json(DECLARED)));

    let device = app.begin_device_consent(&world.ask()).await.expect("a code");
    world
        .control("/signin", json!({ "user_code": device.user_code, "upn": "admin@fabrikam.com", "accept": true }))
        .await;
    sent.take("");
    app.complete_device_consent(device, ConsentOptions::default()).await.expect("a consent");
    let polls = sent.take("urn:ietf:params:oauth:grant-type:device_code");
    assert!(!polls.is_empty() && polls.iter().all(|form| claims_of(form) == json(DECLARED)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_configured_is_not_declared() {
    let world = World::new().await;
    let (app, sent) = world.watched_app(|config| config.client_capabilities.clear()).await;
    let link = app.begin_consent(&world.ask()).await.expect("a link");
    assert_eq!(claims_in(&link.url), Value::Null);
    consent(&world, &app).await;
    sent.take("");
    let mut fresh = graph();
    fresh.fresh = true;
    app.token(&fresh).await.expect("a token");
    app.token(&graph().claims(CHALLENGE)).await.expect("a token");
    let redeemed = sent.take("refresh_token");
    assert_eq!(redeemed.iter().map(claims_of).collect::<Vec<_>>(), [Value::Null, json(CHALLENGE)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_passes_over_every_cache_and_its_token_takes_their_place() {
    let world = World::new().await;
    let (app, sent) = world.watched_app(|_| ()).await;
    consent(&world, &app).await;
    let before = app.token(&graph()).await.expect("a token");
    sent.take("");
    let after = app.token(&graph().claims(CHALLENGE)).await.expect("a token");
    // EXPOSE: to compare.
    assert_ne!(after.secret().expose(), before.secret().expose());
    let redeemed = sent.take("refresh_token");
    assert_eq!(redeemed.len(), 1);
    assert_eq!(
        claims_of(&redeemed[0]),
        json!({ "access_token": { "nbf": { "essential": true, "value": "1604106651" }, "xms_cc": { "values": ["cp1"] } } })
    );
    for app in [app, world.another_app().await] {
        let kept = app.token(&graph()).await.expect("a token");
        // EXPOSE: to compare.
        assert_eq!(kept.secret().expose(), after.secret().expose());
    }
    assert_eq!(sent.take("refresh_token").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_person_is_needed_the_error_has_the_claims_and_a_link_with_them() {
    let world = World::new().await;
    world.consent().await;
    let (app, sent) = world
        .watched_app(|config| {
            config.redirect_uri = Some("https://vendor.example/consent/callback".parse().expect("an address"));
        })
        .await;
    let step_up = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let refuse = |claims: Option<&str>| json!({ "error_for": { "audience": "graph", "error": "interaction_required", "error_codes": [50076], "suberror": "basic_action", "claims": claims } });

    // Entra's own claims come before those that it was asked for; without them those stay.
    for (said, expected) in [(Some(step_up), step_up), (None, CHALLENGE)] {
        world.scenario(refuse(said)).await;
        let app = world.watched_app(|config| config.redirect_uri = app.config().redirect_uri.clone()).await.0;
        let error = app.token(&graph().claims(CHALLENGE)).await.expect_err("a refusal");
        assert_eq!(error.kind(), ErrorKind::MfaRequired);
        assert_eq!(error.entra().and_then(|entra| entra.claims.as_deref()), Some(expected));
        assert!(
            error.hint().contains(&format!(
                "`partnersam consent fabrikam.com --for partner-center,graph,arm --claims '{expected}'`"
            )),
            "{}",
            error.hint()
        );
        let document = error.to_document();
        let link: Url = document.context["consent_link"].parse().expect("an address");
        let asked = claims_in(&link);
        assert_eq!(asked["access_token"]["xms_cc"], json!({ "values": ["cp1"] }));
        for (name, value) in json(expected)["access_token"].as_object().expect("an object") {
            assert_eq!(&asked["access_token"][name], value);
        }
        // A program in a loop gets the same link, and does not ask the service again.
        sent.take("");
        let again = app.token(&graph().claims(CHALLENGE)).await.expect_err("a refusal");
        assert_eq!(again.to_document().context["consent_link"], link.as_str());
        assert_eq!(sent.take("refresh_token").len(), 0);

        // The link is as good as any other.
        world.scenario(json!({ "error_for": null })).await;
        let reply = world.sign_in(link.as_str(), "admin@fabrikam.com").await;
        let consented = app.complete_consent(&reply, ConsentOptions::default()).await.expect("a consent");
        assert_eq!(consented.audiences.len(), 3, "no audience was lost");
        app.token(&graph().claims(CHALLENGE)).await.expect("a token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_redirect_address_the_command_is_the_way() {
    let world = World::new().await;
    world.consent().await;
    world.scenario(json!({ "error_for": { "audience": "graph", "error": "interaction_required", "error_codes": [50076], "claims": CHALLENGE } })).await;
    let mut fresh = graph();
    fresh.fresh = true;
    let error = world.another_app().await.token(&fresh).await.expect_err("a refusal");
    assert!(error.hint().contains("--claims '"), "{}", error.hint());
    assert!(!error.to_document().context.contains_key("consent_link"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_its_claims_says_nothing_of_requests_without_them() {
    let world = World::new().await;
    world.consent().await;
    let (app, sent) = world.watched_app(|_| ()).await;
    world.scenario(json!({ "error_for": { "audience": "graph", "error": "invalid_grant", "error_codes": [53003], "times": 1 } })).await;
    let error = app.token(&graph().claims(CHALLENGE)).await.expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::ConditionalAccessBlocked);
    sent.take("");
    let mut fresh = graph();
    fresh.fresh = true;
    app.token(&fresh).await.expect("a token");
    assert_eq!(sent.take("refresh_token").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_sends_in_any_form_is_met() {
    let world = World::new().await;
    world.consent().await;
    let ready = world.emulator.ready();
    for (audience, name, url) in [
        (Audience::Graph, "graph", format!("{}/v1.0/organization", ready.graph)),
        (Audience::PartnerCenter, "partner-center", format!("{}/v1/profiles/organization", ready.partner_center)),
    ] {
        for (at, form) in ["base64", "base64url", "several_headers", "one_header", "odd"].into_iter().enumerate() {
            let wanted = json!({ "access_token": { "acrs": { "essential": true, "value": format!("c{at}") } } });
            let status = if at % 2 == 0 { 401 } else { 403 };
            world
                .scenario(json!({ "claims_challenge": { "audience": name, "claims": wanted, "form": form, "status": status } }))
                .await;
            let mut request = graph();
            request.audience = audience.clone();
            let refused = world.get(&url, &world.app.token(&request).await.expect("a token")).await;
            assert_eq!(refused.status(), status, "{name} {form}");
            let headers = refused.headers().get_all("www-authenticate");
            let challenge = claims_challenge::find(&headers).expect("a challenge");
            assert_eq!(json(&challenge.claims), wanted, "{name} {form}");
            assert_eq!(challenge.error.as_deref(), Some("insufficient_claims"));
            let token = world.app.token(&request.clone().claims(challenge.claims)).await.expect("a token");
            assert_eq!(world.get(&url, &token).await.status(), 200, "{name} {form}");
            let joined: Vec<_> = headers.iter().map(|header| header.to_str().expect("a text")).collect();
            world.app.token(&request.claims(joined.join(", "))).await.expect("a token for the header as it stands");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_are_none_are_refused_before_anything_is_sent() {
    let world = World::new().await;
    world.consent().await;
    let (app, sent) = world.watched_app(|_| ()).await;
    for claims in ["", "[]", "e30=", "not-to-be-shown"] {
        let error = app.token(&graph().claims(claims)).await.expect_err("a refusal");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(!error.to_json().contains("not-to-be-shown"));
        let mut request = world.ask();
        request.claims = Some(claims.to_owned());
        assert_eq!(app.begin_consent(&request).await.expect_err("a refusal").kind(), ErrorKind::InvalidArgument);
    }
    assert_eq!(sent.take("refresh_token").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_customer_s_tenant_another_one_acts() {
    let world = World::new().await;
    world.consent().await;
    let mut there = graph().customer("wingtip.example".parse::<partnersam::TenantRef>().expect("a domain"));
    there.audience = Audience::Graph;
    let error = world.app.token(&there).await.expect_err("no consent there");
    assert_eq!(error.actor(), partnersam::error::Actor::PartnerAdministrator, "{error:?}");
    assert!(error.hint().contains("--customer wingtip.example`"), "{}", error.hint());
}
