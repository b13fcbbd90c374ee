//! Tokens of the app alone: by name only, and only where nobody's grant is called for.

use partnersam::app::config::{Config, Profile};
use partnersam::app::token::TokenRequest;
use partnersam::secret::ClientSecret;
use partnersam::store::Mfa;
use partnersam::{Audience, ErrorKind};

use crate::world::{World, partner};

fn csp(world: &World) -> impl FnOnce(&mut Config) {
    let sample = world.emulator.ready().apps.iter().find(|app| app.profile == "csp").expect("an app").clone();
    move |config| {
        config.profile = Profile::Csp;
        config.client_id = sample.client_id.parse().expect("an id");
        config.home_tenant = Some(partner());
        let secret = ClientSecret::new(sample.client_secret.expect("a secret"));
        config.credentials =
            partnersam::app::credential::Credentials::one(partnersam::app::credential::SecretCredential::new(secret));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_s_own_app_gets_one_for_its_own_tenant_and_only_when_asked_by_name() {
    let world = World::new().await;
    let (app, sent) = world.watched_app(csp(&world)).await;
    let alone = || TokenRequest::new(Audience::Graph).app_only();
    let token = app.token(&alone()).await.expect("a token");
    assert_eq!((token.tenant, token.mfa != Mfa::Yes), (app.tenant(&partner()).await.expect("a tenant"), true));
    app.token(&alone().partner(partner())).await.expect("the same");
    assert_eq!(sent.take("client_credentials").len(), 1, "kept in memory");
    let organization = format!("{}/v1.0/organization", world.emulator.ready().graph);
    assert_eq!(world.get(&organization, &token).await.status(), 200);

    // Without a grant there is no token, and the app's own does not step in.
    let refused = app.token(&TokenRequest::new(Audience::Graph).partner(partner())).await.expect_err("no grant");
    assert_eq!(refused.kind(), ErrorKind::ConsentRequired);
    assert_eq!(sent.take("client_credentials").len(), 0);
    for request in [
        alone().customer("contoso.com".parse::<partnersam::TenantRef>().expect("a tenant")),
        alone().partner("northwind.example".parse::<partnersam::TenantRef>().expect("a tenant")),
        alone().claims(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#),
    ] {
        let refused = app.token(&request).await.expect_err("a refusal");
        assert_eq!(refused.kind(), ErrorKind::NotSupported, "{request:?}");
    }
    assert_eq!(sent.take("client_credentials").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_s_app_is_refused_and_told_why() {
    let world = World::new().await;
    world.consent().await;
    let (app, sent) = world.watched_app(|_| {}).await;
    let refused = app.token(&TokenRequest::new(Audience::PartnerCenter).app_only().partner(partner())).await;
    let refused = refused.expect_err("a refusal");
    assert_eq!(refused.kind(), ErrorKind::NotSupported);
    assert!(refused.message().contains("partner's grant"), "{refused}");
    assert!(refused.hint().contains("900329") && refused.hint().contains("fabrikam.com"), "{}", refused.hint());
    assert_eq!(sent.0.lock().expect("a lock").len(), 0, "something was sent");
}
