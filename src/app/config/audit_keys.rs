//! The keys of a configuration that are about the audit record.

use serde_json::Value;

use super::document::{Document, invalid, parsed};
use crate::app::audit::AuditConfig;
use crate::error::{Error, Result};

impl Document {
    /// How the audit record is kept: beside an `sqlite:` store where nothing is said.
    pub(super) fn audit(&self, store: &str) -> Result<AuditConfig> {
        let default = AuditConfig::default();
        let named = self.text("audit")?;
        let folder = match named.as_deref() {
            Some("off") => None,
            Some(path) => Some(self.resolve(path)),
            None => store.strip_prefix("sqlite:").map(|path| format!("{path}.audit").into()),
        };
        let word = |key: &'static str| Ok::<_, Error>(self.text(key)?.map(|text| (key.to_owned(), text)));
        Ok(AuditConfig {
            folder,
            is_named: named.is_some(),
            key_file: self.path("audit_key_file")?,
            fsync: parsed(word("audit_fsync")?, "always, interval or never")?.unwrap_or(default.fsync),
            rotate_bytes: match self.values.get("audit_rotate_bytes") {
                None | Some(Value::Null) => default.rotate_bytes,
                Some(number) => number
                    .as_u64()
                    .filter(|bytes| (4096..=1 << 30).contains(bytes))
                    .ok_or_else(|| invalid("audit_rotate_bytes", "a number from 4096 to 1073741824"))?,
            },
            when_unwritable: parsed(word("audit_when_unwritable")?, "stop or go-on")?
                .unwrap_or(default.when_unwritable),
            memory_hits: self.boolean("audit_memory_hits")?,
        })
    }
}
