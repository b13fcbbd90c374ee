//! Consent: a link bound to one partner, and the reply that becomes a grant.
//!
//! The reply is checked in this order: error parameters, state, expiry, `iss` where it was sent. Then the code is redeemed, the id token verified, MFA
//! proved, the grant stored, and each audience minted once. Nothing is stored before MFA is proved, unless the caller insists.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::exchange::{Beside, Repeat, SIGN_IN_SCOPES};
use super::token::Token;
use super::token_cache::CacheKey;
use super::{App, Inner};
use crate::audience::Audience;
use crate::audit::{Entry, Outcome as Ended};
use crate::chance::jitter;
use crate::clock::UnixTime;
use crate::cloud::AuthorityKind;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};
use crate::partner_center::mfa_probe;
use crate::protocol::id_token::{self, IdTokenClaims, IdTokenProblem};
use crate::protocol::redirect::{self, Outcome, RedirectReply};
use crate::protocol::token_reply::TokenReply;
use crate::protocol::{claims_challenge, jwt, mfa, oauth};
use crate::secret::{AccessToken, RefreshToken};
use crate::store::{Expect, GrantFacts, GrantState, Mfa, MfaEvidence, PendingConsent, PendingFacts, Taint, Written};
use crate::transport::EXCHANGE_DEADLINE;

/// What to ask a partner for.
#[derive(Clone, Debug)]
pub struct ConsentRequest {
    /// The partner who is invited; nobody else can complete the link.
    pub partner: TenantRef,
    /// Services to be granted; partner-center, graph and arm where none is named.
    pub audiences: Vec<Audience>,
    /// Where the reply goes. Must be registered for the app. The configuration's own where left out.
    pub redirect_uri: Option<Url>,
    /// Why; the configuration's purpose where left out.
    pub purpose: Option<String>,
    /// How long the link can be used.
    pub valid_for: Duration,
    /// Account to propose on the sign-in page.
    pub login_hint: Option<String>,
    /// What the sign-in must satisfy: a service's `WWW-Authenticate` header, or the claims in it as JSON; an error that needs this has them.
    pub claims: Option<String>,
    /// How the reply comes: by form post where left out, which keeps the code out of addresses and logs.
    pub response_mode: ResponseMode,
}

/// How the authorization server hands the reply over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// A form that the browser posts (OAuth 2.0 Form Post Response Mode).
    #[default]
    FormPost,
    /// In the redirect's query; for pasting it by hand, and for servers without form post.
    Query,
}

impl ConsentRequest {
    /// For `partner`, with a link that can be used for an hour.
    pub fn new(partner: TenantRef) -> Self {
        Self {
            partner,
            audiences: Vec::new(),
            redirect_uri: None,
            purpose: None,
            valid_for: Duration::from_secs(3600),
            login_hint: None,
            claims: None,
            response_mode: ResponseMode::FormPost,
        }
    }
}

/// A link to send to the partner.
#[derive(Clone, Debug)]
pub struct ConsentLink {
    /// The address to open. It is good once, for one partner, until `expires_on`. Not secret, but nobody else's business.
    pub url: Url,
    /// What the reply will repeat; lets a listener tell the reply from junk.
    pub state: String,
    /// The invited partner.
    pub partner: TenantId,
    /// Where the reply goes.
    pub redirect_uri: Url,
    /// When the link ends.
    pub expires_on: UnixTime,
}

/// What a caller may insist on when a consent is completed.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConsentOptions {
    /// Store the grant even though MFA was not proved. Partner Center refuses its tokens.
    pub allow_without_mfa: bool,
}

