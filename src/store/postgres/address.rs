//! Where the database is: a `postgres://` URI as libpq has it
//! (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>), held to our rules: no password in it, and no TLS but verified TLS.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use url::form_urlencoded;

use crate::error::{Error, ErrorKind, Result};

/// How long a connection may take to come about.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// Connections of one process: bounded, for a database gives out a hundred to all, and a fleet has many processes.
const CONNECTIONS: usize = 4;

/// What every session begins with. No search path decides what a name means; what is committed is on disk whatever the server's default; nothing waits for ever.
/// And the server asks after a host that fell silent: else the leases and claims of one whose power or cable failed would be kept for it for two hours.
const SETTINGS: &str = "-c search_path=pg_catalog -c synchronous_commit=on -c statement_timeout=9s -c lock_timeout=8s \
    -c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=30000";

/// What a `postgres://` URI says.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: Tls,
    /// A file in libpq's `.pgpass` form that the URI names.
    pub(super) passfile: Option<PathBuf>,
    /// The most connections that this process keeps.
    pub(super) connections: usize,
}

/// How the way to the server is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// TLS, the certificate verified with the host's name: against these certificates, else the operating system's.
    Verified {
        /// PEM file.
        root: Option<PathBuf>,
    },
    /// None: the way does not leave this machine.
    Local,
}

impl Address {
    /// Reads `uri`. It is never repeated in an error.
    pub(super) fn parse(uri: &str) -> Result<Self> {
        let (place, query) = uri.split_once('?').unwrap_or((uri, ""));
        let mut ours = Ours::default();
        let theirs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !ours.take(pair)).collect();
        let mut config: Config = format!("{place}?{}", theirs.join("&"))
            .parse()
            .map_err(|_| invalid("store is not a postgres:// address that can be read"))?;
        if config.get_password().is_some() {
            return Err(invalid("the password must not stand in store").with_hint(
                "name a file with store_password_file, or use PGPASSFILE or PGPASSWORD; then change the password, for it was written down",
            ));
        }
        if config.get_hosts().is_empty() {
            return Err(invalid("store names no host").with_hint("write postgres://USER@HOST/DATABASE"));
        }
        let tls = ours.tls(&config)?;
        let is_one = config.get_hosts().len() == 1;
        config
            .ssl_mode(if tls == Tls::Local { SslMode::Disable } else { SslMode::Require })
            .connect_timeout(CONNECT)
            .keepalives_idle(Duration::from_secs(30))
            .tcp_user_timeout(Duration::from_secs(30));
        config.options(match config.get_options() {
            Some(theirs) => format!("{theirs} {SETTINGS}"),
            None => SETTINGS.to_owned(),
        });
        if !is_one {
            // Of several, the one that can be written.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("partnersam");
        }
        Ok(Self { config, tls, passfile: ours.passfile, connections: ours.connections.unwrap_or(CONNECTIONS) })
    }

    /// The place, for people.
    pub(super) fn location(&self) -> String {
        let hosts = self.config.get_hosts().iter().zip(0..).map(|(host, index)| {
            let port = self.port(index);
            match host {
                Host::Tcp(name) if port == 5432 => name.clone(),
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) if port == 5432 => path.display().to_string(),
                #[cfg(unix)]
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        });
        let hosts = hosts.collect::<Vec<_>>().join(",");
        format!("postgres://{hosts}/{}", self.database())
    }

    /// The database's name; libpq takes the user's where none is given.
    pub(super) fn database(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or_default()
    }

    /// The first host as a passfile has it: a socket is `localhost` there.
    pub(super) fn host(&self) -> String {
        match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            _ => "localhost".to_owned(),
        }
    }

    /// The port of the host at `index`.
    pub(super) fn port(&self, index: usize) -> u16 {
        let ports = self.config.get_ports();
        ports.get(index).or(ports.first()).copied().unwrap_or(5432)
    }
}

/// Parameters that the client library does not know, or not as we mean them.
#[derive(Default)]
struct Ours {
    sslmode: Option<String>,
    root: Option<PathBuf>,
    passfile: Option<PathBuf>,
    connections: Option<usize>,
    is_wrong: bool,
}

impl Ours {
    /// Takes a `name=value` that is one of ours.
    fn take(&mut self, pair: &str) -> bool {
        // A plus sign is itself here, not a space.
        let pair = pair.replace('+', "%2B");
        let Some((name, value)) = form_urlencoded::parse(pair.as_bytes()).next() else { return false };
        match &*name {
            "sslmode" => self.sslmode = Some(value.into_owned()),
            "sslrootcert" => self.root = Some(PathBuf::from(&*value)),
            "passfile" => self.passfile = Some(PathBuf::from(&*value)),
            "connections" => {
                self.connections = value.parse().ok().filter(|count| (1..=64).contains(count));
                self.is_wrong |= self.connections.is_none();
            }
            _ => return false,
        }
        true
    }

