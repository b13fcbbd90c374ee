//! Records: how they are sealed into rows and opened from them. Every operation is one statement, guarded by what it read before: no transaction is held open
//! between two messages, and nothing has to be undone when a connection breaks.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::ids::TenantId;
use crate::store::postgres::fault::failure;
use crate::store::rows::{SealedGrant, SealedToken, corrupt, generation, is_dead, row_generation};
use crate::store::seal::Sealer;
use crate::store::{GrantFacts, GrantKey, TokenFacts, TokenKey, rows};

/// A value with its type.
pub(super) type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// A grant's key as columns.
pub(super) struct Owner<'a> {
    authority: &'a str,
    client_id: &'a str,
    tenant: &'a &'a [u8],
}

impl<'a> Owner<'a> {
    /// `tenant` are the bytes of the key's tenant.
    pub(super) fn new(key: &'a GrantKey, tenant: &'a &'a [u8]) -> Self {
        Self { authority: &key.authority, client_id: key.client_id.as_str(), tenant }
    }

    /// `$1` to `$3` of every statement about one grant.
    pub(super) fn values(&self) -> [Value<'_>; 3] {
        [(&self.authority, Type::TEXT), (&self.client_id, Type::TEXT), (self.tenant, Type::BYTEA)]
    }
}

pub(super) const GRANT: &str = "SELECT generation, user_oid, is_dead, renew_after, expires_on, wrapped_key, sealed
    FROM partnersam.grants WHERE authority = $1 AND client_id = $2 AND tenant = $3";

pub(super) fn grant(row: &Row) -> Result<SealedGrant> {
    Ok(SealedGrant {
        generation: get(row, 0)?,
        user_oid: get(row, 1)?,
        is_dead: get(row, 2)?,
        renew_after: get(row, 3)?,
        expires_on: get(row, 4)?,
        wrapped_key: get(row, 5)?,
        sealed: get(row, 6)?,
    })
}

/// What a write has to know of the record that it changes.
pub(super) struct Old {
    pub(super) generation: u64,
    user_oid: String,
    pub(super) is_dead: bool,
    wrapped_key: Vec<u8>,
    pub(super) sealed: Vec<u8>,
}

pub(super) fn old(row: &Row) -> Result<Old> {
    let SealedGrant { generation: number, user_oid, is_dead, wrapped_key, sealed, .. } = grant(row)?;
    Ok(Old { generation: generation(number)?, user_oid, is_dead, wrapped_key, sealed })
}

/// An access token that is written with its grant.
pub(super) struct NewToken<'a> {
    pub(super) key: &'a TokenKey,
    /// [`join`](crate::store::seal::join) of token and facts.
    pub(super) plain: &'a [u8],
    pub(super) facts: &'a TokenFacts,
}

/// A grant's row as it is to become.
pub(super) struct Write {
    pub(super) generation: u64,
    row_generation: i64,
    user_oid: String,
    is_dead: bool,
    renew_after: i64,
    expires_on: i64,
    wrapped_key: Vec<u8>,
    pub(super) sealed: Vec<u8>,
    /// What must still be there: generation and key, so that a grant that was removed and made again is another one.
    guard: Option<(i64, Vec<u8>)>,
    drops_tokens: bool,
    has_token: bool,
    token_tenant: Vec<u8>,
    token_audience: String,
    token_expires_on: i64,
    token_sealed: Vec<u8>,
    tells: bool,
}

impl Write {
    /// Seals it.
    pub(super) fn new(
        sealer: &Sealer,
        key: &GrantKey,
        (plain, facts): (&[u8], &GrantFacts),
        old: Option<&Old>,
        token: Option<&NewToken<'_>>,
    ) -> Result<Self> {
        let next = old.map_or(0, |old| old.generation) + 1;
        // A damaged key is no reason to refuse the new token, which needs nothing of the old record.
        let kept = old.and_then(|old| Some((sealer.partner(key, &old.wrapped_key).ok()?, old.wrapped_key.clone())));
        let is_rekeyed = kept.is_none();
        let (partner, wrapped_key) = match kept {
            Some(kept) => kept,
            None => sealer.new_partner(key)?,
        };
        let dead = is_dead(facts);
        // An access token of a grant that has ended is not kept.
        let token = token.filter(|_| !dead);
        let token_sealed =
            token.map(|token| rows::seal_token(&partner, token.key, &facts.user_oid, token.plain)).transpose()?;
        let is_another = old.is_none_or(|old| is_rekeyed || old.user_oid != facts.user_oid);
        Ok(Self {
            generation: next,
            row_generation: row_generation(next)?,
            user_oid: facts.user_oid.clone(),
            is_dead: dead,
            renew_after: facts.renew_after.0,
            expires_on: facts.expires_on.0,
            sealed: rows::seal_grant(&partner, key, &facts.user_oid, next, plain)?,
            wrapped_key,
            guard: old
                .map(|old| Ok::<_, Error>((row_generation(old.generation)?, old.wrapped_key.clone())))
                .transpose()?,
            drops_tokens: dead || is_another,
            has_token: token.is_some(),
            token_tenant: token.map(|token| token.key.tenant.uuid().as_bytes().to_vec()).unwrap_or_default(),
            token_audience: token.map(|token| token.key.audience.clone()).unwrap_or_default(),
            token_expires_on: token.map_or(0, |token| token.facts.expires_on.0),
            token_sealed: token_sealed.unwrap_or_default(),
            tells: is_another || old.is_none_or(|old| old.is_dead != dead),
        })
    }

