//! What a binding ties to an error on its way through the core: the exception of a callback, say. It is in no text and no document.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Anything. Clones of the error share it.
#[derive(Clone)]
pub(super) struct Attached(pub(super) Arc<dyn Any + Send + Sync>);

impl PartialEq for Attached {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Attached {}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attached(..)")
    }
}
