//! The Partner Center API, without any I/O: requests are built here, replies are read here.
//!
//! Pure, like [`protocol`](crate::protocol): nothing here awaits, sleeps, logs or reads a clock.
//! [`call`] holds what all requests have in common, [`errors`] what a refusal means, [`mfa_probe`] the question whether a token has MFA.

pub mod call;
pub mod errors;
pub mod mfa_probe;
