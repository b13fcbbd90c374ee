//! What a grant's secret holds: the sealed record, or the bare refresh token where another tool reads it, and tags that name no person.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::secret::RefreshToken;
use crate::store::seal::{self, Identity, Record, Sealer};
use crate::store::{AppKey, GrantFacts, GrantKey, GrantState, Mfa, MfaEvidence, Taint};
use crate::vault::Found;

/// What a sealed value begins with. A new form gets a new word, and the old one goes on being read.
const SEALED: &str = "psam1.";

/// The content type of a sealed value.
pub(super) const SEALED_TYPE: &str = "application/vnd.partnersam.grant";
/// The content type of a bare one.
pub(super) const PLAIN_TYPE: &str = "text/plain";

/// Seconds that a grant lives of which nothing is known.
const LIFETIME: i64 = 90 * 86_400;

const CLIENT_ID: &str = "client-id";
const MARK: &str = "partnersam";
/// Which key seals the value ([`Meta::mark`](super::keys::Meta::mark)).
const KEY: &str = "key";
/// There while a version is on its way to a new key.
const MOVING: &str = "moving";
/// The versions that held the same before the key was changed, the last one last.
const SAME_AS: &str = "same-as";
/// So many of them fit into a tag.
const MOST_SAME: usize = 7;

/// A grant as the vault has it.
pub(super) struct Copy {
    pub(super) version: String,
    pub(super) refresh_token: RefreshToken,
    pub(super) facts: GrantFacts,
    /// The versions before it that held the same.
    pub(super) same_as: Vec<String>,
    /// When it was written; none where somebody else wrote it.
    pub(super) written_on: Option<UnixTime>,
    /// Whether all facts are known, and not only those of the tags.
    pub(super) is_whole: bool,
}

impl Copy {
    /// Whether it is the same as `version` was, sealed anew.
    pub(super) fn was(&self, version: &str) -> bool {
        self.same_as.iter().any(|same| same == version)
    }
}

/// A sealed value.
pub(super) fn seal(
    sealer: &Sealer,
    key: &GrantKey,
    token: &RefreshToken,
    facts: &GrantFacts,
) -> Result<Zeroizing<String>> {
    let (partner, wrapped) = sealer.new_partner(key)?;
    // EXPOSE: sealed on the way into the vault.
    let plain = seal::join(token.expose(), facts)?;
    let sealed = partner.seal(&Identity::of_grant(Record::VaultCopy, key, "", 0), &plain)?;
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Ok(Zeroizing::new(format!("{SEALED}{}.{}", encoded(&wrapped), encoded(&sealed))))
}

/// Reads what a vault handed out for `key`. `sealer` is none where values are bare: then a sealed one is an error, and the other way round.
pub(super) fn open(sealer: Option<&Sealer>, key: &GrantKey, found: &Found, now: UnixTime) -> Result<Copy> {
    let written_on = number(&found.tags, "written-on");
    let (version, same_as) = (found.version.clone(), same_as(&found.tags));
    match (sealer, found.value.strip_prefix(SEALED)) {
        (Some(sealer), Some(rest)) => {
            let corrupt =
                || Error::new(ErrorKind::StoreCorrupt, "store", "a secret of the vault does not hold what it should");
            let (wrapped, sealed) = rest.split_once('.').ok_or_else(corrupt)?;
            let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| corrupt());
            let partner = sealer.partner_left(key, &decoded(wrapped)?)?;
            let plain = partner.open(&Identity::of_grant(Record::VaultCopy, key, "", 0), &decoded(sealed)?)?;
            let (token, facts) = seal::split(&plain)?;
            Ok(Copy { version, refresh_token: RefreshToken::new(token), facts, same_as, written_on, is_whole: true })
        }
        (None, None) => {
            let value = found.value.trim();
            if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(Error::new(ErrorKind::StoreCorrupt, "store", "a secret of the vault is no refresh token"));
            }
            let facts = facts_of(&found.tags, now);
            Ok(Copy { version, refresh_token: RefreshToken::new(value), facts, same_as, written_on, is_whole: false })
        }
        (Some(_), None) => Err(Error::new(ErrorKind::StoreCorrupt, "store", "a secret of the vault is not sealed")
            .with_hint("set `format = \"plain\"` in the table `vault` if another tool reads and writes it")),
        (None, Some(_)) => Err(Error::new(ErrorKind::StoreCorrupt, "store", "a secret of the vault is sealed")
            .with_hint("take `format = \"plain\"` out of the table `vault`")),
    }
}

/// Whether a value is one that a key opens.
pub(super) fn is_sealed(found: &Found) -> bool {
    found.value.starts_with(SEALED)
}

