//! A check-up: everything that has to be right for a token to come, looked at one after the other. The probes are here, the judgement in `judge`.

mod judge;
mod mask;
mod proxy;

use std::time::SystemTime;

use http::{Method, header};
use serde::Serialize;
use url::Url;
use uuid::Uuid;

pub use judge::{Finding, Level};

use self::mask::Mask;
use self::proxy::Way;
use super::App;
use super::credential;
use super::grants::GrantStatus;
use super::token::TokenRequest;
use crate::audience::Audience;
use crate::cloud::AuthorityKind;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{TenantId, TenantRef};
use crate::partner_center::{mfa_reports, role_probe};
use crate::protocol::metadata;
use crate::protocol::redirect_probe::{self, Registered};
use crate::secret::PkceVerifier;
use crate::store::{PendingConsent, PendingFacts};
use crate::transport::{EXCHANGE_DEADLINE, retry_after};

/// What to look at besides the app itself.
#[derive(Clone, Debug, Default)]
pub struct DoctorRequest {
    /// Whose grant; the only one where there is one.
    pub partner: Option<TenantRef>,
    /// A customer of that partner.
    pub customer: Option<TenantRef>,
}

/// The findings, in the order in which one depends on the other.
#[derive(Clone, Debug)]
pub struct Checkup {
    /// One line each.
    pub findings: Vec<Finding>,
    authority: String,
    mask: Mask,
}

/// A [`Checkup`] as the document that all faces share. Safe to paste: names of tenants and accounts give way to PARTNER, CUSTOMER and ACCOUNT, GUIDs are
/// cut to eight characters, and there is no secret in it. Correlation ids stay whole: support asks for them.
#[derive(Clone, Debug, Serialize)]
pub struct CheckupReport {
    schema_version: u32,
    /// The version that looked.
    pub version: &'static str,
    /// What issues the tokens.
    pub authority: String,
    /// The worst of the findings.
    pub verdict: Level,
    /// One line each.
    pub findings: Vec<FindingReport>,
}

/// One line of a [`CheckupReport`].
#[derive(Clone, Debug, Serialize)]
pub struct FindingReport {
    /// What was looked at.
    pub check: &'static str,
    /// Which of several.
    pub about: Option<String>,
    /// `pass`, `warn` or `fail`.
    pub level: Level,
    /// What was found.
    pub message: String,
    /// Who must act and what to do.
    pub fix: Option<String>,
    /// The number of the error behind it.
    pub error_number: Option<u16>,
    /// Its name.
    pub error_id: Option<&'static str>,
    /// The service's own codes.
    pub codes: Vec<String>,
    /// By which the service finds the request.
    pub correlation_id: Option<String>,
}

impl Checkup {
    /// The worst of the findings.
    pub fn verdict(&self) -> Level {
        self.findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Pass)
    }

    /// The errors behind the findings that fail.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        self.findings.iter().filter(|finding| finding.level == Level::Fail).filter_map(|finding| finding.error.as_ref())
    }

    /// The document, masked.
    pub fn report(&self) -> CheckupReport {
        let findings = self.findings.iter().map(|finding| {
            let error = finding.error.as_ref();
            let entra = error.and_then(Error::entra);
            let of_entra = entra.iter().flat_map(|entra| &entra.codes).map(|code| format!("AADSTS{code}"));
            let mut codes: Vec<_> = of_entra.chain(error.and_then(Error::service_code).map(str::to_owned)).collect();
            codes.dedup();
            FindingReport {
                check: finding.check,
                about: finding.about.as_deref().map(|about| self.mask.apply(about)),
                level: finding.level,
                message: self.mask.apply(&placed(finding)),
                fix: finding.fix.as_deref().map(|fix| self.mask.apply(fix)),
                error_number: error.map(|error| error.kind().number()),
                error_id: error.map(|error| error.kind().id()),
                codes,
                correlation_id: error.and_then(Error::correlation_id).map(str::to_owned),
            }
        });
        CheckupReport {
            schema_version: 1,
            version: env!("CARGO_PKG_VERSION"),
            authority: self.authority.clone(),
            verdict: self.verdict(),
            findings: findings.collect(),
        }
    }
}

/// With whose grant, and what for, a partner is looked at.
struct Look<'a> {
    partner: &'a TenantRef,
    purpose: Option<String>,
}

impl Look<'_> {
    fn token(&self, audience: Audience) -> TokenRequest {
        TokenRequest { purpose: self.purpose.clone(), ..TokenRequest::new(audience).partner(self.partner.clone()) }
    }
}

