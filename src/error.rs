//! Errors that lose nothing: [`Error`], and the one table of [`ErrorKind`]s that every language shares.
//!
//! Numbers are frozen: a kind may be added, never renumbered, and a retired number is never used again.
//! Blocks: 1xxx caller, 2xxx identity, 3xxx Partner Center, 4xxx transport, 5xxx store, 9xxx internal.

mod attached;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use self::attached::Attached;

/// The result of every fallible operation here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, who must act, and what to do next. Never holds a secret: not in `Display`, `Debug`, a field or a cause.
///
/// Cheap to clone, so that callers who waited for one shared attempt all get the same answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Arc<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    message: String,
    actor: Option<Actor>,
    /// What to do, with placeholders; the kind's own where none.
    advice: Option<String>,
    /// The advice with the names of the context, and who it is for.
    hint: String,
    retry_after: Option<Duration>,
    http_status: Option<u16>,
    service_code: Option<String>,
    entra: Option<EntraDetails>,
    context: Vec<(&'static str, String)>,
    causes: Vec<String>,
    attached: Option<Attached>,
}

/// What Entra said of a refused request, field by field as its JSON error reply has them
/// (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EntraDetails {
    /// OAuth error, for example `invalid_grant` (RFC 6749 section 5.2).
    pub error: String,
    /// All AADSTS numbers, the most specific first.
    pub codes: Vec<u32>,
    /// Finer class of the error, for example `token_expired`.
    pub suberror: Option<String>,
    /// Id of the request at Entra; a support ticket asks for it.
    pub trace_id: Option<String>,
    /// Id that ties several requests together.
    pub correlation_id: Option<String>,
    /// When Entra answered, as it wrote it.
    pub timestamp: Option<String>,
    /// Claims that the next sign-in must satisfy, as JSON text.
    pub claims: Option<String>,
}

/// Which family of errors a kind belongs to; each language has one exception class per category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// The call or the configuration is wrong.
    Caller,
    /// Consent, sign-in, app registration.
    Identity,
    /// The Partner Center API refused.
    PartnerCenter,
    /// The network, TLS or the service's health.
    Transport,
    /// The place where grants are kept, or its key.
    Store,
    /// A defect of this library.
    Internal,
}

impl Category {
    /// The word used in JSON, for example `partner_center`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Identity => "identity",
            Self::PartnerCenter => "partner_center",
            Self::Transport => "transport",
            Self::Store => "store",
            Self::Internal => "internal",
        }
    }
}

/// Whether the same call can succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The same call will fail again.
    Never,
    /// Yes, after [`Error::retry_after`] where given, else after a short while.
    After,
    /// Once a person has acted; see [`ErrorKind::actor`].
    UserAction,
}

impl Retry {
    /// The word used in JSON, for example `user_action`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::After => "after",
            Self::UserAction => "user_action",
        }
    }
}

/// Who must act so that the call can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Whoever wrote the call or the configuration.
    Caller,
    /// The person who owns the partner's service account: signs in with MFA.
    ServiceAccountOwner,
    /// An administrator of the partner's tenant.
    PartnerAdministrator,
    /// An administrator of the customer's tenant.
    CustomerAdministrator,
    /// The owner of the app registration: its credential, redirect addresses, permissions.
    AppDeveloper,
    /// The administrator of this machine: files, keyring, proxy, clock.
    HostAdministrator,
    /// Nobody: wait and try again.
    Wait,
    /// The authors of partnersam: a defect worth a report.
    Maintainers,
}

impl Actor {
    /// The word used in JSON, for example `service_account_owner`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::ServiceAccountOwner => "service_account_owner",
            Self::PartnerAdministrator => "partner_administrator",
            Self::CustomerAdministrator => "customer_administrator",
            Self::AppDeveloper => "app_developer",
            Self::HostAdministrator => "host_administrator",
            Self::Wait => "wait",
            Self::Maintainers => "maintainers",
        }
    }

    /// The words used in text for people, for example `the service account's owner`.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Caller => "you, in the call or the configuration",
            Self::ServiceAccountOwner => "the owner of the partner's service account",
            Self::PartnerAdministrator => "an administrator of the partner's tenant",
            Self::CustomerAdministrator => "an administrator of the customer's tenant",
            Self::AppDeveloper => "the owner of the app registration",
            Self::HostAdministrator => "the administrator of this machine",
            Self::Wait => "nobody: wait and try again",
            Self::Maintainers => "the authors of partnersam: please report it",
        }
    }

    /// The words that a hint begins with.
    pub(crate) fn in_hint(self) -> &'static str {
        match self {
            Self::Caller => "you",
            Self::Wait => "nobody",
            Self::Maintainers => "the authors of partnersam",
            named => named.in_words(),
        }
    }
}

