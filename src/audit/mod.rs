//! The audit record: which grant was used, made or ended, when, for what purpose, and how that ended. One line of JSON each, appended to a file beside the
//! store, chained and keyed, so that an edit, a deletion, a change of order and a cut end are found.
//!
//! What a line says is an [`Entry`]; how lines hang together is in `chain.rs`; [`Record`] writes, [`verify`] checks, [`read`] finds. No line holds a secret.

mod chain;
mod entry;
mod head;
pub(crate) mod key_file;
pub mod read;
mod record;
mod segments;
pub mod verify;

pub use chain::{Anchor, AuditKey};
pub use entry::{Entry, Outcome};
pub(crate) use record::unwritable;
pub use record::{Fsync, Record, Settings};

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests;