/// The message with the file that it is about, where neither it nor what was looked at names that.
fn placed(finding: &Finding) -> String {
    let file = finding.error.iter().flat_map(Error::context).find(|(key, _)| ["file", "path"].contains(key));
    let is_named =
        |file: &str| finding.message.contains(file) || finding.about.as_ref().is_some_and(|about| about.contains(file));
    match file {
        Some((_, file)) if !is_named(file) => format!("{}: {file}", finding.message),
        _ => finding.message.clone(),
    }
}

impl App {
    /// Looks at everything that has to be right: the app's credentials, the store and its key, the way to the service, the clock, the redirect address;
    /// and for a partner the grant, a new token for each audience, MFA, the role in Partner Center, and one customer. What does not work is a finding,
    /// not an error.
    pub async fn doctor(&self, request: &DoctorRequest) -> Checkup {
        let mut checkup = Checkup {
            findings: Vec::new(),
            authority: self.config().authority.name().to_owned(),
            mask: Mask::default(),
        };
        let mask = &mut checkup.mask;
        if let Ok(home) = etcetera::home_dir() {
            mask.hide(home.display().to_string(), "~");
        }
        let named =
            [(&request.partner, "PARTNER"), (&request.customer, "CUSTOMER"), (&self.config().home_tenant, "TENANT")];
        for (name, place) in named {
            if let Some(name) = name {
                mask.hide(name.to_string(), place);
            }
        }
        self.look_at_the_app(&mut checkup).await;
        if let Some(partner) = self.partner_to_look_at(request, &mut checkup).await {
            self.look_at_the_partner(&partner, request.customer.as_ref(), &mut checkup).await;
        }
        checkup
    }

    async fn look_at_the_app(&self, checkup: &mut Checkup) {
        let inner = self.inner();
        let now = inner.clock.now();
        let found = &mut checkup.findings;
        let credentials = self.credentials();
        if credentials.is_empty() {
            found.push(judge::no_credential(credential::absent()));
        }
        found.extend(credentials.iter().map(|status| judge::credential(status, now)));
        let key = self.config().key.to_string();
        found.push(judge::store(&self.store_location(), &key, self.store_round_trip().await));
        found.extend(self.store_advice().map(|advice| judge::store_advice(&self.store_location(), advice)));
        // A key that cannot be had was told of just now.
        if let Ok(status) = self.key_status().await {
            found.extend(judge::key(&status));
        }
        let login = self.config().authority.login().clone();
        let answered = self.time_of_service().await;
        // None stands before the emulator.
        let is_direct = self.config().authority.is_emulator();
        let way = if is_direct { Way::Direct } else { proxy::way(&login, |name| std::env::var(name).ok()) };
        let is_there = answered.is_ok();
        let ahead = answered.as_ref().ok().copied().flatten();
        let host = login.host_str().unwrap_or_default();
        found.push(judge::connection(host, way, answered.map(|_| ())));
        // Without an answer the rest could only say the same again.
        if !is_there {
            return;
        }
        found.push(judge::clock(ahead));
        if self.config().authority.kind() == AuthorityKind::Entra {
            let address = self.config().redirect_uri.clone().or_else(|| Url::parse("http://localhost").ok());
            if let Some(address) = address {
                let unusable = redirect_probe::unusable(&address);
                let registered =
                    if unusable.is_some() { Ok(Registered::Unknown) } else { self.registered(&address).await };
                found.push(judge::redirect(&address, unusable, registered));
            }
        }
    }

    /// The partner that was named, else the only one.
    async fn partner_to_look_at(&self, request: &DoctorRequest, checkup: &mut Checkup) -> Option<TenantRef> {
        if let Some(partner) = &request.partner {
            return Some(partner.clone());
        }
        let inner = self.inner();
        // A store that cannot be read was told of already.
        match inner.store.tenants(&inner.key, None, 2).await.ok()?.as_slice() {
            [only] => Some((*only).into()),
            tenants => {
                checkup.findings.push(judge::no_partner(tenants.len()));
                None
            }
        }
    }

