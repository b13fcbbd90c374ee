//! Sealing: XChaCha20-Poly1305 under a key, bound to what the record is and whose.
//!
//! Two keys stand above every partner's record: the store's key wraps a key per partner, and that one seals the partner's records. A swapped,
//! copied or rolled-back record does not open, because its associated data names another owner or another generation; and a removed grant
//! is unreadable at once, whatever becomes of the bytes, because its key is gone.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use chacha20::{R20, hchacha};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::{ClientId, TenantId};
use crate::secret::WipedBytes;
use crate::store::GrantKey;

/// The layout of [`Identity::encode`] and of a sealed value. A new layout gets a new number, and the old one goes on being read.
const FORMAT: u8 = 1;

const NONCE: usize = 24;
const TAG: usize = 16;
/// Format, nonce and tag around the plain text.
const OVERHEAD: usize = 1 + NONCE + TAG;

/// A 32-byte key, wiped when dropped.
pub(crate) type KeyBytes = Zeroizing<[u8; 32]>;

/// What a sealed value is. A value of one kind never opens as another. Numbers are stored: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Record {
    /// Tells a wrong store key from a corrupt record.
    KeyCheck = 1,
    /// A partner's key, wrapped by the store's.
    PartnerKey = 2,
    /// A refresh token and what is known of it.
    Grant = 3,
    /// An access token and what is known of it.
    AccessToken = 4,
    /// A pending consent.
    Pending = 5,
    /// The tenant of a domain.
    Domain = 6,
    /// A refresh token that could not be written to its place.
    Recovery = 7,
    /// A grant in a vault.
    #[cfg(feature = "keyvault")]
    VaultCopy = 8,
    /// What lies in a file of its own beside the store.
    Beside = 9,
    /// The store's key before the one in use, as long as something is sealed with it.
    PreviousKey = 10,
    /// The keys before that, for files on hosts that had no part in the change.
    FormerKeys = 11,
}

/// What a sealed value is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity<'a> {
    pub(crate) record: Record,
    pub(crate) authority: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) user_oid: &'a str,
    pub(crate) generation: u64,
    /// Whatever else names the record.
    pub(crate) extra: &'a [&'a [u8]],
}

impl<'a> Identity<'a> {
    /// The identity of a record that belongs to no app.
    pub(crate) fn of_store(record: Record, extra: &'a [&'a [u8]]) -> Self {
        Self { record, authority: "", client_id: "", tenant: None, user_oid: "", generation: 0, extra }
    }

    /// The identity of a record of one app.
    pub(crate) fn of_app(record: Record, authority: &'a str, client_id: &'a ClientId, extra: &'a [&'a [u8]]) -> Self {
        Self { authority, client_id: client_id.as_str(), ..Self::of_store(record, extra) }
    }

    /// The identity of a record of one partner's grant.
    pub(crate) fn of_grant(record: Record, key: &'a GrantKey, user_oid: &'a str, generation: u64) -> Self {
        Self {
            tenant: Some(key.tenant),
            user_oid,
            generation,
            ..Self::of_app(record, &key.authority, &key.client_id, &[])
        }
    }

    /// The associated data: every part with its length before it, so that no two identities have the same bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(192);
        bytes.push(FORMAT);
        bytes.push(self.record as u8);
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        let tenant = self.tenant.map(TenantId::uuid);
        let parts = [
            self.authority.as_bytes(),
            self.client_id.as_bytes(),
            tenant.as_ref().map(|id| id.as_bytes().as_slice()).unwrap_or_default(),
            self.user_oid.as_bytes(),
        ];
        for part in parts.iter().chain(self.extra) {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// A key that seals and opens. Wiped when dropped.
pub(crate) struct Sealer {
    key: KeyBytes,
    /// Opens what was sealed before the key was changed; seals nothing.
    previous: Option<Box<Self>>,
    /// Open what waits in files beside a store since before its key was changed, the newest first.
    former: Vec<Self>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(..)")
    }
}

impl Sealer {
    /// Takes the key into use.
    pub(crate) fn new(key: &KeyBytes) -> Self {
        Self { key: key.clone(), previous: None, former: Vec::new() }
    }

    /// The same, which also opens what `previous` sealed.
    pub(crate) fn with_previous(self, previous: Self) -> Self {
        Self { previous: Some(Box::new(previous)), ..self }
    }

    /// The same, which in files beside the store also opens what `former` sealed, the newest first.
    pub(crate) fn with_former(self, former: Vec<Self>) -> Self {
        Self { former, ..self }
    }

