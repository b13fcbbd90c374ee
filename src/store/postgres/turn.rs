//! Turns at a grant that may have no record: who brings a rescued consent to its place and who removes the grant come one after the other.
//!
//! Where there is a record, its generation guards it. Where there is none, nothing of it would tell the one that the other has been there. So whoever removes
//! first leaves in the database *when* that was, for entries that lie on hosts which are off; takes away those of this host; waits for the grant's lock; and only
//! then removes what may have been written. Whoever brings an entry looks at both and writes in one transaction, under that lock.

use std::sync::Arc;

use aws_lc_rs::digest;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Place;
use super::fault::{failure, too_slow};
use super::link::{ANSWER, Pool, Values};
use super::off_thread;
use super::records::{self, Owner, Write, get, joined};
use crate::clock::UnixTime;
use crate::error::{Error, Result};
use crate::store::recovery::{Entry, Journal, REMOVALS_KEPT, Removed};
use crate::store::{GrantFacts, GrantKey, Written};

/// Held until the transaction ends; where its host falls silent within, the server ends it before anybody's patience does.
const TAKE: &str = "SELECT set_config('idle_in_transaction_session_timeout', '5s', true), pg_advisory_xact_lock($1)";

/// Taken and let go of at once.
const WAIT: &str = "SELECT pg_advisory_xact_lock($1)";

impl Place {
    /// See [`GrantStore::remove_grant`](crate::store::GrantStore::remove_grant).
    pub(super) async fn remove(self: &Arc<Self>, key: &GrantKey) -> Result<bool> {
        let payload = self.message(key)?;
        let tenant = key.tenant.uuid().into_bytes();
        let tenant = tenant.as_slice();
        let owner = Owner::new(key, &tenant);
        let remove = async || {
            let values = joined(&owner.values(), &[(&payload, Type::TEXT)]);
            let removed = self.write_again(records::REMOVE_GRANT, &values).await?;
            Ok::<_, Error>(removed.first().map(|row| get::<i64>(row, 0)).transpose()?.unwrap_or_default() > 0)
        };
        // Before anything else: from here on no entry brings back what was consented before, and a removal that is cut short is none of half.
        let values = joined(&owner.values(), &[(&REMOVALS_KEPT, Type::INT8)]);
        self.write_again(records::PUT_REMOVAL, &values).await?;
        let removed = remove().await?;
        let waited = match self.journal.as_ref().is_some_and(Journal::is_in_use) {
            // After the record and not before: where the record cannot be removed, its newest token must not be lost.
            true => {
                let owned = key.clone();
                off_thread(self, move |journal| journal.remove_grant(&owned)).await?
            }
            false => false,
        };
        // Whoever found an entry kept and knew of no removal, here or on another host, may be about to write it.
        wait(&self.pool, key).await?;
        Ok(remove().await? || waited || removed)
    }

    /// What the database knows of the removal of a grant.
    pub(super) async fn removed(&self, key: &GrantKey) -> Result<Removed> {
        let tenant = key.tenant.uuid().into_bytes();
        let tenant = tenant.as_slice();
        let owner = Owner::new(key, &tenant);
        let values = joined(&owner.values(), &[(&REMOVALS_KEPT, Type::INT8)]);
        removed(&self.read(records::REMOVAL, &values).await?)
    }

    /// Writes a rescued consent where no grant is, unless somebody has taken its entry away or removed the grant since it was `seen` how that stands. `Lost`
    /// where there is a record meanwhile, no entry, or a removal.
    pub(super) async fn admit(
        self: &Arc<Self>,
        entry: &Entry,
        value: (&[u8], &GrantFacts),
        seen: Removed,
    ) -> Result<Written> {
        let key = &entry.heading.key;
        let (payload, tenant) = (self.message(key)?, key.tenant.uuid().into_bytes());
        let (payload, tenant) = (payload.as_str(), tenant.as_slice());
        let owner = Owner::new(key, &tenant);
        let keys = self.keys().await?;
        let write = Write::new(&keys.sealer, key, value, None, None)?;
        let check = keys.check.as_slice();
        let values = write.values(&owner, &check, &payload);
        let is_wanted = |now: Removed| now.on == seen.on && entry.is_kept();
        let in_turn = write_in_turn(&self.pool, key, &owner, is_wanted, (write.statement(), &values));
        let rows = tokio::time::timeout(ANSWER, in_turn).await.unwrap_or_else(|_| Err(too_slow()))?;
        if rows.first().map(|row| get::<i64>(row, 0)).transpose()? == Some(1) {
            return Ok(Written::Yes(write.generation));
        }
        // Somebody was quicker, or the store got a new key: the next look tells.
        self.has_another_key(&keys).await?;
        Ok(Written::Lost(None))
    }
}

async fn write_in_turn(
    pool: &Pool,
    key: &GrantKey,
    owner: &Owner<'_>,
    is_wanted: impl FnOnce(Removed) -> bool,
    (sql, values): (&str, Values<'_>),
) -> Result<Vec<Row>> {
    let mut client = pool.private().await?;
    let transaction = client.transaction().await.map_err(failure)?;
    transaction.query_typed(TAKE, &[(&number(key), Type::INT8)]).await.map_err(failure)?;
    let look = joined(&owner.values(), &[(&REMOVALS_KEPT, Type::INT8)]);
    if !is_wanted(removed(&transaction.query_typed(records::REMOVAL, &look).await.map_err(failure)?)?) {
        return Ok(Vec::new());
    }
    let rows = transaction.query_typed(sql, values).await.map_err(failure)?;
    transaction.commit().await.map_err(failure)?;
    Ok(rows)
}

fn removed(rows: &[Row]) -> Result<Removed> {
    let Some(row) = rows.first() else { return Ok(Removed::default()) };
    Ok(Removed { on: get::<Option<i64>>(row, 0)?.map(UnixTime), known_since: UnixTime(get(row, 1)?) })
}

/// Returns once whoever had found an entry of the grant's still wanted has written it.
async fn wait(pool: &Arc<Pool>, key: &GrantKey) -> Result<()> {
    pool.query(WAIT, &[(&number(key), Type::INT8)]).await?;
    Ok(())
}

/// The same in every process and version. The parts have no NUL in them.
fn number(key: &GrantKey) -> i64 {
    let GrantKey { authority, client_id, tenant } = key;
    let hash =
        digest::digest(&digest::SHA256, format!("partnersam grant {authority}\0{client_id}\0{tenant}").as_bytes());
    hash.as_ref().first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}
