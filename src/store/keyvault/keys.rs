//! The key of a vault's records. How it is found out stands in the vault itself, so that every host that has the key source opens the same records.
//!
//! While the key is changed, the one before it stands there, too, sealed with it; and afterwards the last few. A vault has no compare-and-set: of two who write this secret in the
//! same moment the later one's word holds, and the other's stays a version that can be read until nothing is under its key.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::names;
use crate::error::{Error, ErrorKind, Result};
use crate::store::key::{Derivation, KeyProvider, KeyRequest, StoreKey};
use crate::store::rotation::{NewKey, Said, Standing};
use crate::store::rows;
use crate::store::seal::Sealer;
use crate::store::sqlite::Lead;
use crate::vault::{Found, New, Vault};

/// What a vault says of the records in it, as its secret holds it. Nothing of it is readable that is secret.
#[derive(Deserialize, Serialize)]
struct Text {
    /// 1 where the key was never changed. A program that knows of one key only refuses 2.
    version: u32,
    store_id: String,
    derivation: String,
    key_check: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    former: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    retiring: bool,
}

const NEWEST: u32 = 2;

/// The same, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    /// The version of the secret that says so.
    pub(super) at: String,
    store_id: String,
    derivation: Derivation,
    pub(super) key_check: Vec<u8>,
    previous: Option<Vec<u8>>,
    former: Option<Vec<u8>>,
    is_retiring: bool,
}

impl Meta {
    pub(super) fn parse(found: &Found) -> Result<Self> {
        let text: Text = serde_json::from_str(&found.value).map_err(|_| damaged("is not what it should be"))?;
        if text.version > NEWEST {
            return Err(Error::new(
                ErrorKind::StoreSchemaNewer,
                "store",
                "the vault's records were written by a newer version",
            ));
        }
        let decoded =
            |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| damaged("has something in it that is no key check"));
        Ok(Self {
            at: found.version.clone(),
            derivation: Derivation::from_text(&text.derivation).ok_or_else(|| damaged("has no derivation"))?,
            key_check: decoded(&text.key_check)?,
            previous: text.previous.as_deref().map(decoded).transpose()?,
            former: text.former.as_deref().map(decoded).transpose()?,
            store_id: text.store_id,
            is_retiring: text.retiring,
        })
    }

    fn to_text(&self) -> Result<String> {
        let encoded = |bytes: &Vec<u8>| URL_SAFE_NO_PAD.encode(bytes);
        let text = Text {
            version: if self.former.is_some() { NEWEST } else { 1 },
            store_id: self.store_id.clone(),
            derivation: self.derivation.to_text(),
            key_check: encoded(&self.key_check),
            previous: self.previous.as_ref().map(encoded),
            former: self.former.as_ref().map(encoded),
            retiring: self.is_retiring,
        };
        serde_json::to_string(&text).map_err(|_| damaged("cannot be written"))
    }

    pub(super) fn said(&self) -> Said<'_> {
        Said {
            store_id: &self.store_id,
            derivation: &self.derivation,
            key_check: &self.key_check,
            previous: self.previous.as_deref(),
            former: self.former.as_deref(),
        }
    }

    pub(super) fn standing(&self) -> Option<Standing> {
        let retiring = self.is_retiring.then_some(Standing::Retiring);
        self.previous.as_ref().map(|_| Standing::Moving).or(retiring)
    }

    /// With a new key, and everything still to be moved to it.
    pub(super) fn switched(self, new: NewKey) -> Self {
        Self {
            derivation: new.derivation,
            key_check: new.check,
            previous: Some(new.previous),
            former: Some(new.former),
            is_retiring: false,
            ..self
        }
    }

    /// With everything moved, and the old key perhaps still in its source.
    pub(super) fn settled(self) -> Self {
        Self { previous: None, is_retiring: true, ..self }
    }

    /// With the change at its end.
    pub(super) fn retired(self) -> Self {
        Self { is_retiring: false, ..self }
    }

    /// The mark of the key in the tags of what it seals. It only finds what is to be moved; what opens a value the value says.
    pub(super) fn mark(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key_check.get(1..13).unwrap_or_default())
    }

    /// Whether this is the word of one of these keys.
    pub(super) fn is_of(&self, keys: &[StoreKey]) -> bool {
        keys.iter().any(|key| rows::check_key(&Sealer::new(key.expose()), &self.store_id, &self.key_check).is_ok())
    }
}

/// The key in use, and what the vault said when it was asked for.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) sealer: Sealer,
    pub(super) meta: Meta,
    pub(super) lead: Arc<Lead>,
}

impl Keys {
    fn ask(meta: Meta, provider: &dyn KeyProvider) -> Result<Self> {
        let key = meta.said().find(provider).map_err(|error| match error.kind() {
            ErrorKind::StoreKeyWrong if meta.former.is_none() => error.with_hint(
                "use the key that the vault's records were made with: copy the key file of the host that made them",
            ),
            _ => error,
        })?;
        Self::with(meta, key)
    }

    fn with(meta: Meta, key: StoreKey) -> Result<Self> {
        let sealer = meta.said().sealer(&key)?;
        let lead = Lead { store_id: meta.store_id.clone(), derivation: meta.derivation.clone(), key };
        Ok(Self { sealer, lead: Arc::new(lead), meta })
    }

    /// The key and every one before it that is known.
    pub(super) fn chain(&self) -> Result<Vec<StoreKey>> {
        self.meta.said().chain(self.lead.key.again())
    }
}