    pub(super) fn statement(&self) -> &'static str {
        if self.guard.is_some() { CHANGE_GRANT } else { ADD_GRANT }
    }

    /// The values of [`Write::statement`].
    pub(super) fn values<'a>(
        &'a self,
        owner: &'a Owner<'a>,
        key_check: &'a &'a [u8],
        payload: &'a &'a str,
    ) -> Vec<Value<'a>> {
        let mut values = owner.values().to_vec();
        values.extend::<[Value<'a>; 16]>([
            (&self.user_oid, Type::TEXT),
            (&self.row_generation, Type::INT8),
            (&self.is_dead, Type::BOOL),
            (&self.renew_after, Type::INT8),
            (&self.expires_on, Type::INT8),
            (&self.wrapped_key, Type::BYTEA),
            (&self.sealed, Type::BYTEA),
            (key_check, Type::BYTEA),
            (&self.drops_tokens, Type::BOOL),
            (&self.has_token, Type::BOOL),
            (&self.token_tenant, Type::BYTEA),
            (&self.token_audience, Type::TEXT),
            (&self.token_expires_on, Type::INT8),
            (&self.token_sealed, Type::BYTEA),
            (&self.tells, Type::BOOL),
            (payload, Type::TEXT),
        ]);
        if let Some((generation, wrapped_key)) = &self.guard {
            values.push((generation, Type::INT8));
            values.push((wrapped_key, Type::BYTEA));
        }
        values
    }
}

/// What follows the grant's own write: its tokens, and who is told. One statement is one transaction, and what is told is told when that is durable.
macro_rules! with_token {
    ($grant:literal) => {
        concat!(
            "WITH written AS (",
            $grant,
            " RETURNING id), gone AS (
                DELETE FROM partnersam.access_tokens AS t USING written
                WHERE t.grant_id = written.id AND $12 AND NOT ($13 AND t.tenant = $14 AND t.audience = $15)
            ), kept AS (
                INSERT INTO partnersam.access_tokens (grant_id, tenant, audience, expires_on, sealed)
                SELECT id, $14, $15, $16, $17 FROM written WHERE $13
                ON CONFLICT (grant_id, tenant, audience)
                DO UPDATE SET expires_on = excluded.expires_on, sealed = excluded.sealed
            ), told AS (
                SELECT pg_notify('partnersam', $19) FROM written WHERE $18
            ) SELECT count(*) FROM written LEFT JOIN told ON true"
        )
    };
}

pub(super) const ADD_GRANT: &str = with_token!(
    "INSERT INTO partnersam.grants (authority, client_id, tenant, user_oid, generation, is_dead, renew_after,
        expires_on, wrapped_key, sealed)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
    WHERE EXISTS (SELECT 1 FROM partnersam.meta WHERE name = 'key_check' AND value = $11)
    ON CONFLICT (authority, client_id, tenant) DO NOTHING"
);
pub(super) const CHANGE_GRANT: &str = with_token!(
    "UPDATE partnersam.grants SET user_oid = $4, generation = $5, is_dead = $6, renew_after = $7, expires_on = $8,
        wrapped_key = $9, sealed = $10, claimed_by = 0
    WHERE authority = $1 AND client_id = $2 AND tenant = $3 AND generation = $20 AND wrapped_key = $21
        AND EXISTS (SELECT 1 FROM partnersam.meta WHERE name = 'key_check' AND value = $11)"
);

pub(super) const REMOVE_GRANT: &str = "WITH gone AS (
        DELETE FROM partnersam.grants WHERE authority = $1 AND client_id = $2 AND tenant = $3 RETURNING id
    ), told AS (SELECT pg_notify('partnersam', $4) FROM gone)
    SELECT count(*) FROM gone LEFT JOIN told ON true";