macro_rules! error_kinds {
    ($($(#[$doc:meta])* $number:literal $name:ident $category:ident $retry:ident $actor:ident $anchor:literal $sentence:literal $hint:literal;)+) => {
        /// The kinds of error, one line each in the table of this file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum ErrorKind {
            $(#[doc = concat!($sentence, ".")] $name = $number,)+
        }

        impl ErrorKind {
            /// Every kind, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name used in every language, for example `ConsentRequired`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// The family it belongs to.
            pub fn category(self) -> Category {
                match self { $(Self::$name => Category::$category,)+ }
            }

            /// Whether the same call can succeed later.
            pub fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)+ }
            }

            /// Who must act.
            pub fn actor(self) -> Actor {
                match self { $(Self::$name => Actor::$actor,)+ }
            }

            /// The anchor of this kind in TROUBLESHOOTING.md, for example `consent-required`.
            pub fn anchor(self) -> &'static str {
                match self { $(Self::$name => $anchor,)+ }
            }

            /// One sentence that says what it is.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)+ }
            }

            /// What to do about it, where an error has no better hint of its own.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)+ }
            }
        }
    };
}

error_kinds! {
    1001 InvalidArgument Caller Never Caller "invalid-argument"
        "an argument has a value that cannot be used" "see the message for what was expected";
    1002 ConfigInvalid Caller Never Caller "config-invalid"
        "the configuration has a value that cannot be used" "correct the named key in the configuration file or the environment";
    1003 ConfigMissing Caller Never Caller "config-missing"
        "the configuration lacks a value that is needed" "run `partnersam init`, or set the named variable";
    1004 Cancelled Caller After Caller "cancelled"
        "the operation was cancelled before it ended" "run it again when ready";
    1005 DeadlineExceeded Caller After Wait "deadline-exceeded"
        "the operation did not end within its time limit" "try again, or allow more time";
    1006 HandleInvalid Caller Never Caller "handle-invalid"
        "a handle is null, was freed, or is of another type" "pass a handle that was opened and not yet freed";
    1007 NotSupported Caller Never Caller "not-supported"
        "this build or this configuration cannot do that" "see the message for what can";
    1008 GrantAmbiguous Caller Never Caller "grant-ambiguous"
        "several partners have a grant and none was named" "name the partner; `partnersam status` lists them";
    1009 ForkedHandle Caller Never Caller "forked-handle"
        "the handle was opened before a fork and cannot be used in the child process" "open the app again in the child process";
    1010 PurposeRequired Caller Never Caller "purpose-required"
        "purposes are declared and the call names none" "name one with `--purpose NAME`, or set `purpose` in the configuration file";
    1011 PurposeUnknown Caller Never Caller "purpose-unknown"
        "no such purpose is declared" "name a declared purpose, or declare it in the configuration file";
    1012 PurposeForbidden Caller Never Caller "purpose-forbidden"
        "the purpose does not allow that audience or tenant" "name the purpose that fits, or widen this one in the configuration file";
    1013 PurposeExpired Caller Never Caller "purpose-expired"
        "the purpose has ended" "if it is still needed, move `expires_on` of the purpose in the configuration file";
    1014 GrantOfAnotherApp Caller Never Caller "grant-of-another-app"
        "the refresh token was given to another app than the configured one" "import it with the app that got it (`partnersam init --client-id` names the app), or let the partner consent to this app";
    1015 OldTokenRemains Caller UserAction HostAdministrator "old-token-remains"
        "the grant is stored, and the old refresh token could not be removed where it came from" "remove it by hand at the named place, or run the same import again";

    2001 ConsentRequired Identity UserAction ServiceAccountOwner "consent-required"
        "there is no usable grant for this partner and audience" "run `partnersam consent PARTNER` and sign in with MFA";
    2002 InteractionRequired Identity UserAction ServiceAccountOwner "interaction-required"
        "the service wants a person to sign in again" "run `partnersam consent PARTNER` and sign in with MFA";
    2003 MfaRequired Identity UserAction ServiceAccountOwner "mfa-required"
        "the service wants a sign-in with MFA" "run `partnersam consent PARTNER` and sign in with MFA";
    2004 MfaNotProved Identity UserAction ServiceAccountOwner "mfa-not-proved"
        "the sign-in was not proved to have used MFA, so nothing was stored" "register MFA for the account, then run `partnersam consent PARTNER` again";
    2005 MfaDowngrade Identity UserAction ServiceAccountOwner "mfa-downgrade"
        "a grant that was proved with MFA is never replaced by one without" "sign in with MFA, or revoke the stored grant first";
    2006 GrantExpired Identity UserAction ServiceAccountOwner "grant-expired"
        "the partner's refresh token has expired" "run `partnersam consent PARTNER`, then schedule `partnersam renew`";
    2007 GrantRevoked Identity UserAction ServiceAccountOwner "grant-revoked"
        "the partner's refresh token was revoked" "find out who revoked it and why, then run `partnersam consent PARTNER`";
    2008 ConsentDeclined Identity UserAction ServiceAccountOwner "consent-declined"
        "the person who signed in declined the consent" "run `partnersam consent PARTNER` again with the right account";
    2009 AdminConsentRequired Identity UserAction PartnerAdministrator "admin-consent-required"
        "an administrator must consent to the app first" "open the admin consent link and accept, then run `partnersam consent PARTNER`";
    2010 AppCredentialInvalid Identity UserAction AppDeveloper "app-credential-invalid"
        "the app's credential was refused" "check that the secret's value, not its id, is configured for this client id";
    2011 AppCredentialExpired Identity UserAction AppDeveloper "app-credential-expired"
        "the app's credential has expired" "add a new credential to the app registration, configure it, then remove the old one";
    2012 AppNotFound Identity UserAction AppDeveloper "app-not-found"
        "the app is not known in that tenant or is disabled there" "check client id and tenant; in a partner's or customer's tenant the app needs consent first";
    2013 TenantNotFound Identity Never Caller "tenant-not-found"
        "no tenant has that id or domain" "check the spelling, and that the configured cloud is the tenant's";
    2014 TenantMismatch Identity UserAction ServiceAccountOwner "tenant-mismatch"
        "the sign-in was to another tenant than the invited one" "sign in with an account of the partner that the link was made for";
    2015 ConsentStateUnknown Identity Never ServiceAccountOwner "consent-state-unknown"
        "the reply belongs to no pending consent, or to one already used" "start again from a new consent link";
    2016 ConsentLinkExpired Identity UserAction Caller "consent-link-expired"
        "the consent link was not used in time" "make a new link with `partnersam consent PARTNER --link`";
    2017 IdTokenInvalid Identity Never Maintainers "id-token-invalid"
        "the id token failed a check, so the sign-in was not accepted" "start again; if it stays, look for a proxy that changes replies, and check this machine's clock";
    2018 AuthorizationResponseInvalid Identity Never Caller "authorization-response-invalid"
        "the reply to the consent link is incomplete or malformed" "start again from a new consent link";
    2019 AudienceInvalid Identity Never Caller "audience-invalid"
        "the audience or scope is not known in that tenant" "check the audience's spelling, that the cloud is right, and that the tenant has the service";
    2020 AudienceNotConsented Identity UserAction ServiceAccountOwner "audience-not-consented"
        "the grant does not cover this audience in that tenant" "run `partnersam consent PARTNER --for AUDIENCE`; for a customer, the customer's consent is missing";
    2021 ConditionalAccessBlocked Identity UserAction PartnerAdministrator "conditional-access-blocked"
        "a Conditional Access policy blocks this sign-in" "look the correlation id up in the sign-in log and adjust the policy or the place it runs from";
    2022 AccountUnusable Identity UserAction PartnerAdministrator "account-unusable"
        "the account that consented is disabled, locked or not entitled there" "check the account and its GDAP groups, then consent again";
    2023 RequestRefused Identity Never Caller "request-refused"
        "the service refused the request as malformed" "read the service's text; it is a configuration error or a defect";
    2024 AppMisconfigured Identity UserAction AppDeveloper "app-misconfigured"
        "the app registration does not fit the request" "check its redirect addresses, client type and permissions";
    2025 CloudMismatch Identity Never Caller "cloud-mismatch"
        "the tenant belongs to another cloud" "set `cloud` to the cloud that the tenant is in";
    2026 DeviceCodeExpired Identity UserAction ServiceAccountOwner "device-code-expired"
        "the device code was not used in time" "start again and enter the new code";

    3001 PartnerCenterMfaRequired PartnerCenter UserAction ServiceAccountOwner "partner-center-mfa-required"
        "Partner Center refuses the token because its sign-in had no MFA" "register MFA for the account, then run `partnersam consent PARTNER` again";
    3002 PartnerCenterForbidden PartnerCenter UserAction PartnerAdministrator "partner-center-forbidden"
        "the account lacks the role or the relationship for this Partner Center call" "check the account's Partner Center roles and GDAP groups";
    3003 PartnerCenterNotFound PartnerCenter Never Caller "partner-center-not-found"
        "Partner Center knows no such thing, or there is no relationship to that customer" "check the id and the relationship";
    3004 PartnerCenterRefused PartnerCenter Never Caller "partner-center-refused"
        "Partner Center refused the call" "read the service's code and text";

    4001 NetworkUnavailable Transport After HostAdministrator "network-unavailable"
        "the service could not be reached" "check network, name resolution and the proxy variables";
    4002 Timeout Transport After Wait "timeout"
        "the service did not answer in time" "try again later";
    4003 TlsFailed Transport Never HostAdministrator "tls-failed"
        "the secure connection could not be made" "check this machine's clock and certificate store; SSL_CERT_FILE can name a company's authority";
    4004 RateLimited Transport After Wait "rate-limited"
        "the service asks to slow down" "wait for the given time, then try again";
    4005 ServerUnavailable Transport After Wait "server-unavailable"
        "the service has trouble at the moment" "try again later; the grant is kept";
    4006 ResponseMalformed Transport After Maintainers "response-malformed"
        "the service's answer could not be understood" "try again; if it stays, look for a proxy that changes replies";
    4007 ResponseTooLarge Transport Never Maintainers "response-too-large"
        "the service's answer is larger than allowed" "look for a proxy that changes replies";
    4008 HostNotAllowed Transport Never Caller "host-not-allowed"
        "the address is outside the configured cloud, so nothing was sent" "check `cloud`, and where the address comes from";
    4009 RedirectRefused Transport Never HostAdministrator "redirect-refused"
        "the service answered with a redirect, which is never followed with credentials" "look for a captive portal or a proxy";

    5001 StoreUnavailable Store After HostAdministrator "store-unavailable"
        "the store cannot be reached or opened" "check that its place exists, is writable, and that its disk is not full";
    5002 StoreCorrupt Store Never HostAdministrator "store-corrupt"
        "a record of the store cannot be read as what it should be" "restore the store from a backup, or consent again";
    5003 StoreKeyMissing Store UserAction HostAdministrator "store-key-missing"
        "there is no key to open the store with" "unlock or install a keyring, or name a key file with PARTNERSAM_KEY_FILE (`partnersam init --key-file PATH` makes one)";
    5004 StoreKeyWrong Store UserAction HostAdministrator "store-key-wrong"
        "the key does not open this store" "use the key that the store was made with";
    5005 StoreKeyLocked Store UserAction HostAdministrator "store-key-locked"
        "the keyring that holds the store's key is locked" "unlock the keyring, or use a key file for unattended runs";
    5006 StoreForbidden Store UserAction HostAdministrator "store-forbidden"
        "this account may not read or write the store" "run as the account that owns the store, or correct the permissions";
    5007 StoreInsecure Store UserAction HostAdministrator "store-insecure"
        "a file of the store is a link, is foreign, or can be read by others" "make it a plain file owned by this account with mode 0600 in a folder with mode 0700";
    5008 StoreSchemaNewer Store UserAction HostAdministrator "store-schema-newer"
        "the store was written by a newer version of partnersam" "update partnersam on this machine";
    5009 StoreUnwritable Store After HostAdministrator "store-unwritable"
        "the store cannot be written, so nothing was redeemed that could be lost" "check disk space and permissions; reading goes on";
    5010 StoreConflict Store After Wait "store-conflict"
        "another process changed the same grant at the same time" "try again";
    5011 AuditUnwritable Store After HostAdministrator "audit-unwritable"
        "the audit record cannot be written, so what must be recorded was not done" "check disk space and permissions of the record's folder; `partnersam audit verify` checks the record";
    5012 AuditTampered Store Never HostAdministrator "audit-tampered"
        "the audit record is not as it was written" "run `partnersam audit verify`, keep the record as evidence, and find out who changed it";
    5013 VaultRoleMissing Store UserAction HostAdministrator "vault-role-missing"
        "the identity that opens the vault lacks its role" "have the vault's owner assign the role Key Vault Secrets Officer, and wait some minutes";
    5014 VaultPolicyMissing Store UserAction HostAdministrator "vault-policy-missing"
        "the vault's access policy does not allow this identity what it does" "have the vault's owner add get, list, set, delete, recover and purge of secrets to the access policy";
    5015 VaultFirewallBlocked Store UserAction HostAdministrator "vault-firewall-blocked"
        "the vault's firewall does not let this machine in" "have the vault's owner allow this machine's address, or use a private endpoint";

    9001 Internal Internal Never Maintainers "internal"
        "partnersam has a defect" "please report it with the operation and the message";
    9002 Panic Internal Never Maintainers "panic"
        "partnersam stopped at a defect and contained it" "please report it with the operation";
}

