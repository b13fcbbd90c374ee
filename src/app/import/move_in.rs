//! A grant moves in from another tool: found in whatever form, proved, stored, and in the end removed where it was, if that was asked for.

use serde_json::{Value, json};

#[cfg(feature = "keyvault")]
use super::place::Place;
use super::place::{Located, read};
use crate::app::App;
#[cfg(feature = "keyvault")]
use crate::app::config::VaultOpener;
use crate::app::consent::Consented;
use crate::app::import::ImportOptions;
use crate::app::report::ConsentReport;
use crate::audit::{Entry, Outcome};
use crate::clock::UnixTime;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};
use crate::moving_in::{Form, Found, Holder, Source};
use crate::store::{GrantState, Mfa, StoreCondition, Taint};

/// What is moved in, and what becomes of where it was.
#[derive(Clone, Debug)]
pub struct MoveRequest {
    /// Whose grant it is.
    pub partner: TenantRef,
    /// Where it is.
    pub source: Source,
    /// What it is to be used for, and what the caller insists on.
    pub options: ImportOptions,
    /// Who opens the vault where the source is one, or names one.
    #[cfg(feature = "keyvault")]
    pub vault_identity: VaultOpener,
    /// Write the rotated token into the vault's secret, for a tool that goes on reading it.
    pub write_back: bool,
    /// Remove the old token where it was, once the grant has proved itself and is durable.
    pub purge: bool,
}

impl MoveRequest {
    /// From `source`, with nothing changed there.
    pub fn new(partner: TenantRef, source: Source) -> Self {
        Self {
            partner,
            source,
            options: ImportOptions::default(),
            #[cfg(feature = "keyvault")]
            vault_identity: VaultOpener::default(),
            write_back: false,
            purge: false,
        }
    }
}

/// What was found where a grant is to come from. Holds no secret.
#[derive(Clone, Debug)]
pub struct MovePlan {
    /// How the source is written.
    pub form: Form,
    /// Where the token stands, for people.
    pub token_at: String,
    /// Whether there is no token there (any more).
    pub is_empty: bool,
    /// What else may be deleted: the place, and what it is.
    pub leftovers: Vec<Leftover>,
}

/// Something that the old tool kept, and nothing here needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Which kind of thing.
    pub kind: LeftoverKind,
    /// Where it is, for people.
    pub place: String,
}

/// What was left over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftoverKind {
    /// A password. It was not taken.
    Password,
    /// The secret of an app, or an access token.
    Secret,
    /// The refresh token of another app.
    ForeignToken,
}

impl LeftoverKind {
    /// The word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Secret => "secret",
            Self::ForeignToken => "other-refresh-token",
        }
    }

    /// What to do about it, for people.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Password => {
                "a password, which was neither used nor stored: delete it, and change it where it was valid"
            }
            Self::Secret => "a secret: delete it once no other tool uses it",
            Self::ForeignToken => {
                "a refresh token of another app, which cannot be moved in: delete it once the old tool is gone"
            }
        }
    }
}

/// What became of the old token, or of the write-back: a few words, or why it was not done.
pub type Fate = Result<&'static str>;

/// A grant that moved in.
#[derive(Debug)]
pub struct MovedIn {
    /// The partner's tenant.
    pub partner: TenantId,
    /// What was found.
    pub plan: MovePlan,
    /// The grant; none where an earlier run stored it and only the purge was left.
    pub consented: Option<Consented>,
    /// Where a write-back was asked for: how it went.
    pub written_back: Option<Fate>,
    /// Where a purge was asked for: how it went. The error is `OldTokenRemains`; the grant is stored all the same.
    pub purged: Option<Fate>,
}

/// What is true of every token that was moved in.
pub const WHAT_REMAINS: &str = "the old refresh token stays good at Microsoft until it has not been used for 90 days or the account's sign-in sessions are revoked, wherever \
                                copies of it are";

impl App {
    /// Reads where a grant is to come from and says what is there. Nothing is redeemed, stored or changed.
    ///
    /// Errors: `InvalidArgument` for what is in no form that is known, contradicts itself or is of another partner; `GrantOfAnotherApp`; `NotSupported` for a
    /// SecureString; those of the vault or keyring that is read.
    pub async fn plan_move_in(&self, request: &MoveRequest) -> Result<MovePlan> {
        let (_, located) = self.locate(request).await.map_err(|error| error.in_operation("import"))?;
        Ok(plan_of(&located))
    }

