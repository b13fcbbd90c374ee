//! What the vaults hold, and who may do what there.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::{grants::random, samples, scenario::Some1};

/// All vaults. One is there as soon as somebody asks for it, as a name in the service's domain would be.
#[derive(Debug, Default)]
pub(crate) struct Vaults(HashMap<String, Vault>);

/// One vault.
#[derive(Debug)]
pub(crate) struct Vault {
    pub(super) settings: Settings,
    /// By name in lower case: names differ in more than case.
    pub(super) secrets: BTreeMap<String, Secret>,
    pub(super) deleted: BTreeMap<String, Deleted>,
}

/// What of a vault can be told to be otherwise.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Settings {
    pub(super) tenant: String,
    pub(super) firewall: bool,
    pub(super) purge_protection: bool,
    /// By client id or user name, in lower case; who is not named is an officer.
    pub(super) roles: HashMap<String, Role>,
    /// Where there are any, they decide instead of the roles.
    pub(super) access_policies: Option<HashMap<String, Vec<String>>>,
    pub(super) requests_per_second: u32,
    /// How many requests still find a secret being deleted or recovered.
    pub(super) lag: u32,
    pub(super) challenge: Challenge,
    pub(super) next_link_host: Option<String>,
}

/// What the challenge says instead of the truth.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Challenge {
    pub(super) authority: Option<String>,
    pub(super) resource: Option<String>,
    /// `scope=` and not `resource=`, `authorization_uri=` and not `authorization=`.
    pub(super) by_scope: bool,
}

/// Azure's built-in roles for the secrets of a vault.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// Key Vault Secrets Officer: everything.
    Officer,
    /// Key Vault Secrets User: reads values.
    User,
    /// Key Vault Reader: reads names, not values.
    Reader,
    /// No role.
    None,
}

/// What a request does, by the name that access policies have for it, and Azure's name of the action.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    Get,
    Set,
    Update,
    List,
    Delete,
    Recover,
    Purge,
    Backup,
    Restore,
}

impl Action {
    pub(super) fn of_policy(self) -> &'static str {
        match self {
            Self::Get => "get",
            // Attributes are changed by who may set.
            Self::Set | Self::Update => "set",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Recover => "recover",
            Self::Purge => "purge",
            Self::Backup => "backup",
            Self::Restore => "restore",
        }
    }

    pub(super) fn of_role(self) -> &'static str {
        match self {
            Self::Get => "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            Self::Set => "Microsoft.KeyVault/vaults/secrets/setSecret/action",
            Self::Update => "Microsoft.KeyVault/vaults/secrets/update/action",
            Self::List => "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
            Self::Delete => "Microsoft.KeyVault/vaults/secrets/delete",
            Self::Recover => "Microsoft.KeyVault/vaults/secrets/recover/action",
            Self::Purge => "Microsoft.KeyVault/vaults/secrets/purge/action",
            Self::Backup => "Microsoft.KeyVault/vaults/secrets/backup/action",
            Self::Restore => "Microsoft.KeyVault/vaults/secrets/restore/action",
        }
    }
}

impl Role {
    fn allows(self, action: Action) -> bool {
        match self {
            Self::Officer => true,
            Self::User => matches!(action, Action::Get | Action::List),
            Self::Reader => action == Action::List,
            Self::None => false,
        }
    }
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refused {
    Role,
    Policy,
}

/// A secret with all its versions, the oldest first.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) versions: Vec<Version>,
    /// How many requests still find it being recovered.
    #[serde(skip)]
    pub(super) recovering: u32,
}

/// One version.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) value: String,
    pub(super) content_type: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) attributes: Attributes,
    pub(super) created: i64,
    pub(super) updated: i64,
}

/// What a caller may say of a version.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Attributes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exp: Option<i64>,
}

/// A secret that soft delete keeps.
#[derive(Debug)]
pub(super) struct Deleted {
    pub(super) secret: Secret,
    pub(super) on: i64,
    /// How many requests still find it being deleted.
    pub(super) deleting: u32,
}

