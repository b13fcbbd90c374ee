//! Records: how they are sealed into rows and opened from them. Every function here is one look-up by an index.

use rusqlite::{Connection, OptionalExtension, Params, Row};
use uuid::Uuid;

use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::store::rotation::{self, Moved, Rekeyed};
use crate::store::rows::{self, SealedGrant, SealedToken, generation, is_dead, row_generation, row_limit};
use crate::store::seal::Sealer;
use crate::store::sqlite::commit::Open;
use crate::store::sqlite::fault::failure;
use crate::store::sqlite::keys::Keys;
use crate::store::{AppKey, Expect, GrantFacts, GrantKey, MAX_PENDING, TokenFacts, TokenKey, Turn, Written};

pub(super) const GRANT: &str = "SELECT generation, user_oid, is_dead, renew_after, expires_on, wrapped_key, sealed
    FROM grants WHERE authority = ?1 AND client_id = ?2 AND tenant = ?3";

pub(super) fn grant(connection: &Connection, key: &GrantKey) -> Result<Option<SealedGrant>> {
    find(connection, GRANT, (&key.authority, key.client_id.as_str(), key.tenant.uuid().as_bytes()), |row| {
        Ok(SealedGrant {
            generation: row.get(0)?,
            user_oid: row.get(1)?,
            is_dead: row.get(2)?,
            renew_after: row.get(3)?,
            expires_on: row.get(4)?,
            wrapped_key: row.get(5)?,
            sealed: row.get(6)?,
        })
    })
}

/// Several of them, as of one moment: the pages on the way to them are looked up once.
pub(super) fn grants(connection: &Connection, keys: &[GrantKey]) -> Result<Vec<Option<SealedGrant>>> {
    let moment = connection.unchecked_transaction().map_err(failure)?;
    let found = keys.iter().map(|key| grant(&moment, key)).collect::<Result<_>>()?;
    moment.commit().map_err(failure)?;
    Ok(found)
}

/// What goes into a grant's row.
pub(super) struct NewGrant<'a> {
    pub(super) key: &'a GrantKey,
    /// [`join`](crate::store::seal::join) of token and facts.
    pub(super) plain: &'a [u8],
    pub(super) shown: &'a Shown,
}

/// What a grant's row shows in clear.
pub(super) struct Shown {
    pub(super) user_oid: String,
    is_dead: bool,
    renew_after: i64,
    expires_on: i64,
}

impl Shown {
    pub(super) fn of(facts: &GrantFacts) -> Self {
        Self {
            user_oid: facts.user_oid.clone(),
            is_dead: is_dead(facts),
            renew_after: facts.renew_after.0,
            expires_on: facts.expires_on.0,
        }
    }
}

const GRANT_TO_CHANGE: &str = "SELECT id, generation, user_oid, wrapped_key
    FROM grants WHERE authority = ?1 AND client_id = ?2 AND tenant = ?3";
const CHANGE_GRANT: &str = "UPDATE grants SET user_oid = ?2, generation = ?3, is_dead = ?4, renew_after = ?5,
    expires_on = ?6, wrapped_key = ?7, sealed = ?8 WHERE id = ?1";
const ADD_GRANT: &str = "INSERT INTO grants (authority, client_id, tenant, user_oid, generation, is_dead,
    renew_after, expires_on, wrapped_key, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const REMOVE_TOKENS: &str = "DELETE FROM access_tokens WHERE grant_id = ?1";

/// A grant that was just written, for its access token.
pub(super) struct Home {
    grant: i64,
    partner: Sealer,
}

