//! Starting, the ready file, and stopping.

use std::time::Duration;

use crate::client::Client;
use partnersam_emulator::{Emulator, Options, Ready};
use reqwest::Certificate;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

fn options(folder: &std::path::Path) -> Options {
    Options { ready_file: Some(folder.join("ready.json")), ..Options::default() }
}

#[tokio::test]
async fn the_ready_file_is_whole_private_and_gone_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::start(options(folder.path())).await.unwrap();
    let file = folder.path().join("ready.json");
    let ready: Ready = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((ready.schema_version, ready.pid), (1, std::process::id()));
    assert_eq!(ready.ca_file, folder.path().join("ready.ca.pem"));
    #[cfg(unix)]
    for file in [&file, &ready.ca_file] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let ports: Vec<_> = [&ready.authority, &ready.partner_center, &ready.graph, &ready.arm, &ready.control]
        .map(|url| url::Url::parse(url).unwrap().port().unwrap())
        .into();
    for port in &ports {
        TcpStream::connect(("127.0.0.1", *port)).await.unwrap();
    }
    emulator.stop().await;
    for port in ports {
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
}

#[tokio::test]
async fn dropping_it_stops_it_and_a_taken_port_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut at = options(folder.path());
    at.port_base = Some(taken.local_addr().unwrap().port());
    assert!(matches!(Emulator::start(at).await, Err(partnersam_emulator::Error::Listen(_))));
    let mut high = options(folder.path());
    high.port_base = Some(65_533);
    assert!(Emulator::start(high).await.is_err());
    drop(Emulator::start(options(folder.path())).await.unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn both_loopback_names_and_both_protocols_are_served() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let ready = emulator.ready();
    let ca = || Certificate::from_pem(&std::fs::read(&ready.ca_file).unwrap()).unwrap();
    let build = || reqwest::Client::builder().tls_certs_only([ca()]).no_proxy();
    let state = format!("{}/state", ready.control);
    let two = build().build().unwrap().get(&state).send().await.unwrap();
    assert_eq!(two.version(), reqwest::Version::HTTP_2);
    let one = build().http1_only().build().unwrap().get(state.replace("localhost", "127.0.0.1")).send().await.unwrap();
    assert_eq!((one.version(), one.status().as_u16()), (reqwest::Version::HTTP_11, 200));
    // A client that does not trust the authority gets nothing.
    assert!(reqwest::Client::builder().no_proxy().build().unwrap().get(&state).send().await.is_err());
}

#[tokio::test]
async fn it_can_be_asked_to_stop() {
    let emulator = Emulator::start(Options::default()).await.unwrap();
    let ready = emulator.ready().clone();
    let ca = Certificate::from_pem(&std::fs::read(&ready.ca_file).unwrap()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap();
    http.post(format!("{}/shutdown", ready.control)).body(json!({}).to_string()).send().await.unwrap();
    emulator.wait().await;
    emulator.stop().await;
    assert!(!ready.ca_file.exists() && !ready.ca_file.parent().unwrap().exists());
}

#[cfg(unix)]
#[test]
fn the_program_ends_cleanly_by_a_signal() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ready.json");
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_partnersam-emulator"))
            .arg("--ready-file")
            .arg(&file)
            .spawn()
            .unwrap();
        while !file.exists() {
            assert!(program.try_wait().unwrap().is_none(), "it ended before it was ready");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let sent = std::process::Command::new("kill").args(["-s", signal, &program.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert!(program.wait().unwrap().success());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn open_connections_are_closed_when_it_is_told_to() {
    let client = Client::start().await;
    let port = url::Url::parse(&client.ready.authority).unwrap().port().unwrap();
    let mut idle = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut nothing = [0_u8];
    assert!(
        timeout(Duration::from_millis(200), idle.read(&mut nothing)).await.is_err(),
        "closed before it was told to"
    );
    assert_eq!(client.control("/connections/close", json!({})).await.status, 200);
    let read = timeout(Duration::from_secs(5), idle.read(&mut nothing)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok(), "and the next one is welcome");
}
