//! The Partner Center API, without any I/O: requests are built here, replies are read here.
//!
//! Pure, like [`protocol`](crate::protocol).

pub mod errors;
pub mod mfa_probe;
