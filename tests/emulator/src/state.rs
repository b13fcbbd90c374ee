//! All that changes while the emulator runs, behind one lock that is never held across a wait.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::{
    bearer::Caller,
    call_log::CallLog,
    cloud::Cloud,
    connections::Connections,
    credentials::Credentials,
    directory::Directory,
    entra::sign_in::SignIns,
    files::Files,
    grants::Grants,
    key_vault::Vaults,
    listen::Ports,
    partner_center::mfa_reports::PartnerRequests,
    rates::Rates,
    relationships::Relationships,
    request_log::RequestLog,
    scenario::Scenario,
    signing_keys::{SigningKey, SigningKeys},
    workload_identity::WorkloadIdentity,
};

/// Where the faces listen, without trailing slashes.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    pub(crate) authority: String,
    pub(crate) partner_center: String,
    pub(crate) graph: String,
    pub(crate) arm: String,
    pub(crate) control: String,
    pub(crate) key_vault: String,
}

impl Urls {
    pub(crate) fn on(ports: &Ports) -> Self {
        let url = |place| format!("https://localhost:{}", ports.number(place));
        Self {
            authority: url(0),
            partner_center: url(1),
            graph: url(2),
            arm: url(3),
            control: url(4),
            key_vault: url(5),
        }
    }

    /// The authority by each of its names.
    pub(crate) fn authorities(&self) -> [String; 3] {
        ["localhost", "127.0.0.1", "[::1]"].map(|host| self.authority.replacen("localhost", host, 1))
    }
}

/// The whole of it.
pub(crate) struct World {
    pub(crate) urls: Urls,
    pub(crate) cloud: Cloud,
    pub(crate) files: Arc<Files>,
    pub(crate) workload_identity: WorkloadIdentity,
    keys: RwLock<SigningKeys>,
    state: Mutex<State>,
    pub(crate) connections: Connections,
    stop: Notify,
}

/// What is behind the lock.
pub(crate) struct State {
    pub(crate) cloud: Cloud,
    pub(crate) directory: Directory,
    pub(crate) scenario: Scenario,
    pub(crate) grants: Grants,
    pub(crate) sign_ins: SignIns,
    pub(crate) log: RequestLog,
    pub(crate) calls: CallLog,
    pub(crate) partner_requests: PartnerRequests,
    pub(crate) relationships: Relationships,
    pub(crate) rates: Rates,
    pub(crate) vaults: Vaults,
    pub(crate) credentials: Credentials,
    /// As they were at the start.
    sample_credentials: Credentials,
    /// Raised by `expire_tokens`: access tokens of an older one are refused.
    pub(crate) token_epoch: u64,
}

impl State {
    fn new(cloud: Cloud, credentials: Credentials) -> Result<Self, String> {
        Ok(Self {
            cloud,
            directory: Directory::samples(),
            scenario: Scenario::default(),
            grants: Grants::new()?,
            sign_ins: SignIns::default(),
            log: RequestLog::default(),
            calls: CallLog::default(),
            partner_requests: PartnerRequests::default(),
            relationships: Relationships::default(),
            rates: Rates::default(),
            vaults: Vaults::default(),
            credentials: credentials.clone(),
            sample_credentials: credentials,
            token_epoch: 1,
        })
    }

    /// Back to the samples; access tokens issued before are refused after it.
    pub(crate) fn reset(&mut self) -> Result<(), String> {
        let epoch = self.token_epoch + 1;
        *self = Self::new(self.cloud, std::mem::take(&mut self.sample_credentials))?;
        self.token_epoch = epoch;
        Ok(())
    }

    /// Whether a user of `home` may act in `tenant`: at home, or as the partner of a customer.
    pub(crate) fn reaches(&self, home: &str, tenant: &str) -> bool {
        self.directory.reaches(home, tenant) && (home == tenant || self.relationships.of(tenant).relationship)
    }

    /// How often the sign-ins of a caller were revoked so far.
    pub(crate) fn revocations(&self, caller: &Caller) -> u64 {
        caller.upn.as_deref().map(|upn| self.grants.revocations(upn)).unwrap_or_default()
    }

    /// Ends all sign-ins of a user and says how many.
    pub(crate) fn revoke_user(&mut self, upn: &str) -> usize {
        self.grants.revoke(|session| session.signed_in.upn.eq_ignore_ascii_case(upn))
    }

    /// Unix seconds by the emulator's clock.
    pub(crate) fn now(&self) -> i64 {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        i64::try_from(system).unwrap_or(0) + self.scenario.clock_offset
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("urls", &self.urls).finish_non_exhaustive()
    }
}

impl World {
    pub(crate) fn new(
        urls: Urls,
        cloud: Cloud,
        key: SigningKey,
        files: Arc<Files>,
        credentials: Credentials,
    ) -> Result<Self, String> {
        Ok(Self {
            urls,
            cloud,
            files,
            workload_identity: WorkloadIdentity::default(),
            keys: RwLock::new(SigningKeys::new(key)),
            state: Mutex::new(State::new(cloud, credentials)?),
            connections: Connections::default(),
            stop: Notify::new(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn signing_key(&self) -> Arc<SigningKey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).current()
    }

    pub(crate) fn with_keys<T>(&self, read: impl FnOnce(&SigningKeys) -> T) -> T {
        read(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn roll_over(&self, key: SigningKey) {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).roll_over(key);
    }

    pub(crate) fn ask_to_stop(&self) {
        self.stop.notify_one();
    }

    pub(crate) async fn stop_asked(&self) {
        self.stop.notified().await;
        // For the next one who waits.
        self.stop.notify_one();
    }
}

/// `2022-09-08 06:24:42Z`, as Entra writes it.
pub(crate) fn entra_time(unix: i64) -> String {
    let (date, time) = parts(unix);
    format!("{date} {time}Z")
}

/// `2022-09-08T06:24:42Z`.
pub(crate) fn rfc3339(unix: i64) -> String {
    let (date, time) = parts(unix);
    format!("{date}T{time}Z")
}

fn parts(unix: i64) -> (String, String) {
    let at = OffsetDateTime::from_unix_timestamp(unix).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (
        format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day()),
        format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second()),
    )
}