impl ErrorKind {
    /// The frozen number, for example 2001.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The kind with that number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.number() == number)
    }
}

impl Error {
    /// An error of `kind`, met while doing `operation` (a verb such as `token`); `message` is one lower-case sentence without a final dot.
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        let mut error = Self(Arc::new(Inner {
            kind,
            operation,
            message: one_line(&message.into()),
            actor: None,
            advice: None,
            hint: String::new(),
            retry_after: None,
            http_status: None,
            service_code: None,
            entra: None,
            context: Vec::new(),
            causes: Vec::new(),
            attached: None,
        }));
        error.inner().word_hint();
        error
    }

    /// Replaces the kind's own advice. Who must act is not a part of it, and `PARTNER`, `CUSTOMER` and `AUDIENCE` in it stand for the facts of these names
    /// in the context.
    #[must_use]
    pub fn with_hint(mut self, advice: impl Into<String>) -> Self {
        let inner = self.inner();
        inner.advice = Some(one_line(&advice.into()));
        inner.word_hint();
        self
    }

    /// Replaces who must act, where that is known better than by the kind.
    #[must_use]
    pub fn with_actor(mut self, actor: Actor) -> Self {
        let inner = self.inner();
        inner.actor = Some(actor);
        inner.word_hint();
        self
    }

    /// Says how long to wait before trying again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.inner().retry_after = Some(wait);
        self
    }

    /// Keeps the HTTP status of the answer.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.inner().http_status = Some(status);
        self
    }

    /// Keeps the service's own code, for example Partner Center's `900421`.
    #[must_use]
    pub fn with_service_code(mut self, code: impl Into<String>) -> Self {
        self.inner().service_code = Some(one_line(&code.into()));
        self
    }

    /// Keeps what Entra said.
    #[must_use]
    pub fn with_entra(mut self, entra: EntraDetails) -> Self {
        self.inner().entra = Some(entra);
        self
    }

    /// Adds a fact that is not secret, for example (`partner`, `fabrikam.com`). A key that is there already is replaced.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        // Long enough for a whole address.
        let value = cut(&value.to_string(), 4096);
        let inner = self.inner();
        match inner.context.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => inner.context.push((key, value)),
        }
        inner.word_hint();
        self
    }

    /// Adds an underlying cause as text that the caller has made sure holds no secret.
    #[must_use]
    pub fn with_cause(mut self, cause: impl fmt::Display) -> Self {
        self.inner().causes.push(one_line(&cause.to_string()));
        self
    }

    /// Ties to it what only a binding can read. It is in no text and no document.
    #[must_use]
    pub fn with_attached(mut self, anything: Arc<dyn Any + Send + Sync>) -> Self {
        self.inner().attached = Some(Attached(anything));
        self
    }

    /// What a binding tied to it, if it is of this type.
    pub fn attached<T: Any>(&self) -> Option<&T> {
        self.0.attached.as_ref().and_then(|attached| attached.0.downcast_ref())
    }

    /// Names the operation that the user asked for, where a lower part only knew its own.
    #[must_use]
    pub fn in_operation(mut self, operation: &'static str) -> Self {
        let inner = self.inner();
        inner.operation = operation;
        inner.word_hint();
        self
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed, for example `token`.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// What happened, in one sentence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Who must act so that the call can succeed.
    pub fn actor(&self) -> Actor {
        self.0.actor()
    }

    /// Who must act and what to do, with the exact command where there is one: `the owner of the partner's service account: run ...`.
    pub fn hint(&self) -> &str {
        &self.0.hint
    }

    /// [`Error::hint`] without who must act.
    pub fn advice(&self) -> &str {
        self.0.hint.split_once(": ").map_or(&self.0.hint, |(_, advice)| advice)
    }

    /// How long to wait before trying again, where the service said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The HTTP status of the answer, where there was one.
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// The service's own code, for example Partner Center's `900421`.
    pub fn service_code(&self) -> Option<&str> {
        self.0.service_code.as_deref()
    }

    /// What Entra said, where it was Entra.
    pub fn entra(&self) -> Option<&EntraDetails> {
        self.0.entra.as_ref()
    }

    /// The id by which the service's log has the request, where there was one.
    pub fn correlation_id(&self) -> Option<&str> {
        let of_entra = self.0.entra.as_ref().and_then(|entra| entra.correlation_id.as_deref());
        let of_call = || self.0.context.iter().find(|(key, _)| *key == "correlation_id").map(|(_, id)| id.as_str());
        of_entra.or_else(of_call)
    }

    /// Whether `other` tells of the same answer: the same words, and the same request where there was one.
    pub fn is_same_answer(&self, other: &Self) -> bool {
        (self.message(), self.correlation_id()) == (other.message(), other.correlation_id())
    }

    /// Facts around the error, in the order they were added.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// Underlying causes, outermost first.
    pub fn causes(&self) -> &[String] {
        &self.0.causes
    }

    /// Where the error is explained: the anchor in TROUBLESHOOTING.md.
    pub fn help(&self) -> String {
        format!("TROUBLESHOOTING.md#{}", self.0.kind.anchor())
    }

    /// The flat document that crosses every language boundary. Every field is always there; unknown ones are null or empty.
    pub fn to_document(&self) -> ErrorDocument<'_> {
        let entra = self.0.entra.as_ref();
        ErrorDocument {
            schema_version: 1,
            number: self.0.kind.number(),
            id: self.0.kind.id(),
            category: self.0.kind.category().as_str(),
            retry: self.0.kind.retry().as_str(),
            actor: self.actor().as_str(),
            operation: self.0.operation,
            message: &self.0.message,
            hint: self.hint(),
            help: self.help(),
            retry_after: self.0.retry_after.map(|wait| wait.as_secs_f64().ceil() as u64),
            http_status: self.0.http_status,
            service_code: self.service_code(),
            entra_error: entra.map(|details| details.error.as_str()),
            entra_codes: entra.map(|details| details.codes.as_slice()).unwrap_or_default(),
            suberror: entra.and_then(|details| details.suberror.as_deref()),
            trace_id: entra.and_then(|details| details.trace_id.as_deref()),
            correlation_id: self.correlation_id(),
            timestamp: entra.and_then(|details| details.timestamp.as_deref()),
            claims: entra.and_then(|details| details.claims.as_deref()),
            context: self.0.context.iter().map(|(key, value)| (*key, value.as_str())).collect(),
            causes: &self.0.causes,
        }
    }

    /// [`Error::to_document`] as JSON text.
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists cannot fail to serialize.
        serde_json::to_string(&self.to_document()).unwrap_or_default()
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }
}

