//! The core against a live emulator over TLS: what crosses the boundary between app, store, transport and service.
#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod audit;
mod claims;
mod consent;
mod customers;
mod doctor;
mod explanations;
mod isolation;
mod purposes;
mod refusals;
mod renewal;
mod rotation;
mod tokens;
mod world;
