//! Secrets and their versions.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Action, Answer, Refusal, Work,
    vaults::{Attributes, Secret, Version},
};

/// The most bytes that a value may have.
const LARGEST_VALUE: usize = 25 * 1024;
/// The most tags, and the most characters in a tag's name or value.
const TAGS: usize = 15;
const TAG: usize = 256;

/// The body of a new version, or of a change of one.
#[derive(Debug, Deserialize)]
struct Given {
    value: Option<String>,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    attributes: Option<Attributes>,
    tags: Option<BTreeMap<String, String>>,
}

impl Work<'_> {
    pub(super) fn set(&mut self, name: &str) -> Answer {
        self.may(Action::Set)?;
        let key = checked(name)?;
        let given = self.given()?;
        let value = given.value.clone().ok_or_else(|| Refusal::bad("Property has invalid value: value."))?;
        if value.len() > LARGEST_VALUE {
            return Err(Refusal::bad(format!("The secret's value has more than {LARGEST_VALUE} bytes.")));
        }
        if let Some(deleted) = self.vault.deleted.get_mut(&key) {
            if deleted.deleting > 0 {
                deleted.deleting -= 1;
                return Err(Refusal::conflict(
                    "ObjectIsBeingDeleted",
                    format!("Secret {name} is currently being deleted and cannot be re-created; retry later."),
                ));
            }
            return Err(Refusal::conflict(
                "ObjectIsDeletedButRecoverable",
                format!(
                    "Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged."
                ),
            ));
        }
        let mut version = Version::new(value, self.now);
        version.apply(given, self.now);
        let secret = self.vault.secrets.entry(key).or_insert_with(|| Secret {
            name: name.to_owned(),
            versions: Vec::new(),
            recovering: 0,
        });
        if secret.recovering > 0 {
            secret.recovering -= 1;
            return Err(Refusal::conflict(
                "ObjectIsBeingRecovered",
                format!("Secret {name} is currently being recovered and cannot be updated."),
            ));
        }
        secret.versions.push(version.clone());
        let name = secret.name.clone();
        Ok((StatusCode::OK, Some(self.bundle(&name, &version))))
    }

    pub(super) fn get(&mut self, name: &str, version: Option<&str>) -> Answer {
        self.may(Action::Get)?;
        let (name, version) = self.found(name, version)?;
        let refused = |inner, message: &str| Err(Refusal::forbidden(inner, message));
        if !version.is_enabled() {
            return refused("SecretDisabled", "Operation get is not allowed on a disabled secret.");
        }
        // What has expired is still handed out: `exp` is for those who watch it.
        if version.attributes.nbf.is_some_and(|from| from > self.now) {
            return refused("SecretNotYetValid", "Operation get is not allowed on a secret that is not yet valid.");
        }
        Ok((StatusCode::OK, Some(self.bundle(&name, &version))))
    }

    pub(super) fn update(&mut self, name: &str, version: Option<&str>) -> Answer {
        self.may(Action::Update)?;
        let given = self.given()?;
        let (name, found) = self.found(name, version)?;
        let now = self.now;
        let key = name.to_ascii_lowercase();
        let versions = self.vault.secrets.get_mut(&key).map(|secret| &mut secret.versions);
        let changed = versions.and_then(|versions| versions.iter_mut().find(|version| version.id == found.id));
        let changed = changed.ok_or_else(|| Refusal::not_found(&name))?;
        changed.apply(given, now);
        let changed = changed.clone();
        let mut bundle = self.bundle(&name, &changed);
        bundle.as_object_mut().map(|bundle| bundle.remove("value"));
        Ok((StatusCode::OK, Some(bundle)))
    }

    pub(super) fn list(&self) -> Answer {
        self.may(Action::List)?;
        let shown = self.vault.secrets.values().filter(|secret| secret.recovering == 0);
        let rows: Vec<_> = shown
            .filter_map(|secret| Some(self.described(&self.id(&secret.name, None), secret.versions.last()?)))
            .map(Value::Object)
            .collect();
        self.page(&rows)
    }

    pub(super) fn list_versions(&self, name: &str) -> Answer {
        self.may(Action::List)?;
        let key = checked(name)?;
        let versions = self.vault.secrets.get(&key).map(|secret| (&secret.name, &secret.versions));
        let rows: Vec<_> = versions
            .into_iter()
            .flat_map(|(name, versions)| versions.iter().map(move |version| (name, version)))
            .map(|(name, version)| Value::Object(self.described(&self.id(name, Some(&version.id)), version)))
            .collect();
        self.page(&rows)
    }

    /// A version with its value.
    pub(super) fn bundle(&self, name: &str, version: &Version) -> Value {
        let mut bundle = self.described(&self.id(name, Some(&version.id)), version);
        bundle.insert("value".to_owned(), json!(version.value));
        Value::Object(bundle)
    }

    /// A version without its value.
    pub(super) fn described(&self, id: &str, version: &Version) -> Map<String, Value> {
        let mut attributes = json!({
            "enabled": version.is_enabled(),
            "created": version.created,
            "updated": version.updated,
            "recoveryLevel": self.vault.recovery_level(),
            "recoverableDays": 90,
        });
        let mut row = Map::new();
        if let Some(attributes) = attributes.as_object_mut() {
            let dates = [("nbf", version.attributes.nbf), ("exp", version.attributes.exp)];
            attributes.extend(dates.into_iter().filter_map(|(name, at)| Some((name.to_owned(), json!(at?)))));
        }
        row.insert("id".to_owned(), json!(id));
        row.insert("attributes".to_owned(), attributes);
        if let Some(content_type) = &version.content_type {
            row.insert("contentType".to_owned(), json!(content_type));
        }
        row.insert("tags".to_owned(), json!(version.tags));
        row
    }

    pub(super) fn id(&self, name: &str, version: Option<&str>) -> String {
        let version = version.map(|version| format!("/{version}")).unwrap_or_default();
        format!("{}/secrets/{name}{version}", self.request.base)
    }

    fn found(&mut self, name: &str, version: Option<&str>) -> Result<(String, Version), Refusal> {
        let key = checked(name)?;
        let shown = version.map_or_else(|| name.to_owned(), |version| format!("{name}/{version}"));
        let secret = self.vault.secrets.get_mut(&key).ok_or_else(|| Refusal::not_found(&shown))?;
        if secret.recovering > 0 {
            secret.recovering -= 1;
            return Err(Refusal::not_found(&shown));
        }
        let found = match version {
            None => secret.versions.last(),
            Some(id) => secret.versions.iter().find(|version| version.id.eq_ignore_ascii_case(id)),
        };
        let found = found.cloned().ok_or_else(|| Refusal::not_found(&shown))?;
        Ok((secret.name.clone(), found))
    }

    fn given(&self) -> Result<Given, Refusal> {
        let malformed = |what: String| Refusal::bad(format!("The request body is not valid JSON: {what}."));
        let given: Given =
            serde_json::from_slice(self.request.body).map_err(|error| malformed(format!("{:?}", error.classify())))?;
        let tags = given.tags.iter().flatten();
        if given.tags.as_ref().is_some_and(|tags| tags.len() > TAGS)
            || tags.into_iter().any(|(name, value)| name.len() > TAG || value.len() > TAG)
        {
            return Err(Refusal::bad(format!(
                "There are more than {TAGS} tags, or one has more than {TAG} characters."
            )));
        }
        Ok(given)
    }
}

impl Version {
    fn apply(&mut self, given: Given, now: i64) {
        self.updated = now;
        self.content_type = given.content_type.or_else(|| self.content_type.take());
        self.tags = given.tags.unwrap_or_else(|| std::mem::take(&mut self.tags));
        if let Some(attributes) = given.attributes {
            let own = &mut self.attributes;
            own.enabled = attributes.enabled.or(own.enabled);
            own.nbf = attributes.nbf.or(own.nbf);
            own.exp = attributes.exp.or(own.exp);
        }
    }
}

/// The name by which the vault keeps a secret, if it can be one: `^[0-9a-zA-Z-]{1,127}$`, and case does not count.
pub(super) fn checked(name: &str) -> Result<String, Refusal> {
    if (1..=127).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Ok(name.to_ascii_lowercase());
    }
    Err(Refusal::bad(
        "The request URI contains an invalid name: secret names have 1 to 127 letters, digits and hyphens.",
    ))
}