/// A consent that became a grant.
#[derive(Debug)]
pub struct Consented {
    /// The partner's tenant.
    pub partner: TenantId,
    /// How the partner was named.
    pub name: String,
    /// Who signed in.
    pub user_name: String,
    /// Object id of that account.
    pub user_oid: String,
    /// What proves MFA.
    pub mfa: MfaEvidence,
    /// When the grant ends if it is not used before.
    pub expires_on: UnixTime,
    /// What makes the grant weaker than it should be.
    pub taints: Vec<Taint>,
    /// Each audience asked for: its token, or why there is none.
    pub audiences: Vec<(Audience, Result<Arc<Token>>)>,
}

impl Consented {
    /// What failed, each failure once, with the audiences that it is of: one of the app itself is every audience's.
    pub fn failures(&self) -> Vec<(Vec<&Audience>, &Error)> {
        let mut failures: Vec<(Vec<&Audience>, &Error)> = Vec::new();
        for (audience, token) in &self.audiences {
            let Err(error) = token else { continue };
            match failures.iter_mut().find(|(_, other)| other.is_same_answer(error)) {
                Some((audiences, _)) => audiences.push(audience),
                None => failures.push((vec![audience], error)),
            }
        }
        failures
    }
}

impl App {
    /// Makes a consent link. What its reply must match is kept, sealed, in the store, so any process that shares the store can complete it.
    pub async fn begin_consent(&self, request: &ConsentRequest) -> Result<ConsentLink> {
        self.inner()
            .begin_consent(request)
            .await
            .map_err(|error| error.in_operation("consent").with_context("partner", &request.partner))
    }

    /// The link by which an administrator of `tenant` allows the app for everybody there, before somebody with fewer rights consents. Nothing comes back
    /// from it that could be trusted: what counts is the consent that follows
    /// (<https://learn.microsoft.com/entra/identity-platform/v2-admin-consent>).
    pub async fn admin_consent_link(
        &self,
        tenant: &TenantRef,
        audiences: &[Audience],
        redirect_uri: &Url,
    ) -> Result<Url> {
        let link = self.inner().admin_consent_link(tenant, audiences, redirect_uri);
        link.await.map_err(|error| error.in_operation("consent"))
    }

    /// Completes a consent with its reply: a posted form's body, a query, or the whole redirect address that a person pasted.
    ///
    /// Errors: `ConsentStateUnknown`, `ConsentLinkExpired`, `ConsentDeclined`, `IdTokenInvalid`, `TenantMismatch`, `MfaNotProved`, `MfaDowngrade`,
    /// and those of the exchange. After any of them nothing was stored.
    pub async fn complete_consent(&self, reply: &str, options: ConsentOptions) -> Result<Consented> {
        let inner = self.inner().clone();
        let reply = zeroize::Zeroizing::new(reply.to_owned());
        // A task of its own: a caller who gives up must not lose a code that was spent.
        let task = tokio::spawn(async move { inner.complete_consent(&reply, options).await });
        task.await
            .unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Internal, "consent", "completing the consent ended before its time"))
            })
            .map_err(|error| error.in_operation("consent"))
    }
}

/// A sign-in that came back with tokens, by whatever way, before it is believed.
pub(super) struct SignIn {
    pub(super) partner: TenantId,
    pub(super) name: String,
    pub(super) audiences: Vec<Audience>,
    pub(super) purpose: String,
    pub(super) nonce: Option<String>,
    pub(super) taints: Vec<Taint>,
    pub(super) first: Audience,
    pub(super) reply: TokenReply,
}

/// Who signed in.
pub(super) struct Person {
    pub(super) oid: String,
    pub(super) name: String,
    amr: Option<Vec<String>>,
}

