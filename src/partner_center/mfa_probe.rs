//! The cheapest call that tells whether Partner Center takes a token for one with MFA.
