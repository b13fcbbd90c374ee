//! SQLite's errors as ours (<https://www.sqlite.org/rescode.html>).

use std::time::Duration;

use rusqlite::ErrorCode;

use crate::error::{Error, ErrorKind};

/// Extended codes of SQLITE_IOERR that come from reading: the disk can still be written, for all we know.
const READS: [i32; 4] = [
    rusqlite::ffi::SQLITE_IOERR_READ,
    rusqlite::ffi::SQLITE_IOERR_SHORT_READ,
    rusqlite::ffi::SQLITE_IOERR_FSTAT,
    rusqlite::ffi::SQLITE_IOERR_ACCESS,
];

/// Translates. Values that were bound never show in SQLite's texts; the text of a statement does, and is only ever ours.
pub(super) fn failure(error: rusqlite::Error) -> Error {
    let code = error.sqlite_error_code();
    let extended = error.sqlite_error().map(|error| error.extended_code);
    let (kind, message) = match (code, &error) {
        (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => {
            let busy = Error::new(ErrorKind::StoreUnavailable, "store", "another process keeps the store busy");
            return busy.with_cause(error).with_retry_after(Duration::from_secs(1));
        }
        (Some(ErrorCode::DiskFull), _) => (ErrorKind::StoreUnwritable, "there is no space left for the store"),
        (Some(ErrorCode::SystemIoFailure), _) if extended.is_some_and(|code| READS.contains(&code)) => {
            (ErrorKind::StoreUnavailable, "the store cannot be read from its disk")
        }
        (Some(ErrorCode::SystemIoFailure), _) => {
            (ErrorKind::StoreUnwritable, "the store cannot be written to its disk")
        }
        (Some(ErrorCode::ReadOnly), _) => (ErrorKind::StoreUnwritable, "the store can only be read"),
        (Some(ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied), _) => {
            (ErrorKind::StoreForbidden, "this account may not use the store")
        }
        (Some(ErrorCode::CannotOpen), _) => (ErrorKind::StoreUnavailable, "the store's files cannot be opened"),
        (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _) => {
            (ErrorKind::StoreCorrupt, "the store's file is damaged or no store")
        }
        (
            None,
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..),
        ) => (ErrorKind::StoreCorrupt, "a record of the store has a value of the wrong type"),
        (Some(ErrorCode::OutOfMemory | ErrorCode::FileLockingProtocolFailed), _) => {
            (ErrorKind::StoreUnavailable, "the store cannot be used at the moment")
        }
        _ => (ErrorKind::Internal, "the store's statement failed"),
    };
    Error::new(kind, "store", message).with_cause(error)
}

/// Whether an error is about the store as a whole and not about one record: trying the next record would meet it again.
pub(super) fn is_of_the_whole_store(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StoreUnavailable | ErrorKind::StoreUnwritable | ErrorKind::StoreForbidden | ErrorKind::StoreInsecure
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn busy_full_forbidden_damaged_and_read_only_differ() {
        for (code, kind) in [
            (ffi::SQLITE_BUSY, ErrorKind::StoreUnavailable),
            (ffi::SQLITE_BUSY_SNAPSHOT, ErrorKind::StoreUnavailable),
            (ffi::SQLITE_FULL, ErrorKind::StoreUnwritable),
            (ffi::SQLITE_IOERR_WRITE, ErrorKind::StoreUnwritable),
            (ffi::SQLITE_IOERR_FSYNC, ErrorKind::StoreUnwritable),
            (ffi::SQLITE_IOERR_READ, ErrorKind::StoreUnavailable),
            (ffi::SQLITE_READONLY, ErrorKind::StoreUnwritable),
            (ffi::SQLITE_READONLY_DBMOVED, ErrorKind::StoreUnwritable),
            (ffi::SQLITE_PERM, ErrorKind::StoreForbidden),
            (ffi::SQLITE_CANTOPEN, ErrorKind::StoreUnavailable),
            (ffi::SQLITE_CORRUPT, ErrorKind::StoreCorrupt),
            (ffi::SQLITE_NOTADB, ErrorKind::StoreCorrupt),
            (ffi::SQLITE_MISUSE, ErrorKind::Internal),
        ] {
            let error = failure(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
            assert_eq!(error.kind(), kind, "{code}");
        }
        let busy = failure(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None));
        assert!(busy.retry_after().is_some());
    }
}