    /// Moves a grant in: finds the token, checks that it is this app's and this partner's, proves it as [`App::import_grant`] does, and only then writes back or
    /// purges, where that was asked for. Whatever fails before the grant is durable leaves the source as it was.
    ///
    /// With `purge` a second run is as good as one: where the token is gone and the store has the grant, nothing is left to do.
    ///
    /// Errors: those of [`App::plan_move_in`] and [`App::import_grant`]. What fails after the grant is stored is in the result.
    pub async fn move_in(&self, request: &MoveRequest) -> Result<MovedIn> {
        // A task of its own: once the token is redeemed, the rest must not depend on who waits.
        let (app, request) = (self.clone(), request.clone());
        let task = tokio::spawn(async move { app.moved_in(&request).await });
        task.await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "import", "the import ended before its time")))
            .map_err(|error| error.in_operation("import"))
    }

    async fn moved_in(&self, request: &MoveRequest) -> Result<MovedIn> {
        self.check_wish(request)?;
        let (tenant, mut located) = self.locate(request).await?;
        let plan = plan_of(&located);
        let holder = std::mem::replace(&mut located.found.holder, Holder::Nowhere { field: None });
        let Holder::Here { token, .. } = holder else {
            if request.purge && self.came_before(tenant).await? {
                let purged = self.purge(tenant, located).await;
                return Ok(MovedIn {
                    partner: tenant,
                    plan,
                    consented: None,
                    written_back: None,
                    purged: Some(purged),
                });
            }
            return Err(gone(&located, &request.source));
        };
        let consented = self.import_grant(&request.partner, token, &request.options).await;
        let consented = consented.map_err(|error| error.with_context("source", &located.at))?;
        let written_back = match &located.place {
            #[cfg(feature = "keyvault")]
            Some(Place::Vault(place)) if request.write_back => Some(self.write_back(tenant, place, &located.at).await),
            _ => None,
        };
        let purged = match request.purge {
            true => Some(match self.proof(tenant, &consented).await {
                Ok(()) => self.purge(tenant, located).await,
                Err(error) => Err(remains(&error, &located.at)),
            }),
            false => None,
        };
        Ok(MovedIn { partner: tenant, plan, consented: Some(consented), written_back, purged })
    }

    /// What can be known to fail is refused before anything is sent.
    fn check_wish(&self, request: &MoveRequest) -> Result<()> {
        let refused = |kind, what: &str, hint: &str| Err(Error::new(kind, "import", what).with_hint(hint));
        if request.write_back && request.purge {
            let hint = "purge once no other tool reads it any more";
            return refused(ErrorKind::InvalidArgument, "a secret is written back or purged, not both", hint);
        }
        if !request.purge {
            return Ok(());
        }
        let config = &self.inner().config;
        if matches!(request.source, Source::Given(_)) {
            let hint = "name the place by `--file` or `--from`";
            return refused(ErrorKind::InvalidArgument, "what was given is nowhere to be purged from", hint);
        }
        if config.audit.folder.is_none() {
            let hint = "set `audit` in the configuration file to a folder, or delete the old token by hand";
            return refused(ErrorKind::NotSupported, "a purge leaves evidence, and the audit record is off", hint);
        }
        if config.store.starts_with("memory:") {
            let hint = "import into a store that lasts";
            return refused(
                ErrorKind::NotSupported,
                "the store ends with this process, so nothing is purged for it",
                hint,
            );
        }
        Ok(())
    }

    async fn locate(&self, request: &MoveRequest) -> Result<(TenantId, Located)> {
        // What is wrong with a source is found before anything is sent.
        let here = match &request.source {
            Source::Vault { .. } => None,
            source => Some(read(source).await?),
        };
        if let Some(located) = &here {
            located.found.check_app(&self.inner().config.client_id)?;
            if matches!(located.found.holder, Holder::Nowhere { .. }) && !request.purge {
                return Err(gone(located, &request.source));
            }
        }
        let tenant = self.tenant(&request.partner).await?;
        let located = match here {
            Some(located) => located,
            None => self.located_in_vault(request, tenant).await?,
        };
        self.check_partner(&located.found, &request.partner, tenant).await?;
        let located = self.followed(request, tenant, located).await?;
        located.found.check_app(&self.inner().config.client_id)?;
        self.check_partner(&located.found, &request.partner, tenant).await?;
        let is_vault = is_vault(&located);
        if request.write_back && !is_vault && located.place.is_some() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "import",
                "only a secret in a Key Vault is written back",
            )
            .with_hint("leave --write-back out"));
        }
        if located.place.is_none() && !request.purge {
            return Err(gone(&located, &request.source));
        }
        Ok((tenant, located))
    }

    #[cfg(feature = "keyvault")]
    async fn located_in_vault(&self, request: &MoveRequest, tenant: TenantId) -> Result<Located> {
        self.read_vault(request, tenant).await
    }

    #[cfg(not(feature = "keyvault"))]
    async fn located_in_vault(&self, _: &MoveRequest, _: TenantId) -> Result<Located> {
        Err(Error::new(ErrorKind::NotSupported, "import", "this build opens no Key Vault"))
    }

    #[cfg(feature = "keyvault")]
    async fn followed(&self, request: &MoveRequest, tenant: TenantId, mut located: Located) -> Result<Located> {
        match std::mem::replace(&mut located.found.holder, Holder::Nowhere { field: None }) {
            Holder::Vault(vault) => self.follow_to_vault(request, tenant, located, vault).await,
            holder => {
                located.found.holder = holder;
                Ok(located)
            }
        }
    }

    #[cfg(not(feature = "keyvault"))]
    async fn followed(&self, _: &MoveRequest, _: TenantId, located: Located) -> Result<Located> {
        match &located.found.holder {
            Holder::Vault(_) => Err(Error::new(ErrorKind::NotSupported, "import", "this build opens no Key Vault")),
            _ => Ok(located),
        }
    }

    /// Whether an earlier import stored the grant that a purge was left over from.
    async fn came_before(&self, tenant: TenantId) -> Result<bool> {
        let inner = self.inner();
        let grant = inner.store.grant(&inner.key.grant(tenant)).await?;
        Ok(grant.is_some_and(|grant| {
            grant.facts.state == GrantState::Active && grant.facts.taints.contains(&Taint::Imported)
        }))
    }

    /// Reads back that the grant is in the store, alive and with MFA: only then is the old token's place touched.
    async fn proof(&self, tenant: TenantId, consented: &Consented) -> Result<()> {
        let unproved = |what: &str| {
            Err(Error::new(ErrorKind::MfaNotProved, "import", what).with_context("mfa", consented.mfa.verdict.as_str()))
        };
        if consented.mfa.verdict != Mfa::Yes {
            return unproved("the grant was stored without proof of MFA, so the old token was left where it is");
        }
        let inner = self.inner();
        if let StoreCondition::Degraded { error, .. } = self.store_condition() {
            return Err(error);
        }
        match inner.store.grant(&inner.key.grant(tenant)).await? {
            Some(grant) if grant.facts.state == GrantState::Active && grant.facts.user_oid == consented.user_oid => {
                Ok(())
            }
            _ => unproved("the store does not have the grant any more, so the old token was left where it is"),
        }
    }

    /// Removes the old token, on record before and after; where that cannot be written nothing is removed.
    async fn purge(&self, tenant: TenantId, located: Located) -> Fate {
        let Located { found, place, at, .. } = located;
        let Some(place) = place else { return Ok("was gone already") };
        let entry = self.step("purge", tenant, &at);
        let told = |entry: &mut Entry, fate: &&str| entry.note = Some(format!("{at}: {fate}"));
        self.inner().recorded(entry, place.purge(&found), told).await.map_err(|error| remains(&error, &at))
    }

    #[cfg(feature = "keyvault")]
    async fn write_back(&self, tenant: TenantId, place: &super::vault_source::VaultPlace, at: &str) -> Fate {
        let inner = self.inner();
        let grant = inner.store.grant(&inner.key.grant(tenant)).await?;
        let grant = grant.ok_or_else(|| {
            Error::new(ErrorKind::StoreConflict, "import", "the grant was removed before it could be written back")
        })?;
        let entry = self.step("write-back", tenant, at);
        inner.recorded(entry, place.write_back(&grant.refresh_token), |_, ()| {}).await?;
        Ok("written as a new version")
    }

    /// The line of a step after the grant is stored: what, and where.
    fn step(&self, step: &str, tenant: TenantId, at: &str) -> Entry {
        let mut entry = Entry::new("import", Outcome::Ok, self.inner().clock.now()).partner(tenant);
        entry.step = Some(step.to_owned());
        entry.note = Some(at.to_owned());
        entry
    }
}

