//! The error reply of the token endpoint.
