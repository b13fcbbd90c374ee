//! The token endpoint's successful reply.