impl Inner {
    pub(super) async fn begin_consent(&self, request: &ConsentRequest) -> Result<ConsentLink> {
        let (purpose, audiences) = self.consent_purpose(request.purpose.as_deref(), &request.audiences)?;
        let partner = self.tenant(&request.partner).await?;
        let redirect_uri =
            request.redirect_uri.clone().or_else(|| self.config.redirect_uri.clone()).ok_or_else(|| {
                Error::new(ErrorKind::ConfigMissing, "consent", "redirect_uri is not set")
                    .with_hint("name the redirect address that is registered for the app")
            })?;
        let claims = request.claims.as_deref().map(claims_challenge::of_caller).transpose()?;
        let endpoint = self.authorization_endpoint(partner).await?;
        let (scopes, resources) = self.consent_scopes(&audiences)?;
        let link = oauth::authorization_link(&oauth::Authorization {
            endpoint: &endpoint,
            client_id: &self.config.client_id,
            redirect_uri: &redirect_uri,
            scopes: &scopes,
            resources: &resources,
            response_mode: match request.response_mode {
                ResponseMode::FormPost => "form_post",
                ResponseMode::Query => "query",
            },
            // Elsewhere than at Entra a refresh token is given only with explicit consent (OpenID Connect Core section 11).
            prompt: match self.config.authority.kind() {
                AuthorityKind::Entra => "login",
                AuthorityKind::Generic => "login consent",
            },
            login_hint: request.login_hint.as_deref(),
            claims: self.claims_with_capabilities(claims.as_deref())?.as_deref(),
        })?;
        let now = self.clock.now();
        let expires_on = now.plus(i64::try_from(request.valid_for.as_secs()).unwrap_or(i64::MAX));
        let pending = PendingConsent {
            app: self.key.clone(),
            state_hash: state_hash(&link.state),
            verifier: link.verifier,
            facts: PendingFacts {
                tenant: partner,
                partner: request.partner.to_string(),
                redirect_uri: redirect_uri.clone(),
                audiences: audiences.iter().map(|audience| audience.name().to_owned()).collect(),
                purpose,
                nonce: link.nonce,
                expires_on,
            },
        };
        let mut entry = Entry::new("consent-begin", Ended::Ok, now).partner(partner);
        (entry.audiences, entry.purpose) = (pending.facts.audiences.clone(), Some(pending.facts.purpose.clone()));
        self.recorded(entry, self.store.put_pending(&pending, now), |_, ()| {}).await?;
        Ok(ConsentLink { url: link.url, state: link.state, partner, redirect_uri, expires_on })
    }

    async fn complete_consent(&self, reply: &str, options: ConsentOptions) -> Result<Consented> {
        let reply = RedirectReply::parse(reply)?;
        let unknown = || {
            Error::new(
                ErrorKind::ConsentStateUnknown,
                "consent",
                "the reply belongs to no pending consent, or to one already used",
            )
        };
        let hash = state_hash(&reply.state);
        let pending = self.store.pending(&self.key, &hash).await?.ok_or_else(unknown)?;
        // A reply that belongs to nothing leaves no line: anybody can send any number of them.
        let mut entry = Entry::new("consent", Ended::Ok, self.clock.now()).partner(pending.facts.tenant);
        (entry.audiences, entry.purpose) = (pending.facts.audiences.clone(), Some(pending.facts.purpose.clone()));
        self.recorded(entry, self.complete_pending(hash, pending, reply, options), finished).await
    }

