//! What an answer from the token endpoint means for the grant.
