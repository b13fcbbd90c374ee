//! The Partner Center API, without any I/O: requests are built here, replies are read here.
//!
//! Pure, like [`protocol`](crate::protocol): nothing here awaits, sleeps, logs or reads a clock.
//! [`call`] holds what all requests have in common, [`errors`] what a refusal means, [`mfa_probe`] the question whether a token has MFA,
//! [`customers`] the list of customers, [`application_consents`] the vendor's consent for one of them. What such a consent should be is in
//! [`desired_grants`], and what it is, as Graph shows it, in [`standing_grants`].

pub mod application_consents;
pub mod call;
pub mod customers;
pub mod desired_grants;
pub mod errors;
pub mod mfa_probe;
pub mod mfa_reports;
pub mod role_probe;
pub mod standing_grants;