    async fn complete_pending(
        &self,
        hash: [u8; 32],
        pending: PendingConsent,
        reply: RedirectReply,
        options: ConsentOptions,
    ) -> Result<Consented> {
        let unknown = || {
            Error::new(
                ErrorKind::ConsentStateUnknown,
                "consent",
                "the reply belongs to no pending consent, or to one already used",
            )
        };
        // From here on the link is spent, whatever comes: of all who bring this reply, one goes on.
        let take = async || if self.store.take_pending(&self.key, &hash).await? { Ok(()) } else { Err(unknown()) };
        let facts = pending.facts;
        let in_consent = |error: Error| error.with_context("partner", &facts.partner);
        let (code, iss) = match reply.outcome {
            Outcome::Denied(refusal) => {
                take().await?;
                return Err(in_consent(self.with_admin_link(redirect::denial(&refusal), &facts).await));
            }
            Outcome::AdminConsent { .. } => {
                return Err(in_consent(Error::new(
                    ErrorKind::AuthorizationResponseInvalid,
                    "consent",
                    "this is the reply to an admin consent, which carries no code",
                )));
            }
            Outcome::Code { code, iss } => (code, iss),
        };
        if facts.expires_on <= self.clock.now() {
            take().await?;
            return Err(in_consent(
                Error::new(ErrorKind::ConsentLinkExpired, "consent", "the consent link was not used in time")
                    .with_context("ended", facts.expires_on),
            ));
        }
        let audiences = Audience::of_names(&facts.audiences);
        if !self.config.purposes.is_empty() {
            // The link was within its purpose when it was made; the purpose may have ended since.
            self.consent_purpose(Some(&facts.purpose), &audiences).map_err(in_consent)?;
        }
        let metadata = self.metadata(&facts.tenant.into()).await?;
        // RFC 9207: a server that says it names itself must, or the reply may be another server's.
        if iss.as_deref().map_or(metadata.names_issuer_in_replies, |iss| iss != metadata.issuer) {
            return Err(in_consent(Error::new(
                ErrorKind::AuthorizationResponseInvalid,
                "consent",
                "the reply comes from another issuer",
            )));
        }
        // A code is good once. What it brings must have a place to go.
        self.store.check_writable().await?;
        take().await?;

        let first = first_audience(&audiences);
        let key = CacheKey::own(facts.tenant, first.clone());
        let redeemed = self
            .exchange(&self.ask(&key, Beside::SignIn, None).await?, Repeat::No, |request| {
                oauth::redeem_code(request, &code, &pending.verifier, &facts.redirect_uri)
            })
            .await
            .map_err(|verdict| in_consent(verdict.error))?;
        let sign_in = SignIn {
            partner: facts.tenant,
            name: facts.partner.clone(),
            audiences,
            purpose: facts.purpose.clone(),
            nonce: Some(facts.nonce.clone()),
            taints: Vec::new(),
            first,
            reply: redeemed,
        };
        self.establish(sign_in, options).await.map_err(in_consent)
    }

    /// Believes a sign-in: verifies the id token, proves MFA, stores, mints.
    pub(super) async fn establish(&self, sign_in: SignIn, options: ConsentOptions) -> Result<Consented> {
        let person = self.person(&sign_in).await?;
        self.admit(sign_in, person, options).await
    }

    /// Stores a grant whose person is known, and mints its audiences.
    pub(super) async fn admit(&self, sign_in: SignIn, person: Person, options: ConsentOptions) -> Result<Consented> {
        let SignIn { partner, name, audiences, purpose, mut taints, first, mut reply, .. } = sign_in;
        let now = self.clock.now();
        let evidence = self.prove_mfa(&first, &reply.access_token, &person, &purpose).await;
        if evidence.verdict != Mfa::Yes {
            if !options.allow_without_mfa {
                let found = if evidence.amr.is_empty() { "nothing".to_owned() } else { evidence.amr.join(" ") };
                return Err(Error::new(
                    ErrorKind::MfaNotProved,
                    "consent",
                    format!("{} did not prove MFA, so nothing was stored", person.name),
                )
                .with_context("mfa", evidence.verdict.as_str())
                .with_context("amr", found));
            }
            taints.push(Taint::WithoutMfa);
        }
        let refresh_token = reply.refresh_token.take().ok_or_else(|| {
            Error::new(ErrorKind::AppMisconfigured, "consent", "the service gave no refresh token")
                .with_hint("the app must be allowed to ask for offline_access")
        })?;
        let (expires_on, renew_after) = self.grant_clock(now, jitter());
        let facts = GrantFacts {
            user_oid: person.oid,
            user_name: person.name,
            domains: name
                .parse()
                .ok()
                .and_then(|name| if let TenantRef::Domain(domain) = name { Some(domain) } else { None })
                .into_iter()
                .collect(),
            consented_on: now,
            mfa: evidence,
            last_redeemed_on: now,
            expires_on,
            renew_after,
            audiences: audiences.iter().map(|audience| audience.name().to_owned()).collect(),
            purpose,
            taints,
            state: GrantState::Active,
        };
        self.store_grant(partner, &refresh_token, &facts).await?;
        tracing::info!(%partner, mfa = facts.mfa.verdict.as_str(), taints = facts.taints.len(), "stored a grant");
        self.forget_tokens_of(partner);

        let key = CacheKey::own(partner, first.clone());
        let token_facts = self.token_facts(&reply, mfa::evidence(&reply.access_token, now).verdict, now);
        self.store.put_token(&self.token_key(&key), &reply.access_token, &token_facts).await?;
        let token = Token::new(&key, reply.access_token, token_facts, Vec::new());
        let token = self.tokens.put(key, token, now);

        let mut minted = Vec::with_capacity(audiences.len());
        for audience in audiences {
            let token = match self.negative.of_app() {
                _ if audience == first => Ok(token.clone()),
                // What the app itself was refused a moment ago it is refused for every further audience.
                Some(refusal) => Err(refusal),
                None => self.mint(partner, &audience).await,
            };
            minted.push((audience, token));
        }
        Ok(Consented {
            partner,
            name,
            user_name: facts.user_name,
            user_oid: facts.user_oid,
            mfa: facts.mfa,
            expires_on,
            taints: facts.taints,
            audiences: minted,
        })
    }

