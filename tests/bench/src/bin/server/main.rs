//! A token server for benchmarks: loopback TLS, HTTP/1.1 and HTTP/2, and replies shaped like Entra's for any tenant.
//!
//! It checks nothing and forgets everything: what is measured is the client. Correctness is the emulator's job.
//! It runs on one thread, pinned to one core, and ends when its standard input closes, so that nothing outlives a run.

mod certificate;
mod replies;
mod routes;

use std::error::Error;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Parser;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::certificate::Certificate;
use crate::routes::Server;

/// Serves tokens on loopback until standard input closes.
#[derive(Parser)]
#[command(name = "bench-server")]
struct Options {
    /// Where to write the ready file; the CA certificate is written beside it
    #[arg(long)]
    ready_file: PathBuf,
    /// Core to run on; without it the kernel chooses
    #[arg(long)]
    core: Option<usize>,
    /// Lifetime of access tokens, in seconds
    #[arg(long, default_value_t = 3600)]
    expires_in: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if let Some(core) = options.core {
        pin(core)?;
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(options))
}

async fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let origin = format!("https://{}", listener.local_addr()?);
    let certificate = Certificate::for_loopback()?;
    let ca_file = options.ready_file.with_extension("ca.pem");
    std::fs::write(&ca_file, &certificate.ca_pem)?;
    let acceptor = TlsAcceptor::from(Arc::new(certificate.server_config()?));
    let server = Arc::new(Server::new(origin));
    server.expires_in.store(options.expires_in, Ordering::Relaxed);
    // A reader that polls for the file must never see half of it.
    let half = options.ready_file.with_extension("half");
    std::fs::write(&half, server.ready_document(&ca_file)?)?;
    std::fs::rename(&half, &options.ready_file)?;

    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            read = stdin.read(&mut ignored) => if read? == 0 { return Ok(()) },
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                server.connections.fetch_add(1, Ordering::Relaxed);
                let (acceptor, server) = (acceptor.clone(), Arc::clone(&server));
                tokio::spawn(async move {
                    // A client that gives up is its own business; the count tells the runner what was served.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(|request| { let server = Arc::clone(&server); async move { server.answer(request).await } });
                    drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
                });
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn pin(core: usize) -> Result<(), Box<dyn Error>> {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn pin(core: usize) -> Result<(), Box<dyn Error>> {
    Err(format!("pinning needs Linux: core {core}").into())
}
