//! A key from a passphrase: Argon2id (RFC 9106), with salt and costs that the store remembers.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, ErrorKind, Result};
use crate::secret::Passphrase;
use crate::store::key::{AskPassphrase, KeyProvider, KeyRequest, StoreKey};
use crate::store::seal::{self, KeyBytes};

/// How one store derives its key: made once with the store, and the same ever after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; 16],
}

/// The second choice of RFC 9106 section 4, with one lane because it is computed once per process and not per request: 64 MiB, 3 passes.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;

impl Derivation {
    /// The costs in use today and a new salt.
    pub(crate) fn generate() -> Result<Self> {
        let mut salt = [0; 16];
        seal::random(&mut salt)?;
        Ok(Self { memory_kib: MEMORY_KIB, passes: PASSES, lanes: 1, salt })
    }

    /// As the store keeps it: `argon2id:65536:3:1:SALT`.
    pub(crate) fn to_text(&self) -> String {
        let salt = URL_SAFE_NO_PAD.encode(self.salt);
        format!("argon2id:{}:{}:{}:{salt}", self.memory_kib, self.passes, self.lanes)
    }

    /// Reads the text form. Costs that could only be an attack on this machine are refused.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("argon2id:")?.split(':');
        let mut cost = |most: u32| parts.next()?.parse().ok().filter(|cost| (1..=most).contains(cost));
        let (memory_kib, passes, lanes) = (cost(1024 * 1024)?, cost(16)?, cost(16)?);
        let salt = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        parts.next().is_none().then_some(Self { memory_kib, passes, lanes, salt })
    }

    /// Stretches `passphrase` into a key. Takes a tenth of a second and 64 MiB with today's costs.
    pub(crate) fn derive(&self, passphrase: &crate::secret::Passphrase) -> Result<StoreKey> {
        let failed = |error| {
            Error::new(ErrorKind::StoreCorrupt, "store", "the store's costs of derivation cannot be used")
                .with_cause(error)
        };
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(failed)?;
        let mut key = KeyBytes::default();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            // EXPOSE: the passphrase is what the key is made of.
            .hash_password_into(passphrase.expose().as_bytes(), &self.salt, key.as_mut_slice())
            .map_err(failed)?;
        Ok(StoreKey(key))
    }

    /// Costs so low that a test can afford them many times.
    #[cfg(test)]
    pub(crate) fn quick_for_tests() -> Self {
        Self { memory_kib: 8, passes: 1, lanes: 1, salt: [9; 16] }
    }
}

/// Asks for the passphrase when the key is needed.
pub(super) struct PassphraseKey(AskPassphrase);

impl PassphraseKey {
    pub(super) fn new(ask: AskPassphrase) -> Self {
        Self(ask)
    }
}

impl fmt::Debug for PassphraseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassphraseKey(..)")
    }
}

impl PassphraseKey {
    fn ask(&self) -> Result<Passphrase> {
        let passphrase = (self.0)()?;
        // EXPOSE: only whether there is one.
        if passphrase.expose().is_empty() {
            return Err(Error::new(ErrorKind::StoreKeyMissing, "store", "the passphrase is empty"));
        }
        Ok(passphrase)
    }
}

impl KeyProvider for PassphraseKey {
    fn key(&self, request: &KeyRequest<'_>) -> Result<StoreKey> {
        request.derivation.derive(&self.ask()?)
    }

    /// What was given as a whole, and where it has several lines, each of them: the new one stands behind the old one while it is changed.
    fn keys(&self, request: &KeyRequest<'_>) -> Result<Vec<StoreKey>> {
        let given = self.ask()?;
        let mut keys = vec![request.derivation.derive(&given)?];
        for line in lines(&given) {
            keys.push(request.derivation.derive(&line)?);
        }
        Ok(keys)
    }

    /// From the last line, under the derivation of the request, which is a new one: the same passphrase makes another key then.
    fn add(&self, request: &KeyRequest<'_>, _: &StoreKey, new: Option<&StoreKey>) -> Result<StoreKey> {
        if new.is_some() {
            return Err(super::unwritable("a passphrase makes its own key"));
        }
        let given = self.ask()?;
        request.derivation.derive(lines(&given).last().unwrap_or(&given))
    }

    /// The store says how a key is made of it: who has the passphrase has the new key.
    fn is_shared(&self) -> bool {
        true
    }

    fn takes_keys(&self) -> bool {
        true
    }

    fn retire(&self, _: &KeyRequest<'_>, _: &StoreKey) -> Result<bool> {
        Ok(lines(&self.ask()?).is_empty())
    }
}

/// The lines of what was given, where there are several.
fn lines(given: &Passphrase) -> Vec<Passphrase> {
    // EXPOSE: cut into its lines, which are passphrases as well.
    let lines: Vec<_> = given.expose().lines().filter(|line| !line.is_empty()).map(Passphrase::new).collect();
    if lines.len() > 1 { lines.into_iter().take(super::MOST_KEYS).collect() } else { Vec::new() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::secret::Passphrase;

    /// The derived bytes are fixed for ever: a store made today opens with them. The expected ones are from the reference implementation in C
    /// (<https://github.com/P-H-C/phc-winner-argon2>).
    #[test]
    fn one_passphrase_and_salt_make_one_key() {
        let derivation = Derivation { memory_kib: 64, passes: 3, lanes: 1, salt: *b"0123456789abcdef" };
        let derive = |text: &str| derivation.derive(&Passphrase::new(text)).unwrap();
        let expected = "0794d250f542f74ed2b340f1a1479909b18f72fb818d15a8a806ac200dce1951";
        let hex: String = derive("not a real passphrase").expose().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
        assert_ne!(derive("not a real passphrase").expose(), derive("not a real passphrasf").expose());
        let salted = Derivation { salt: *b"0123456789abcdeg", ..derivation.clone() };
        let other = salted.derive(&Passphrase::new("not a real passphrase")).unwrap();
        assert_ne!(derive("not a real passphrase").expose(), other.expose());
    }

    #[test]
    fn the_text_form_reads_back_and_absurd_costs_do_not() {
        let derivation = Derivation::generate().unwrap();
        assert_eq!(Derivation::from_text(&derivation.to_text()).unwrap(), derivation);
        let salt = "AAAAAAAAAAAAAAAAAAAAAA";
        for bad in [
            String::new(),
            format!("argon2id:4000000000:3:1:{salt}"),
            format!("argon2id:65536:1000000:1:{salt}"),
            format!("argon2id:65536:0:1:{salt}"),
            format!("argon2id:65536:3:1:{salt}:x"),
            "argon2id:65536:3:1:AAAA".to_owned(),
            format!("scrypt:65536:3:1:{salt}"),
        ] {
            assert!(Derivation::from_text(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_empty_passphrase_makes_no_key() {
        let provider = PassphraseKey::new(Box::new(|| Ok(Passphrase::new(""))));
        let request = KeyRequest { store_id: "s", may_create: true, derivation: &Derivation::quick_for_tests() };
        assert_eq!(provider.key(&request).unwrap_err().kind(), ErrorKind::StoreKeyMissing);
    }
}