    async fn mint(&self, partner: TenantId, audience: &Audience) -> Result<Arc<Token>> {
        let key = CacheKey::own(partner, audience.clone());
        let token = self.redeem(&key, &self.token_key(&key), true, None).await?;
        Ok(self.tokens.put(key, token, self.clock.now()))
    }

    /// Writes a new grant over the old one, if there is one and it is not the better one.
    async fn store_grant(&self, partner: TenantId, refresh_token: &RefreshToken, facts: &GrantFacts) -> Result<()> {
        let key = self.key.grant(partner);
        for _ in 0..5 {
            let expect = match self.store.grant(&key).await? {
                None => Expect::Absent,
                Some(old) => {
                    let is_better = old.facts.mfa.verdict == Mfa::Yes && old.facts.state == GrantState::Active;
                    if is_better && facts.mfa.verdict != Mfa::Yes {
                        return Err(Error::new(
                            ErrorKind::MfaDowngrade,
                            "consent",
                            "the stored grant was proved with MFA and this one was not, so it stays",
                        ));
                    }
                    Expect::Generation(old.generation)
                }
            };
            match self.store.put_grant(&key, refresh_token, facts, expect).await {
                Ok(Written::Yes(_)) => return Ok(()),
                Ok(Written::Lost(_)) => {}
                Err(error) => {
                    let replaces = if let Expect::Generation(generation) = expect { generation } else { 0 };
                    return match self.store.put_recovery(&key, refresh_token, facts, replaces).await {
                        Ok(()) => Err(error.with_context("kept", "recovery journal")),
                        Err(_) => Err(error),
                    };
                }
            }
        }
        Err(Error::new(ErrorKind::StoreConflict, "consent", "the grant kept changing while it was being replaced"))
    }

    async fn admin_consent_link(&self, tenant: &TenantRef, audiences: &[Audience], redirect_uri: &Url) -> Result<Url> {
        if self.config.authority.kind() != AuthorityKind::Entra {
            return Err(Error::new(ErrorKind::NotSupported, "consent", "only Entra knows an administrator's consent"));
        }
        let tenant = self.tenant(tenant).await?;
        let (scopes, _) = self.consent_scopes(audiences)?;
        // The sign-in scopes need nobody's consent, and the page refuses some of them.
        let scopes: Vec<String> =
            scopes.into_iter().filter(|scope| !SIGN_IN_SCOPES.contains(&scope.as_str())).collect();
        let mut url =
            self.config.authority.login().join(&format!("/{tenant}/v2.0/adminconsent")).map_err(|_| {
                Error::new(ErrorKind::Internal, "consent", "the admin consent address could not be built")
            })?;
        url.query_pairs_mut()
            .append_pair("client_id", self.config.client_id.as_str())
            .append_pair("scope", &scopes.join(" "))
            .append_pair("redirect_uri", redirect_uri.as_str());
        Ok(url)
    }