/// Leaves behind when a grant was removed; what lies so far back that no journal is older goes on the way, some at a time.
pub(super) const PUT_REMOVAL: &str = "WITH swept AS (
        DELETE FROM partnersam.removals WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM partnersam.removals WHERE removed_on <= extract(epoch FROM clock_timestamp())::bigint - $4
            ORDER BY removed_on LIMIT 500 FOR UPDATE SKIP LOCKED))
            AND NOT (authority = $1 AND client_id = $2 AND tenant = $3)
    )
    INSERT INTO partnersam.removals (authority, client_id, tenant, removed_on)
    VALUES ($1, $2, $3, extract(epoch FROM clock_timestamp())::bigint)
    ON CONFLICT (authority, client_id, tenant)
    DO UPDATE SET removed_on = GREATEST(partnersam.removals.removed_on, excluded.removed_on)";
/// When a grant was removed last, none where nobody knows of a removal; and since when that would be known.
pub(super) const REMOVAL: &str = "SELECT (SELECT removed_on FROM partnersam.removals
        WHERE authority = $1 AND client_id = $2 AND tenant = $3),
    extract(epoch FROM clock_timestamp())::bigint - $4";

pub(super) const TENANTS: &str = "SELECT tenant FROM partnersam.grants
    WHERE authority = $1 AND client_id = $2 AND tenant > $3 ORDER BY tenant LIMIT $4";
/// `$when`: whose turn it is, by `$3`.
macro_rules! due {
    ($when:literal) => {
        concat!(
            "SELECT tenant FROM partnersam.grants
            WHERE authority = $1 AND client_id = $2 AND ",
            $when,
            " AND NOT is_dead
            ORDER BY renew_after, tenant LIMIT $4"
        )
    };
}

pub(super) const DUE: &str = due!("renew_after <= $3");
/// Those whose turn comes later than it can: see [`Turn::beyond`](crate::store::Turn::beyond).
pub(super) const DUE_BEYOND: &str = due!("renew_after > $3");

/// Takes due grants that no living session has taken. A session lives while it holds its own lock.
macro_rules! claim_due {
    ($when:literal) => {
        concat!(
            "WITH alive AS MATERIALIZED (
                SELECT objid::bigint AS session FROM pg_locks
                WHERE locktype = 'advisory' AND classid = 1347633485 AND objsubid = 2 AND granted
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            ), due AS MATERIALIZED (
                SELECT id, tenant, renew_after FROM partnersam.grants
                WHERE authority = $1 AND client_id = $2 AND ",
            $when,
            " AND NOT is_dead
                    AND (claimed_by IN (0, $5) OR claimed_by NOT IN (SELECT session FROM alive))
                ORDER BY renew_after, tenant LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED
            ), taken AS (
                UPDATE partnersam.grants AS g SET claimed_by = $5 FROM due WHERE g.id = due.id AND g.claimed_by <> $5
            )
            SELECT tenant FROM due ORDER BY renew_after, tenant"
        )
    };
}

pub(super) const CLAIM_DUE: &str = claim_due!("renew_after <= $3");
pub(super) const CLAIM_BEYOND: &str = claim_due!("renew_after > $3");
/// The session's own lock: "PSAM" and its number.
pub(super) const BE_ALIVE: &str = "SELECT pg_try_advisory_lock(1347633485, $1)";
pub(super) const RELEASE_CLAIMS: &str =
    "UPDATE partnersam.grants SET claimed_by = 0 WHERE claimed_by = $1 AND claimed_by <> 0";

pub(super) fn tenants(rows: &[Row]) -> Result<Vec<TenantId>> {
    rows.iter()
        .map(|row| {
            let bytes: &[u8] = get(row, 0)?;
            let id = Uuid::from_slice(bytes).map_err(|_| corrupt("a grant's tenant is no id"))?;
            Ok(TenantId::new(id))
        })
        .collect()
}

pub(super) const TOKEN: &str = "SELECT g.user_oid, g.wrapped_key, t.sealed
    FROM partnersam.grants AS g JOIN partnersam.access_tokens AS t ON t.grant_id = g.id
    WHERE g.authority = $1 AND g.client_id = $2 AND g.tenant = $3 AND NOT g.is_dead AND t.tenant = $4 AND t.audience = $5";

pub(super) fn token(row: &Row) -> Result<SealedToken> {
    Ok(SealedToken { user_oid: get(row, 0)?, wrapped_key: get(row, 1)?, sealed: get(row, 2)? })
}