/// Compare and set. Where it was won and the grant is active, also gives what [`put_token_at`] needs.
pub(super) fn put_grant(
    open: &Open<'_>,
    keys: &Keys,
    new: &NewGrant<'_>,
    expect: Expect,
) -> Result<(Written, Option<Home>)> {
    check_keys(open, keys)?;
    let NewGrant { key, plain, shown } = new;
    let Shown { user_oid: user, is_dead: dead, renew_after, expires_on } = shown;
    let owner = (&key.authority, key.client_id.as_str(), key.tenant.uuid().into_bytes());
    let old = find(open.connection, GRANT_TO_CHANGE, (owner.0, owner.1, owner.2), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, Vec<u8>>(3)?))
    })?;
    let found = old.as_ref().map(|(_, found, ..)| generation(*found)).transpose()?;
    if !expect.is_met_by(found) {
        return Ok((Written::Lost(found), None));
    }
    let next = found.unwrap_or_default() + 1;
    // A damaged key is no reason to refuse the new token, which needs nothing of the old record.
    let kept = old.as_ref().and_then(|(.., wrapped)| keys.sealer.partner(key, wrapped).ok().map(|key| (key, wrapped)));
    let is_rekeyed = kept.is_none();
    let (partner, wrapped) = match kept {
        Some((partner, wrapped)) => (partner, wrapped.clone()),
        None => keys.sealer.new_partner(key)?,
    };
    let sealed = rows::seal_grant(&partner, key, user, next, plain)?;
    let row_generation = row_generation(next)?;
    let grant = match old {
        None => {
            let values =
                (owner.0, owner.1, owner.2, user, row_generation, dead, renew_after, expires_on, wrapped, sealed);
            run(open.connection, ADD_GRANT, values)?;
            open.connection.last_insert_rowid()
        }
        Some((id, _, old_user, _)) => {
            let values = (id, user, row_generation, dead, renew_after, expires_on, wrapped, sealed);
            run(open.connection, CHANGE_GRANT, values)?;
            if *dead || is_rekeyed || old_user != *user {
                run(open.connection, REMOVE_TOKENS, [id])?;
            }
            id
        }
    };
    Ok((Written::Yes(next), (!*dead).then_some(Home { grant, partner })))
}

const REMOVE_GRANT: &str = "DELETE FROM grants WHERE authority = ?1 AND client_id = ?2 AND tenant = ?3";

/// Removes a grant with its key; its access tokens go with it.
pub(super) fn remove_grant(open: &Open<'_>, key: &GrantKey) -> Result<bool> {
    let owner = (&key.authority, key.client_id.as_str(), key.tenant.uuid().into_bytes());
    run(open.connection, REMOVE_GRANT, owner).map(|removed| removed > 0)
}

const TENANTS: &str = "SELECT tenant FROM grants
    WHERE authority = ?1 AND client_id = ?2 AND tenant > ?3 ORDER BY tenant LIMIT ?4";
/// Sorts the grants of the day, or of the few days, from which the soonest come.
pub(super) const DUE: &str = "SELECT tenant FROM grants WHERE authority = ?1 AND client_id = ?2
    AND renew_after / 86400 <= ?3 / 86400 AND renew_after <= ?3 AND is_dead = 0
    ORDER BY renew_after / 86400, renew_after, tenant LIMIT ?4";
/// In the order of the index, and so of the file.
pub(super) const DUE_TO_RENEW: &str = "SELECT tenant FROM grants WHERE authority = ?1 AND client_id = ?2
    AND renew_after / 86400 <= ?3 / 86400 AND renew_after <= ?3 AND is_dead = 0
    ORDER BY renew_after / 86400, id LIMIT ?4";
/// Those whose turn comes later than it can: see [`Turn::beyond`].
const BEYOND: &str = "SELECT tenant FROM grants WHERE authority = ?1 AND client_id = ?2
    AND renew_after / 86400 >= ?3 / 86400 AND renew_after > ?3 AND is_dead = 0
    ORDER BY renew_after / 86400, id LIMIT ?4";

pub(super) fn tenants(
    connection: &Connection,
    app: &AppKey,
    after: Option<TenantId>,
    limit: usize,
) -> Result<Vec<TenantId>> {
    let after = after.map(|after| after.uuid().into_bytes().to_vec()).unwrap_or_default();
    list(connection, TENANTS, (&app.authority, app.client_id.as_str(), after, row_limit(limit)))
}

pub(super) fn due(connection: &Connection, app: &AppKey, turn: Turn, limit: usize) -> Result<Vec<TenantId>> {
    in_turn(connection, DUE, app, turn, limit)
}

pub(super) fn due_to_renew(connection: &Connection, app: &AppKey, turn: Turn, limit: usize) -> Result<Vec<TenantId>> {
    in_turn(connection, DUE_TO_RENEW, app, turn, limit)
}

fn in_turn(connection: &Connection, sql: &str, app: &AppKey, turn: Turn, limit: usize) -> Result<Vec<TenantId>> {
    let ask = |sql, when: UnixTime, limit| {
        list(connection, sql, (&app.authority, app.client_id.as_str(), when.0, row_limit(limit)))
    };
    let mut found = ask(sql, turn.by, limit)?;
    if found.len() < limit {
        found.extend(ask(BEYOND, turn.beyond, limit - found.len())?);
    }
    Ok(found)
}

const TOKEN: &str = "SELECT g.user_oid, g.wrapped_key, t.sealed FROM grants AS g JOIN access_tokens AS t ON t.grant_id = g.id
    WHERE g.authority = ?1 AND g.client_id = ?2 AND g.tenant = ?3 AND g.is_dead = 0 AND t.tenant = ?4 AND t.audience = ?5";

