//! Values that must not be seen: redacted in `Debug`, without `Display`, `Clone` or `Serialize`, wiped when dropped.
//!
//! [`expose`](AccessToken::expose) is the only way out; every call of it carries an `EXPOSE:` comment that says why.

use std::fmt;
use std::ops::{Deref, DerefMut};

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
                drop(WipedBytes(std::mem::take(&mut self.0).into_boxed_bytes().into_vec()));
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

impl RefreshToken {
    /// Takes a copy of another one, in the place of its own where the two are of one length: nothing of the old one is left there.
    pub(crate) fn replace(&mut self, other: &Self) {
        if self.0.len() != other.0.len() {
            *self = Self(other.0.clone());
            return;
        }
        let mut place = String::from(std::mem::take(&mut self.0));
        place.clear();
        place.push_str(&other.0);
        self.0 = place.into_boxed_str();
    }
}

/// Bytes that are wiped when dropped, all of them at once: `Zeroizing` writes one by one, which for the kilobytes of a token costs more than sealing
/// them. Whoever makes them sees to it that they did not grow on the way, and so left no copy behind.
pub(crate) struct WipedBytes(Vec<u8>);

impl WipedBytes {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for WipedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WipedBytes(..)")
    }
}

impl Deref for WipedBytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for WipedBytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for WipedBytes {
    fn drop(&mut self) {
        self.0.fill(0);
        // Without it the compiler would leave out what nobody reads.
        zeroize::optimization_barrier(self.0.as_slice());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_type_and_nothing_else() {
        assert_eq!(format!("{:?}", RefreshToken::new("not-a-real-token")), "RefreshToken(..)");
    }

    #[test]
    fn a_token_of_one_length_takes_the_place_of_the_old_one() {
        let mut token = RefreshToken::new("not-a-real-token-1");
        let place = token.expose().as_ptr();
        token.replace(&RefreshToken::new("not-a-real-token-2"));
        assert_eq!((token.expose(), token.expose().as_ptr()), ("not-a-real-token-2", place));
        token.replace(&RefreshToken::new("not-a-real-token"));
        assert_eq!(token.expose(), "not-a-real-token");
    }
}
