//! The limit: what a refresh exchange costs a Rust client that does nothing else.
//!
//! reqwest with rustls, one connection, a form POST, the reply parsed by serde; no cache, no store, no checks.
//! Prints one JSON object: operations, client CPU (user and system, all threads) and wall time per operation.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use http::header::CONTENT_TYPE;
use serde::Deserialize;

/// Redeems refresh tokens at the benchmark's token server.
#[derive(Parser)]
#[command(name = "bench-bare")]
struct Options {
    /// The server's ready file
    #[arg(long)]
    ready_file: PathBuf,
    /// Measured exchanges
    #[arg(long, default_value_t = 2000)]
    ops: u64,
    /// Exchanges before the measured ones
    #[arg(long, default_value_t = 200)]
    warm_up: u64,
    /// Different tenants to redeem at
    #[arg(long, default_value_t = 1)]
    tenants: u64,
    /// Exchanges in flight
    #[arg(long, default_value_t = 1)]
    concurrent: usize,
    /// What to speak; auto is what TLS negotiates
    #[arg(long, value_enum, default_value_t = Protocol::Auto)]
    protocol: Protocol,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Protocol {
    Auto,
    Http1,
}

#[derive(Deserialize)]
struct Ready {
    authority: String,
    ca_file: PathBuf,
}

/// What a client keeps of a reply.
#[derive(Deserialize)]
struct Reply {
    access_token: String,
    refresh_token: String,
    expires_in: u64,
}

struct Client {
    http: reqwest::Client,
    authority: String,
    tenants: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(&options))
}

async fn measure(options: &Options) -> Result<(), Box<dyn Error>> {
    let ready: Ready = serde_json::from_slice(&std::fs::read(&options.ready_file)?)?;
    let ca = reqwest::Certificate::from_pem(&std::fs::read(&ready.ca_file)?)?;
    let mut builder = reqwest::Client::builder().tls_certs_only([ca]).no_proxy();
    if options.protocol == Protocol::Http1 {
        builder = builder.http1_only();
    }
    let client = Client { http: builder.build()?, authority: ready.authority, tenants: options.tenants.max(1) };

    client.exchange_all(0..options.warm_up, options.concurrent).await?;
    let (wall, cpu) = (Instant::now(), cpu_ns());
    client.exchange_all(0..options.ops, options.concurrent).await?;
    let (cpu, wall) = (cpu_ns() - cpu, wall.elapsed().as_nanos());
    let ops = u128::from(options.ops.max(1));
    let result = serde_json::json!({ "ops": options.ops, "cpu_ns_per_op": cpu / ops, "wall_ns_per_op": wall / ops });
    writeln!(std::io::stdout(), "{result}")?;
    Ok(())
}

impl Client {
    async fn exchange_all(&self, numbers: std::ops::Range<u64>, concurrent: usize) -> Result<(), Box<dyn Error>> {
        iter(numbers)
            .map(|number| self.exchange(number))
            .buffer_unordered(concurrent.max(1))
            .try_for_each(|()| async { Ok(()) })
            .await
    }

    async fn exchange(&self, number: u64) -> Result<(), Box<dyn Error>> {
        let tenant = format!("00000000-0000-4000-8000-{:012x}", number % self.tenants);
        let body = url::form_urlencoded::Serializer::new(String::with_capacity(2048))
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", "00000000-0000-4000-8000-00000000be9c")
            .append_pair("client_secret", "not-a-real-secret-bench")
            .append_pair("refresh_token", REFRESH_TOKEN)
            .append_pair("scope", "https://graph.microsoft.com/.default offline_access")
            .finish();
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.authority);
        let response = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await?
            .error_for_status()?;
        let reply: Reply = serde_json::from_slice(&response.bytes().await?)?;
        if reply.access_token.is_empty() || reply.refresh_token.is_empty() || reply.expires_in == 0 {
            return Err(format!("empty reply for tenant: {tenant}").into());
        }
        Ok(())
    }
}

/// As long as the server's own.
const REFRESH_TOKEN: &str = const {
    match std::str::from_utf8(&[b'r'; 1100]) {
        Ok(token) => token,
        Err(_) => "r",
    }
};

#[cfg(unix)]
fn cpu_ns() -> u128 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u128::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000 + u128::try_from(time.tv_nsec).unwrap_or_default()
}

#[cfg(not(unix))]
compile_error!("the benchmarks count CPU time by POSIX clocks");