/// Locks the grant's row for a moment: a token is not kept with a grant that is ending just now.
pub(super) const PUT_TOKEN: &str = "WITH home AS (
        SELECT id FROM partnersam.grants
        WHERE authority = $1 AND client_id = $2 AND tenant = $3 AND NOT is_dead AND user_oid = $4 AND wrapped_key = $5
            AND EXISTS (SELECT 1 FROM partnersam.meta WHERE name = 'key_check' AND value = $6)
        FOR SHARE
    )
    INSERT INTO partnersam.access_tokens (grant_id, tenant, audience, expires_on, sealed)
    SELECT id, $7, $8, $9, $10 FROM home
    ON CONFLICT (grant_id, tenant, audience) DO UPDATE SET expires_on = excluded.expires_on, sealed = excluded.sealed
    RETURNING 1";

/// What a token's write has to know of its grant.
pub(super) struct Home {
    pub(super) user_oid: String,
    pub(super) wrapped_key: Vec<u8>,
}

pub(super) fn home(row: &Row) -> Result<Option<Home>> {
    let SealedGrant { user_oid, is_dead, wrapped_key, .. } = grant(row)?;
    Ok((!is_dead).then_some(Home { user_oid, wrapped_key }))
}

pub(super) const REMOVE_TOKEN: &str = "DELETE FROM partnersam.access_tokens WHERE tenant = $4 AND audience = $5
    AND grant_id = (SELECT id FROM partnersam.grants WHERE authority = $1 AND client_id = $2 AND tenant = $3)";
/// So many at a time, that no single statement pays for all; those that another host is removing are left to it.
pub(super) const SWEEP_TOKENS: &str = "DELETE FROM partnersam.access_tokens WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM partnersam.access_tokens WHERE expires_on <= $1
        ORDER BY expires_on LIMIT 500 FOR UPDATE SKIP LOCKED))";

/// Those that have ended go on the way; nothing is written where there are too many. Counted only where `$9` says so, and then told.
pub(super) const PUT_PENDING: &str = "WITH swept AS (
        DELETE FROM partnersam.pending_consents WHERE expires_on <= $6
    ), others AS MATERIALIZED (
        SELECT CASE WHEN $9 THEN
            (SELECT count(*) FROM (SELECT 1 FROM partnersam.pending_consents WHERE expires_on > $6 LIMIT $7) AS seen)
        ELSE 0 END AS number
    )
    INSERT INTO partnersam.pending_consents (authority, client_id, state_hash, expires_on, sealed)
    SELECT $1, $2, $3, $4, $5 FROM others
    WHERE number < $7 AND EXISTS (SELECT 1 FROM partnersam.meta WHERE name = 'key_check' AND value = $8)
    ON CONFLICT (authority, client_id, state_hash)
    DO UPDATE SET expires_on = excluded.expires_on, sealed = excluded.sealed
    RETURNING (SELECT number FROM others)";
pub(super) const PENDING: &str = "SELECT sealed FROM partnersam.pending_consents
    WHERE authority = $1 AND client_id = $2 AND state_hash = $3";
pub(super) const TAKE_PENDING: &str = "DELETE FROM partnersam.pending_consents
    WHERE authority = $1 AND client_id = $2 AND state_hash = $3 RETURNING 1";

pub(super) const DOMAIN: &str = "SELECT sealed FROM partnersam.domains WHERE authority = $1 AND domain = $2";
pub(super) const PUT_DOMAIN: &str = "INSERT INTO partnersam.domains (authority, domain, sealed)
    SELECT $1, $2, $3 WHERE EXISTS (SELECT 1 FROM partnersam.meta WHERE name = 'key_check' AND value = $4)
    ON CONFLICT (authority, domain) DO UPDATE SET sealed = excluded.sealed RETURNING 1";

/// Whether a write would work, as far as that can be known without one, and what tells the store's key.
pub(super) const IS_WRITABLE: &str =
    "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off',
    has_table_privilege('partnersam.grants', 'UPDATE') AND has_table_privilege('partnersam.grants', 'INSERT')
        AND has_table_privilege('partnersam.access_tokens', 'INSERT'),
    (SELECT value FROM partnersam.meta WHERE name = 'key_check')";

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T> {
    row.try_get(column).map_err(failure)
}

/// Values as the statements take them.
pub(super) fn joined<'a>(first: &[Value<'a>], more: &[Value<'a>]) -> Vec<Value<'a>> {
    first.iter().chain(more).cloned().collect()
}
