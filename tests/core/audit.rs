use std::path::PathBuf;

use partnersam::app::App;
use partnersam::app::audit::WhenUnwritable;
use partnersam::app::config::Config;
use partnersam::app::consent::ConsentOptions;
use partnersam::audit::read::Filter;
use partnersam::purpose::{Limits, Purposes};
use partnersam::{Audience, ErrorKind, TenantRef};
use serde_json::json;

use crate::world::{World, graph, partner};

/// Operation, outcome, and where a token came from, of every line since number `after`.
async fn lines(app: &App, after: usize) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let unreadable = app
        .audit_lines(&Filter::default(), |_, fields| {
            let text = |name: &str| fields.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
            found.push((text("operation"), text("outcome"), text("source")));
            Ok(())
        })
        .await
        .expect("lines");
    assert_eq!(unreadable, 0);
    let report = app.verify_audit(None, 1).await.expect("a report");
    assert!(report.faults.is_empty() && report.notes.is_empty(), "{report:?}");
    found.split_off(after)
}

fn line(operation: &str, outcome: &str, source: &str) -> (String, String, String) {
    (operation.to_owned(), outcome.to_owned(), source.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_writes_one_line_with_its_end() {
    let world = World::new().await;
    let app = &world.app;
    assert_eq!(app.audit_folder(), Some(world.store_path().with_file_name("grants.db.audit").as_path()));
    world.consent().await;
    let begun = [line("consent-begin", "begun", ""), line("consent-begin", "ok", "")];
    let consented = [line("consent", "begun", ""), line("consent", "ok", "")];
    assert_eq!(lines(app, 0).await, [begun.clone(), consented.clone()].concat());
    app.token(&graph()).await.expect("a token, from memory, where the consent left it");
    let next = world.another_app().await;
    next.token(&graph()).await.expect("a token");
    let mut fresh = graph();
    fresh.fresh = true;
    app.token(&fresh).await.expect("a token");
    assert_eq!(lines(app, 4).await, [line("token", "ok", "store"), line("token", "ok", "service")]);
    app.renew(&partner()).await.expect("renewed");
    let legacy = world.consent_as("legacy@fabrikam.com").await.expect_err("no MFA");
    assert_eq!(legacy.kind(), ErrorKind::MfaNotProved);
    let failed = [line("consent", "begun", ""), line("consent", "failed", "")];
    assert_eq!(lines(app, 6).await, [vec![line("renew", "ok", "service")], begun.to_vec(), failed.to_vec()].concat());
    // What belongs to nothing leaves no line: anybody can send it.
    app.complete_consent("state=x&code=y", ConsentOptions::default()).await.expect_err("unknown");
    let wingtip: TenantRef = "wingtip.example".parse().expect("a domain");
    app.token(&graph().customer(wingtip)).await.expect_err("no consent there");
    app.revoke(&partner()).await.expect("revoked");
    app.token(&graph()).await.expect_err("no grant");
    assert_eq!(
        lines(app, 11).await,
        [
            line("token", "failed", "service"),
            line("revoke", "begun", ""),
            line("revoke", "ok", ""),
            line("token", "failed", "service")
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_has_the_purpose_and_the_ids_and_no_secret() {
    let world = World::new().await;
    world.consent().await;
    let (app, sent) = world
        .watched_app(|config| {
            let report = Limits { audiences: Some(vec![Audience::Graph]), ..Limits::default() };
            config.purposes = Purposes::new([("report".to_owned(), report)].into(), None).expect("purposes");
        })
        .await;
    let customer: TenantRef = "contoso.com".parse().expect("a domain");
    let token = app.token(&graph().customer(customer).purpose("report")).await.expect("a token");
    app.token(&graph().purpose("else")).await.expect_err("no such purpose");
    let mut all = Vec::new();
    let by = |name, value: &str| Filter { fields: vec![(name, value.to_owned())], ..Filter::default() };
    app.audit_lines(&by("operation", "token"), |text, fields| {
        all.push((text.to_owned(), fields.clone()));
        Ok(())
    })
    .await
    .expect("lines");
    let (issued, refused) = (&all[0].1, &all[1].1);
    assert_eq!(issued["purpose"], "report");
    assert_eq!(issued["partner"], token.partner.to_string());
    assert_eq!(issued["customer"], token.tenant.to_string());
    assert_eq!((&issued["audiences"], &issued["mfa"]), (&json!(["graph"]), &json!("yes")));
    assert_eq!(issued["correlation_id"].as_str(), token.correlation_id.as_deref());
    assert_eq!(token.correlation_id.as_deref().map(str::len), Some(36));
    assert_eq!((&refused["outcome"], &refused["error"]), (&json!("refused"), &json!("PurposeUnknown")));
    let whole =
        std::fs::read_to_string(app.audit_folder().expect("a folder").join("record.jsonl")).expect("the record");
    for form in sent.take("refresh_token") {
        for name in ["refresh_token", "client_secret"] {
            assert!(form[name].len() > 10 && !whole.contains(&form[name]), "{name}");
        }
    }
    // EXPOSE: to look for it.
    assert!(!whole.contains(token.secret().expose()));
}

fn unwritable(world: &World, config: &mut Config) -> PathBuf {
    let path = world.folder.path().join("not-a-folder");
    std::fs::write(&path, b"x").expect("a file");
    config.audit.folder = Some(path.join("audit"));
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_is_not_done_and_a_token_goes_by_the_policy() {
    let world = World::new().await;
    world.consent().await;
    let (app, sent) = world.watched_app(|config| drop(unwritable(&world, config))).await;
    let unrecorded = |error: partnersam::Error| assert_eq!(error.kind(), ErrorKind::AuditUnwritable, "{error:?}");
    unrecorded(app.begin_consent(&world.ask()).await.expect_err("a consent"));
    unrecorded(app.revoke(&partner()).await.expect_err("a revocation"));
    world.app.grant(&partner()).await.expect("the grant is still there");
    sent.take("refresh_token");
    app.token(&graph()).await.expect("a token: go-on is the default");
    assert_eq!(app.audit_missed(), 1);

    let stop = |config: &mut Config| {
        unwritable(&world, config);
        config.audit.when_unwritable = WhenUnwritable::Stop;
    };
    let (app, _) = world.watched_app(stop).await;
    unrecorded(app.token(&graph()).await.expect_err("a token"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_the_record_is_told_by_the_next_line() {
    let world = World::new().await;
    world.consent().await;
    let (app, _) = world.watched_app(|_| {}).await;
    let (folder, aside) = (app.audit_folder().expect("a folder").to_owned(), world.folder.path().join("aside"));
    let mut request = graph();
    request.fresh = true;
    app.token(&request).await.expect("a token");
    std::fs::rename(folder.join("lock"), &aside).expect("renamed");
    std::fs::create_dir(folder.join("lock")).expect("a folder in its way");
    let (other, _) = world.watched_app(|_| {}).await;
    other.token(&request).await.expect("a token");
    other.token(&request).await.expect("a token");
    assert_eq!(other.audit_missed(), 2);
    std::fs::remove_dir(folder.join("lock")).expect("removed");
    std::fs::rename(&aside, folder.join("lock")).expect("renamed");
    other.token(&request).await.expect("a token");
    let mut missed = Vec::new();
    other
        .audit_lines(&Filter::default(), |_, fields| {
            missed.extend(fields.get("missed").and_then(|value| value.as_u64()));
            Ok(())
        })
        .await
        .expect("lines");
    assert_eq!(missed, [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_in_memory_are_recorded_where_that_is_asked_for() {
    let world = World::new().await;
    world.consent().await;
    let (app, _) = world.watched_app(|config| config.audit.memory_hits = true).await;
    app.token(&graph()).await.expect("a token");
    let before = lines(&app, 0).await.len();
    app.token(&graph()).await.expect("a token");
    let partner = app.tenant(&partner()).await.expect("a tenant");
    app.token_in_memory(partner, partner, &Audience::Graph, None).expect("an answer").expect("a token");
    assert_eq!(lines(&app, before).await, [line("token", "ok", "memory"), line("token", "ok", "memory")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_from_memory_are_recorded_where_that_is_asked_for_and_fill_no_disk_otherwise() {
    let world = World::new().await;
    world.consent().await;
    world
        .scenario(serde_json::json!({
            "error_for": { "audience": "graph", "error": "invalid_grant", "error_codes": [50076], "suberror": "basic_action" },
        }))
        .await;
    for (hits, expected) in [(true, 2), (false, 0)] {
        let (app, _) = world.watched_app(|config| config.audit.memory_hits = hits).await;
        let mut fresh = graph();
        fresh.fresh = true;
        app.token(&fresh).await.expect_err("a refusal");
        let before = lines(&app, 0).await.len();
        world.forget_requests().await;
        for _ in 0..2 {
            app.token(&fresh).await.expect_err("the same from memory");
        }
        assert!(world.requests().await.is_empty(), "it was from memory");
        assert_eq!(lines(&app, before).await, vec![line("token", "failed", "memory"); expected]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_its_key_is_not_begun_anew() {
    let world = World::new().await;
    world.consent().await;
    let folder = world.app.audit_folder().expect("a folder").to_owned();
    std::fs::remove_file(folder.join("key")).expect("removed");
    let (app, _) = world.watched_app(|_| {}).await;
    let error = app.revoke(&partner()).await.expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::AuditTampered);
    world.app.grant(&partner()).await.expect("the grant is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_key_and_a_record_that_is_gone_are_told_as_what_they_are() {
    let world = World::new().await;
    world.consent().await;
    let folder = world.app.audit_folder().expect("a folder").to_owned();
    let whole = world.app.verify_audit(None, 1).await.expect("a report");
    std::fs::write(folder.join("key"), "damaged").expect("written");
    let (app, _) = world.watched_app(|_| {}).await;
    let error = app.verify_audit(None, 1).await.expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::AuditTampered);
    assert!(error.advice().contains("back from a backup"), "{error}");

    std::fs::remove_dir_all(&folder).expect("removed");
    let (app, _) = world.watched_app(|_| {}).await;
    let error = app.verify_audit(None, 1).await.expect_err("nothing to read");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let error = app.verify_audit(whole.anchor.as_ref(), 1).await.expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::AuditTampered, "the anchor says that there was one");
    assert!(error.message().contains("is gone, and had"), "{error}");
}
