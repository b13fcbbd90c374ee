//! One consent with MFA, access tokens ever after, no password anywhere: Microsoft's Secure Application Model for
//! Cloud Solution Provider partners and the vendors who build for them.
//!
//! [`App`] joins the parts; [`blocking::App`] is the same without `async`. ARCHITECTURE.md has the map.
#![forbid(unsafe_code)]

pub mod app;
pub mod audience;
pub mod audit;
#[cfg(feature = "blocking")]
pub mod blocking;
mod chance;
pub mod clock;
pub mod cloud;
pub mod error;
pub mod explain;
pub mod fork;
pub mod graph;
pub mod hosts;
pub mod ids;
pub mod moving_in;
pub mod partner_center;
pub mod protocol;
pub mod purpose;
pub mod remedy;
pub mod schedule;
pub mod secret;
pub mod store;
pub mod transport;
#[cfg(feature = "keyvault")]
pub mod vault;

pub use app::App;
pub use app::config::Config;
pub use audience::Audience;
pub use cloud::{Authority, Cloud};
pub use error::{Error, ErrorKind, Result};
pub use ids::{ClientId, TenantId, TenantRef};
