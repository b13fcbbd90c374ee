//! A store moves to another host: its grants go into one encrypted file there, and out of it here, under this host's key.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::report::value;
use super::{App, Inner};
use crate::audit::{Entry, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TenantId;
use crate::store::parcel::{self, Packing};
use crate::store::{Expect, Grant, Mfa, Written, private_file};

pub use crate::store::parcel::{Opening, Sealing};

/// What became of a grant in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Arrival {
    /// It was not here before.
    Came,
    /// It took the place of an older one.
    Replaced,
    /// The one that is here is the same, or newer, and was kept.
    KeptNewer,
    /// The one that is here was proved with MFA and the file's was not: it was kept.
    KeptMfa,
}

/// One grant of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arrived {
    /// The partner's tenant.
    pub partner: TenantId,
    /// How people call it.
    pub name: String,
    /// What became of it.
    pub arrival: Arrival,
}

/// A grant that went into a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Packed {
    /// The partner's tenant.
    pub partner: TenantId,
    /// How people call it.
    pub name: String,
}

/// A store that was written into a file, as the document that all faces share.
#[derive(Debug, Serialize)]
struct ExportReport {
    schema_version: u32,
    store: String,
    file: String,
    grants: u64,
}

/// A file that was taken in.
#[derive(Debug, Serialize)]
pub struct ImportReport {
    schema_version: u32,
    store: String,
    /// Grants that came, or took the place of older ones.
    pub taken: usize,
    /// Grants that were here and stayed.
    pub kept: usize,
    grants: Vec<Arrived>,
}

impl ImportReport {
    /// The document of what arrived in the store at `store`.
    pub fn new(grants: Vec<Arrived>, store: String) -> Self {
        let taken = grants.iter().filter(|each| each.is_taken()).count();
        Self { schema_version: 1, store, taken, kept: grants.len() - taken, grants }
    }
}

impl Arrived {
    /// Whether the file's grant is the one that is here now.
    pub fn is_taken(&self) -> bool {
        matches!(self.arrival, Arrival::Came | Arrival::Replaced)
    }
}

/// Grants read at a time.
const PAGE: usize = 500;
/// A file with a hundred thousand grants, and then some.
const LARGEST: u64 = 1 << 30;
/// How often a grant is looked at again that others keep changing.
const ATTEMPTS: u32 = 4;

impl App {
    /// Writes every grant of this app with its facts, but no access token and no pending consent, into a new file that only the holder of the identity or the passphrase
    /// opens (mode 0600). Gives how many. The grants stay in this store. What is in memory meanwhile is the encrypted file.
    /// `progress` hears of each grant as it is packed: how many that makes, and which. Nothing is in the file before all are.
    ///
    /// Errors: `InvalidArgument` where the file is there already, or nobody could open it; `AuditUnwritable`; those of the store.
    pub async fn export_store(
        &self,
        to: &Path,
        sealing: &Sealing,
        progress: impl FnMut(usize, &Packed) + Send,
    ) -> Result<u64> {
        let inner = self.inner();
        let export = async {
            if to.symlink_metadata().is_ok() {
                return Err(Error::new(ErrorKind::InvalidArgument, "export", "there is a file of that name already")
                    .with_context("path", to.display()));
            }
            let mut entry = Entry::new("export", Outcome::Ok, inner.clock.now());
            entry.note = Some(match sealing {
                Sealing::Recipients(named) => format!("for {}", named.join(" ")),
                Sealing::Passphrase(_) => "with a passphrase".to_owned(),
            });
            let tell = |entry: &mut Entry, grants: &u64| {
                let how = entry.note.take().unwrap_or_default();
                entry.note = Some(format!("{grants} grants, {how}"));
            };
            inner.recorded(entry, inner.export(to, sealing, progress), tell).await
        };
        export.await.map_err(|error: Error| error.in_operation("export"))
    }

    /// Takes the grants of a file that [`export_store`](Self::export_store) made into this store. One that is here and newer is kept, and so is one that was proved with
    /// MFA where the file's was not. `progress` hears of every grant, how many that makes, and how many are in the file. After a fault or a kill the same call goes on.
    ///
    /// Errors: `StoreKeyWrong` where the file does not open; `StoreCorrupt` where it is damaged, before anything is taken; `InvalidArgument`; `AuditUnwritable`; those of
    /// the store.
    pub async fn import_store(
        &self,
        from: &Path,
        opening: &Opening,
        mut progress: impl FnMut(usize, usize, &Arrived) + Send,
    ) -> Result<Vec<Arrived>> {
        let inner = self.inner();
        let import = async {
            let bytes = read(from)?;
            let grants = parcel::open(&bytes, opening, &inner.key)
                .map_err(|error| error.with_context("path", from.display()))?;
            inner.store.check_writable().await?;
            let entry = Entry::new("import-store", Outcome::Ok, inner.clock.now());
            let take = async {
                let mut all = Vec::with_capacity(grants.len());
                for grant in &grants {
                    let arrived = inner.take_in(grant).await?;
                    progress(all.len() + 1, grants.len(), &arrived);
                    all.push(arrived);
                }
                Ok(all)
            };
            let tell = |entry: &mut Entry, all: &Vec<Arrived>| {
                let came = all.iter().filter(|each| each.is_taken()).count();
                entry.note = Some(format!("grants taken: {came} of {}", all.len()));
            };
            inner.recorded(entry, take, tell).await
        };
        import.await.map_err(|error: Error| error.in_operation("import"))
    }
}

