//! Starting and stopping the whole.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::task::JoinSet;

use crate::{
    arm, control, entra, graph,
    listen::{self, Face, Ports},
    partner_center,
    ready::{self, Ready},
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
    /// The first of five ports in a row (authority, Partner Center, Graph, ARM, control); random ones without it.
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
    files: Files,
}

impl Emulator {
    /// Makes keys, listens on five loopback ports, and writes the ready file when all of them accept.
    ///
    /// It needs a running tokio runtime, on which it stays until it is stopped.
    ///
    /// # Errors
    ///
    /// [`Error`] says which of ports, files or keys could not be had; nothing is left running then.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let ports = Ports::bind(options.port_base).await.map_err(Error::Listen)?;
        let (identity, key) = tokio::task::spawn_blocking(|| Ok((Identity::generate()?, SigningKey::generate()?)))
            .await
            .map_err(|error| Error::Keys(error.to_string()))?
            .map_err(Error::Keys)?;

        let mut files = Files::default();
        let ca_file = files.place_ca(&options, identity.ca_pem())?;
        let urls = Urls::on(&ports);
        let ready = samples::ready(&urls, ca_file);
        let world = Arc::new(World::new(urls, key).map_err(Error::Keys)?);

        let acceptor = identity.acceptor().map_err(Error::Keys)?;
        let mut tasks = JoinSet::new();
        let routers = [
            (Face::Authority, entra::router(Arc::clone(&world))),
            (Face::PartnerCenter, partner_center::router(Arc::clone(&world))),
            (Face::Graph, graph::router(Arc::clone(&world))),
            (Face::Arm, arm::router(Arc::clone(&world))),
            (Face::Control, control::router(Arc::clone(&world), ready.clone())),
        ];
        for ((face, router), listeners) in routers.into_iter().zip(ports.into_listeners()) {
            for listener in listeners {
                tasks.spawn(listen::accept(listener, acceptor.clone(), face, router.clone(), Arc::clone(&world)));
            }
        }

        if let Some(path) = options.ready_file {
            ready::write(&path, &ready).map_err(|source| Error::File { path: path.clone(), source })?;
            files.remove.push(path);
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

/// The files to remove at the end, also when the emulator is only dropped.
#[derive(Debug, Default)]
struct Files {
    remove: Vec<PathBuf>,
    folder: Option<PathBuf>,
}

impl Files {
    fn place_ca(&mut self, options: &Options, pem: &str) -> Result<PathBuf, Error> {
        let path = match (&options.ca_file, &options.ready_file) {
            (Some(path), _) => path.clone(),
            (None, Some(ready)) => beside(ready),
            (None, None) => {
                let folder =
                    std::env::temp_dir().join(format!("partnersam-emulator-{}", uuid::Uuid::new_v4().simple()));
                std::fs::create_dir(&folder).map_err(|source| Error::File { path: folder.clone(), source })?;
                self.folder = Some(folder.clone());
                folder.join("ca.pem")
            }
        };
        ready::write_file(&path, pem.as_bytes()).map_err(|source| Error::File { path: path.clone(), source })?;
        // Clients in other folders need it whole, whatever the working directory of this process is.
        let path = std::path::absolute(&path).unwrap_or(path);
        self.remove.push(path.clone());
        Ok(path)
    }

    fn clear(&mut self) {
        for path in self.remove.drain(..) {
            // It may be gone already, and nobody is left to tell.
            drop(std::fs::remove_file(path));
        }
        if let Some(folder) = self.folder.take() {
            drop(std::fs::remove_dir(folder));
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.clear();
    }
}

fn beside(ready: &Path) -> PathBuf {
    ready.with_extension("ca.pem")
}
