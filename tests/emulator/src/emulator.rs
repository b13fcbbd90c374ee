//! Starting and stopping the whole.

use std::{path::PathBuf, sync::Arc};

use tokio::task::JoinSet;

use crate::{
    arm, certificates,
    cloud::Cloud,
    control,
    credentials::Credentials,
    entra,
    files::Files,
    graph, key_vault,
    listen::{self, Face, Ports},
    partner_center,
    ready::{App, Ready},
    samples,
    signing_keys::SigningKey,
    state::{Urls, World},
    tls::Identity,
};

/// How to start: [`Options::default`] takes random ports and writes no ready file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where to write the ready file (mode 0600, by rename, once every port accepts); removed when the emulator stops.
    pub ready_file: Option<PathBuf>,
    /// Where to write the certificate authority (PEM). Without it: beside the ready file, as `NAME.ca.pem`, or in a
    /// temporary folder of its own when there is no ready file.
    pub ca_file: Option<PathBuf>,
    /// The cloud whose resources are known; those of the others are not.
    pub cloud: Cloud,
    /// The first of six ports in a row (authority, Partner Center, Graph, ARM, control, Key Vault); random ones without it.
    pub port_base: Option<u16>,
}

/// Why the emulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A port is taken, or loopback cannot be bound at all.
    #[error("cannot listen on loopback: {0}")]
    Listen(#[source] std::io::Error),
    /// The ready file or the certificate authority's file cannot be written.
    #[error("cannot write the file {}: {source}", path.display())]
    File {
        /// The file that was to be written.
        path: PathBuf,
        /// What the operating system answered.
        #[source]
        source: std::io::Error,
    },
    /// Making a key or a certificate failed.
    #[error("cannot make keys or certificates: {0}")]
    Keys(String),
}

/// A running emulator; dropping it stops it, too.
#[derive(Debug)]
pub struct Emulator {
    ready: Ready,
    world: Arc<World>,
    tasks: JoinSet<()>,
    files: Arc<Files>,
}

impl Emulator {
    /// Makes keys, listens on six loopback ports, and writes the ready file when all of them accept.
    ///
    /// It needs a running tokio runtime, on which it stays until it is stopped.
    ///
    /// # Errors
    ///
    /// [`Error`] says which of ports, files or keys could not be had; nothing is left running then.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let ports = Ports::bind(options.port_base).await.map_err(Error::Listen)?;
        let failed = |error: tokio::task::JoinError| Error::Keys(error.to_string());
        let key = tokio::task::spawn_blocking(SigningKey::generate);
        let made = tokio::task::spawn_blocking(|| Ok((Identity::generate()?, sample_certificates()?)));
        let key = key.await.map_err(failed)?.map_err(Error::Keys)?;
        let (identity, certificates) = made.await.map_err(failed)?.map_err(Error::Keys)?;

        let files = Arc::new(Files::beside(&options)?);
        let ca_file = match &options.ca_file {
            Some(path) => files.write_at(path, identity.ca_pem().as_bytes())?,
            None => files.write("ca.pem", identity.ca_pem().as_bytes())?,
        };
        let mut placed = Vec::new();
        let mut registered = Vec::new();
        for (app, made) in certificates {
            placed.push((app.client_id.clone(), made.place(&files, &app.profile)?));
            registered.push((app.client_id, made.certificate));
        }
        let urls = Urls::on(&ports);
        let ready = samples::ready(&urls, options.cloud, ca_file, placed);
        let credentials = Credentials::samples(&urls, options.cloud, &registered);
        let world =
            Arc::new(World::new(urls, options.cloud, key, Arc::clone(&files), credentials).map_err(Error::Keys)?);

        let acceptor = identity.acceptor().map_err(Error::Keys)?;
        let mut tasks = JoinSet::new();
        let routers = [
            (Face::Authority, entra::router(Arc::clone(&world))),
            (Face::PartnerCenter, partner_center::router(Arc::clone(&world))),
            (Face::Graph, graph::router(Arc::clone(&world))),
            (Face::Arm, arm::router(Arc::clone(&world))),
            (Face::Control, control::router(Arc::clone(&world), ready.clone())),
            (Face::KeyVault, key_vault::router(Arc::clone(&world))),
        ];
        for ((face, router), listeners) in routers.into_iter().zip(ports.into_listeners()) {
            for listener in listeners {
                tasks.spawn(listen::accept(listener, acceptor.clone(), face, router.clone(), Arc::clone(&world)));
            }
        }

        if let Some(path) = options.ready_file {
            files.write_at(&path, ready.to_text()?.as_bytes())?;
        }
        Ok(Self { ready, world, tasks, files })
    }

    /// What listens where, and the sample tenants, users, customers and apps.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Waits until someone asks it to stop at the control port (`POST /shutdown`).
    pub async fn wait(&self) {
        self.world.stop_asked().await;
    }

    /// Closes every port and connection, and removes the files it wrote.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        self.files.clear();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // What still runs may hold them, and must not keep them there.
        self.files.clear();
    }
}

/// Days that the sample certificates are good for.
const CERTIFICATE_DAYS: i64 = 365;

/// One certificate for each app that has a credential; they share a key, because making one takes long.
fn sample_certificates() -> Result<Vec<(App, certificates::Made)>, String> {
    let key = certificates::generate_key()?;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    samples::apps()
        .into_iter()
        .filter(|app| !app.public)
        .map(|app| {
            let passphrase = format!("emulator-only-passphrase-{}", app.profile);
            let (starts, ends) = (now - 86_400, now + CERTIFICATE_DAYS * 86_400);
            let made = certificates::Made::new(&format!("emulator {}", app.profile), &key, starts, ends, passphrase)?;
            Ok((app, made))
        })
        .collect()
}