impl App {
    /// [`export_store`](Self::export_store), and the answer as a document.
    pub async fn export_document(
        &self,
        to: &Path,
        sealing: &Sealing,
        progress: impl FnMut(usize, &Packed) + Send,
    ) -> Result<Value> {
        let grants = self.export_store(to, sealing, progress).await?;
        let (store, file) = (self.store_location(), to.display().to_string());
        Ok(value(&ExportReport { schema_version: 1, store, file, grants }))
    }

    /// [`import_store`](Self::import_store), and the answer as a document.
    pub async fn import_document(
        &self,
        from: &Path,
        opening: &Opening,
        progress: impl FnMut(usize, usize, &Arrived) + Send,
    ) -> Result<Value> {
        let all = self.import_store(from, opening, progress).await?;
        Ok(value(&ImportReport::new(all, self.store_location())))
    }
}

impl Inner {
    async fn export(
        &self,
        to: &Path,
        sealing: &Sealing,
        mut progress: impl FnMut(usize, &Packed) + Send,
    ) -> Result<u64> {
        let mut packed = 0;
        let mut packing = Packing::begin(sealing, &self.key, self.clock.now())?;
        let mut after = None;
        loop {
            let tenants = self.store.tenants(&self.key, after, PAGE).await?;
            for tenant in &tenants {
                // One that was removed in the meantime is no error.
                if let Some(grant) = self.store.grant(&self.key.grant(*tenant)).await? {
                    packing.add(&grant)?;
                    packed += 1;
                    progress(packed, &Packed { partner: *tenant, name: grant.facts.name(*tenant) });
                }
            }
            match tenants.last() {
                Some(last) if tenants.len() == PAGE => after = Some(*last),
                _ => break,
            }
        }
        let (bytes, grants) = packing.finish()?;
        private_file::replace(to, &bytes)?;
        Ok(grants)
    }

    async fn take_in(&self, grant: &Grant) -> Result<Arrived> {
        let tenant = grant.key.tenant;
        let name = grant.facts.name(tenant);
        for _ in 0..ATTEMPTS {
            let standing = self.store.grant(&grant.key).await?;
            if let Some(arrival) = standing.as_ref().and_then(|standing| kept(standing, grant)) {
                return Ok(Arrived { partner: tenant, name, arrival });
            }
            let (expect, arrival) = match &standing {
                None => (Expect::Absent, Arrival::Came),
                Some(standing) => (Expect::Generation(standing.generation), Arrival::Replaced),
            };
            let written = self.store.put_grant(&grant.key, &grant.refresh_token, &grant.facts, expect).await?;
            if let Written::Yes(_) = written {
                self.forget_tokens_of(tenant);
                let mut entry = Entry::new("import", Outcome::Ok, self.clock.now()).partner(tenant);
                entry.source = Some("export");
                entry.mfa = Some(grant.facts.mfa.verdict.as_str());
                self.record_or_go_on(entry, false).await?;
                return Ok(Arrived { partner: tenant, name, arrival });
            }
        }
        Err(Error::new(ErrorKind::StoreConflict, "import", "the grant changes faster than it can be imported")
            .with_context("partner", tenant))
    }
}

/// Why the grant that is here stays, if it does.
fn kept(here: &Grant, coming: &Grant) -> Option<Arrival> {
    let last_change = |grant: &Grant| grant.facts.last_redeemed_on.max(grant.facts.consented_on);
    if coming.generation <= here.generation || last_change(coming) <= last_change(here) {
        Some(Arrival::KeptNewer)
    } else if here.facts.mfa.verdict == Mfa::Yes && coming.facts.mfa.verdict != Mfa::Yes {
        Some(Arrival::KeptMfa)
    } else {
        None
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let unreadable = |cause: std::io::Error| {
        Error::new(ErrorKind::InvalidArgument, "import", "the file cannot be read")
            .with_context("path", path.display())
            .with_cause(cause)
    };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > LARGEST {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "import",
            "the file is too large to be an export of a store",
        )
        .with_context("path", path.display()));
    }
    std::fs::read(path).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::RefreshToken;
    use crate::store::fixtures::{NOW, grant_facts, grant_key};

    fn grant(generation: u64, redeemed: i64, verdict: Mfa) -> Grant {
        let mut facts = grant_facts();
        facts.last_redeemed_on = NOW.plus(redeemed);
        facts.mfa.verdict = verdict;
        Grant { key: grant_key(1), generation, refresh_token: RefreshToken::new("not-a-real-token"), facts }
    }

    #[test]
    fn what_is_newer_or_better_proved_stays() {
        let here = || grant(3, 10, Mfa::Yes);
        for (coming, expected) in [
            (grant(3, 10, Mfa::Yes), Some(Arrival::KeptNewer)),
            (grant(2, 20, Mfa::Yes), Some(Arrival::KeptNewer)),
            (grant(9, 10, Mfa::Yes), Some(Arrival::KeptNewer)),
            (grant(9, 5, Mfa::Yes), Some(Arrival::KeptNewer)),
            (grant(4, 20, Mfa::No), Some(Arrival::KeptMfa)),
            (grant(4, 20, Mfa::Unknown), Some(Arrival::KeptMfa)),
            (grant(4, 20, Mfa::Yes), None),
        ] {
            assert_eq!(kept(&here(), &coming), expected, "{} {:?}", coming.generation, coming.facts.mfa.verdict);
        }
        assert_eq!(kept(&grant(3, 10, Mfa::No), &grant(4, 20, Mfa::No)), None);
    }
}