impl Inner {
    fn actor(&self) -> Actor {
        self.actor.unwrap_or_else(|| self.kind.actor())
    }

    /// Words the hint anew, after something that it is made of has changed.
    fn word_hint(&mut self) {
        let advice = self.advice.as_deref().unwrap_or_else(|| self.kind.hint());
        self.hint = format!("{}: {}", self.actor().in_hint(), named(&self.again(advice), &self.context));
    }

    /// `advice` with what was tried in the place of a token for the partner's own tenant, where it was something else.
    fn again<'a>(&self, advice: &'a str) -> Cow<'a, str> {
        const TOKEN: &str = "`partnersam token PARTNER --for AUDIENCE`";
        if !advice.contains(TOKEN) {
            return Cow::Borrowed(advice);
        }
        let tried = match self.operation {
            "consent" => "`partnersam consent PARTNER`",
            "import" => "the import again",
            _ if self.context.iter().any(|(key, _)| *key == "customer") => {
                "`partnersam token PARTNER --for AUDIENCE --customer CUSTOMER`"
            }
            _ => return Cow::Borrowed(advice),
        };
        Cow::Owned(advice.replace(TOKEN, tried))
    }
}

/// `advice` with the names that the context has in the places of `PARTNER`, `CUSTOMER` and `AUDIENCE`, so that a command can be copied as it stands.
fn named(advice: &str, context: &[(&'static str, String)]) -> String {
    const PLACES: [(&str, &str); 3] = [("PARTNER", "partner"), ("CUSTOMER", "customer"), ("AUDIENCE", "audience")];
    // What a shell would not take as one plain word stays out.
    let is_plain = |name: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/' | b':');
        name.bytes().all(plain) && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut named = String::with_capacity(advice.len());
    let mut rest = advice;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        // Between words one character at a time.
        let end = if end == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { end };
        let (word, after) = rest.split_at(end);
        let name = PLACES
            .iter()
            .find(|(place, _)| *place == word)
            .and_then(|(_, key)| context.iter().find(|(known, value)| known == key && is_plain(value)));
        named.push_str(name.map_or(word, |(_, value)| value));
        rest = after;
    }
    // A consent asks for Partner Center beside the audience, unless it is the audience.
    named.replace("partner-center,partner-center", "partner-center")
}

/// An [`Error`] as the flat document that is the same in every language; see [`Error::to_document`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorDocument<'a> {
    /// Version of this shape.
    pub schema_version: u32,
    /// [`ErrorKind::number`].
    pub number: u16,
    /// [`ErrorKind::id`].
    pub id: &'static str,
    /// [`Category::as_str`].
    pub category: &'static str,
    /// [`Retry::as_str`].
    pub retry: &'static str,
    /// [`Actor::as_str`].
    pub actor: &'static str,
    /// [`Error::operation`].
    pub operation: &'static str,
    /// [`Error::message`].
    pub message: &'a str,
    /// [`Error::hint`].
    pub hint: &'a str,
    /// [`Error::help`].
    pub help: String,
    /// [`Error::retry_after`] in whole seconds, rounded up.
    pub retry_after: Option<u64>,
    /// [`Error::http_status`].
    pub http_status: Option<u16>,
    /// [`Error::service_code`].
    pub service_code: Option<&'a str>,
    /// [`EntraDetails::error`].
    pub entra_error: Option<&'a str>,
    /// [`EntraDetails::codes`].
    pub entra_codes: &'a [u32],
    /// [`EntraDetails::suberror`].
    pub suberror: Option<&'a str>,
    /// [`EntraDetails::trace_id`].
    pub trace_id: Option<&'a str>,
    /// [`Error::correlation_id`].
    pub correlation_id: Option<&'a str>,
    /// [`EntraDetails::timestamp`].
    pub timestamp: Option<&'a str>,
    /// [`EntraDetails::claims`].
    pub claims: Option<&'a str>,
    /// [`Error::context`].
    pub context: std::collections::BTreeMap<&'static str, &'a str>,
    /// [`Error::causes`].
    pub causes: &'a [String],
}

