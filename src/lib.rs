//! One consent with MFA, access tokens ever after, no password anywhere: Microsoft's Secure Application Model for
//! Cloud Solution Provider partners and the vendors who build for them.
//!
//! ARCHITECTURE.md has the map.
#![forbid(unsafe_code)]

pub mod audience;
pub mod clock;
pub mod cloud;
pub mod error;
pub mod ids;
pub mod partner_center;
pub mod protocol;
pub mod secret;
pub mod store;

pub use audience::Audience;
pub use cloud::{Authority, Cloud};
pub use error::{Error, ErrorKind, Result};
pub use ids::{ClientId, TenantId, TenantRef};
