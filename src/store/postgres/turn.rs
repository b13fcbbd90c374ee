//! Turns at a grant that may have no record: who brings a rescued consent to its place and who removes the grant come one after the other.
//!
//! Where there is a record, its generation guards it. Where there is none, nothing in the database would tell the one that the other has been there. So the first
//! looks whether its entry is still kept and writes in one transaction, under a lock of the grant's; and the second takes the entry away, waits for that lock, and
//! only then removes what may have been written.

use std::sync::Arc;

use aws_lc_rs::digest;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Place;
use super::fault::{failure, too_slow};
use super::link::{ANSWER, Pool, Values};
use super::records::{Owner, Write, get};
use crate::error::Result;
use crate::store::recovery::Entry;
use crate::store::{GrantFacts, GrantKey, Written};

/// Held until the transaction ends; where its host falls silent within, the server ends it before anybody's patience does.
const TAKE: &str = "SELECT set_config('idle_in_transaction_session_timeout', '5s', true), pg_advisory_xact_lock($1)";

/// Taken and let go of at once.
const WAIT: &str = "SELECT pg_advisory_xact_lock($1)";

impl Place {
    /// Writes a rescued consent where no grant is, unless somebody has taken its entry away. `Lost` where there is a record meanwhile, or no entry.
    pub(super) async fn admit(self: &Arc<Self>, entry: &Entry, value: (&[u8], &GrantFacts)) -> Result<Written> {
        let key = &entry.heading.key;
        let (payload, tenant) = (self.message(key)?, key.tenant.uuid().into_bytes());
        let (payload, tenant) = (payload.as_str(), tenant.as_slice());
        let owner = Owner::new(key, &tenant);
        let keys = self.keys().await?;
        let write = Write::new(&keys.sealer, key, value, None, None)?;
        let check = keys.check.as_slice();
        let values = write.values(&owner, &check, &payload);
        let in_turn = write_in_turn(&self.pool, key, || entry.is_kept(), write.statement(), &values);
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
    is_wanted: impl FnOnce() -> bool,
    sql: &str,
    values: Values<'_>,
) -> Result<Vec<Row>> {
    let mut client = pool.private().await?;
    let transaction = client.transaction().await.map_err(failure)?;
    transaction.query_typed(TAKE, &[(&number(key), Type::INT8)]).await.map_err(failure)?;
    if !is_wanted() {
        return Ok(Vec::new());
    }
    let rows = transaction.query_typed(sql, values).await.map_err(failure)?;
    transaction.commit().await.map_err(failure)?;
    Ok(rows)
}

/// Returns once whoever had found an entry of the grant's still kept has written it.
pub(super) async fn wait(pool: &Arc<Pool>, key: &GrantKey) -> Result<()> {
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
