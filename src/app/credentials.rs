//! How the app's credentials stand, told to whoever asks and, before it is too late, to the log.

use std::sync::atomic::{AtomicI64, Ordering};

use serde::Serialize;

use super::credential::expiry::Standing;
use super::{App, Inner};
use crate::clock::UnixTime;
use crate::error::Error;

/// One of the app's credentials, without what is secret in it.
#[derive(Clone, Debug)]
pub struct CredentialStatus {
    /// What it is, for people: `certificate AB12…`.
    pub what: String,
    /// When it ends, where that is known.
    pub expires_on: Option<UnixTime>,
    /// Whether it ends one day, known or not.
    pub has_expiry: bool,
    /// How it stands.
    pub standing: Standing,
    /// Why it cannot be read, where it cannot.
    pub error: Option<Error>,
}

/// A [`CredentialStatus`] as the document that all faces share.
#[derive(Clone, Debug, Serialize)]
pub struct CredentialReport {
    credential: String,
    standing: &'static str,
    expires_on: Option<String>,
    expires_in: Option<i64>,
    ends_within_days: Option<u32>,
    readable: bool,
}

impl CredentialReport {
    /// The document of `status`, as it stands `now`.
    pub fn new(status: &CredentialStatus, now: UnixTime) -> Self {
        Self {
            credential: status.what.clone(),
            standing: status.standing.as_str(),
            expires_on: status.expires_on.map(|moment| moment.to_string()),
            expires_in: status.expires_on.map(|moment| moment.since(now)),
            ends_within_days: status.standing.notice(),
            readable: status.error.is_none(),
        }
    }
}

impl App {
    /// The app's credentials, the newer first, and how they stand now: 60, 30, 14, 7 and 1 days before their end they end soon. Reads their files where
    /// they are in files; sends nothing.
    pub fn credentials(&self) -> Vec<CredentialStatus> {
        self.inner().credentials()
    }
}

/// When the log is next told, so that the files are not read for each token.
#[derive(Debug, Default)]
pub(crate) struct ExpiryWatch {
    next_look: AtomicI64,
}

/// Seconds between two looks at the credentials' ends.
const BETWEEN_LOOKS: i64 = 6 * 3600;

impl Inner {
    pub(super) fn credentials(&self) -> Vec<CredentialStatus> {
        let now = self.clock.now();
        let all = self.config.credentials.all().iter();
        all.map(|credential| {
            let (expires_on, error) = match credential.expires_on() {
                Ok(moment) => (moment, None),
                Err(error) => (None, Some(error)),
            };
            let (has_expiry, standing) = (credential.has_expiry(), Standing::at(expires_on, now));
            CredentialStatus {
                what: credential.describe(),
                expires_on,
                has_expiry,
                // What is made anew for each use ends soon all the time; that it has ended says that nobody makes it anew.
                standing: if has_expiry || standing == Standing::Ended { standing } else { Standing::Unknown },
                error,
            }
        })
        .collect()
    }

    /// Warns of credentials that end soon, a few times a day, when the service is asked for something anyway.
    pub(super) fn mind_credentials(&self) {
        let now = self.clock.now().0;
        let next = self.expiry_watch.next_look.load(Ordering::Relaxed);
        // A clock that was set back must not silence it for long.
        if (next - BETWEEN_LOOKS..next).contains(&now) && next != 0 {
            return;
        }
        let claimed = self.expiry_watch.next_look.compare_exchange(
            next,
            now.saturating_add(BETWEEN_LOOKS),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if claimed.is_err() {
            return;
        }
        for status in self.credentials() {
            let (Some(within_days), Some(expires_on)) = (status.standing.notice(), status.expires_on) else { continue };
            if status.standing == Standing::Ended {
                tracing::warn!(credential = status.what, %expires_on, "the app's credential has ended");
            } else {
                tracing::warn!(credential = status.what, %expires_on, within_days, "the app's credential ends soon");
            }
        }
    }
}
