//! MFA on demand: what the present token says, what Partner Center itself says, and what the grant remembers of it.

use super::token::TokenRequest;
use super::{App, Inner};
use crate::audience::Audience;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};
use crate::partner_center::mfa_probe;
use crate::protocol::mfa;
use crate::store::{Expect, Mfa, MfaEvidence, Written};
use crate::transport::{EXCHANGE_DEADLINE, retry_after};

/// What was found out: yes, no or unknown.
#[derive(Clone, Debug)]
pub struct MfaAnswer {
    /// The evidence; the grant remembers it unless the verdict is unknown.
    pub evidence: MfaEvidence,
    /// Where the verdict is no: the refusal as Partner Center gave or would give it (900421), with the consent link to send as `consent_link` in its
    /// context, if a redirect address is configured.
    pub refusal: Option<Error>,
}

impl App {
    /// Asks Partner Center whether it takes this partner's tokens for ones with MFA (`ValidateMfa`), and looks at `amr`. The grant remembers the answer.
    ///
    /// Errors: those of a token for `partner-center`, and those of the call itself. A no is an answer, not an error.
    pub async fn check_mfa(&self, partner: &TenantRef) -> Result<MfaAnswer> {
        // Who has no grant is told so by the token.
        let purpose = match self.inner().looks_as_given() {
            true => self.grant(partner).await.ok().map(|grant| grant.facts.purpose),
            false => None,
        };
        self.check_mfa_for(partner, purpose).await
    }

    /// [`App::check_mfa`] where it is known what the look is for.
    pub(super) async fn check_mfa_for(&self, partner: &TenantRef, purpose: Option<String>) -> Result<MfaAnswer> {
        let answer = self.mfa_answer(partner, purpose).await;
        answer.map_err(|error| error.in_operation("mfa").with_context("partner", partner))
    }

    async fn mfa_answer(&self, partner: &TenantRef, purpose: Option<String>) -> Result<MfaAnswer> {
        let inner = self.inner();
        let base =
            inner.config.authority.partner_center().ok_or_else(|| {
                Error::new(ErrorKind::NotSupported, "mfa", "this authority has no Partner Center to ask")
            })?;
        let mut wanted =
            TokenRequest { purpose, ..TokenRequest::new(Audience::PartnerCenter).partner(partner.clone()) };
        let (token, response) = loop {
            let token = self.token(&wanted).await?;
            let purpose = wanted.purpose.as_deref().unwrap_or(&inner.config.purpose);
            let request = mfa_probe::request(base, token.secret(), purpose)?;
            let response = inner.transport.send(request, EXCHANGE_DEADLINE).await?;
            // A token that was withdrawn says nothing about the grant: a new one does.
            let is_stale = response.status() == 401 && mfa_probe::is_mfa_compliant(&response).is_none();
            if wanted.fresh || !is_stale {
                break (token, response);
            }
            wanted.fresh = true;
        };
        let mut evidence = mfa::evidence(token.secret(), inner.clock.now());
        evidence.partner_center = mfa_probe::is_mfa_compliant(&response);
        let wait = retry_after(response.headers(), std::time::SystemTime::now());
        let refusal = match (evidence.partner_center, mfa_probe::read(&response, wait)) {
            (_, Err(error)) if error.kind() == ErrorKind::PartnerCenterMfaRequired => Some(error),
            // The header answers the question even where the call itself was refused.
            (None, Err(error)) => return Err(error),
            _ => None,
        };
        match evidence.partner_center {
            Some(false) => evidence.verdict = Mfa::No,
            Some(true) if evidence.verdict == Mfa::Unknown => evidence.verdict = Mfa::Yes,
            _ => {}
        }
        let refusal = refusal.or_else(|| {
            (evidence.verdict == Mfa::No).then(|| {
                let kind = ErrorKind::PartnerCenterMfaRequired;
                Error::new(
                    kind,
                    "mfa",
                    "the grant's sign-in had no MFA, so Partner Center refuses its tokens or soon will",
                )
            })
        });
        if evidence.verdict != Mfa::Unknown {
            inner.remember_mfa(token.partner, &evidence).await?;
        }
        let refusal = match refusal {
            Some(error) => Some(inner.with_consent_link(error.in_operation("mfa"), partner).await),
            None => None,
        };
        Ok(MfaAnswer { evidence, refusal })
    }
}

impl Inner {
    /// Writes the evidence into the grant, unless somebody else keeps changing it: then that is newer.
    async fn remember_mfa(&self, partner: TenantId, evidence: &MfaEvidence) -> Result<()> {
        let key = self.key.grant(partner);
        for _ in 0..3 {
            let Some(mut grant) = self.store.grant(&key).await? else { return Ok(()) };
            grant.facts.mfa = evidence.clone();
            let expect = Expect::Generation(grant.generation);
            match self.store.put_grant(&key, &grant.refresh_token, &grant.facts, expect).await {
                Ok(Written::Yes(_)) => return Ok(()),
                Ok(Written::Lost(_)) => {}
                Err(error) => {
                    tracing::warn!(error = error.kind().id(), "the evidence of MFA could not be kept");
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
