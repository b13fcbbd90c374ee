use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use partnersam::app::token::TokenRequest;
use partnersam::transport::{HttpClient, Transport};
use partnersam::{Audience, ErrorKind, Result, TenantRef};
use serde_json::{Value, json};

use crate::world::{World, graph, partner};

/// Puts an access token of another tenant into each answer.
#[derive(Debug)]
struct Swapped(HttpClient);

impl Transport for Swapped {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<http::Response<Vec<u8>>>> {
        Box::pin(async move {
            let mut answer = self.0.send(request, deadline).await?;
            let mut reply: Value = serde_json::from_slice(answer.body()).expect("a document");
            if let Some(token) = reply.get_mut("access_token") {
                let claims = json!({ "tid": "00000000-0000-4000-8000-00000000beef", "amr": ["pwd", "mfa"] });
                *token = format!("e30.{}.test", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string())).into();
                *answer.body_mut() = reply.to_string().into_bytes();
            }
            Ok(answer)
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_tenant_is_neither_given_nor_kept() {
    let world = World::new().await;
    world.consent().await;
    let app = world
        .app_by(|config| Arc::new(Swapped(HttpClient::new(config.authority.clone(), config.ca_file.clone()))))
        .await;
    let asked = TokenRequest { fresh: true, ..graph() };
    assert_eq!(app.token(&asked).await.expect_err("another tenant's token").kind(), ErrorKind::TenantMismatch);
    assert_eq!(app.renew(&partner()).await.expect_err("another tenant's token").kind(), ErrorKind::TenantMismatch);
    let token = world.app.token(&graph()).await.expect("the grant lives");
    // EXPOSE: to see that it is not the swapped one.
    assert!(!token.secret().expose().ends_with(".test"));
}

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
