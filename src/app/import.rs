//! Import: a refresh token from elsewhere becomes a grant, once it has proved itself.

mod move_in;
mod place;
mod settings_file;
#[cfg(feature = "keyvault")]
mod vault_source;

pub use move_in::{Fate, Leftover, LeftoverKind, MovePlan, MoveRequest, MovedIn, WHAT_REMAINS};

use super::consent::{ConsentOptions, Consented, Person, SignIn, finished, first_audience};
use super::exchange::Beside;
use super::token_cache::CacheKey;
use super::{App, Inner};
use crate::audience::Audience;
use crate::audit::{Entry, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};
use crate::secret::RefreshToken;
use crate::store::Taint;

/// What an imported token is to be used for, and how.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The services that are proved at once; those of the purpose, or the usual ones, when empty.
    pub audiences: Vec<Audience>,
    /// Why: a declared purpose, or words for the record where none is declared; the configuration's own when left out.
    pub purpose: Option<String>,
    /// Store the grant even though MFA was not proved. Partner Center refuses its tokens.
    pub allow_without_mfa: bool,
}

impl App {
    /// Takes over a partner's refresh token that was obtained elsewhere for this same app. It is redeemed first, MFA is proved as at a consent, and
    /// only then is anything stored.
    ///
    /// Errors: `GrantExpired`, `GrantRevoked` and their kin where it does not redeem; `MfaNotProved`; `MfaDowngrade`; `PurposeUnknown` and its kin before
    /// anything is sent.
    pub async fn import_grant(
        &self,
        partner: &TenantRef,
        refresh_token: RefreshToken,
        options: &ImportOptions,
    ) -> Result<Consented> {
        let (inner, partner, options) = (self.inner().clone(), partner.clone(), options.clone());
        let named = partner.clone();
        // A task of its own: once redeemed, the new token must be saved even if the caller gives up.
        let task = tokio::spawn(async move { inner.import_grant(partner, refresh_token, options).await });
        task.await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "import", "the import ended before its time")))
            .map_err(|error| error.in_operation("import").with_context("partner", named))
    }
}

impl Inner {
    async fn import_grant(
        &self,
        partner: TenantRef,
        refresh_token: RefreshToken,
        options: ImportOptions,
    ) -> Result<Consented> {
        let (purpose, audiences) = self.consent_purpose(options.purpose.as_deref(), &options.audiences)?;
        let options = ConsentOptions { allow_without_mfa: options.allow_without_mfa };
        let tenant = self.tenant(&partner).await?;
        let first = first_audience(&audiences);
        self.store.check_writable().await?;
        let mut entry = Entry::new("import", Outcome::Ok, self.clock.now()).partner(tenant);
        entry.purpose = Some(purpose.clone());
        self.recorded(
            entry,
            self.take_over(partner, tenant, refresh_token, audiences, purpose, first, options),
            finished,
        )
        .await
    }

    #[expect(clippy::too_many_arguments, reason = "what an import is made of")]
    async fn take_over(
        &self,
        partner: TenantRef,
        tenant: TenantId,
        refresh_token: RefreshToken,
        audiences: Vec<Audience>,
        purpose: String,
        first: Audience,
        options: ConsentOptions,
    ) -> Result<Consented> {
        let key = CacheKey::own(tenant, first.clone());
        let redeemed = self.redeem_once(&key, &refresh_token, Beside::SignIn, None).await;
        let (mut reply, _) = redeemed.map_err(|verdict| verdict.error)?;
        // A service that does not rotate leaves the old one valid.
        reply.refresh_token.get_or_insert(refresh_token);
        let person = Person::of_reply(&reply).ok_or_else(|| {
            Error::new(ErrorKind::ResponseMalformed, "import", "the service's reply does not say whose grant it is")
        })?;
        let sign_in = SignIn {
            partner: tenant,
            name: partner.to_string(),
            audiences,
            purpose,
            nonce: None,
            taints: vec![Taint::Imported],
            first,
            reply,
        };
        self.admit(sign_in, person, options).await
    }
}
