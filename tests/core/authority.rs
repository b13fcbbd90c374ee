//! An authority of one's own that claims to be Microsoft's: Microsoft is asked first. The emulator answers in Microsoft's place.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use partnersam::transport::{HttpClient, Transport};
use partnersam::{Authority, ErrorKind, Result};
use url::Url;

use crate::world::World;

/// Takes what goes to the worldwide sign-in to the emulator, and everything else nowhere.
#[derive(Debug)]
struct Redirecting {
    inner: HttpClient,
    emulator: Url,
    hosts: Arc<Mutex<Vec<String>>>,
}

impl Transport for Redirecting {
    fn send(
        &self,
        mut request: http::Request<Vec<u8>>,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<http::Response<Vec<u8>>>> {
        let mut url = Url::parse(&request.uri().to_string()).expect("an address");
        let host = url.host_str().unwrap_or_default().to_owned();
        self.hosts.lock().expect("a lock").push(host.clone());
        if host != "login.microsoftonline.com" {
            let nobody = http::Response::builder().status(404).body(Vec::new()).expect("an answer");
            return Box::pin(std::future::ready(Ok(nobody)));
        }
        url.set_host(self.emulator.host_str()).expect("a host");
        url.set_port(self.emulator.port()).expect("a port");
        *request.uri_mut() = url.as_str().parse().expect("an address");
        self.inner.send(request, deadline)
    }
}

/// What comes of looking up the one tenant of an authority at `issuer`, and which hosts were asked for it.
async fn looked_up(world: &World, issuer: &str) -> (ErrorKind, Vec<String>) {
    let hosts = Arc::new(Mutex::new(Vec::new()));
    let kept = hosts.clone();
    let app = world.app_by(|config| {
        let inner = HttpClient::new(config.authority.clone(), config.ca_file.clone());
        let emulator = config.authority.login().clone();
        config.authority = Authority::generic("lab", issuer, false).expect("an authority");
        Arc::new(Redirecting { inner, emulator, hosts: kept })
    });
    let app = app.await;
    let mut ask = world.ask();
    ask.partner = "lab".parse().expect("a name");
    let error = app.begin_consent(&ask).await.expect_err("nobody is there");
    let hosts = hosts.lock().expect("a lock").clone();
    (error.kind(), hosts)
}

#[tokio::test]
async fn an_authority_that_claims_to_be_microsofts_is_asked_about_before_it_is_asked() {
    let world = World::new().await;
    let known = "login.sovcloud-identity.fr";
    let (_, hosts) = looked_up(&world, &format!("https://{known}/")).await;
    assert_eq!(hosts, ["login.microsoftonline.com", known]);
    let (kind, hosts) = looked_up(&world, "https://login.evil.blob.core.windows.net/").await;
    assert_eq!((kind, hosts.as_slice()), (ErrorKind::HostNotAllowed, &["login.microsoftonline.com".to_owned()][..]));
    let (_, hosts) = looked_up(&world, "https://idp.example/").await;
    assert_eq!(hosts, ["idp.example"]);
}