/// The tags of a grant's secret: what finds it and tells when it is due. No name of a person, and nothing that opens anything.
pub(super) fn tags(key: &GrantKey, facts: &GrantFacts, now: UnixTime, mark: Option<String>) -> HashMap<String, String> {
    let state = match facts.state {
        GrantState::Active => "active",
        GrantState::Dead { .. } => "dead",
    };
    [
        (MARK, "1".to_owned()),
        ("authority", key.authority.clone()),
        (CLIENT_ID, key.client_id.to_string()),
        ("tenant", key.tenant.to_string()),
        ("state", state.to_owned()),
        ("mfa", facts.mfa.verdict.as_str().to_owned()),
        ("consented-on", facts.consented_on.0.to_string()),
        ("renew-after", facts.renew_after.0.to_string()),
        ("expires-on", facts.expires_on.0.to_string()),
        ("written-on", now.0.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .chain(mark.map(|mark| (KEY.to_owned(), mark)))
    .collect()
}

/// The tags of the same grant on its way to another key, in the place of `version`.
pub(super) fn moved(tags: &HashMap<String, String>, version: &str, mark: &str) -> HashMap<String, String> {
    let mut same: Vec<String> = same_as(tags);
    same.push(version.to_owned());
    let same = same.get(same.len().saturating_sub(MOST_SAME)..).unwrap_or_default().join(",");
    let mut tags = tags.clone();
    tags.insert(MOVING.to_owned(), "1".to_owned());
    tags.insert(SAME_AS.to_owned(), same);
    tags.insert(KEY.to_owned(), mark.to_owned());
    tags
}

/// These tags when it is there.
pub(super) fn at_rest(tags: &HashMap<String, String>) -> HashMap<String, String> {
    let mut tags = tags.clone();
    tags.remove(MOVING);
    tags
}

/// Whether a version is on its way to a new key.
pub(super) fn is_moving(tags: &HashMap<String, String>) -> bool {
    tags.contains_key(MOVING)
}

/// Whether a version says that it is under the key of this mark.
pub(super) fn is_under(tags: &HashMap<String, String>, mark: &str) -> bool {
    tags.get(KEY).is_some_and(|found| found == mark)
}

/// The versions that held the same as the one with these tags, the last one last.
pub(super) fn same_as(tags: &HashMap<String, String>) -> Vec<String> {
    tags.get(SAME_AS).map(|same| same.split(',').map(str::to_owned).collect()).unwrap_or_default()
}

/// Whose grant a secret is, where it is one.
pub(super) fn owner(tags: &HashMap<String, String>) -> Option<GrantKey> {
    let client_id = tags.get(MARK).and_then(|_| tags.get(CLIENT_ID)?.parse().ok())?;
    Some(GrantKey { authority: tags.get("authority")?.clone(), client_id, tenant: tenant(tags)? })
}

/// Whether tags are another grant's than `key`'s. Tags of another tool's name nobody.
pub(super) fn is_anothers(tags: &HashMap<String, String>, key: &GrantKey) -> bool {
    tags.contains_key(MARK) && !(is_of(tags, &key.app()) && tenant(tags) == Some(key.tenant))
}

/// Whether a secret is a grant's of `app`.
pub(super) fn is_of(tags: &HashMap<String, String>, app: &AppKey) -> bool {
    let has = |name: &str, value: &str| tags.get(name).is_some_and(|found| found == value);
    has("authority", &app.authority) && has(CLIENT_ID, app.client_id.as_str())
}

/// Whose grant it is.
pub(super) fn tenant(tags: &HashMap<String, String>) -> Option<TenantId> {
    tags.get("tenant")?.parse().ok()
}

/// When a grant should be renewed; none where it is dead.
pub(super) fn due(tags: &HashMap<String, String>) -> Option<UnixTime> {
    number(tags, "renew-after").filter(|_| tags.get("state").is_some_and(|state| state == "active"))
}

fn number(tags: &HashMap<String, String>, name: &str) -> Option<UnixTime> {
    tags.get(name)?.parse().ok().map(UnixTime)
}

/// What tags know of a grant whose value is bare.
fn facts_of(tags: &HashMap<String, String>, now: UnixTime) -> GrantFacts {
    let is_ours = tags.contains_key(MARK);
    let verdict = match tags.get("mfa").map(String::as_str) {
        Some("yes") => Mfa::Yes,
        Some("no") => Mfa::No,
        _ => Mfa::Unknown,
    };
    let consented_on = number(tags, "consented-on").unwrap_or(now);
    GrantFacts {
        user_oid: String::new(),
        user_name: String::new(),
        domains: Vec::new(),
        consented_on,
        mfa: MfaEvidence { verdict, checked_on: consented_on, ..MfaEvidence::default() },
        last_redeemed_on: number(tags, "written-on").unwrap_or(consented_on),
        expires_on: number(tags, "expires-on").unwrap_or(now.plus(LIFETIME)),
        renew_after: number(tags, "renew-after").unwrap_or(now),
        audiences: Vec::new(),
        purpose: "default".to_owned(),
        taints: if is_ours { Vec::new() } else { vec![Taint::Imported] },
        state: match tags.get("state").map(String::as_str) {
            Some("dead") => GrantState::Dead { on: now, reason: "unknown".to_owned() },
            _ => GrantState::Active,
        },
    }
}
