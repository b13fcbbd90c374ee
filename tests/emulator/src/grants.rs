//! What a sign-in leaves behind: one-use codes, device codes, and the sealed refresh tokens.

use std::collections::{BTreeSet, HashMap, VecDeque};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{directory::TenantPath, entra::claims::Requested, scopes::Scopes};

/// Seconds that an authorization code lives.
const CODE_LIFE: i64 = 600;
/// Seconds that a device code lives.
pub(crate) const DEVICE_LIFE: i64 = 900;
/// Seconds that a refresh token lives after it was issued (each redemption issues another).
const REFRESH_LIFE: i64 = 90 * 24 * 3600;
/// Most sign-ins that are remembered; the oldest go first.
const MOST_SESSIONS: usize = 200_000;
/// Most codes and device codes at a time.
const MOST_PENDING: usize = 50_000;

/// Who signed in, how, and with which app.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) upn: String,
    pub(crate) client_id: String,
    pub(crate) mfa: bool,
    /// Unix seconds.
    pub(crate) auth_time: i64,
    /// Whether the sign-in was by a device code; the grant stays marked.
    pub(crate) by_device_code: bool,
    /// What the sign-in was asked for.
    pub(crate) claims: Requested,
}

impl SignedIn {
    /// An ordinary sign-in.
    pub(crate) fn new(upn: String, client_id: String, mfa: bool, auth_time: i64) -> Self {
        Self { upn, client_id, mfa, auth_time, by_device_code: false, claims: Requested::default() }
    }
}

/// An authorization code and all that it is bound to.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) signed_in: SignedIn,
    pub(crate) tenant: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) nonce: Option<String>,
    pub(crate) scopes: Scopes,
    pub(crate) v1: bool,
    issued: i64,
    used: bool,
}

/// What PKCE (RFC 7636) asks for at redemption.
#[derive(Clone, Debug)]
pub(crate) enum Challenge {
    S256(String),
    Plain(String),
}

impl Code {
    pub(crate) fn new(
        signed_in: SignedIn,
        tenant: String,
        redirect_uri: String,
        scopes: Scopes,
        v1: bool,
        now: i64,
    ) -> Self {
        Self { signed_in, tenant, redirect_uri, scopes, v1, challenge: None, nonce: None, issued: now, used: false }
    }
}

/// Why a code or refresh token is not redeemed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Dead {
    Unknown,
    Expired,
    Used,
    Revoked,
}

/// The state of a device code.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) user_code: String,
    pub(crate) client_id: String,
    pub(crate) path: TenantPath,
    pub(crate) scopes: Scopes,
    pub(crate) v1: bool,
    pub(crate) answer: DeviceAnswer,
    expires: i64,
}

/// What the person at the other device did.
#[derive(Clone, Debug)]
pub(crate) enum DeviceAnswer {
    Pending,
    Declined,
    Accepted { signed_in: SignedIn, tenant: String },
}

/// A live sign-in; its refresh tokens are numbered, sealed, and not kept.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) signed_in: SignedIn,
    pub(crate) home: String,
    revoked: bool,
    next: u64,
    /// Numbers below this were all used (strict mode only).
    used_below: u64,
    used: BTreeSet<u64>,
}

/// A refresh token that opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    pub(crate) session: u128,
    number: u64,
    issued: i64,
}

/// All codes, device codes and sessions.
pub(crate) struct Grants {
    seal: RandomizedNonceKey,
    codes: HashMap<String, Code>,
    devices: HashMap<String, Device>,
    sessions: HashMap<u128, Session>,
    order: VecDeque<u128>,
    /// How often sign-ins of a user were revoked.
    revocations: HashMap<String, u64>,
}

