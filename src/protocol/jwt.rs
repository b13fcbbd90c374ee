//! A look into a JWT, without verification.