pub(super) fn token(connection: &Connection, key: &TokenKey) -> Result<Option<SealedToken>> {
    let owner = &key.grant;
    let of_token = (key.tenant.uuid().into_bytes(), &key.audience);
    let values = (&owner.authority, owner.client_id.as_str(), owner.tenant.uuid().into_bytes(), of_token.0, of_token.1);
    find(connection, TOKEN, values, |row| {
        Ok(SealedToken { user_oid: row.get(0)?, wrapped_key: row.get(1)?, sealed: row.get(2)? })
    })
}

/// What goes into an access token's row.
pub(super) struct NewToken<'a> {
    pub(super) key: &'a TokenKey,
    /// [`join`](crate::store::seal::join) of token and facts.
    pub(super) plain: &'a [u8],
    pub(super) facts: &'a TokenFacts,
}

const TOKENS_GRANT: &str = "SELECT id, user_oid, wrapped_key FROM grants
    WHERE authority = ?1 AND client_id = ?2 AND tenant = ?3 AND is_dead = 0";
const PUT_TOKEN: &str = "INSERT INTO access_tokens (grant_id, tenant, audience, expires_on, sealed)
    VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (grant_id, tenant, audience)
    DO UPDATE SET expires_on = excluded.expires_on, sealed = excluded.sealed";
/// So many at a time, that no single transaction pays for all.
const SWEEP_TOKENS: &str = "DELETE FROM access_tokens WHERE rowid IN
    (SELECT rowid FROM access_tokens WHERE expires_on <= ?1 ORDER BY expires_on LIMIT 500)";

/// Keeps an access token, where there is an active grant to keep it with.
pub(super) fn put_token(open: &Open<'_>, keys: &Keys, new: &NewToken<'_>) -> Result<()> {
    check_keys(open, keys)?;
    let owner = &new.key.grant;
    let values = (&owner.authority, owner.client_id.as_str(), owner.tenant.uuid().into_bytes());
    let found = find(open.connection, TOKENS_GRANT, values, |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?))
    })?;
    let Some((grant, user_oid, wrapped)) = found else { return Ok(()) };
    let home = Home { grant, partner: keys.sealer.partner(owner, &wrapped)? };
    put_token_at(open, &home, &user_oid, new)
}

/// Keeps the access token of a grant that was found or written in the same transaction.
pub(super) fn put_token_at(open: &Open<'_>, home: &Home, user_oid: &str, new: &NewToken<'_>) -> Result<()> {
    let key = new.key;
    let tenant = key.tenant.uuid();
    let sealed = rows::seal_token(&home.partner, key, user_oid, new.plain)?;
    if !open.is_swept.replace(true) {
        run(open.connection, SWEEP_TOKENS, [new.facts.received_on.0])?;
    }
    let values = (home.grant, tenant.as_bytes(), &key.audience, new.facts.expires_on.0, sealed);
    run(open.connection, PUT_TOKEN, values).map(drop)
}

const REMOVE_TOKEN: &str = "DELETE FROM access_tokens WHERE tenant = ?4 AND audience = ?5 AND grant_id =
        (SELECT id FROM grants WHERE authority = ?1 AND client_id = ?2 AND tenant = ?3)";

pub(super) fn remove_token(open: &Open<'_>, key: &TokenKey) -> Result<()> {
    let owner = &key.grant;
    let of_token = (key.tenant.uuid().into_bytes(), &key.audience);
    let values = (&owner.authority, owner.client_id.as_str(), owner.tenant.uuid().into_bytes(), of_token.0, of_token.1);
    run(open.connection, REMOVE_TOKEN, values).map(drop)
}

const SWEEP_PENDING: &str = "DELETE FROM pending_consents WHERE expires_on <= ?1";
const PUT_PENDING: &str =
    "INSERT OR REPLACE INTO pending_consents (authority, client_id, state_hash, expires_on, sealed)
    VALUES (?1, ?2, ?3, ?4, ?5)";

/// Keeps a pending consent and drops those that have ended; false where there are too many. Not an error: that would take the other writes of
/// the transaction with it.
pub(super) fn put_pending(
    open: &Open<'_>,
    keys: &Keys,
    app: &AppKey,
    state_hash: &[u8; 32],
    (plain, expires_on): (&[u8], UnixTime),
    now: UnixTime,
) -> Result<bool> {
    check_keys(open, keys)?;
    run(open.connection, SWEEP_PENDING, [now.0])?;
    let count = find(open.connection, "SELECT count(*) FROM pending_consents", (), |row| row.get::<_, i64>(0))?;
    if count.unwrap_or_default() >= row_limit(MAX_PENDING) {
        return Ok(false);
    }
    let sealed = rows::seal_pending(&keys.sealer, app, state_hash, plain)?;
    let values = (&app.authority, app.client_id.as_str(), state_hash, expires_on.0, sealed);
    run(open.connection, PUT_PENDING, values).map(|_| true)
}

