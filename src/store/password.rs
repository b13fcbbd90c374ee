//! The password of a store that asks for one, from outside the configuration: a file of its own, libpq's passfile, or a variable. Read anew for each
//! connection, so that a changed password restarts nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::secret::DatabasePassword;
use crate::store::private_file::{self, Readers};

/// Where the password is looked for, in this order.
#[derive(Clone, Debug, Default)]
pub struct PasswordSource {
    /// A private file with nothing else in it.
    pub file: Option<PathBuf>,
    /// The password itself.
    pub given: Option<Arc<DatabasePassword>>,
    /// A private file in libpq's form, a line for each server: `host:port:database:user:password`.
    pub passfile: Option<PathBuf>,
}

/// Who asks whom to be let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) database: &'a str,
    pub(crate) user: &'a str,
}

impl PasswordSource {
    /// The password for `account`; none where no source has one: the server may ask for none.
    ///
    /// Errors: `ConfigMissing` for a file that was named and is not there; `StoreInsecure` for one that others can read.
    pub(crate) fn password(&self, account: Account<'_>) -> Result<Option<Arc<DatabasePassword>>> {
        if let Some(path) = &self.file {
            let text = read(path)?.ok_or_else(|| absent(path))?;
            return Ok(Some(Arc::new(DatabasePassword::new(text.trim_end_matches(['\r', '\n'])))));
        }
        if let Some(given) = &self.given {
            return Ok(Some(Arc::clone(given)));
        }
        let Some(path) = &self.passfile else { return Ok(None) };
        let lines = read(path)?;
        Ok(lines.and_then(|lines| lines.lines().find_map(|line| entry(line, account))))
    }
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>> {
    let bytes = private_file::read(path, Readers::OwnerOrService)?;
    let text = bytes.map(|bytes| std::str::from_utf8(&bytes).map(|text| Zeroizing::new(text.to_owned())));
    text.transpose().map_err(|_| {
        Error::new(ErrorKind::ConfigInvalid, "open", "the file with the store's password is not text")
            .with_context("file", path.display())
    })
}

fn absent(path: &Path) -> Error {
    Error::new(ErrorKind::ConfigMissing, "open", "the file that store_password_file names is not there")
        .with_context("file", path.display())
}

/// The password of a passfile's line, if the line is about `account`
/// (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).
fn entry(line: &str, account: Account<'_>) -> Option<Arc<DatabasePassword>> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = vec![Zeroizing::new(String::with_capacity(line.len()))];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' if fields.len() < 5 => fields.push(Zeroizing::new(String::with_capacity(line.len()))),
            '\\' => fields.last_mut()?.push(characters.next()?),
            other => fields.last_mut()?.push(other),
        }
    }
    let [host, port, database, user, password] = fields.as_slice() else { return None };
    let fits = |field: &str, value: &str| field == "*" || field == value;
    let is_ours = fits(host, account.host)
        && fits(port, &account.port.to_string())
        && fits(database, account.database)
        && fits(user, account.user);
    is_ours.then(|| Arc::new(DatabasePassword::new(password.as_str())))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const ACCOUNT: Account<'static> = Account { host: "db.example", port: 5432, database: "partners", user: "worker" };

    fn found(line: &str) -> Option<String> {
        entry(line, ACCOUNT).map(|password| password.expose().to_owned())
    }

    #[test]
    fn a_line_is_found_by_host_port_database_and_user() {
        for (line, password) in [
            ("db.example:5432:partners:worker:not-a-real-password", Some("not-a-real-password")),
            ("*:*:*:*:not-a-real-password", Some("not-a-real-password")),
            (r"*:*:*:worker:not\:a\\real:password", Some(r"not:a\real:password")),
            ("db.example:5433:partners:worker:x", None),
            ("db.example:5432:partners:owner:x", None),
            ("elsewhere.example:5432:partners:worker:x", None),
            ("#db.example:5432:partners:worker:x", None),
            ("db.example:5432:partners", None),
            ("", None),
        ] {
            assert_eq!(found(line).as_deref(), password, "{line}");
        }
    }

    #[test]
    fn a_file_of_its_own_comes_first_and_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (file, passfile) = (folder.path().join("password"), folder.path().join("passfile"));
        private_file::create(&passfile, b"*:*:*:*:not-a-real-passfile\n").unwrap();
        let mut source = PasswordSource { passfile: Some(passfile), ..PasswordSource::default() };
        let now = |source: &PasswordSource| source.password(ACCOUNT).unwrap().unwrap().expose().to_owned();
        assert_eq!(now(&source), "not-a-real-passfile");
        source.given = Some(Arc::new(DatabasePassword::new("not-a-real-variable")));
        assert_eq!(now(&source), "not-a-real-variable");
        source.file = Some(file.clone());
        assert_eq!(source.password(ACCOUNT).unwrap_err().kind(), ErrorKind::ConfigMissing);
        private_file::create(&file, b"not-a-real-file\n").unwrap();
        assert_eq!(now(&source), "not-a-real-file");
        private_file::replace(&file, b"not-a-real-change").unwrap();
        assert_eq!(now(&source), "not-a-real-change");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        private_file::create(&file, b"not-a-real-password").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let source = PasswordSource { file: Some(file), ..PasswordSource::default() };
        assert_eq!(source.password(ACCOUNT).unwrap_err().kind(), ErrorKind::StoreInsecure);
    }
}
