use partnersam::app::token::TokenRequest;
use partnersam::{Audience, ErrorKind, TenantRef};

use crate::world::{World, graph};

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_without_consent_gets_nothing_of_another_s() {
    let world = World::new().await;
    world.consent().await;
    let northwind: TenantRef = "northwind.example".parse().expect("a domain");
    let error =
        world.app.token(&TokenRequest::new(Audience::Graph).partner(northwind)).await.expect_err("not consented");
    assert_eq!(error.kind(), ErrorKind::ConsentRequired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_s_tenant_is_refused_by_the_service_and_the_grant_lives() {
    let world = World::new().await;
    world.consent().await;
    let stranger: TenantRef = "litware.example".parse().expect("a domain");
    let error = world.app.token(&graph().customer(stranger)).await.expect_err("another partner's customer");
    assert_eq!(error.kind().category(), partnersam::error::Category::Identity, "{error:?}");
    world.app.token(&graph()).await.expect("the grant lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_nobody_has_is_said_to_be_so() {
    let world = World::new().await;
    let nobody: TenantRef = "nobody.example".parse().expect("a domain");
    let error = world.app.token(&TokenRequest::new(Audience::Graph).partner(nobody)).await.expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::TenantNotFound);
}
