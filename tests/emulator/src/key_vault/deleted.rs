//! Soft delete: deleted secrets, their recovery and their end; backup and restore.

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Action, Answer, Refusal, Work,
    secrets::checked,
    vaults::{Deleted, Secret},
};

/// Days that soft delete keeps a secret, in seconds.
const KEPT: i64 = 90 * 86_400;
/// The most versions that a backup may have.
const MOST_VERSIONS: usize = 500;

#[derive(Deserialize)]
struct Backup {
    value: String,
}

impl Work<'_> {
    pub(super) fn delete(&mut self, name: &str) -> Answer {
        self.may(Action::Delete)?;
        let key = checked(name)?;
        let secret = match self.vault.deleted.get(&key) {
            None => self.vault.secrets.remove(&key).ok_or_else(|| Refusal::not_found(name))?,
            Some(_) => return Err(Refusal::not_found(name)),
        };
        let deleted = Deleted { secret, on: self.now, deleting: self.vault.settings.lag };
        let shown = self.shown(&deleted);
        self.vault.deleted.insert(key, deleted);
        Ok((StatusCode::OK, Some(Value::Object(shown))))
    }

    pub(super) fn list_deleted(&self) -> Answer {
        self.may(Action::List)?;
        let rows: Vec<_> = self.vault.deleted.values().map(|deleted| Value::Object(self.shown(deleted))).collect();
        self.page(&rows)
    }

    pub(super) fn get_deleted(&mut self, name: &str) -> Answer {
        self.may(Action::Get)?;
        let key = checked(name)?;
        let deleted = self.vault.deleted.get_mut(&key).ok_or_else(|| Refusal::not_found(name))?;
        if deleted.deleting > 0 {
            deleted.deleting -= 1;
            return Err(Refusal::not_found(name));
        }
        let shown = self.vault.deleted.get(&key).map(|deleted| Value::Object(self.shown(deleted)));
        Ok((StatusCode::OK, shown))
    }

    pub(super) fn purge(&mut self, name: &str) -> Answer {
        self.may(Action::Purge)?;
        let key = checked(name)?;
        if self.vault.settings.purge_protection {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "Forbidden",
                "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service will automatically purge it after the retention period has passed.",
            ));
        }
        self.settled(name, &key)?;
        self.vault.deleted.remove(&key);
        Ok((StatusCode::NO_CONTENT, None))
    }

    pub(super) fn recover(&mut self, name: &str) -> Answer {
        self.may(Action::Recover)?;
        let key = checked(name)?;
        self.settled(name, &key)?;
        let mut deleted = self.vault.deleted.remove(&key).ok_or_else(|| Refusal::not_found(name))?;
        deleted.secret.recovering = self.vault.settings.lag;
        let latest = deleted.secret.versions.last().ok_or_else(|| Refusal::not_found(name))?;
        let shown = self.described(&self.id(&deleted.secret.name, Some(&latest.id)), latest);
        self.vault.secrets.insert(key, deleted.secret);
        Ok((StatusCode::OK, Some(Value::Object(shown))))
    }

    pub(super) fn backup(&self, name: &str) -> Answer {
        self.may(Action::Backup)?;
        let secret = self.vault.secrets.get(&checked(name)?).ok_or_else(|| Refusal::not_found(name))?;
        if secret.versions.len() > MOST_VERSIONS {
            return Err(Refusal::bad(format!(
                "The secret has {} versions; a backup can have {MOST_VERSIONS}.",
                secret.versions.len()
            )));
        }
        let text = serde_json::to_vec(secret).map_err(|error| Refusal::bad(error.to_string()))?;
        Ok((StatusCode::OK, Some(json!({ "value": URL_SAFE_NO_PAD.encode(text) }))))
    }

    pub(super) fn restore(&mut self) -> Answer {
        self.may(Action::Restore)?;
        let unfit = || Refusal::bad("The backup is not one of this service.");
        let backup: Backup = serde_json::from_slice(self.request.body).map_err(|_| unfit())?;
        let text = URL_SAFE_NO_PAD.decode(backup.value.trim_end_matches('=')).map_err(|_| unfit())?;
        let secret: Secret = serde_json::from_slice(&text).map_err(|_| unfit())?;
        let key = checked(&secret.name)?;
        if self.vault.secrets.contains_key(&key) || self.vault.deleted.contains_key(&key) {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                "Conflict",
                format!("Secret {} already exists.", secret.name),
            ));
        }
        let latest = secret.versions.last().ok_or_else(unfit)?;
        let shown = self.described(&self.id(&secret.name, Some(&latest.id)), latest);
        self.vault.secrets.insert(key, secret);
        Ok((StatusCode::OK, Some(Value::Object(shown))))
    }

    /// Whether the deletion of a secret has come to its end.
    fn settled(&mut self, name: &str, key: &str) -> Result<(), Refusal> {
        let deleted = self.vault.deleted.get_mut(key).ok_or_else(|| Refusal::not_found(name))?;
        if deleted.deleting == 0 {
            return Ok(());
        }
        deleted.deleting -= 1;
        Err(Refusal::conflict("ObjectIsBeingDeleted", format!("Secret {name} is currently being deleted.")))
    }

    fn shown(&self, deleted: &Deleted) -> Map<String, Value> {
        let mut row = match deleted.secret.versions.last() {
            Some(latest) => self.described(&self.id(&deleted.secret.name, Some(&latest.id)), latest),
            None => Map::new(),
        };
        let recovery = format!("{}/deletedsecrets/{}", self.request.base, deleted.secret.name);
        row.insert("recoveryId".to_owned(), json!(recovery));
        row.insert("deletedDate".to_owned(), json!(deleted.on));
        row.insert("scheduledPurgeDate".to_owned(), json!(deleted.on + KEPT));
        row
    }
}