impl MovePlan {
    /// The document of what was found. It has `schema_version`, times none, and no secret.
    pub fn to_document(&self) -> Value {
        let leftovers = self.leftovers.iter().map(|left| json!({"kind": left.kind.as_str(), "place": left.place}));
        json!({
            "schema_version": 1,
            "form": self.form.in_words(),
            "token_at": self.token_at,
            "is_empty": self.is_empty,
            "leftovers": leftovers.collect::<Vec<_>>(),
        })
    }
}

impl MovedIn {
    /// The document of an import: that of a consent where one was stored, with what was found and what became of it in `moved_in`.
    pub fn to_document(&self, now: UnixTime) -> Value {
        let fate = |fate: &Option<Fate>| match fate {
            None => Value::Null,
            Some(Ok(words)) => json!({"done": true, "words": words, "error": null}),
            Some(Err(error)) => json!({"done": false, "words": null, "error": error.to_document()}),
        };
        let mut document = match &self.consented {
            Some(consented) => json!(ConsentReport::new(consented, now)),
            None => json!({"schema_version": 1, "partner": self.partner.to_string()}),
        };
        let mut moved = self.plan.to_document();
        if let (Some(document), Some(moved)) = (document.as_object_mut(), moved.as_object_mut()) {
            moved.remove("schema_version");
            moved.insert("stored_before".to_owned(), json!(self.consented.is_none()));
            moved.insert("written_back".to_owned(), fate(&self.written_back));
            moved.insert("purged".to_owned(), fate(&self.purged));
            document.insert("moved_in".to_owned(), Value::Object(std::mem::take(moved)));
        }
        document
    }
}

