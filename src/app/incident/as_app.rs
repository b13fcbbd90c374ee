//! What the app does as itself at Graph, where it has roles of its own, in its own tenant: a vendor's app, too, for this is about itself and about no partner.

use std::sync::Arc;

use http::{Request, Response};

use crate::app::Inner;
use crate::app::credential::ClientCredential;
use crate::app::exchange::{Beside, Repeat};
use crate::app::token_cache::CacheKey;
use crate::audience::Audience;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::protocol::oauth;
use crate::protocol::token_reply::TokenReply;
use crate::secret::AccessToken;

impl Inner {
    /// The tenant that the app is registered in.
    ///
    /// Errors: `ConfigMissing` where the configuration does not say; those of the look-up of a domain.
    pub(super) async fn home(&self) -> Result<TenantId> {
        match &self.config.home_tenant {
            Some(tenant) => self.tenant(tenant).await,
            None => Err(Error::new(ErrorKind::ConfigMissing, "token", "tenant is not set")
                .with_hint("set `tenant` in the configuration file to the tenant that the app is registered in")),
        }
    }

    /// Whether the service takes this credential: asked by a real request, whose token is not used.
    pub(super) async fn prove_credential(
        &self,
        credential: &dyn ClientCredential,
        tenant: TenantId,
    ) -> Result<TokenReply> {
        let key = CacheKey::own(tenant, Audience::Graph);
        let ask = self.ask(&key, Beside::Nothing, None).await?;
        let asked = self.one_exchange(credential, &ask, None, &oauth::client_credentials).await;
        asked.map_err(|verdict| verdict.error)
    }

    /// Sends to Graph what `build` makes of a token of the app's own, again where that helps.
    pub(super) async fn call_as_app(
        self: &Arc<Self>,
        tenant: TenantId,
        build: impl Fn(&AccessToken) -> Result<Request<Vec<u8>>>,
    ) -> Result<Response<Vec<u8>>> {
        // Anew each time: a token outlives the credential that it came by, and this is about credentials.
        let key = CacheKey::own(tenant, Audience::Graph);
        let ask = self.ask(&key, Beside::Nothing, None).await?;
        let reply =
            self.exchange(&ask, Repeat::Yes, oauth::client_credentials).await.map_err(|verdict| verdict.error)?;
        self.send_again(None, || build(&reply.access_token)).await
    }
}