    /// An error that an administrator's consent would mend says where to get it.
    async fn with_admin_link(&self, error: Error, facts: &PendingFacts) -> Error {
        if error.kind() != ErrorKind::AdminConsentRequired {
            return error;
        }
        let audiences = Audience::of_names(&facts.audiences);
        match self.admin_consent_link(&facts.tenant.into(), &audiences, &facts.redirect_uri).await {
            Ok(link) => {
                error.with_hint(format!("open this link and accept, then run `partnersam consent PARTNER`: {link}"))
            }
            Err(_) => error,
        }
    }

    async fn authorization_endpoint(&self, tenant: TenantId) -> Result<Url> {
        match self.config.authority.kind() {
            AuthorityKind::Entra => {
                self.config.authority.login().join(&format!("/{tenant}/oauth2/v2.0/authorize")).map_err(|_| {
                    Error::new(
                        ErrorKind::Internal,
                        "consent",
                        "the authorization endpoint's address could not be built",
                    )
                })
            }
            AuthorityKind::Generic => Ok(self.metadata(&tenant.into()).await?.authorization_endpoint.clone()),
        }
    }

    /// Scopes and resource indicators for an authorization request.
    pub(super) fn consent_scopes(&self, audiences: &[Audience]) -> Result<(Vec<String>, Vec<String>)> {
        let cloud = self.config.authority.cloud();
        let mut scopes: Vec<String> = SIGN_IN_SCOPES.map(str::to_owned).to_vec();
        let mut resources = Vec::new();
        for audience in audiences {
            match (self.config.consent_scopes.get(audience), self.config.authority.kind()) {
                (Some(own), AuthorityKind::Entra) => {
                    let resource = audience.resource(cloud).unwrap_or_default();
                    scopes.extend(own.iter().map(|scope| {
                        if scope.contains("://") || resource.is_empty() {
                            scope.clone()
                        } else {
                            format!("{resource}/{scope}")
                        }
                    }));
                }
                (None, AuthorityKind::Entra) => {
                    if audience.consents_by_default_scope() && audiences.len() > 1 {
                        return Err(Error::new(
                            ErrorKind::ConfigMissing,
                            "consent",
                            format!("the scopes to ask for are not known: {audience}"),
                        )
                        .with_hint(
                            "name them in the table `scopes` of the configuration file, or ask for this audience alone",
                        ));
                    }
                    scopes.push(audience.consent_scope(cloud));
                }
                (own, AuthorityKind::Generic) => {
                    scopes.extend(own.into_iter().flatten().cloned());
                    match audience {
                        Audience::Scope(scope) => scopes.push(scope.clone()),
                        other => resources.extend(other.resource(cloud).map(str::to_owned)),
                    }
                }
            }
        }
        Ok((scopes, resources))
    }

    /// Who signed in, by the verified id token.
    async fn person(&self, sign_in: &SignIn) -> Result<Person> {
        let token = sign_in
            .reply
            .id_token
            .as_deref()
            .ok_or_else(|| Error::new(ErrorKind::IdTokenInvalid, "consent", "the service gave no id token"))?;
        let metadata = self.metadata(&sign_in.partner.into()).await?;
        let is_entra = self.config.authority.kind() == AuthorityKind::Entra;
        let expected = id_token::Expected {
            issuer: &metadata.issuer,
            client_id: &self.config.client_id,
            nonce: sign_in.nonce.as_deref(),
            tenant: is_entra.then_some(sign_in.partner),
            now: self.clock.now(),
            leeway: 300,
        };
        let keys = self.keys(&metadata, false).await?;
        let claims = match id_token::verify(token, &keys, &expected) {
            Err(IdTokenProblem::UnknownKey(_)) => {
                id_token::verify(token, &*self.keys(&metadata, true).await?, &expected)
            }
            verdict => verdict,
        };
        let IdTokenClaims { oid, name, amr, .. } = claims.map_err(Error::from)?;
        Ok(Person { oid, name, amr })
    }