fn plan_of(located: &Located) -> MovePlan {
    let Found { form, holder, secrets, foreign, passwords, .. } = &located.found;
    let place =
        |name: &String| if name.contains("://") { name.clone() } else { format!("{}, field {name}", located.source) };
    let of = |kind: LeftoverKind, names: &[String]| {
        names.iter().map(|name| Leftover { kind, place: place(name) }).collect::<Vec<_>>()
    };
    let leftovers = [
        of(LeftoverKind::Password, passwords),
        of(LeftoverKind::Secret, secrets),
        of(LeftoverKind::ForeignToken, foreign),
    ];
    MovePlan {
        form: *form,
        token_at: located.at.clone(),
        is_empty: !matches!(holder, Holder::Here { .. }),
        leftovers: leftovers.concat(),
    }
}

#[cfg(feature = "keyvault")]
fn is_vault(located: &Located) -> bool {
    matches!(located.place, Some(Place::Vault(_)))
}

#[cfg(not(feature = "keyvault"))]
fn is_vault(_: &Located) -> bool {
    false
}

fn gone(located: &Located, source: &Source) -> Error {
    match source {
        Source::File(path) if located.place.is_none() => {
            Error::new(ErrorKind::InvalidArgument, "import", "the file with the refresh token cannot be read")
                .with_context("file", path.display())
                .with_cause(std::io::ErrorKind::NotFound)
        }
        _ => Error::new(ErrorKind::InvalidArgument, "import", "there is no refresh token where one should be")
            .with_hint("name the place where it is; if it was moved in before, `partnersam status` shows the grant")
            .with_context("source", &located.at),
    }
}

fn remains(error: &Error, at: &str) -> Error {
    let message = match error.kind() {
        ErrorKind::AuditUnwritable => "the old refresh token was not removed, because that could not be recorded",
        _ => "the grant is stored, and the old refresh token could not be removed",
    };
    let advice = error.advice();
    Error::new(ErrorKind::OldTokenRemains, "import", message)
        .with_hint(format!(
            "remove it by hand at the named place, or run the same import again once this is mended: {advice}"
        ))
        .with_context("place", at)
        .with_context("reason", error.kind().id())
        .with_cause(error.message())
}
