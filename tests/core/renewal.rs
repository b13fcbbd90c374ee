use partnersam::ErrorKind;
use partnersam::app::import::ImportOptions;
use partnersam::secret::RefreshToken;
use partnersam::store::Taint;
use serde_json::json;

use crate::world::{World, partner};

#[tokio::test(flavor = "multi_thread")]
async fn renewal_gives_a_grant_its_full_life_again() {
    let world = World::new().await;
    world.consent().await;
    let before = world.app.grant(&partner()).await.expect("a grant");
    let ends = world.app.renew(&partner()).await.expect("renewed");
    let after = world.app.grant(&partner()).await.expect("a grant");
    assert_eq!(ends, after.facts.expires_on);
    assert!(after.generation > before.generation);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_due_is_renewed_and_each_is_told_of() {
    let world = World::new().await;
    world.consent().await;
    let due = world.app.grant(&partner()).await.expect("a grant").facts.renew_after;
    let mut told = 0;
    let none = world.app.renew_due(due.plus(-1), |_, _, _| told += 1).await.expect("nothing due");
    assert_eq!((none.len(), told), (0, 0));
    let one = world.app.renew_due(due, |_, _, _| told += 1).await.expect("one due");
    assert_eq!((one.len(), told), (1, 1));
    assert!(one[0].result.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_renewal_is_told_and_does_not_go_round_in_circles() {
    let world = World::new().await;
    world.consent().await;
    let due = world.app.grant(&partner()).await.expect("a grant").facts.renew_after;
    world.scenario(json!({ "revoke": { "all": true } })).await;
    let ended = world.app.renew_due(due, |_, _, _| {}).await.expect("the run itself goes on");
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].result.as_ref().expect_err("revoked").kind(), ErrorKind::GrantRevoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_proved_before_it_is_stored() {
    let world = World::new().await;
    let error = world
        .app
        .import_grant(&partner(), RefreshToken::new("not-a-real-token"), &ImportOptions::default())
        .await
        .expect_err("not a token");
    assert!(
        matches!(
            error.kind(),
            ErrorKind::GrantExpired
                | ErrorKind::GrantRevoked
                | ErrorKind::RequestRefused
                | ErrorKind::InteractionRequired
                | ErrorKind::ConsentRequired
        ),
        "{error:?}"
    );
    assert!(world.app.grants().await.expect("grants").is_empty());

    // The partner has consented at the service; only this store knows nothing of it.
    world.consent().await;
    world.app.revoke(&partner()).await.expect("revoked");
    let seeded = world
        .control(
            "/grants",
            json!({ "client_id": world.app.config().client_id.as_str(), "upns": ["admin@fabrikam.com"] }),
        )
        .await;
    let token = seeded["grants"][0]["refresh_token"].as_str().expect("a token");
    let imported = world
        .app
        .import_grant(&partner(), RefreshToken::new(token), &ImportOptions::default())
        .await
        .expect("an import");
    assert!(imported.taints.contains(&Taint::Imported));
    assert_eq!(imported.user_name, "admin@fabrikam.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_leaves_nothing() {
    let world = World::new().await;
    world.consent().await;
    let epoch = world.app.epoch();
    assert!(world.app.revoke(&partner()).await.expect("revoked"));
    assert!(!world.app.revoke(&partner()).await.expect("there was none any more"));
    assert_ne!(world.app.epoch(), epoch, "who keeps tokens is told");
    assert_eq!(world.app.token(&crate::world::graph()).await.expect_err("gone").kind(), ErrorKind::ConsentRequired);
}
