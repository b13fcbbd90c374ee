//! What the rows of a grant, a token, a pending consent and a domain have in common in every database: what is in clear, what is sealed, and how they open.

use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::secret::{AccessToken, PkceVerifier, RefreshToken, WipedBytes};
use crate::store::recovery::Found;
use crate::store::seal::{self, Identity, Record, Sealer};
use crate::store::{
    AppKey, Grant, GrantFacts, GrantKey, GrantState, PendingConsent, PendingFacts, StoredToken, TokenFacts, TokenKey,
};

/// A grant's row, still sealed.
pub(super) struct SealedGrant {
    pub(super) generation: i64,
    pub(super) user_oid: String,
    pub(super) is_dead: bool,
    pub(super) renew_after: i64,
    pub(super) expires_on: i64,
    pub(super) wrapped_key: Vec<u8>,
    pub(super) sealed: Vec<u8>,
}

impl SealedGrant {
    pub(super) fn open(&self, sealer: &Sealer, key: &GrantKey) -> Result<Grant> {
        let generation = generation(self.generation)?;
        let partner = sealer.partner(key, &self.wrapped_key)?;
        let identity = Identity::of_grant(Record::Grant, key, &self.user_oid, generation);
        let plain = partner.open(&identity, &self.sealed)?;
        let (token, facts) = seal::split::<GrantFacts>(&plain)?;
        let in_clear = (self.user_oid.as_str(), self.is_dead, self.renew_after, self.expires_on);
        if in_clear != (facts.user_oid.as_str(), is_dead(&facts), facts.renew_after.0, facts.expires_on.0) {
            return Err(corrupt("what a grant shows in clear is not what is sealed in it"));
        }
        Ok(Grant { key: key.clone(), generation, refresh_token: RefreshToken::new(token), facts })
    }

    /// What a kept token has to know of it. One that does not open may be written over.
    pub(super) fn found(&self, sealer: &Sealer, key: &GrantKey) -> Result<Found> {
        let consented_on = self.open(sealer, key).ok().map(|grant| grant.facts.consented_on);
        Ok(Found { generation: generation(self.generation)?, is_dead: self.is_dead, consented_on })
    }
}

/// Seals what [`SealedGrant::open`] opens; `plain` is [`seal::join`] of token and facts.
pub(super) fn seal_grant(
    partner: &Sealer,
    key: &GrantKey,
    user_oid: &str,
    generation: u64,
    plain: &[u8],
) -> Result<Vec<u8>> {
    partner.seal(&Identity::of_grant(Record::Grant, key, user_oid, generation), plain)
}

/// An access token's row, still sealed.
pub(super) struct SealedToken {
    pub(super) user_oid: String,
    pub(super) wrapped_key: Vec<u8>,
    pub(super) sealed: Vec<u8>,
}

impl SealedToken {
    /// The token; none where it does not open any more: it is a cache.
    pub(super) fn open(&self, sealer: &Sealer, key: &TokenKey) -> Option<StoredToken> {
        self.try_open(sealer, key)
            .inspect_err(|error| tracing::debug!(%error, "a kept access token does not open and is not used"))
            .ok()
    }

    fn try_open(&self, sealer: &Sealer, key: &TokenKey) -> Result<StoredToken> {
        let partner = sealer.partner(&key.grant, &self.wrapped_key)?;
        let plain = open_token(&partner, key, &self.user_oid, &self.sealed)?;
        let (token, facts) = seal::split::<TokenFacts>(&plain)?;
        Ok(StoredToken { token: AccessToken::new(token), facts })
    }
}

/// Seals what [`SealedToken::open`] opens.
pub(super) fn seal_token(partner: &Sealer, key: &TokenKey, user_oid: &str, plain: &[u8]) -> Result<Vec<u8>> {
    of_token(key, user_oid, |identity| partner.seal(identity, plain))
}

/// Opens what [`seal_token`] sealed.
pub(super) fn open_token(partner: &Sealer, key: &TokenKey, user_oid: &str, sealed: &[u8]) -> Result<WipedBytes> {
    of_token(key, user_oid, |identity| partner.open(identity, sealed))
}

