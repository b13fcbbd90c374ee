//! What came to Partner Center, Graph, Azure Resource Manager and Key Vault, without tokens, for tests to count.

use std::collections::VecDeque;

use serde::Serialize;

/// Entries kept; older ones are counted as dropped.
const KEPT: usize = 20_000;

/// One call.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Call {
    /// Counts from 1 since the start or the last reset.
    pub(crate) number: u64,
    /// RFC 3339, by the emulator's clock.
    pub(crate) time: String,
    /// `partner_center`, `graph`, `arm` or `key_vault`.
    pub(crate) api: &'static str,
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    pub(crate) status: u16,
    /// `MS-RequestId`, or Graph's and Azure Resource Manager's `client-request-id`.
    pub(crate) request_id: Option<String>,
    /// `MS-CorrelationId`.
    pub(crate) correlation_id: Option<String>,
    /// `MS-PartnerCenter-Application`: what the caller says it is doing.
    pub(crate) application: Option<String>,
    pub(crate) client_id: Option<String>,
    /// The token's tenant.
    pub(crate) tenant: Option<String>,
    pub(crate) upn: Option<String>,
    pub(crate) user_agent: Option<String>,
    /// `Content-Length`.
    pub(crate) body_bytes: u64,
    pub(crate) host: Option<String>,
}

/// The bounded log.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    entries: VecDeque<Call>,
    count: u64,
}

impl CallLog {
    pub(crate) fn push(&mut self, mut call: Call) {
        self.count += 1;
        call.number = self.count;
        if self.entries.len() >= KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(call);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Call> {
        self.entries.iter()
    }
}
