//! The core against a live emulator over TLS: what crosses the boundary between app, store, transport and service.
#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod app_only;
mod audit;
mod authority;
mod blocking;
mod claims;
mod consent;
mod customers;
mod doctor;
mod explanations;
#[cfg(all(unix, feature = "postgres"))]
mod fleet;
mod incident;
mod isolation;
mod purposes;
mod refusals;
mod renewal;
mod rotation;
#[cfg(all(unix, feature = "postgres"))]
#[path = "../../src/store/postgres/server.rs"]
mod server;
mod tokens;
mod watch;
mod world;