    async fn look_at_the_partner(&self, partner: &TenantRef, customer: Option<&TenantRef>, checkup: &mut Checkup) {
        let now = self.inner().clock.now();
        let grant = self.grant(partner).await;
        if let Ok(grant) = &grant {
            checkup.mask.hide(grant.partner.to_string(), "PARTNER");
            for domain in &grant.facts.domains {
                checkup.mask.hide(domain.clone(), "PARTNER");
            }
            checkup.mask.hide(grant.facts.user_name.clone(), "ACCOUNT");
        }
        let finding = judge::grant(grant.as_ref().map_err(Clone::clone), now);
        let is_dead = finding.level == Level::Fail;
        checkup.findings.push(finding);
        let Ok(grant) = grant else { return };
        // A dead grant would only be refused once more for each.
        if is_dead {
            return;
        }
        let purpose = self.inner().purpose_to_look(&grant.facts.purpose);
        let look = Look { partner, purpose };
        let audiences = Audience::of_names(&grant.facts.audiences);
        for audience in &audiences {
            let request = TokenRequest { fresh: true, ..look.token(audience.clone()) };
            let finding = judge::audience(audience, self.token(&request).await.map(|_| ()));
            match checkup.findings.last_mut().filter(|last| last.is_the_same_as(&finding)) {
                Some(last) => last.is_also_about(audience),
                None => checkup.findings.push(finding),
            }
        }
        // Where the grant was given for something else, nobody may ask Partner Center by it.
        let is_asked = audiences.contains(&Audience::PartnerCenter) || look.purpose.is_none();
        if self.config().authority.partner_center().is_some() && is_asked {
            self.look_at_partner_center(&look, &grant, &mut checkup.findings).await;
        }
        if let Some(customer) = customer {
            if let Ok(tenant) = self.tenant(customer).await {
                checkup.mask.hide(tenant.to_string(), "CUSTOMER");
            }
            self.look_at_the_customer(&look, customer, &audiences, &mut checkup.findings).await;
        }
    }

    async fn look_at_partner_center(&self, look: &Look<'_>, grant: &GrantStatus, found: &mut Vec<Finding>) {
        let answer = self.check_mfa_for(look.partner, look.purpose.clone()).await;
        let judged = answer.as_ref().map(|answer| (&answer.evidence, answer.refusal.as_ref())).map_err(Clone::clone);
        let finding = judge::mfa(judged);
        let goes_on = finding.level == Level::Pass;
        found.push(finding);
        // Without MFA Partner Center refuses everything else for that, too.
        if !goes_on {
            return;
        }
        found.push(judge::role(self.ask(look, None).await));
        let reports = self.reports(look).await;
        found.push(match reports {
            Ok((principals, adoption)) => judge::mfa_reports(
                (&grant.facts.user_oid, &grant.facts.user_name),
                self.config().client_id.as_str(),
                &principals,
                &adoption,
            ),
            Err(error) => judge::mfa_reports_missing(error),
        });
    }

    async fn look_at_the_customer(
        &self,
        look: &Look<'_>,
        customer: &TenantRef,
        audiences: &[Audience],
        found: &mut Vec<Finding>,
    ) {
        if self.config().authority.partner_center().is_some() {
            let answer = match self.tenant(customer).await {
                Ok(tenant) => self.ask(look, Some(tenant)).await,
                Err(error) => Err(error),
            };
            found.push(judge::customer("customer", "Partner Center knows the relationship", answer));
        }
        let audience = audiences.iter().find(|audience| **audience != Audience::PartnerCenter).cloned();
        let mut request = look.token(audience.unwrap_or(Audience::Graph));
        request.customer = Some(customer.clone());
        request.fresh = true;
        let token = self.token(&request).await.map(|_| ());
        let message = format!("a new token for {} came in the customer's tenant", request.audience);
        found.push(judge::customer("customer-token", &message, token));
    }

    /// Asks Partner Center for a customer: this one, or any.
    async fn ask(&self, look: &Look<'_>, customer: Option<TenantId>) -> Result<()> {
        let response = self
            .partner_center(look, |base, token, purpose| match customer {
                Some(customer) => role_probe::one_customer(base, token, customer, purpose),
                None => role_probe::any_customer(base, token, purpose),
            })
            .await?;
        let wait = retry_after(response.headers(), SystemTime::now());
        role_probe::read(&response, wait)
            .map_err(|error| error.in_operation("doctor").with_context("partner", look.partner))
    }

    async fn reports(&self, look: &Look<'_>) -> Result<(Vec<mfa_reports::Principal>, Vec<mfa_reports::Adoption>)> {
        let principals = self.partner_center(look, mfa_reports::principals_request).await?;
        let adoption = self.partner_center(look, mfa_reports::adoption_request).await?;
        Ok((mfa_reports::principals(&principals)?, mfa_reports::adoption(&adoption)?))
    }