impl Grants {
    pub(crate) fn new() -> Result<Self, String> {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).map_err(|error| error.to_string())?;
        Ok(Self {
            seal: RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|error| error.to_string())?,
            codes: HashMap::new(),
            devices: HashMap::new(),
            sessions: HashMap::new(),
            order: VecDeque::new(),
            revocations: HashMap::new(),
        })
    }

    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.sessions.len(), self.codes.len(), self.devices.len())
    }

    // Codes

    pub(crate) fn add_code(&mut self, code: Code) -> String {
        let now = code.issued;
        if self.codes.len() >= MOST_PENDING {
            self.codes.clear();
        }
        // Kept twice their life, so that a late one is told apart from an unknown one.
        self.codes.retain(|_, code| now - code.issued < 2 * CODE_LIFE);
        let text = random("1.emuc.", 96);
        self.codes.insert(text.clone(), code);
        text
    }

    pub(crate) fn code(&self, text: &str, now: i64) -> Result<&Code, Dead> {
        match self.codes.get(text) {
            None => Err(Dead::Unknown),
            Some(code) if code.used => Err(Dead::Used),
            Some(code) if now - code.issued >= CODE_LIFE => Err(Dead::Expired),
            Some(code) => Ok(code),
        }
    }

    pub(crate) fn use_code(&mut self, text: &str) {
        if let Some(code) = self.codes.get_mut(text) {
            code.used = true;
        }
    }

    // Device codes

    /// Returns the device code.
    pub(crate) fn add_device(
        &mut self,
        client_id: String,
        path: TenantPath,
        scopes: Scopes,
        v1: bool,
        now: i64,
    ) -> (String, String) {
        if self.devices.len() >= MOST_PENDING {
            self.devices.clear();
        }
        self.devices.retain(|_, device| now < device.expires + DEVICE_LIFE);
        let device_code = random("emud.", 96);
        let user_code = user_code();
        let device = Device {
            user_code: user_code.clone(),
            client_id,
            path,
            scopes,
            v1,
            answer: DeviceAnswer::Pending,
            expires: now + DEVICE_LIFE,
        };
        self.devices.insert(device_code.clone(), device);
        (device_code, user_code)
    }

    pub(crate) fn device(&self, device_code: &str, now: i64) -> Result<&Device, Dead> {
        match self.devices.get(device_code) {
            None => Err(Dead::Unknown),
            Some(device) if now >= device.expires => Err(Dead::Expired),
            Some(device) => Ok(device),
        }
    }

    pub(crate) fn device_by_user_code(&self, user_code: &str, now: i64) -> Option<(String, &Device)> {
        let wanted = user_code.trim().to_ascii_uppercase();
        self.devices
            .iter()
            .find(|(_, device)| {
                device.user_code == wanted && now < device.expires && matches!(device.answer, DeviceAnswer::Pending)
            })
            .map(|(code, device)| (code.clone(), device))
    }

    pub(crate) fn answer_device(&mut self, device_code: &str, answer: DeviceAnswer) {
        if let Some(device) = self.devices.get_mut(device_code) {
            device.answer = answer;
        }
    }

    pub(crate) fn drop_device(&mut self, device_code: &str) {
        self.devices.remove(device_code);
    }

    // Refresh tokens

    /// Starts a session and returns its id.
    pub(crate) fn begin(&mut self, signed_in: SignedIn, home: String) -> u128 {
        if self.sessions.len() >= MOST_SESSIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.sessions.remove(&oldest);
        }
        let id = uuid::Uuid::new_v4().as_u128();
        let session = Session { signed_in, home, revoked: false, next: 0, used_below: 0, used: BTreeSet::new() };
        self.sessions.insert(id, session);
        self.order.push_back(id);
        id
    }

    /// The next refresh token of a session: opaque, and as long as Entra's.
    pub(crate) fn refresh_token(&mut self, session: u128, now: i64) -> Result<String, String> {
        let live = self.sessions.get_mut(&session).ok_or("the session is gone")?;
        let number = live.next;
        live.next += 1;
        let mut sealed = Vec::with_capacity(PLAIN + 64);
        sealed.extend_from_slice(&session.to_be_bytes());
        sealed.extend_from_slice(&number.to_be_bytes());
        sealed.extend_from_slice(&now.to_be_bytes());
        sealed.resize(PLAIN, 0);
        let nonce = self.seal.seal_in_place_append_tag(Aad::empty(), &mut sealed).map_err(|error| error.to_string())?;
        let mut token = nonce.as_ref().to_vec();
        token.append(&mut sealed);
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(token)))
    }

    /// Opens a refresh token of ours.
    pub(crate) fn open(&self, token: &str) -> Option<Opened> {
        let mut bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = aws_lc_rs::aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.seal.open_in_place(nonce, Aad::empty(), sealed).ok()?;
        let (session, rest) = plain.split_first_chunk::<16>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (issued, _) = rest.split_first_chunk::<8>()?;
        Some(Opened {
            session: u128::from_be_bytes(*session),
            number: u64::from_be_bytes(*number),
            issued: i64::from_be_bytes(*issued),
        })
    }

    /// The session of a refresh token that may be redeemed now.
    pub(crate) fn live(&self, token: Opened, now: i64) -> Result<&Session, Dead> {
        match self.sessions.get(&token.session) {
            None => Err(Dead::Unknown),
            Some(session) if session.revoked => Err(Dead::Revoked),
            Some(_) if now - token.issued >= REFRESH_LIFE => Err(Dead::Expired),
            Some(session) => Ok(session),
        }
    }

    /// Whether a refresh token was used before (strict mode).
    pub(crate) fn was_used(&self, token: Opened) -> bool {
        self.sessions
            .get(&token.session)
            .is_some_and(|session| token.number < session.used_below || session.used.contains(&token.number))
    }

    /// Marks a refresh token used (strict mode).
    pub(crate) fn mark_used(&mut self, token: Opened) {
        if let Some(session) = self.sessions.get_mut(&token.session) {
            session.used.insert(token.number);
            while session.used.remove(&session.used_below) {
                session.used_below += 1;
            }
        }
    }

    /// How many sign-ins of a user are not revoked.
    pub(crate) fn live_of(&self, upn: &str) -> usize {
        self.sessions.values().filter(|session| !session.revoked && session.signed_in.upn == upn).count()
    }

    pub(crate) fn revoke_session(&mut self, session: u128) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.revoked = true;
            *self.revocations.entry(session.signed_in.upn.clone()).or_default() += 1;
        }
    }

    /// Whether any sign-in was ever revoked.
    pub(crate) fn were_revoked(&self) -> bool {
        !self.revocations.is_empty()
    }

    /// How often sign-ins of a user were revoked so far.
    pub(crate) fn revocations(&self, upn: &str) -> u64 {
        self.revocations.get(upn).copied().unwrap_or_default()
    }

    /// Revokes the sessions that match and says how many.
    pub(crate) fn revoke(&mut self, matches: impl Fn(&Session) -> bool) -> usize {
        let mut revoked = 0;
        for session in self.sessions.values_mut().filter(|session| !session.revoked) {
            if matches(session) {
                session.revoked = true;
                *self.revocations.entry(session.signed_in.upn.clone()).or_default() += 1;
                revoked += 1;
            }
        }
        revoked
    }
}