impl fmt::Display for Error {
    /// One line: the message, then the facts that name what it is about.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.message)?;
        for (key, value) in &self.0.context {
            write!(f, " [{key}: {value}]")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    /// A report: every field that is set, one line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        writeln!(f, "{} ({}) in {}: {}", inner.kind.id(), inner.kind.number(), inner.operation, inner.message)?;
        writeln!(f, "  who must act: {}", self.actor().in_words())?;
        writeln!(f, "  hint: {}", self.advice())?;
        if let Some(status) = inner.http_status {
            writeln!(f, "  http status: {status}")?;
        }
        if let Some(code) = &inner.service_code {
            writeln!(f, "  service code: {code}")?;
        }
        if let Some(entra) = &inner.entra {
            writeln!(f, "  entra: {entra:?}")?;
        }
        for (key, value) in &inner.context {
            writeln!(f, "  {key}: {value}")?;
        }
        for cause in &inner.causes {
            writeln!(f, "  cause: {cause}")?;
        }
        write!(f, "  see: {}", self.help())
    }
}

impl std::error::Error for Error {}

/// Text from outside must not break a log line or a terminal: control characters become spaces, and it is cut at 1,200 characters.
fn one_line(text: &str) -> String {
    cut(text, 1200)
}

fn cut(text: &str, most: usize) -> String {
    let mut line: String = text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_their_category_s_block_and_are_unique() {
        let mut seen = std::collections::HashSet::new();
        for kind in ErrorKind::ALL {
            assert!(seen.insert(kind.number()), "{kind:?} shares its number");
            let block = match kind.category() {
                Category::Caller => 1,
                Category::Identity => 2,
                Category::PartnerCenter => 3,
                Category::Transport => 4,
                Category::Store => 5,
                Category::Internal => 9,
            };
            assert_eq!(kind.number() / 1000, block, "{kind:?} is outside its block");
            assert_eq!(ErrorKind::from_number(kind.number()), Some(*kind));
        }
    }

    #[test]
    fn anchors_are_the_ids_in_kebab_case() {
        for kind in ErrorKind::ALL {
            let mut kebab = String::new();
            for c in kind.id().chars() {
                if c.is_uppercase() && !kebab.is_empty() {
                    kebab.push('-');
                }
                kebab.extend(c.to_lowercase());
            }
            assert_eq!(kind.anchor(), kebab);
        }
    }

    #[test]
    fn a_hint_says_who_acts_and_what_to_run_with_the_names_of_the_call() {
        let error = Error::new(ErrorKind::ConsentRequired, "token", "x");
        assert_eq!(error.advice(), "run `partnersam consent PARTNER` and sign in with MFA");
        let error = error.with_context("partner", "fabrikam.com");
        assert_eq!(
            error.hint(),
            "the owner of the partner's service account: run `partnersam consent fabrikam.com` and sign in with MFA"
        );
        let error = error.with_context("partner", "contoso.com").with_actor(Actor::PartnerAdministrator);
        assert_eq!(error.advice(), "run `partnersam consent contoso.com` and sign in with MFA");
        assert!(error.hint().starts_with("an administrator of the partner's tenant: run `"));
        assert_eq!(error.to_document().actor, "partner_administrator");
        let token = Error::new(ErrorKind::TenantNotFound, "token", "x")
            .with_hint("check it, then run `partnersam token PARTNER --for AUDIENCE`")
            .with_context("partner", "fabrikam.com")
            .with_context("audience", "graph");
        assert_eq!(token.advice(), "check it, then run `partnersam token fabrikam.com --for graph`");
        assert_eq!(
            token.clone().in_operation("consent").advice(),
            "check it, then run `partnersam consent fabrikam.com`"
        );
        assert_eq!(token.clone().in_operation("import").advice(), "check it, then run the import again");
        let there = token.with_context("customer", "contoso.com");
        assert_eq!(
            there.advice(),
            "check it, then run `partnersam token fabrikam.com --for graph --customer contoso.com`"
        );
        for foreign in ["$(reboot)", "a b", "", "-x", "a`b"] {
            assert!(error.clone().with_context("partner", foreign).hint().contains("consent PARTNER`"), "{foreign}");
        }
        let key = Error::new(ErrorKind::StoreKeyMissing, "open", "x").with_context("partner", "x");
        assert!(key.hint().contains("PARTNERSAM_KEY_FILE"));
        let wait = Error::new(ErrorKind::RateLimited, "token", "x");
        assert_eq!(wait.hint(), "nobody: wait for the given time, then try again");
    }

    #[test]
    fn text_from_outside_cannot_break_the_line() {
        let error = Error::new(ErrorKind::RequestRefused, "token", "AADSTS1: a\r\nforged line\u{1b}[31m")
            .with_context("partner", "x\ny");
        assert!(!error.to_string().contains(['\r', '\n', '\u{1b}']));
        assert_eq!(error.to_document().context["partner"], "x y");
    }

    #[test]
    fn the_document_always_has_every_field() {
        let plain: serde_json::Value =
            serde_json::from_str(&Error::new(ErrorKind::Internal, "token", "x").to_json()).unwrap_or_default();
        let full = Error::new(ErrorKind::RateLimited, "token", "x")
            .with_retry_after(Duration::from_millis(1500))
            .with_http_status(429)
            .with_service_code("900421")
            .with_entra(EntraDetails { error: "invalid_grant".into(), codes: vec![70043], ..Default::default() })
            .with_context("partner", "fabrikam.com")
            .with_cause("timeout");
        let full: serde_json::Value = serde_json::from_str(&full.to_json()).unwrap_or_default();
        let keys = |value: &serde_json::Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
        assert_eq!(keys(&plain), keys(&full));
        assert_eq!(full["retry_after"], 2);
        assert_eq!(full["entra_codes"][0], 70043);
    }
}
