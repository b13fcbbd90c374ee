//! What to do when a refusal names claims that only a person's sign-in can satisfy: the error carries them, and the way to that sign-in.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use url::Url;

use super::Inner;
use super::consent::ConsentRequest;
use super::token::TokenRequest;
use crate::audience::Audience;
use crate::clock::UnixTime;
use crate::error::{Actor, Category, Error, ErrorKind, Result, Retry};
use crate::ids::{TenantId, TenantRef};
use crate::protocol::claims_challenge;

/// The fact of an error that holds the link.
const LINK: &str = "consent_link";

/// Links that were made for refusals: a program that asks again and again gets the same one, and the store does not fill up.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<HashMap<LinkKey, (Url, UnixTime)>>);

type LinkKey = (TenantId, Audience, String);

/// The most links remembered.
const MOST: usize = 1_000;

/// A link with less time left than this is not handed out again, in seconds.
const LEAST_LEFT: i64 = 600;

impl Links {
    fn get(&self, key: &LinkKey, now: UnixTime) -> Option<Url> {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(key).filter(|(_, ends)| ends.since(now) > LEAST_LEFT).map(|(url, _)| url.clone())
    }

    fn put(&self, key: LinkKey, url: Url, ends: UnixTime, now: UnixTime) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, (_, ends)| ends.since(now) > LEAST_LEFT);
        if links.len() < MOST {
            links.insert(key, (url, ends));
        }
    }

    /// Forgets the links of a partner: they belong to a grant that has just been replaced.
    pub(crate) fn forget(&self, partner: TenantId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(tenant, ..), _| *tenant != partner);
    }
}

impl Inner {
    /// Gives a refusal that only a sign-in of the partner's can mend the claims that were to be satisfied and, where a redirect address is configured, a
    /// consent link with them.
    pub(super) async fn with_way_back(&self, error: Error, request: &TokenRequest, asked: Option<&str>) -> Error {
        let needs_sign_in = error.kind().category() == Category::Identity
            && error.kind().retry() == Retry::UserAction
            && error.actor() == Actor::ServiceAccountOwner;
        let said = error.entra().and_then(|entra| entra.claims.as_deref());
        // What the service says now is newer than what it was asked for.
        let Some(claims) = said.or(asked).and_then(|claims| claims_challenge::of_caller(claims).ok()) else {
            return error;
        };
        if !needs_sign_in || error.entra().is_none() {
            return error;
        }
        let mut details = error.entra().cloned().unwrap_or_default();
        details.claims = Some(claims.clone());
        let error = error.with_entra(details);
        let error = match command(&claims) {
            Some(command) => error.with_hint(format!("run `{command}` and sign in with MFA")),
            None => error,
        };
        match self.link_with(request, claims).await {
            Ok(link) => {
                let advice = format!("open the consent link of this error and sign in with MFA, or {}", error.advice());
                error.with_hint(advice).with_context(LINK, link)
            }
            Err(_) => error,
        }
    }

    /// Lets the command for a consent to one audience name those, too, that the grant has: the new one has what its consent names.
    pub(super) async fn with_all_audiences(&self, error: Error, request: &TokenRequest) -> Error {
        let one = match request.audience {
            Audience::PartnerCenter => "--for partner-center".to_owned(),
            _ => format!("--for partner-center,{}", request.audience),
        };
        if !error.advice().contains(&one) {
            return error;
        }
        let Ok(partner) = self.partner(request.partner.as_ref(), "token").await else { return error };
        let Ok(Some(grant)) = self.store.grant(&self.key.grant(partner)).await else { return error };
        let mut names = grant.facts.audiences;
        let asked = request.audience.name().to_owned();
        if !names.contains(&asked) {
            names.push(asked);
        }
        let advice = error.advice().replacen(&one, &format!("--for {}", names.join(",")), 1);
        error.with_hint(advice)
    }

    /// Gives a refusal for want of MFA (Partner Center's 900421) the consent link to send to the partner, where a redirect address is configured.
    pub(super) async fn with_consent_link(&self, error: Error, partner: &TenantRef) -> Error {
        if error.kind() != ErrorKind::PartnerCenterMfaRequired {
            return error;
        }
        let request = TokenRequest::new(Audience::PartnerCenter).partner(partner.clone());
        match self.link_with(&request, String::new()).await {
            Ok(link) => {
                let advice = format!(
                    "register MFA for the account, then open the consent link of this error and sign in with MFA, or run `partnersam consent {partner}`"
                );
                error.with_hint(advice).with_context("partner", partner).with_context(LINK, link)
            }
            Err(_) => error.with_context("partner", partner),
        }
    }

    /// The link for a sign-in that satisfies `claims`; empty ones are none.
    async fn link_with(&self, request: &TokenRequest, claims: String) -> Result<Url> {
        let now = self.clock.now();
        let partner = self.partner(request.partner.as_ref(), "token").await?;
        let key = (partner, request.audience.clone(), claims);
        if let Some(link) = self.links.get(&key, now) {
            return Ok(link);
        }
        let mut consent = ConsentRequest::new(request.partner.clone().unwrap_or(TenantRef::from(partner)));
        consent.claims = Some(key.2.clone()).filter(|claims| !claims.is_empty());
        // All that the grant has now, or the new one would have less.
        if let Some(grant) = self.store.grant(&self.key.grant(partner)).await? {
            consent.audiences = Audience::of_names(&grant.facts.audiences);
            consent.login_hint = Some(grant.facts.user_name);
        }
        if !consent.audiences.contains(&request.audience) {
            consent.audiences.push(request.audience.clone());
        }
        let link = self.begin_consent(&consent).await?;
        self.links.put(key, link.url.clone(), link.expires_on, now);
        Ok(link.url)
    }
}

/// The command that signs in with these claims, if a shell can be given them in one word.
fn command(claims: &str) -> Option<String> {
    const LONGEST: usize = 600;
    let is_plain = claims.len() <= LONGEST && claims.bytes().all(|b| (b.is_ascii_graphic() || b == b' ') && b != b'\'');
    is_plain
        .then(|| format!("partnersam consent PARTNER --for partner-center,AUDIENCE --claims '{claims}'"))
        // A backtick would end the quotation that the command stands in.
        .filter(|command| !command.contains('`'))
}