const PENDING: &str = "SELECT sealed FROM pending_consents WHERE authority = ?1 AND client_id = ?2 AND state_hash = ?3";

/// The sealed row of a pending consent.
pub(super) fn pending(connection: &Connection, app: &AppKey, state_hash: &[u8; 32]) -> Result<Option<Vec<u8>>> {
    find(connection, PENDING, (&app.authority, app.client_id.as_str(), state_hash), |row| row.get(0))
}

const TAKE_PENDING: &str = "DELETE FROM pending_consents WHERE authority = ?1 AND client_id = ?2 AND state_hash = ?3";

pub(super) fn take_pending(open: &Open<'_>, app: &AppKey, state_hash: &[u8; 32]) -> Result<bool> {
    run(open.connection, TAKE_PENDING, (&app.authority, app.client_id.as_str(), state_hash)).map(|taken| taken > 0)
}

const PUT_DOMAIN: &str = "INSERT OR REPLACE INTO domains (authority, domain, sealed) VALUES (?1, ?2, ?3)";
const DOMAIN: &str = "SELECT sealed FROM domains WHERE authority = ?1 AND domain = ?2";

/// The sealed row of a domain.
pub(super) fn domain(connection: &Connection, authority: &str, domain: &str) -> Result<Option<Vec<u8>>> {
    find(connection, DOMAIN, (authority, domain), |row| row.get(0))
}

pub(super) fn put_domain(
    open: &Open<'_>,
    keys: &Keys,
    (authority, domain): (&str, &str),
    found: (TenantId, UnixTime),
) -> Result<()> {
    check_keys(open, keys)?;
    let sealed = rows::seal_domain(&keys.sealer, authority, domain, found)?;
    run(open.connection, PUT_DOMAIN, (authority, domain, sealed)).map(drop)
}

const GRANTS_TO_MOVE: &str =
    "SELECT id, authority, client_id, tenant, generation, user_oid, is_dead, renew_after, expires_on,
    wrapped_key, sealed FROM grants WHERE id > ?1 ORDER BY id LIMIT ?2";
const MOVE_GRANT: &str = "UPDATE grants SET wrapped_key = ?2, sealed = ?3 WHERE id = ?1";
const TOKENS_TO_MOVE: &str = "SELECT rowid, tenant, audience, sealed FROM access_tokens WHERE grant_id = ?1";
const MOVE_TOKEN: &str = "UPDATE access_tokens SET sealed = ?2 WHERE rowid = ?1";
const DROP_TOKEN: &str = "DELETE FROM access_tokens WHERE rowid = ?1";
const GRANTS_LEFT: &str = "SELECT count(*) FROM grants WHERE id > ?1";

/// How many grants come after the one with this `id`.
pub(super) fn grants_after(connection: &Connection, id: i64) -> Result<u64> {
    let count = find(connection, GRANTS_LEFT, [id], |row| row.get::<_, i64>(0))?.unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Seals the grants after the one with the `id` `after` anew, at most `most` of them; gives the `id` of the last.
pub(super) fn move_grants(open: &Open<'_>, keys: &Keys, after: i64, most: usize) -> Result<(i64, Moved)> {
    check_keys(open, keys)?;
    let rows = all(open.connection, GRANTS_TO_MOVE, (after, row_limit(most)), |row| {
        let sealed = SealedGrant {
            generation: row.get(4)?,
            user_oid: row.get(5)?,
            is_dead: row.get(6)?,
            renew_after: row.get(7)?,
            expires_on: row.get(8)?,
            wrapped_key: row.get(9)?,
            sealed: row.get(10)?,
        };
        Ok((row.get::<_, i64>(0)?, (row.get(1)?, row.get::<_, String>(2)?, row.get::<_, [u8; 16]>(3)?), sealed))
    })?;
    let (mut last, mut moved) = (after, Moved::default());
    for (id, (authority, client_id, tenant), row) in rows {
        (last, moved.seen) = (id, moved.seen + 1);
        let key = client_id.parse().map(|client_id| GrantKey {
            authority,
            client_id,
            tenant: TenantId::new(Uuid::from_bytes(tenant)),
        });
        // What opens with neither key was unreadable before, too: it stays as it is, to be looked at.
        match key.and_then(|key| Ok((rotation::rekey(&keys.sealer, &key, &row)?, key))) {
            Ok((Some(rekeyed), key)) => move_grant(open, id, &key, &row.user_oid, &rekeyed)?,
            Ok((None, _)) => {}
            Err(_) => moved.unreadable += 1,
        }
    }
    Ok((last, moved))
}

fn move_grant(open: &Open<'_>, id: i64, key: &GrantKey, user_oid: &str, rekeyed: &Rekeyed) -> Result<()> {
    let tokens = all(open.connection, TOKENS_TO_MOVE, [id], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 16]>(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?))
    })?;
    for (row, tenant, audience, sealed) in tokens {
        let token = TokenKey { grant: key.clone(), tenant: TenantId::new(Uuid::from_bytes(tenant)), audience };
        match rekeyed.token(&token, user_oid, &sealed) {
            Some(sealed) => run(open.connection, MOVE_TOKEN, (row, sealed))?,
            None => run(open.connection, DROP_TOKEN, [row])?,
        };
    }
    run(open.connection, MOVE_GRANT, (id, &rekeyed.wrapped_key, &rekeyed.sealed)).map(drop)
}

