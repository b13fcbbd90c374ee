//! Entra ID, Partner Center, the secrets of Key Vault, and the little of Microsoft Graph and Azure Resource Manager that a partner's
//! automation meets, on loopback, over TLS by a certificate authority of its own.
//!
//! It checks what the real services check (client credential, exact redirect, PKCE, one-use codes, consent per tenant and
//! audience, MFA at Partner Center), so that a client's mistake fails here too, and it can be told to misbehave (see the scenarios
//! in this crate's README). Every identifier, password and secret in it is made up.
//!
//! ```no_run
//! # async fn example() -> Result<(), partnersam_emulator::Error> {
//! use partnersam_emulator::{Emulator, Options};
//!
//! let emulator = Emulator::start(Options::default()).await?;
//! let authority = emulator.ready().authority.clone(); // "https://localhost:41001"
//! emulator.stop().await;
//! # Ok(()) }
//! ```

mod arm;
mod bearer;
mod call_log;
mod certificates;
mod claims_challenge;
mod cloud;
mod connections;
mod control;
mod credentials;
mod directory;
mod emulator;
mod entra;
mod fault;
mod files;
mod form;
mod grants;
mod graph;
mod jwt;
mod key_vault;
mod listen;
mod managed_identity;
mod partner_center;
mod rates;
mod ready;
mod relationships;
mod request_log;
mod resources;
mod samples;
mod scenario;
mod scopes;
mod signing_keys;
mod state;
mod tls;
mod workload_identity;

pub use cloud::Cloud;
pub use emulator::{Emulator, Error, Options};
pub use ready::{App, Certificate, Customer, FederatedCredential, ManagedIdentity, Ready, Tenant, TenantKind, User};