/// How a refresh token begins.
const PREFIX: &str = "0.emu";
/// Bytes under the seal: padded so that the token is as long as a real one, about a thousand characters.
const PLAIN: usize = 720;

/// `bytes` random bytes in base64url after a prefix.
pub(crate) fn random(prefix: &str, bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    // The system's random source does not fail once it has worked, and it worked at start.
    let _ = aws_lc_rs::rand::fill(&mut buffer);
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(buffer))
}

/// Nine letters and digits, without those that look alike.
fn user_code() -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut buffer = [0_u8; 9];
    let _ = aws_lc_rs::rand::fill(&mut buffer);
    buffer.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32))).map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn grants() -> (Grants, u128) {
        let mut grants = Grants::new().unwrap();
        let signed_in = SignedIn::new("a@test.example".into(), "app".into(), true, 0);
        let session = grants.begin(signed_in, "tenant".into());
        (grants, session)
    }

    #[test]
    fn a_refresh_token_opens_and_a_changed_one_does_not() {
        let (mut grants, session) = grants();
        let token = grants.refresh_token(session, 5).unwrap();
        assert_eq!(grants.open(&token).unwrap().session, session);
        let mut changed = token.clone();
        let last = changed.pop().unwrap();
        changed.push(if last == 'A' { 'B' } else { 'A' });
        assert!(grants.open(&changed).is_none() && grants.open("").is_none() && grants.open("0.emu").is_none());
    }

    #[test]
    fn ninety_days_slide_with_each_token() {
        let (mut grants, session) = grants();
        let first = grants.refresh_token(session, 0).unwrap();
        let first = grants.open(&first).unwrap();
        let later = grants.refresh_token(session, REFRESH_LIFE - 1).unwrap();
        let later = grants.open(&later).unwrap();
        assert_eq!(grants.live(first, REFRESH_LIFE).unwrap_err(), Dead::Expired);
        assert!(grants.live(later, REFRESH_LIFE).is_ok());
    }

    #[test]
    fn used_numbers_are_remembered_in_any_order() {
        let (mut grants, session) = grants();
        let tokens: Vec<_> = (0..5).map(|_| grants.refresh_token(session, 0).unwrap()).collect();
        let opened: Vec<_> = tokens.iter().map(|token| grants.open(token).unwrap()).collect();
        for index in [2, 0, 1] {
            let token = *opened.get(index).unwrap();
            assert!(!grants.was_used(token));
            grants.mark_used(token);
        }
        let used: Vec<_> = opened.iter().map(|token| grants.was_used(*token)).collect();
        assert_eq!(used, [true, true, true, false, false]);
        assert!(grants.sessions.get(&session).unwrap().used.is_empty());
    }
}
