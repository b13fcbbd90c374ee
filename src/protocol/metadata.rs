//! The OpenID Connect discovery document.