const ALL_PENDING: &str = "SELECT authority, client_id, state_hash, sealed FROM pending_consents";
const MOVE_PENDING: &str =
    "UPDATE pending_consents SET sealed = ?4 WHERE authority = ?1 AND client_id = ?2 AND state_hash = ?3";

/// Seals every pending consent anew that is under the key before the store's.
pub(super) fn move_pending(open: &Open<'_>, keys: &Keys) -> Result<()> {
    check_keys(open, keys)?;
    let rows = all(open.connection, ALL_PENDING, (), |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?, row.get::<_, Vec<u8>>(3)?))
    })?;
    for (authority, client_id, state_hash, sealed) in rows {
        let Ok(client_id) = client_id.parse() else { continue };
        let app = AppKey { authority, client_id };
        if let Some(sealed) = rows::reseal_pending(&keys.sealer, &app, &state_hash, &sealed) {
            run(open.connection, MOVE_PENDING, (&app.authority, app.client_id.as_str(), state_hash, sealed))?;
        }
    }
    Ok(())
}

/// Forgets which tenants the domains are: that can be looked up again.
pub(super) fn remove_domains(connection: &Connection) -> Result<()> {
    run(connection, "DELETE FROM domains", ()).map(drop)
}

/// A record is never sealed with a key that is not the store's any more: another process may have made a new one for the empty store.
fn check_keys(open: &Open<'_>, keys: &Keys) -> Result<()> {
    if open.key_check.as_ref() == Some(&keys.check) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::StoreConflict, "store", "the store got a new key meanwhile"))
}

fn find<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>> {
    connection.prepare_cached(sql).and_then(|mut select| select.query_row(values, read).optional()).map_err(failure)
}

fn list(connection: &Connection, sql: &str, values: impl Params) -> Result<Vec<TenantId>> {
    let read = || -> rusqlite::Result<Vec<TenantId>> {
        let mut select = connection.prepare_cached(sql)?;
        let rows = select.query_map(values, |row| row.get::<_, [u8; 16]>(0))?;
        rows.map(|row| row.map(|bytes| TenantId::new(Uuid::from_bytes(bytes)))).collect()
    };
    read().map_err(failure)
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let rows = || connection.prepare_cached(sql)?.query_map(values, read)?.collect::<rusqlite::Result<Vec<T>>>();
    rows().map_err(failure)
}

fn run(connection: &Connection, sql: &str, values: impl Params) -> Result<usize> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map_err(failure)
}

/// Every statement, for the tests that look at how it is carried out.
#[cfg(test)]
pub(super) const ALL: &[&str] = &[
    GRANT,
    GRANT_TO_CHANGE,
    CHANGE_GRANT,
    ADD_GRANT,
    REMOVE_TOKENS,
    REMOVE_GRANT,
    TENANTS,
    DUE_TO_RENEW,
    BEYOND,
    TOKEN,
    TOKENS_GRANT,
    PUT_TOKEN,
    SWEEP_TOKENS,
    REMOVE_TOKEN,
    SWEEP_PENDING,
    PUT_PENDING,
    PENDING,
    TAKE_PENDING,
    DOMAIN,
    PUT_DOMAIN,
    GRANTS_TO_MOVE,
    MOVE_GRANT,
    TOKENS_TO_MOVE,
    MOVE_TOKEN,
    DROP_TOKEN,
    MOVE_PENDING,
];
