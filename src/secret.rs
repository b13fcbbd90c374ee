//! Values that must not be seen: redacted in `Debug`, without `Display`, `Clone` or `Serialize`, wiped when dropped.
//!
//! [`expose`](AccessToken::expose) is the only way out; every call of it carries an `EXPOSE:` comment that says why.

use std::fmt;

use zeroize::Zeroize;

macro_rules! secret {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        pub struct $name(Box<str>);

        impl $name {
            /// Takes the value over; the caller's own copies are the caller's to wipe.
            pub fn new(value: impl Into<Box<str>>) -> Self {
                Self(value.into())
            }

            /// The value itself, for the one place that must have it.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }
    )+};
}

secret! {
    /// A bearer token for one audience in one tenant.
    AccessToken;
    /// The partner's grant itself: what redeems for access tokens.
    RefreshToken;
    /// The app's own secret.
    ClientSecret;
    /// An authorization code on its way from the redirect to the token endpoint.
    AuthorizationCode;
    /// A PKCE code verifier (RFC 7636).
    PkceVerifier;
    /// A device code (RFC 8628).
    DeviceCode;
    /// A passphrase that a person chose.
    Passphrase;
    /// What a database lets us in for.
    DatabasePassword;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_type_and_nothing_else() {
        assert_eq!(format!("{:?}", RefreshToken::new("not-a-real-token")), "RefreshToken(..)");
    }
}