    async fn partner_center(
        &self,
        look: &Look<'_>,
        build: impl FnOnce(&Url, &crate::secret::AccessToken, &str) -> Result<http::Request<Vec<u8>>>,
    ) -> Result<http::Response<Vec<u8>>> {
        let inner = self.inner();
        let base = inner.config.authority.partner_center().ok_or_else(|| {
            Error::new(ErrorKind::NotSupported, "doctor", "this authority has no Partner Center to ask")
        })?;
        let request = look.token(Audience::PartnerCenter);
        let token = self.token(&request).await?;
        let purpose = request.purpose.as_deref().unwrap_or(&inner.config.purpose);
        inner.transport.send(build(base, token.secret(), purpose)?, EXCHANGE_DEADLINE).await
    }

    /// Writes something sealed, reads it back and takes it out: true where it came back as it was.
    async fn store_round_trip(&self) -> Result<bool> {
        let inner = self.inner();
        let now = inner.clock.now();
        let mut state_hash = [0; 32];
        getrandom::fill(&mut state_hash).map_err(|error| {
            Error::new(ErrorKind::Internal, "doctor", "the system has no randomness").with_cause(error)
        })?;
        let written = PendingConsent {
            app: inner.key.clone(),
            state_hash,
            verifier: PkceVerifier::new("check-up"),
            facts: PendingFacts {
                tenant: TenantId::new(Uuid::from_u128(1)),
                partner: "check-up".to_owned(),
                redirect_uri: self.config().authority.login().clone(),
                audiences: Vec::new(),
                purpose: "doctor".to_owned(),
                nonce: Uuid::new_v4().to_string(),
                // Should it stay behind, the next one who looks drops it.
                expires_on: now.plus(60),
            },
        };
        // A vault has the grants, and the store beside it the rest: each is asked.
        inner.store.tenants(&inner.key, None, 1).await?;
        inner.store.check_writable().await?;
        inner.store.put_pending(&written, now).await?;
        let read = inner.store.pending(&inner.key, &state_hash).await?;
        let taken = inner.store.take_pending(&inner.key, &state_hash).await?;
        Ok(taken && read.is_some_and(|read| read.facts == written.facts))
    }

    /// Seconds that the service's clock is ahead of ours; none where it did not say.
    async fn time_of_service(&self) -> Result<Option<i64>> {
        let inner = self.inner();
        let request = get(&metadata::document_url_for_all(&inner.config.authority))?;
        let before = inner.clock.now();
        let response = inner.transport.send(request, EXCHANGE_DEADLINE).await?;
        let after = inner.clock.now();
        let date = response.headers().get(header::DATE).and_then(|value| value.to_str().ok());
        let date = date.and_then(|text| httpdate::parse_http_date(text).ok());
        let seconds = date.and_then(|date| date.duration_since(SystemTime::UNIX_EPOCH).ok());
        let seconds = seconds.and_then(|since| i64::try_from(since.as_secs()).ok());
        Ok(seconds.map(|server| server - (before.0 + after.0) / 2))
    }

    async fn registered(&self, redirect_uri: &Url) -> Result<Registered> {
        let config = self.config();
        let tenant = config.home_tenant.as_ref().map_or_else(|| "organizations".to_owned(), ToString::to_string);
        let endpoint = config.authority.login().join(&format!("/{tenant}/oauth2/v2.0/authorize")).map_err(|_| {
            Error::new(ErrorKind::Internal, "doctor", "the authorization endpoint's address could not be built")
        })?;
        let url = redirect_probe::address(&endpoint, &config.client_id, redirect_uri);
        match self.inner().transport.send(get(&url)?, EXCHANGE_DEADLINE).await {
            Ok(response) => Ok(redirect_probe::judge(response.status().as_u16(), response.body())),
            // It would have sent a browser on: that is the answer.
            Err(error) if error.kind() == ErrorKind::RedirectRefused => {
                Ok(redirect_probe::judge(error.http_status().unwrap_or(302), b""))
            }
            Err(error) => Err(error),
        }
    }
}

fn get(url: &Url) -> Result<http::Request<Vec<u8>>> {
    http::Request::builder()
        .method(Method::GET)
        .uri(url.as_str())
        .header(header::ACCEPT, "application/json, text/html")
        .body(Vec::new())
        .map_err(|_| Error::new(ErrorKind::Internal, "doctor", "a request could not be built"))
}
