//! The keys that an authority signs with.
