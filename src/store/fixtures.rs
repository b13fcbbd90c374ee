//! Grants and tokens that the tests of this folder put into stores.

use std::sync::{Mutex, PoisonError};

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::store::key::{KeyProvider, KeyRequest, StoreKey};
use crate::store::{
    AppKey, GrantFacts, GrantKey, GrantState, Mfa, MfaEvidence, PendingConsent, PendingFacts, TokenFacts, TokenKey,
    Turn,
};
use uuid::Uuid;

/// The moment at which the tests play.
pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);

pub(crate) fn tenant(number: u128) -> TenantId {
    TenantId::new(Uuid::from_u128(0xffff_0000_0000_0000_0000_0000_0000_0000 + number))
}

pub(crate) fn app() -> AppKey {
    AppKey {
        authority: "emulator".to_owned(),
        client_id: "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse().unwrap_or_else(|_| unreachable!()),
    }
}

pub(crate) fn grant_key(number: u128) -> GrantKey {
    app().grant(tenant(number))
}

pub(crate) fn grant_facts() -> GrantFacts {
    GrantFacts {
        user_oid: "user-1".to_owned(),
        user_name: "admin@fabrikam.example".to_owned(),
        domains: vec!["fabrikam.example".to_owned()],
        consented_on: NOW,
        mfa: MfaEvidence { verdict: Mfa::Yes, amr: vec!["mfa".to_owned()], partner_center: None, checked_on: NOW },
        last_redeemed_on: NOW,
        expires_on: NOW.plus(90 * 86_400),
        renew_after: NOW.plus(7 * 86_400),
        audiences: vec!["graph".to_owned()],
        purpose: "tests".to_owned(),
        taints: Vec::new(),
        state: GrantState::Active,
    }
}

/// All grants that are due so many seconds after [`NOW`].
pub(crate) fn due_in(seconds: i64) -> Turn {
    Turn::new(NOW.plus(seconds), 90 * 86_400)
}

pub(crate) fn dead_facts() -> GrantFacts {
    GrantFacts { state: GrantState::Dead { on: NOW, reason: "GrantRevoked".to_owned() }, ..grant_facts() }
}

pub(crate) fn token_key(number: u128, audience: &str) -> TokenKey {
    TokenKey { grant: grant_key(number), tenant: tenant(number), audience: audience.to_owned() }
}

pub(crate) fn token_facts() -> TokenFacts {
    TokenFacts {
        received_on: NOW,
        expires_on: NOW.plus(3600),
        refresh_after: NOW.plus(3300),
        scopes: vec!["User.Read".to_owned()],
        mfa: Mfa::Yes,
    }
}

pub(crate) fn pending(number: u8) -> PendingConsent {
    PendingConsent {
        app: app(),
        state_hash: [number; 32],
        verifier: crate::secret::PkceVerifier::new("not-a-real-verifier"),
        facts: PendingFacts {
            tenant: tenant(u128::from(number)),
            partner: "fabrikam.example".to_owned(),
            redirect_uri: "http://127.0.0.1:1/reply".parse().unwrap_or_else(|_| unreachable!()),
            audiences: vec!["graph".to_owned()],
            purpose: "tests".to_owned(),
            nonce: "not-a-real-nonce".to_owned(),
            expires_on: NOW.plus(600),
        },
    }
}

/// A key of one byte, again and again.
pub(crate) fn key_of(byte: u8) -> StoreKey {
    StoreKey::from_bytes(&mut [byte; 32])
}

/// A source as a key file is one: keeps keys one behind the other. A new key is the last one and one more.
#[derive(Debug)]
pub(crate) struct Several(Mutex<Vec<u8>>);

impl Several {
    pub(crate) fn new(first: u8) -> Self {
        Self(Mutex::new(vec![first]))
    }

    /// What it holds, the oldest first.
    pub(crate) fn held(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As if somebody had written the file.
    pub(crate) fn hold(&self, keys: &[u8]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = keys.to_vec();
    }
}

impl KeyProvider for Several {
    fn key(&self, request: &KeyRequest<'_>) -> Result<StoreKey> {
        let none = || Error::new(ErrorKind::StoreKeyMissing, "test", "no key");
        self.keys(request)?.pop().ok_or_else(none)
    }

    fn keys(&self, _: &KeyRequest<'_>) -> Result<Vec<StoreKey>> {
        Ok(self.held().into_iter().map(key_of).collect())
    }

    fn add(&self, _: &KeyRequest<'_>, in_use: &StoreKey, _: Option<&StoreKey>) -> Result<StoreKey> {
        let mut held = self.held();
        // EXPOSE: the keys of these tests are single bytes, compared and used.
        let mut after = held.iter().copied().skip_while(|byte| key_of(*byte).expose() != in_use.expose());
        let (in_use, next) = (after.next().unwrap_or_default(), after.next());
        if next.is_none() {
            held.push(in_use + 1);
            self.hold(&held);
        }
        Ok(key_of(next.unwrap_or(in_use + 1)))
    }

    fn retire(&self, _: &KeyRequest<'_>, kept: &StoreKey) -> Result<bool> {
        // EXPOSE: the keys of these tests are single bytes, compared and used.
        let kept: Vec<u8> = self.held().into_iter().filter(|byte| key_of(*byte).expose() == kept.expose()).collect();
        self.hold(&kept);
        Ok(true)
    }
}