/// Where the key comes from, and the key once it was needed.
#[derive(Debug)]
pub(super) struct VaultKeys {
    provider: Arc<dyn KeyProvider>,
    loaded: Mutex<Option<Arc<Keys>>>,
}

impl VaultKeys {
    pub(super) fn new(provider: Arc<dyn KeyProvider>) -> Self {
        Self { provider, loaded: Mutex::new(None) }
    }

    /// The same source and key for a store that is opened anew; never waits.
    pub(super) fn carried_over(&self) -> Self {
        let loaded = self.loaded.try_lock().ok().and_then(|loaded| loaded.clone());
        Self { provider: Arc::clone(&self.provider), loaded: Mutex::new(loaded) }
    }

    pub(super) fn provider(&self) -> &Arc<dyn KeyProvider> {
        &self.provider
    }

    /// What seals and opens the vault's records. The first one to use a vault takes a key into use there.
    pub(super) async fn get(&self, vault: &Vault) -> Result<Arc<Keys>> {
        // Held all the while: a keyring's prompt comes up once.
        let mut loaded = self.loaded.lock().await;
        if let Some(keys) = &*loaded {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(self.load(vault).await?);
        *loaded = Some(Arc::clone(&keys));
        Ok(keys)
    }

    /// The same as the vault has it now: another host may have changed it.
    pub(super) async fn fresh(&self, vault: &Vault) -> Result<Arc<Keys>> {
        let mut loaded = self.loaded.lock().await;
        if let Some(keys) = loaded.clone()
            && let Some(meta) = self.meta(vault).await?
        {
            if meta.at == keys.meta.at {
                return Ok(keys);
            }
            // Something else was said of the same key: the source need not be asked again.
            if meta.is_of(std::slice::from_ref(&keys.lead.key)) {
                return Ok(Arc::clone(loaded.insert(Arc::new(Keys::with(meta, keys.lead.key.again())?))));
            }
        }
        // Whoever cannot get a new key must not go on with the old one.
        *loaded = None;
        Ok(Arc::clone(loaded.insert(Arc::new(self.load(vault).await?))))
    }

    /// What the vault says now; none where nothing was ever sealed there.
    pub(super) async fn meta(&self, vault: &Vault) -> Result<Option<Meta>> {
        vault.get(names::STORE, None).await?.as_ref().map(Meta::parse).transpose()
    }

    /// The keys of other hosts that began a change in the same moment as the one whose word holds.
    pub(super) async fn others(&self, vault: &Vault, than: &Keys) -> Result<Vec<Sealer>> {
        let mut others = Vec::new();
        for version in vault.versions(names::STORE).await? {
            if !version.enabled || version.id == than.meta.at {
                continue;
            }
            let Some(found) = vault.get(names::STORE, Some(&version.id)).await? else { continue };
            let Ok(meta) = Meta::parse(&found) else { continue };
            if let Ok(keys) = self.with_source(move |provider| Keys::ask(meta, provider)).await {
                others.push(keys.sealer);
            }
        }
        Ok(others)
    }

    /// Says something new of the records. Durable when it returns.
    ///
    /// Errors: `StoreConflict` where somebody else has said something since `meta` was read.
    pub(super) async fn say(&self, vault: &Vault, meta: Meta) -> Result<()> {
        if self.meta(vault).await?.is_none_or(|now| now.at != meta.at) {
            return Err(changing());
        }
        Self::put(vault, &meta).await
    }

    /// Works with the source on a thread that may wait: on a keyring's prompt, on a slow derivation.
    pub(super) async fn with_source<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn KeyProvider) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let provider = Arc::clone(&self.provider);
        match Handle::try_current() {
            Ok(runtime) => runtime
                .spawn_blocking(move || work(provider.as_ref()))
                .await
                .unwrap_or_else(|_| Err(damaged("was not read to its end"))),
            Err(_) => work(provider.as_ref()),
        }
    }

    async fn load(&self, vault: &Vault) -> Result<Keys> {
        let meta = match self.meta(vault).await? {
            Some(meta) => meta,
            None => {
                self.make(vault).await?;
                // Read again: of two hosts that begin at once, the vault keeps one's.
                self.meta(vault).await?.ok_or_else(|| damaged("is gone"))?
            }
        };
        self.with_source(move |provider| Keys::ask(meta, provider)).await
    }

    async fn make(&self, vault: &Vault) -> Result<()> {
        let (store_id, derivation) = (Uuid::new_v4().to_string(), Derivation::generate()?);
        let make = move |provider: &dyn KeyProvider| {
            let request = KeyRequest { store_id: &store_id, may_create: true, derivation: &derivation };
            let key_check = rows::key_check(&Sealer::new(provider.key(&request)?.expose()), &store_id)?;
            Ok(Meta {
                at: String::new(),
                store_id,
                derivation,
                key_check,
                previous: None,
                former: None,
                is_retiring: false,
            })
        };
        Self::put(vault, &self.with_source(make).await?).await
    }

    async fn put(vault: &Vault, meta: &Meta) -> Result<()> {
        let text = meta.to_text()?;
        let tags = [("partnersam".to_owned(), "store".to_owned())].into();
        let new = New { value: &text, content_type: "application/json", tags, ends: None };
        vault.set(names::STORE, &new).await.map(drop)
    }
}

pub(super) fn changing() -> Error {
    Error::new(ErrorKind::StoreConflict, "key", "another host is changing the key of this vault's records")
        .with_hint("run the same command again: it brings the change to its end")
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::StoreCorrupt, "store", format!("the vault's secret {} {what}", names::STORE))
}
