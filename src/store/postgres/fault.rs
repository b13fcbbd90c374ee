//! PostgreSQL's errors as ours (<https://www.postgresql.org/docs/current/errcodes-appendix.html>). The server's own texts stay out: they may quote
//! values. Its code is kept.

use std::error::Error as _;

use tokio_postgres::error::SqlState;

use crate::error::{Error, ErrorKind};

/// Translates.
pub(super) fn failure(error: tokio_postgres::Error) -> Error {
    let Some(state) = error.code() else { return without_answer(&error) };
    let (kind, message, hint) = match state.code() {
        "28000" | "28P01" => (
            ErrorKind::StoreForbidden,
            "the database does not let this account in",
            "check the user in store and its password: store_password_file, PGPASSFILE or PGPASSWORD",
        ),
        "42501" => (
            ErrorKind::StoreForbidden,
            "this account may not do that in the database",
            "give the role its rights, or let the schema's owner run `partnersam init` once",
        ),
        "3D000" => {
            (ErrorKind::StoreUnavailable, "there is no such database", "create it, or correct its name in store")
        }
        "25006" => (
            ErrorKind::StoreUnwritable,
            "the database can only be read",
            "name the primary server in store; a standby becomes writable when it is promoted",
        ),
        "53100" => (ErrorKind::StoreUnwritable, "the database has no space left", ""),
        "53300" => (
            ErrorKind::StoreUnavailable,
            "the database has no connection left",
            "raise max_connections there, or lower connections= in store",
        ),
        "40001" | "40P01" => (ErrorKind::StoreConflict, "the database took the statement back", ""),
        "XX001" | "XX002" => (ErrorKind::StoreCorrupt, "the database is damaged", ""),
        "42P01" | "42703" | "3F000" | "42P10" => (
            ErrorKind::StoreCorrupt,
            "the schema partnersam in the database is not what it should be",
            "restore it from a backup, or name another database",
        ),
        code if ["08", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class)) => {
            (ErrorKind::StoreUnavailable, "the database cannot be used at the moment", "")
        }
        _ => (ErrorKind::Internal, "the store's statement failed", ""),
    };
    let error = Error::new(kind, "store", message).with_context("sqlstate", state.code());
    if hint.is_empty() { error } else { error.with_hint(hint) }
}

/// Whether the statement may have been carried out although no answer came.
pub(super) fn is_uncertain(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        None => true,
        // The server ended the session: the commit may have been the last thing it did.
        Some(state) => {
            [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN].contains(state) || state.code().starts_with("08")
        }
    }
}

/// What a caller is told whose answer did not come in time.
pub(super) fn too_slow() -> Error {
    Error::new(ErrorKind::StoreUnavailable, "store", "the database did not answer in time")
}

fn without_answer(error: &tokio_postgres::Error) -> Error {
    let mut is_tls = false;
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let hidden = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        is_tls |= cause.is::<rustls::Error>() || hidden.is_some_and(|inner| inner.is::<rustls::Error>());
        causes.push(cause.to_string());
        next = cause.source();
    }
    let (message, hint) = if is_tls {
        (
            "the database's certificate or its TLS was refused",
            "name the authority that signed the server's certificate with sslrootcert in store, or let this machine trust it",
        )
    } else if causes.is_empty() && !error.is_closed() {
        // Without a cause below it is the client library's own verdict: a password that is missing, TLS that the server has not, an answer out of order.
        causes.push(error.to_string());
        (
            "the database and we do not come to terms",
            "check that the server has TLS, and that the password is where it is looked for",
        )
    } else {
        (
            "the database cannot be reached",
            "check the host in store, and that the server runs; tokens that are cached are served meanwhile",
        )
    };
    causes
        .into_iter()
        .fold(Error::new(ErrorKind::StoreUnavailable, "store", message).with_hint(hint), Error::with_cause)
}