    /// MFA by the `amr` of the access token, then by what Partner Center itself says of it. An answer that cannot be had is unknown, not no.
    pub(super) async fn prove_mfa(
        &self,
        audience: &Audience,
        token: &AccessToken,
        person: &Person,
        purpose: &str,
    ) -> MfaEvidence {
        let now = self.clock.now();
        let mut evidence = mfa::evidence(token, now);
        if evidence.verdict == Mfa::Unknown && self.config.authority.kind() == AuthorityKind::Generic {
            evidence.verdict = mfa::verdict(person.amr.as_deref());
            evidence.amr = person.amr.clone().unwrap_or_default();
        }
        if *audience == Audience::PartnerCenter
            && let Some(base) = self.config.authority.partner_center()
        {
            match self.ask_partner_center(base, token, purpose).await {
                Ok(answer) => evidence.partner_center = answer,
                Err(error) => {
                    tracing::warn!(error = error.kind().id(), "Partner Center did not say whether the token has MFA")
                }
            }
            match evidence.partner_center {
                Some(false) => evidence.verdict = Mfa::No,
                Some(true) if evidence.verdict == Mfa::Unknown => evidence.verdict = Mfa::Yes,
                _ => {}
            }
        }
        evidence
    }

    async fn ask_partner_center(&self, base: &Url, token: &AccessToken, purpose: &str) -> Result<Option<bool>> {
        let request = mfa_probe::request(base, token, purpose)?;
        let response = self.transport.send(request, EXCHANGE_DEADLINE).await?;
        Ok(mfa_probe::is_mfa_compliant(&response))
    }
}

impl Person {
    /// The person that an access token or an unverified id token of a direct exchange names; for imports, where nobody has signed in just now.
    pub(super) fn of_reply(reply: &TokenReply) -> Option<Self> {
        // EXPOSE: to read who the token is for.
        let claims =
            reply.id_token.as_deref().and_then(jwt::peek).or_else(|| jwt::peek(reply.access_token.expose()))?;
        let oid = claims.object_id.or(claims.subject)?;
        Some(Self { name: claims.user_name.unwrap_or_else(|| oid.clone()), oid, amr: claims.amr })
    }
}

/// What is known of a consent or an import when it is done.
pub(super) fn finished(entry: &mut Entry, consented: &Consented) {
    entry.partner = Some(consented.partner.to_string());
    entry.user_oid = Some(consented.user_oid.clone());
    entry.mfa = Some(consented.mfa.verdict.as_str());
    let came = consented.audiences.iter().filter(|(_, token)| token.is_ok());
    entry.audiences = came.map(|(audience, _)| audience.name().to_owned()).collect();
    let taints: Vec<_> = consented.taints.iter().map(|taint| taint.as_str()).collect();
    entry.note = (!taints.is_empty()).then(|| taints.join(" "));
}

/// MFA is proved by a Partner Center token where one is asked for, so that comes first.
pub(super) fn first_audience(audiences: &[Audience]) -> Audience {
    audiences
        .iter()
        .find(|audience| **audience == Audience::PartnerCenter)
        .or(audiences.first())
        .cloned()
        .unwrap_or_else(|| Audience::Scope("openid".to_owned()))
}

/// The store knows a consent by the hash of its state: who reads the store cannot forge a reply.
fn state_hash(state: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, state.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}
