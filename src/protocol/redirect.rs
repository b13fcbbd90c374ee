//! The reply to a consent link.
