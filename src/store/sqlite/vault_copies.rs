//! Which version of a vault's secret a grant's record goes back to; for the store that has SQLite beside a vault.

use rusqlite::OptionalExtension;

use crate::error::Result;
use crate::store::GrantKey;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::fault::failure;

const GET: &str = "SELECT version FROM vault_copies WHERE authority = ?1 AND client_id = ?2 AND tenant = ?3";
const PUT: &str = "INSERT OR REPLACE INTO vault_copies (authority, client_id, tenant, version) VALUES (?1, ?2, ?3, ?4)";

impl SqliteStore {
    /// The version that was last read or written for a grant; none where the vault was never asked, or had none.
    pub(crate) async fn vault_copy(&self, key: &GrantKey) -> Result<Option<String>> {
        let found = self.read(|connection| {
            let mut select = connection.prepare_cached(GET).map_err(failure)?;
            let owner = (&key.authority, key.client_id.as_str(), key.tenant.uuid().into_bytes());
            select.query_row(owner, |row| row.get::<_, String>(0)).optional().map_err(failure)
        });
        Ok(found.await?.filter(|version| !version.is_empty()))
    }

    /// Remembers the version; empty for none.
    pub(crate) async fn put_vault_copy(&self, key: &GrantKey, version: &str) -> Result<()> {
        let (key, version) = (key.clone(), version.to_owned());
        self.write(move |open| {
            let row = (&key.authority, key.client_id.as_str(), key.tenant.uuid().into_bytes(), &version);
            open.connection.prepare_cached(PUT).and_then(|mut put| put.execute(row)).map(drop).map_err(failure)
        })
        .await
    }
}

#[cfg(test)]
impl SqliteStore {
    /// Refuses, from now on or no longer, every mark that comes when a grant is there already: as if the process had ended between the two.
    pub(crate) async fn refuse_late_vault_copies(&self, refuse: bool) -> Result<()> {
        const REFUSE: &str = "CREATE TRIGGER late BEFORE INSERT ON vault_copies WHEN EXISTS (SELECT 1 FROM grants) \
                              BEGIN SELECT RAISE(ABORT, 'too late'); END";
        let change = if refuse { REFUSE } else { "DROP TRIGGER late" };
        self.write(move |open| open.connection.execute_batch(change).map_err(failure)).await
    }
}
