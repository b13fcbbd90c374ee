//! What came to the token endpoint, without secrets, for tests to count.

use std::collections::{HashSet, VecDeque};

use aws_lc_rs::digest;
use serde::Serialize;

/// Entries kept; older ones are counted as dropped.
const KEPT: usize = 20_000;

/// One token request.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Entry {
    /// Counts from 1 since the start or the last reset.
    pub(crate) number: u64,
    /// RFC 3339, by the emulator's clock.
    pub(crate) time: String,
    /// `v1` or `v2`.
    pub(crate) version: &'static str,
    pub(crate) grant_type: Option<String>,
    /// As in the path.
    pub(crate) tenant: String,
    pub(crate) client_id: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) resource: Option<String>,
    /// The beginning of the SHA-256 of the refresh token that was sent, in hexadecimal.
    pub(crate) refresh_token_sha256: Option<String>,
    /// The same of the one that was returned.
    pub(crate) new_refresh_token_sha256: Option<String>,
    /// The `claims` parameter.
    pub(crate) claims: Option<String>,
    /// What the app proved itself with, right or wrong: `secret`, `certificate` or `federated`.
    pub(crate) credential: Option<&'static str>,
    /// The beginning of the SHA-256 of the client assertion.
    pub(crate) assertion_sha256: Option<String>,
    /// The same of its `jti`.
    pub(crate) assertion_id_sha256: Option<String>,
    pub(crate) assertion_algorithm: Option<String>,
    /// How its header names the key.
    pub(crate) assertion_key: Option<String>,
    /// Its `jti` was in a request before. Entra takes it again all the same, until it expires.
    pub(crate) assertion_reused: bool,
    pub(crate) status: u16,
    pub(crate) error: Option<String>,
    pub(crate) error_codes: Vec<u32>,
    /// The answer was a scenario's, not the endpoint's own.
    pub(crate) injected: bool,
    pub(crate) correlation_id: String,
    /// `x-client-SKU`, by which MSAL names itself.
    pub(crate) client_sku: Option<String>,
    pub(crate) user_agent: Option<String>,
}

/// The bounded log.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    entries: VecDeque<Entry>,
    count: u64,
    /// Client ids and fingerprints of `jti` seen since the last reset.
    assertion_ids: HashSet<(Option<String>, String)>,
}

impl RequestLog {
    pub(crate) fn push(&mut self, mut entry: Entry) {
        self.count += 1;
        entry.number = self.count;
        if self.entries.len() >= KEPT {
            self.entries.pop_front();
        }
        if let Some(id) = &entry.assertion_id_sha256 {
            if self.assertion_ids.len() >= KEPT {
                self.assertion_ids.clear();
            }
            entry.assertion_reused = !self.assertion_ids.insert((entry.client_id.clone(), id.clone()));
        }
        self.entries.push_back(entry);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}

/// Sixteen hexadecimal digits: enough to tell two tokens apart, nothing to redeem.
pub(crate) fn fingerprint(token: &str) -> String {
    digest::digest(&digest::SHA256, token.as_bytes())
        .as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