    /// Whether the key itself, and not the one before it, opens `sealed`.
    pub(crate) fn is_current(&self, identity: &Identity<'_>, sealed: &[u8]) -> bool {
        self.open_unless_tampered(identity, sealed).is_some()
    }

    /// Seals `plain` for `identity`: one byte of format, a random nonce, cipher text and tag.
    pub(crate) fn seal(&self, identity: &Identity<'_>, plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        random(&mut nonce)?;
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        // The capacity is exact: the plain text is overwritten where it stands and never left behind by a reallocation.
        let text = sealed.get_mut(1 + NONCE..).unwrap_or_default();
        let (cipher, nonce) = self.cipher(&nonce)?;
        let tag = cipher
            .seal_in_place_separate_tag(nonce, Aad::from(identity.encode()), text)
            .map_err(|_| Error::new(ErrorKind::Internal, "store", "a record is too large to seal"))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`seal`](Self::seal) made for the same identity; `StoreCorrupt` for anything else.
    pub(crate) fn open(&self, identity: &Identity<'_>, sealed: &[u8]) -> Result<WipedBytes> {
        let before = || self.previous.as_ref().and_then(|previous| previous.open_unless_tampered(identity, sealed));
        self.open_unless_tampered(identity, sealed).or_else(before).ok_or_else(|| {
            Error::new(ErrorKind::StoreCorrupt, "store", "a sealed record does not open with its key and identity")
        })
    }

    fn open_unless_tampered(&self, identity: &Identity<'_>, sealed: &[u8]) -> Option<WipedBytes> {
        let (format, rest) = sealed.split_first()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
        let (text, tag) = rest.split_last_chunk::<TAG>()?;
        if *format != FORMAT {
            return None;
        }
        let mut plain = WipedBytes::new(text.to_vec());
        let (cipher, nonce) = self.cipher(nonce).ok()?;
        cipher.open_in_place_separate_tag(nonce, Aad::from(identity.encode()), tag, plain.as_mut_slice()).ok()?;
        Some(plain)
    }

    /// XChaCha20-Poly1305 as its draft builds it (draft-irtf-cfrg-xchacha-03 section 2.3): ChaCha20-Poly1305 (RFC 8439) under a key of its own for the first 16
    /// bytes of the nonce, which HChaCha20 makes, with the other 8 as its nonce.
    fn cipher(&self, nonce: &[u8; NONCE]) -> Result<(LessSafeKey, Nonce)> {
        let [first @ .., a, b, c, d, e, f, g, h] = *nonce;
        // EXPOSE: the cipher needs the key's bytes.
        let mut own = hchacha::<R20>(&(*self.key).into(), &first.into());
        let cipher = UnboundKey::new(&CHACHA20_POLY1305, own.as_slice());
        zeroize::Zeroize::zeroize(own.as_mut_slice());
        let cipher = cipher.map_err(|_| Error::new(ErrorKind::Internal, "store", "the cipher takes no such key"))?;
        Ok((LessSafeKey::new(cipher), Nonce::assume_unique_for_key([0, 0, 0, 0, a, b, c, d, e, f, g, h])))
    }

    /// [`open`](Self::open) for what lies in a file on one host, which may have been off while others changed the store's key.
    pub(crate) fn open_left(&self, identity: &Identity<'_>, sealed: &[u8]) -> Result<WipedBytes> {
        let before = || self.former.iter().find_map(|former| former.open_unless_tampered(identity, sealed));
        self.open(identity, sealed).or_else(|error| before().ok_or(error))
    }

    /// Whether the key itself, and none before it, sealed what [`open_beside`](Self::open_beside) opens.
    #[cfg(any(feature = "postgres", feature = "keyvault"))]
    pub(crate) fn is_current_beside(&self, label: &str, sealed: &[u8]) -> bool {
        self.is_current(&Identity::of_store(Record::Beside, &[label.as_bytes()]), sealed)
    }

    /// Seals what lies in a file of its own beside the store.
    pub(crate) fn seal_beside(&self, label: &str, plain: &[u8]) -> Result<Vec<u8>> {
        self.seal(&Identity::of_store(Record::Beside, &[label.as_bytes()]), plain)
    }

    /// Opens what [`seal_beside`](Self::seal_beside) sealed.
    pub(crate) fn open_beside(&self, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let opened = self.open_left(&Identity::of_store(Record::Beside, &[label.as_bytes()]), sealed)?;
        Ok(Zeroizing::new(opened.to_vec()))
    }

