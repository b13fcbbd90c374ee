//! Callbacks that a program brings along instead of a credential in the configuration: what C and Python hand in.

use std::fmt;
use std::sync::Arc;

use super::federated::FetchAssertion;
use super::signer::SignCallback;
use crate::error::Result;
use crate::protocol::assertion::Algorithm;

/// How the app proves itself by functions of the caller. They come before every credential of the configuration, and may be called from any thread, several
/// at once, but not while the caller holds something that they need.
#[derive(Clone, Default)]
pub struct Callbacks {
    pub(crate) signer: Option<Arc<SignCallback>>,
    pub(crate) assertion: Option<Arc<FetchAssertion>>,
}

impl Callbacks {
    /// Signs with the key of the configuration's `certificate_file`, which then holds the certificate alone, in PEM.
    #[must_use]
    pub fn signer(mut self, sign: impl Fn(Algorithm, &[u8]) -> Result<Vec<u8>> + Send + Sync + 'static) -> Self {
        self.signer = Some(Arc::new(sign));
        self
    }

    /// Fetches an assertion that another identity provider issues; called for each use.
    #[must_use]
    pub fn assertion(mut self, fetch: impl Fn() -> Result<String> + Send + Sync + 'static) -> Self {
        self.assertion = Some(Arc::new(fetch));
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.signer.is_none() && self.assertion.is_none()
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks")
            .field("signer", &self.signer.is_some())
            .field("assertion", &self.assertion.is_some())
            .finish()
    }
}
