//! A PostgreSQL of the tests' own: Debian's programs, a folder that goes with the tests, a socket in it, and TLS on the loopback.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

/// PostgreSQL does not run as root; Debian's `nobody` does as well as any other.
const NOBODY: u32 = 65_534;

/// A running server. It ends, and its folder goes, when this is dropped or the process ends in whatever way: whoever started it waits for the end of a pipe.
pub(crate) struct Server {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    bin: PathBuf,
    ends_with_us: Option<ChildStdin>,
}

/// The one server of a test process.
pub(crate) fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start("off"))
}

impl Server {
    /// Starts one. `fsync` is on only where a test is about what a crash leaves.
    pub(crate) fn start(fsync: &str) -> Self {
        let bin = programs();
        let folder = TempDir::with_prefix("psam-pg-").unwrap().keep();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        give_away(&folder, 0o700);
        let run = |program: &str, arguments: &[&str]| {
            let mut command = as_nobody(&bin.join(program));
            let done = command.args(arguments).current_dir(&folder).output().unwrap();
            assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
        };
        let data = folder.join("data");
        let password = folder.join("superuser");
        write(&password, b"not-a-real-superuser");
        run(
            "initdb",
            &[
                "-D",
                data.to_str().unwrap(),
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "--pwfile",
                password.to_str().unwrap(),
            ],
        );
        certificates(&folder);
        let socket = folder.display();
        write(
            &data.join("postgresql.auto.conf"),
            format!(
                "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{socket}'\nfsync = {fsync}\nssl = on\n\
                 ssl_cert_file = '{socket}/server.pem'\nssl_key_file = '{socket}/server.key'\nshared_buffers = 32MB\nmax_connections = 100\n"
            )
            .as_bytes(),
        );
        let mut server = Self { folder, port, bin, ends_with_us: None };
        server.go();
        server
    }

    /// Starts the server anew where it was stopped.
    pub(crate) fn go(&mut self) {
        const WATCHED: &str = "\"$1\" -D \"$2/data\" >\"$2/log\" 2>&1 & pid=$!; echo $pid >\"$2/pid\"; cat >/dev/null; \
            [ \"$(cat \"$2/pid\")\" = $pid ] || exit 0; kill -QUIT $pid; wait $pid; [ -e \"$2/keep\" ] || rm -rf \"$2\"";
        let mut command = as_nobody(Path::new("/bin/sh"));
        command.args(["-c", WATCHED, "sh"]).arg(self.bin.join("postgres")).arg(&self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        // The shell of the stopped server goes only when the new one has written its id: else it would take the folder with it.
        let _before = std::mem::replace(&mut self.ends_with_us, command.spawn().unwrap().stdin.take());
        let ready = || {
            let mut ask = Command::new(self.bin.join("pg_isready"));
            ask.args(["-q", "-h"]).arg(&self.folder).args(["-p", &self.port.to_string()]);
            ask.status().unwrap().success()
        };
        for _ in 0..600 {
            if ready() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server did not start: {}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
    }

    /// Ends the server at once, as a crash does: nothing is written any more, and it recovers at the next start.
    pub(crate) fn crash(&self) {
        let pid = fs::read_to_string(self.folder.join("pid")).unwrap();
        assert!(Command::new("kill").args(["-QUIT", pid.trim()]).status().unwrap().success());
        while self.folder.join("data/postmaster.pid").exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Makes a database; gives its URI over the socket.
    pub(crate) fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.uri(&name)
    }

    /// The URI of a database over the socket.
    pub(crate) fn uri(&self, database: &str) -> String {
        format!("postgres://postgres@/{database}?host={}&port={}", self.folder.display(), self.port)
    }

    /// Runs statements in a database, as its superuser.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args([
            "-qXAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            database,
            "-p",
            &self.port.to_string(),
            "-h",
        ]);
        let done = psql.arg(&self.folder).args(["-c", statements]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }
}

fn programs() -> PathBuf {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .expect("Debian's package postgresql is not installed; tests/setup/install.py installs it")
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|bin| bin.join("postgres").exists())
        .collect();
    versions.sort();
    versions.pop().unwrap()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn give_away(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::File::create(path).unwrap().write_all(bytes).unwrap();
    give_away(path, 0o600);
}

fn certificates(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let server_key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let signed = server.signed_by(&server_key, &issuer).unwrap();
    write(&folder.join("ca.pem"), certificate.pem().as_bytes());
    write(&folder.join("server.pem"), signed.pem().as_bytes());
    write(&folder.join("server.key"), server_key.serialize_pem().as_bytes());
}