    /// Makes a partner's key: the sealer that uses it, and the key as this sealer wraps it.
    pub(crate) fn new_partner(&self, key: &GrantKey) -> Result<(Self, Vec<u8>)> {
        let bytes = new_key()?;
        let wrapped = self.seal(&Identity::of_grant(Record::PartnerKey, key, "", 0), bytes.as_slice())?;
        Ok((Self::new(&bytes), wrapped))
    }

    /// Whether a partner's key is wrapped by this key itself and not by the one before it.
    pub(crate) fn wraps(&self, key: &GrantKey, wrapped: &[u8]) -> bool {
        self.is_current(&Identity::of_grant(Record::PartnerKey, key, "", 0), wrapped)
    }

    /// Opens a partner's key.
    pub(crate) fn partner(&self, key: &GrantKey, wrapped: &[u8]) -> Result<Self> {
        Self::of_partner(&self.open(&Identity::of_grant(Record::PartnerKey, key, "", 0), wrapped)?)
    }

    /// The same where it may have been left behind by a change of the key.
    #[cfg(feature = "keyvault")]
    pub(crate) fn partner_left(&self, key: &GrantKey, wrapped: &[u8]) -> Result<Self> {
        Self::of_partner(&self.open_left(&Identity::of_grant(Record::PartnerKey, key, "", 0), wrapped)?)
    }

    fn of_partner(opened: &WipedBytes) -> Result<Self> {
        match <[u8; 32]>::try_from(opened.as_slice()) {
            Ok(bytes) => Ok(Self::new(&Zeroizing::new(bytes))),
            Err(_) => Err(Error::new(ErrorKind::StoreCorrupt, "store", "a partner's key has the wrong length")),
        }
    }
}

/// A secret and its facts as one plain text: length of the secret, secret, facts as JSON. The secret never passes through a JSON writer,
/// whose buffers nobody wipes.
pub(crate) fn join(secret: &str, facts: &impl Serialize) -> Result<WipedBytes> {
    let facts = serde_json::to_vec(facts)
        .map(WipedBytes::new)
        .map_err(|error| Error::new(ErrorKind::Internal, "store", "facts cannot be written").with_cause(error))?;
    let mut plain = WipedBytes::new(Vec::with_capacity(8 + secret.len() + facts.len()));
    plain.extend_from_slice(&(secret.len() as u64).to_be_bytes());
    plain.extend_from_slice(secret.as_bytes());
    plain.extend_from_slice(&facts);
    Ok(plain)
}

/// What [`join`] joined.
pub(crate) fn split<T: DeserializeOwned>(plain: &[u8]) -> Result<(&str, T)> {
    split_unless_malformed(plain)
        .ok_or_else(|| Error::new(ErrorKind::StoreCorrupt, "store", "a record opened but does not hold what it should"))
}

fn split_unless_malformed<T: DeserializeOwned>(plain: &[u8]) -> Option<(&str, T)> {
    let (length, rest) = plain.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (secret, facts) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(secret).ok()?, serde_json::from_slice(facts).ok()?))
}

/// A key from the system's random source.
pub(crate) fn new_key() -> Result<KeyBytes> {
    let mut key = KeyBytes::default();
    random(key.as_mut_slice())?;
    Ok(key)
}