/// An access token outlives the generation of the grant it was redeemed from: it is bound to the account, not to the generation.
fn of_token<T>(key: &TokenKey, user_oid: &str, with: impl FnOnce(&Identity<'_>) -> T) -> T {
    let tenant = key.tenant.uuid();
    let extra: [&[u8]; 2] = [tenant.as_bytes(), key.audience.as_bytes()];
    with(&Identity { extra: &extra, ..Identity::of_grant(Record::AccessToken, &key.grant, user_oid, 0) })
}

/// Seals a pending consent.
pub(super) fn seal_pending(sealer: &Sealer, app: &AppKey, state_hash: &[u8; 32], plain: &[u8]) -> Result<Vec<u8>> {
    sealer.seal(&of_pending(app, &[state_hash.as_slice()]), plain)
}

/// A pending consent sealed anew where it is under the key before the store's; none where nothing is to be done, or can be.
pub(super) fn reseal_pending(sealer: &Sealer, app: &AppKey, state_hash: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let extra = [state_hash];
    let identity = of_pending(app, &extra);
    if sealer.is_current(&identity, sealed) {
        return None;
    }
    sealer.open(&identity, sealed).and_then(|plain| sealer.seal(&identity, &plain)).ok()
}

/// Opens a pending consent.
pub(super) fn open_pending(
    sealer: &Sealer,
    app: &AppKey,
    state_hash: &[u8; 32],
    sealed: &[u8],
) -> Result<PendingConsent> {
    let plain = sealer.open(&of_pending(app, &[state_hash.as_slice()]), sealed)?;
    let (verifier, facts) = seal::split::<PendingFacts>(&plain)?;
    let (verifier, state_hash) = (PkceVerifier::new(verifier), *state_hash);
    Ok(PendingConsent { app: app.clone(), state_hash, verifier, facts })
}

fn of_pending<'a>(app: &'a AppKey, extra: &'a [&'a [u8]]) -> Identity<'a> {
    Identity::of_app(Record::Pending, &app.authority, &app.client_id, extra)
}

/// Seals which tenant a domain is. Sealed although it is public: whoever could change it would turn one partner's name into another partner.
pub(super) fn seal_domain(
    sealer: &Sealer,
    authority: &str,
    domain: &str,
    found: (TenantId, UnixTime),
) -> Result<Vec<u8>> {
    let plain = serde_json::to_vec(&found).map(Zeroizing::new).map_err(|_| corrupt("a domain cannot be written"))?;
    sealer.seal(&of_domain(authority, &[domain.as_bytes()]), &plain)
}

/// Opens what [`seal_domain`] sealed.
pub(super) fn open_domain(
    sealer: &Sealer,
    authority: &str,
    domain: &str,
    sealed: &[u8],
) -> Result<(TenantId, UnixTime)> {
    let plain = sealer.open(&of_domain(authority, &[domain.as_bytes()]), sealed)?;
    serde_json::from_slice(&plain).map_err(|_| corrupt("a domain's record opened but does not hold what it should"))
}

fn of_domain<'a>(authority: &'a str, extra: &'a [&'a [u8]]) -> Identity<'a> {
    Identity { authority, ..Identity::of_store(Record::Domain, extra) }
}

/// What tells the store's key from another one.
pub(super) fn key_check(sealer: &Sealer, store_id: &str) -> Result<Vec<u8>> {
    sealer.seal(&Identity::of_store(Record::KeyCheck, &[store_id.as_bytes()]), b"partnersam")
}

/// `StoreKeyWrong` where `sealer` does not open what [`key_check`] made.
pub(super) fn check_key(sealer: &Sealer, store_id: &str, check: &[u8]) -> Result<()> {
    match sealer.open(&Identity::of_store(Record::KeyCheck, &[store_id.as_bytes()]), check) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::new(ErrorKind::StoreKeyWrong, "store", "the key does not open this store")),
    }
}

pub(super) fn is_dead(facts: &GrantFacts) -> bool {
    facts.state != GrantState::Active
}

pub(super) fn generation(row: i64) -> Result<u64> {
    u64::try_from(row).map_err(|_| corrupt("a grant's generation is negative"))
}

pub(super) fn row_generation(generation: u64) -> Result<i64> {
    i64::try_from(generation).map_err(|_| corrupt("a grant's generation is too large"))
}

pub(super) fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn corrupt(message: &str) -> Error {
    Error::new(ErrorKind::StoreCorrupt, "store", message)
}
