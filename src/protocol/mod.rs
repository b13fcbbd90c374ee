//! What goes over the wire to Entra and comes back, without any I/O: requests are built here, replies are parsed and judged here.
//!
//! Pure: nothing here awaits, sleeps, logs or reads a clock. Time comes in as [`UnixTime`](crate::clock::UnixTime).
//! What comes from outside is capped in size before it is parsed, and its text never reaches a secret's place or an error unchecked.
//!
//! * Replies: [`token_reply`], [`error_reply`], [`redirect`], [`metadata`], [`jwks`].
//! * Challenges: [`claims_challenge`] reads what a service's 401 wants a new token to satisfy.
//! * Verdicts: [`classify`] says what a refusal means for the grant, [`remedy`](crate::remedy) what Entra's numbers mean for people.
//! * Tokens: [`id_token`] verifies, [`jwt`] only looks, [`mfa`] reads the proof of MFA out of what [`jwt`] saw.

pub mod assertion;
pub mod claims_challenge;
pub mod classify;
pub mod error_reply;
mod form;
pub mod id_token;
pub mod instance;
pub(crate) mod json_body;
pub mod jwks;
pub mod jwt;
pub mod metadata;
pub mod mfa;
pub mod oauth;
pub(crate) mod outside_text;
pub mod redirect;
pub mod redirect_probe;
pub mod token_reply;