/// Fills `bytes` from the system's random source. Not through aws-lc's generator: seeding that takes longer (25 ms) than all that a fresh process
/// has to do here.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|_| Error::new(ErrorKind::Internal, "store", "the system's random source failed"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::fixtures::{grant_facts, grant_key};

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_value_opens_for_its_own_identity_and_for_no_other() {
        let (key, other) = (grant_key(1), grant_key(2));
        let identity = Identity::of_grant(Record::Grant, &key, "user-1", 7);
        let sealed = sealer(1).seal(&identity, b"not-a-real-token").unwrap();
        assert_eq!(sealer(1).open(&identity, &sealed).unwrap().as_slice(), b"not-a-real-token");
        let elsewhere = GrantKey { authority: "china".to_owned(), ..key.clone() };
        let another_app = GrantKey { client_id: "another-app".parse().unwrap(), ..key.clone() };
        for wrong in [
            Identity { record: Record::Recovery, ..identity },
            Identity { generation: 6, ..identity },
            Identity { generation: 8, ..identity },
            Identity { user_oid: "user-2", ..identity },
            Identity { extra: &[b""], ..identity },
            Identity::of_grant(Record::Grant, &other, "user-1", 7),
            Identity::of_grant(Record::Grant, &elsewhere, "user-1", 7),
            Identity::of_grant(Record::Grant, &another_app, "user-1", 7),
        ] {
            assert_eq!(sealer(1).open(&wrong, &sealed).unwrap_err().kind(), ErrorKind::StoreCorrupt, "{wrong:?}");
        }
        assert!(sealer(2).open(&identity, &sealed).is_err());
    }

    /// The draft's own example (draft-irtf-cfrg-xchacha-03 appendix A.3.1).
    #[test]
    fn the_cipher_is_the_one_of_the_draft() {
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + at as u8);
        let nonce: [u8; NONCE] = std::array::from_fn(|at| 0x40 + at as u8);
        let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let mut text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.".to_vec();
        let (cipher, nonce) = Sealer::new(&Zeroizing::new(key)).cipher(&nonce).unwrap();
        let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut text).unwrap();
        let start = [0xbd, 0x6d, 0x17, 0x9d, 0x3e, 0x83, 0xd4, 0x3b, 0x95, 0x76, 0x57, 0x94, 0x93, 0xc0, 0xe9, 0x39];
        assert_eq!(text[..16], start);
        let expected = [0xc0, 0x87, 0x59, 0x24, 0xc1, 0xc7, 0x98, 0x79, 0x47, 0xde, 0xaf, 0xd8, 0x78, 0x0a, 0xcf, 0x49];
        assert_eq!(tag.as_ref(), expected);
    }

    #[test]
    fn every_byte_of_a_sealed_value_counts() {
        let key = grant_key(1);
        let identity = Identity::of_grant(Record::Grant, &key, "user-1", 1);
        let sealed = sealer(1).seal(&identity, b"not-a-real-token").unwrap();
        for position in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[position] ^= 1;
            assert!(sealer(1).open(&identity, &bent).is_err(), "byte {position}");
            assert!(sealer(1).open(&identity, &sealed[..position]).is_err(), "cut at {position}");
        }
    }

    #[test]
    fn a_partners_key_opens_for_that_partner_only() {
        let (_, wrapped) = sealer(1).new_partner(&grant_key(1)).unwrap();
        assert!(sealer(1).partner(&grant_key(1), &wrapped).is_ok());
        assert!(sealer(1).partner(&grant_key(2), &wrapped).is_err());
        assert!(sealer(2).partner(&grant_key(1), &wrapped).is_err());
    }

    #[test]
    fn two_seals_of_one_value_share_no_nonce() {
        let identity = Identity::of_store(Record::KeyCheck, &[]);
        let seal = || sealer(1).seal(&identity, b"same").unwrap();
        assert_ne!(seal()[1..1 + NONCE], seal()[1..1 + NONCE]);
    }

    #[test]
    fn nothing_shows_a_key() {
        assert_eq!(format!("{:?}", sealer(0x41)), "Sealer(..)");
    }

    #[test]
    fn a_secret_and_its_facts_come_back() {
        let facts = grant_facts();
        let plain = join("not-a-real-token", &facts).unwrap();
        let (secret, back) = split::<crate::store::GrantFacts>(&plain).unwrap();
        assert_eq!((secret, back), ("not-a-real-token", facts));
        for cut in 0..plain.len() {
            assert!(split::<crate::store::GrantFacts>(&plain[..cut]).is_err(), "cut at {cut}");
        }
    }

    proptest! {
        /// The encoding is injective: however two identities cut the same characters into parts, their bytes differ.
        #[test]
        fn two_identities_never_share_their_bytes(
            a in ("[ab]{0,3}", "[ab]{0,3}", "[ab]{0,3}", prop::collection::vec("[ab]{0,2}", 0..3), 0..3_u64),
            b in ("[ab]{0,3}", "[ab]{0,3}", "[ab]{0,3}", prop::collection::vec("[ab]{0,2}", 0..3), 0..3_u64),
        ) {
            fn bytes(parts: &(String, String, String, Vec<String>, u64)) -> Vec<u8> {
                let extra: Vec<&[u8]> = parts.3.iter().map(String::as_bytes).collect();
                Identity {
                    authority: &parts.0,
                    client_id: &parts.1,
                    user_oid: &parts.2,
                    generation: parts.4,
                    ..Identity::of_store(Record::Grant, &extra)
                }
                .encode()
            }
            prop_assert_eq!(a == b, bytes(&a) == bytes(&b));
        }
    }
}