/// A change of a vault by a scenario: what is left out stays.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// One or several names.
    pub(crate) vault: Some1<String>,
    #[serde(default)]
    pub(crate) tenant: Option<String>,
    #[serde(default)]
    firewall: Option<bool>,
    #[serde(default)]
    purge_protection: Option<bool>,
    #[serde(default)]
    roles: Option<HashMap<String, Role>>,
    #[serde(default, deserialize_with = "crate::scenario::present")]
    access_policies: Option<Option<HashMap<String, Vec<String>>>>,
    #[serde(default)]
    requests_per_second: Option<u32>,
    #[serde(default)]
    lag: Option<u32>,
    #[serde(default)]
    challenge: Option<Challenge>,
    #[serde(default, deserialize_with = "crate::scenario::present")]
    next_link_host: Option<Option<String>>,
}

impl Change {
    /// One sentence about a name that no vault can have.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.vault.iter().find(|name| !is_name(name)) {
            Some(name) => Err(format!("not the name of a vault (3 to 24 letters, digits and hyphens): {name}")),
            None => Ok(()),
        }
    }
}

/// Vault names: 3 to 24 letters, digits and single hyphens, beginning with a letter and not ending with a hyphen.
pub(super) fn is_name(name: &str) -> bool {
    (3..=24).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && !name.ends_with('-')
        && !name.contains("--")
}

impl Vaults {
    /// The vault of this name; made where there is none.
    pub(super) fn vault(&mut self, name: &str) -> &mut Vault {
        self.0.entry(name.to_ascii_lowercase()).or_insert_with_key(|name| Vault::new(name))
    }

    pub(crate) fn change(&mut self, change: &Change) {
        for name in change.vault.iter() {
            let settings = &mut self.vault(name).settings;
            let change = change.clone();
            let set = |field: &mut bool, value: Option<bool>| *field = value.unwrap_or(*field);
            set(&mut settings.firewall, change.firewall);
            set(&mut settings.purge_protection, change.purge_protection);
            settings.tenant = change.tenant.unwrap_or_else(|| settings.tenant.clone());
            for (who, role) in change.roles.into_iter().flatten() {
                settings.roles.insert(who.to_ascii_lowercase(), role);
            }
            if let Some(policies) = change.access_policies {
                let lower = |(who, may): (String, _)| (who.to_ascii_lowercase(), may);
                settings.access_policies = policies.map(|policies| policies.into_iter().map(lower).collect());
            }
            settings.requests_per_second = change.requests_per_second.unwrap_or(settings.requests_per_second);
            settings.lag = change.lag.unwrap_or(settings.lag);
            settings.challenge = change.challenge.unwrap_or_else(|| settings.challenge.clone());
            settings.next_link_host = change.next_link_host.unwrap_or_else(|| settings.next_link_host.clone());
        }
    }
}

impl Vault {
    fn new(name: &str) -> Self {
        let tenant = if name.starts_with("fabrikam") { samples::FABRIKAM } else { samples::VENDOR };
        Self {
            settings: Settings {
                tenant: tenant.to_owned(),
                firewall: false,
                purge_protection: false,
                roles: HashMap::new(),
                access_policies: None,
                requests_per_second: 0,
                lag: 0,
                challenge: Challenge::default(),
                next_link_host: None,
            },
            secrets: BTreeMap::new(),
            deleted: BTreeMap::new(),
        }
    }

    /// Whether `who` (a client id or a user name) may do that.
    pub(super) fn allows(&self, who: &str, action: Action) -> Result<(), Refused> {
        let who = who.to_ascii_lowercase();
        match &self.settings.access_policies {
            Some(policies) => {
                let may = policies.get(&who).is_some_and(|may| may.iter().any(|each| each == action.of_policy()));
                if may { Ok(()) } else { Err(Refused::Policy) }
            }
            None => {
                let role = self.settings.roles.get(&who).copied().unwrap_or(Role::Officer);
                if role.allows(action) { Ok(()) } else { Err(Refused::Role) }
            }
        }
    }

    pub(super) fn recovery_level(&self) -> &'static str {
        if self.settings.purge_protection { "Recoverable" } else { "Recoverable+Purgeable" }
    }
}

impl Version {
    pub(super) fn new(value: String, now: i64) -> Self {
        Self {
            id: hexadecimal(),
            value,
            content_type: None,
            tags: BTreeMap::new(),
            attributes: Attributes::default(),
            created: now,
            updated: now,
        }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.attributes.enabled.unwrap_or(true)
    }
}

/// 32 hexadecimal digits, as the service names versions.
fn hexadecimal() -> String {
    let random = random("", 24);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, random.as_bytes());
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
