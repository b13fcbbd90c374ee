//! The emulator from outside, over TLS, as its users' clients see it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod apis;
mod assertions;
mod challenges;
mod client;
mod clouds;
mod codes;
mod conditional_access;
mod consents;
mod devices;
mod errors;
mod graph;
mod hostile;
mod id_tokens;
mod key_vault;
mod lifecycle;
mod metadata;
mod pages;
mod refresh;
mod rotation;
mod scenarios;