    fn tls(&self, config: &Config) -> Result<Tls> {
        if self.is_wrong {
            return Err(invalid("connections in store must be a number from 1 to 64"));
        }
        let hosts = config.get_hosts();
        let sockets = hosts.iter().filter(|host| is_socket(host)).count();
        if sockets == hosts.len() {
            return Ok(Tls::Local);
        }
        if sockets > 0 {
            return Err(invalid("store names sockets and hosts together"));
        }
        match self.sslmode.as_deref() {
            None | Some("verify-full") => match &self.root {
                Some(root) if root.is_relative() => Err(invalid("sslrootcert in store must be an absolute path")),
                root => Ok(Tls::Verified { root: root.clone() }),
            },
            Some("disable") if is_here(config) => Ok(Tls::Local),
            Some("disable") => Err(invalid("sslmode=disable is for this machine's own addresses only")
                .with_hint("leave sslmode out: the server's certificate is verified then")),
            Some(_) => Err(invalid("sslmode must be verify-full, or disable for this machine's own addresses")
                .with_hint("leave sslmode out, and name the server's certificate authority with sslrootcert if it is not one that this machine trusts")),
        }
    }
}

#[cfg(unix)]
fn is_socket(host: &Host) -> bool {
    matches!(host, Host::Unix(_))
}

#[cfg(not(unix))]
fn is_socket(_: &Host) -> bool {
    false
}

/// Whether no address of it is another machine's.
fn is_here(config: &Config) -> bool {
    let names = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    });
    names && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// Where a host's recovery journal lies: in the folder that systemd gives a service (`StateDirectory=`), else among the account's own state.
pub(super) fn journal(location: &str) -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, location.as_bytes());
    let name: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let given = std::env::var_os("STATE_DIRECTORY").filter(|path| Path::new(path).is_absolute());
    let folder = given.map(PathBuf::from).or_else(|| {
        let base = etcetera::choose_base_strategy().ok()?;
        Some(base.state_dir().unwrap_or_else(|| base.data_dir()).join("partnersam"))
    })?;
    Some(folder.join(format!("postgres-{name}")))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, "open", message)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_libpq_reads_it_and_shown_without_the_account() {
        let address =
            Address::parse("postgres://worker@db.example:6432/partners?sslrootcert=/etc/ca+1.pem&connections=9")
                .unwrap();
        assert_eq!(address.location(), "postgres://db.example:6432/partners");
        assert_eq!(address.tls, Tls::Verified { root: Some("/etc/ca+1.pem".into()) });
        assert_eq!((address.connections, address.config.get_ssl_mode()), (9, SslMode::Require));
        assert_eq!(address.config.get_user(), Some("worker"));
        let two = Address::parse("postgres://worker@one.example,two.example:5433/partners").unwrap();
        assert_eq!(two.location(), "postgres://one.example,two.example:5433/partners");
        assert_eq!(two.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn only_what_does_not_leave_the_machine_goes_without_tls() {
        for local in [
            "postgres:///partners?host=/run/postgresql",
            "postgres://%2Frun%2Fpostgresql/partners",
            "postgres://worker@localhost/partners?sslmode=disable",
            "postgres://worker@127.0.0.1/partners?sslmode=disable",
            "postgres://worker@[::1]/partners?sslmode=disable",
        ] {
            assert_eq!(Address::parse(local).unwrap().tls, Tls::Local, "{local}");
        }
        for refused in [
            "postgres://db.example/partners?sslmode=disable",
            "postgres://db.example/partners?sslmode=require",
            "postgres://db.example/partners?sslmode=prefer",
            "postgres://db.example/partners?sslmode=verify-ca",
            "postgres://localhost/partners?sslmode=disable&hostaddr=192.0.2.1",
            "postgres://localhost,db.example/partners?sslmode=disable",
            "postgres://db.example/partners?host=/run/postgresql",
            "postgres://db.example/partners?sslrootcert=ca.pem",
            "postgres://db.example/partners?connections=0",
            "postgres:///partners",
        ] {
            assert_eq!(Address::parse(refused).unwrap_err().kind(), ErrorKind::ConfigInvalid, "{refused}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_repeated() {
        for uri in
            ["postgres://worker:hunter2@db.example/partners", "postgres://worker@db.example/partners?password=hunter2"]
        {
            let error = Address::parse(uri).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(!error.to_json().contains("hunter2"), "{error:?}");
            assert!(error.to_json().contains("store_password_file"), "{error:?}");
        }
        let error = Address::parse("postgres://worker@db.example/partners?hunter2=x").unwrap_err();
        assert!(!error.to_json().contains("hunter2"), "{error:?}");
    }
}
