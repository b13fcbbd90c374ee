//! Verification of id tokens.
