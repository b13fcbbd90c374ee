//! The numbers of errors. Made from the core's table by `make gen`; do not edit.

use std::ffi::CStr;

use partnersam::ErrorKind;

use super::psam_status;

/// An argument has a value that cannot be used.
pub const PSAM_ERROR_INVALID_ARGUMENT: psam_status = 1001;

/// The configuration has a value that cannot be used.
pub const PSAM_ERROR_CONFIG_INVALID: psam_status = 1002;

/// The configuration lacks a value that is needed.
pub const PSAM_ERROR_CONFIG_MISSING: psam_status = 1003;

/// The operation was cancelled before it ended.
pub const PSAM_ERROR_CANCELLED: psam_status = 1004;

/// The operation did not end within its time limit.
pub const PSAM_ERROR_DEADLINE_EXCEEDED: psam_status = 1005;

/// A handle is null, was freed, or is of another type.
pub const PSAM_ERROR_HANDLE_INVALID: psam_status = 1006;

/// This build or this configuration cannot do that.
pub const PSAM_ERROR_NOT_SUPPORTED: psam_status = 1007;

/// Several partners have a grant and none was named.
pub const PSAM_ERROR_GRANT_AMBIGUOUS: psam_status = 1008;

/// The handle was opened before a fork and cannot be used in the child process.
pub const PSAM_ERROR_FORKED_HANDLE: psam_status = 1009;

/// Purposes are declared and the call names none.
pub const PSAM_ERROR_PURPOSE_REQUIRED: psam_status = 1010;

/// No such purpose is declared.
pub const PSAM_ERROR_PURPOSE_UNKNOWN: psam_status = 1011;

/// The purpose does not allow that audience or tenant.
pub const PSAM_ERROR_PURPOSE_FORBIDDEN: psam_status = 1012;

/// The purpose has ended.
pub const PSAM_ERROR_PURPOSE_EXPIRED: psam_status = 1013;

/// The refresh token was given to another app than the configured one.
pub const PSAM_ERROR_GRANT_OF_ANOTHER_APP: psam_status = 1014;

/// The grant is stored, and the old refresh token could not be removed where it came from.
pub const PSAM_ERROR_OLD_TOKEN_REMAINS: psam_status = 1015;

/// There is no usable grant for this partner and audience.
pub const PSAM_ERROR_CONSENT_REQUIRED: psam_status = 2001;

/// The service wants a person to sign in again.
pub const PSAM_ERROR_INTERACTION_REQUIRED: psam_status = 2002;

/// The service wants a sign-in with MFA.
pub const PSAM_ERROR_MFA_REQUIRED: psam_status = 2003;

/// The sign-in was not proved to have used MFA, so nothing was stored.
pub const PSAM_ERROR_MFA_NOT_PROVED: psam_status = 2004;

/// A grant that was proved with MFA is never replaced by one without.
pub const PSAM_ERROR_MFA_DOWNGRADE: psam_status = 2005;

/// The partner's refresh token has expired.
pub const PSAM_ERROR_GRANT_EXPIRED: psam_status = 2006;

/// The partner's refresh token was revoked.
pub const PSAM_ERROR_GRANT_REVOKED: psam_status = 2007;

/// The person who signed in declined the consent.
pub const PSAM_ERROR_CONSENT_DECLINED: psam_status = 2008;

/// An administrator must consent to the app first.
pub const PSAM_ERROR_ADMIN_CONSENT_REQUIRED: psam_status = 2009;

/// The app's credential was refused.
pub const PSAM_ERROR_APP_CREDENTIAL_INVALID: psam_status = 2010;

/// The app's credential has expired.
pub const PSAM_ERROR_APP_CREDENTIAL_EXPIRED: psam_status = 2011;

/// The app is not known in that tenant or is disabled there.
pub const PSAM_ERROR_APP_NOT_FOUND: psam_status = 2012;

/// No tenant has that id or domain.
pub const PSAM_ERROR_TENANT_NOT_FOUND: psam_status = 2013;

/// The sign-in was to another tenant than the invited one.
pub const PSAM_ERROR_TENANT_MISMATCH: psam_status = 2014;

/// The reply belongs to no pending consent, or to one already used.
pub const PSAM_ERROR_CONSENT_STATE_UNKNOWN: psam_status = 2015;

/// The consent link was not used in time.
pub const PSAM_ERROR_CONSENT_LINK_EXPIRED: psam_status = 2016;

/// The id token failed a check, so the sign-in was not accepted.
pub const PSAM_ERROR_ID_TOKEN_INVALID: psam_status = 2017;

/// The reply to the consent link is incomplete or malformed.
pub const PSAM_ERROR_AUTHORIZATION_RESPONSE_INVALID: psam_status = 2018;

/// The audience or scope is not known in that tenant.
pub const PSAM_ERROR_AUDIENCE_INVALID: psam_status = 2019;

/// The grant does not cover this audience in that tenant.
pub const PSAM_ERROR_AUDIENCE_NOT_CONSENTED: psam_status = 2020;

/// A Conditional Access policy blocks this sign-in.
pub const PSAM_ERROR_CONDITIONAL_ACCESS_BLOCKED: psam_status = 2021;

/// The account that consented is disabled, locked or not entitled there.
pub const PSAM_ERROR_ACCOUNT_UNUSABLE: psam_status = 2022;

/// The service refused the request as malformed.
pub const PSAM_ERROR_REQUEST_REFUSED: psam_status = 2023;

/// The app registration does not fit the request.
pub const PSAM_ERROR_APP_MISCONFIGURED: psam_status = 2024;

/// The tenant belongs to another cloud.
pub const PSAM_ERROR_CLOUD_MISMATCH: psam_status = 2025;

/// The device code was not used in time.
pub const PSAM_ERROR_DEVICE_CODE_EXPIRED: psam_status = 2026;

/// Partner Center refuses the token because its sign-in had no MFA.
pub const PSAM_ERROR_PARTNER_CENTER_MFA_REQUIRED: psam_status = 3001;

/// The account lacks the role or the relationship for this Partner Center call.
pub const PSAM_ERROR_PARTNER_CENTER_FORBIDDEN: psam_status = 3002;

/// Partner Center knows no such thing, or there is no relationship to that customer.
pub const PSAM_ERROR_PARTNER_CENTER_NOT_FOUND: psam_status = 3003;

/// Partner Center refused the call.
pub const PSAM_ERROR_PARTNER_CENTER_REFUSED: psam_status = 3004;

/// The service could not be reached.
pub const PSAM_ERROR_NETWORK_UNAVAILABLE: psam_status = 4001;

/// The service did not answer in time.
pub const PSAM_ERROR_TIMEOUT: psam_status = 4002;

/// The secure connection could not be made.
pub const PSAM_ERROR_TLS_FAILED: psam_status = 4003;

/// The service asks to slow down.
pub const PSAM_ERROR_RATE_LIMITED: psam_status = 4004;

/// The service has trouble at the moment.
pub const PSAM_ERROR_SERVER_UNAVAILABLE: psam_status = 4005;

/// The service's answer could not be understood.
pub const PSAM_ERROR_RESPONSE_MALFORMED: psam_status = 4006;

/// The service's answer is larger than allowed.
pub const PSAM_ERROR_RESPONSE_TOO_LARGE: psam_status = 4007;

/// The address is outside the configured cloud, so nothing was sent.
pub const PSAM_ERROR_HOST_NOT_ALLOWED: psam_status = 4008;

/// The service answered with a redirect, which is never followed with credentials.
pub const PSAM_ERROR_REDIRECT_REFUSED: psam_status = 4009;

/// The store cannot be reached or opened.
pub const PSAM_ERROR_STORE_UNAVAILABLE: psam_status = 5001;

/// A record of the store cannot be read as what it should be.
pub const PSAM_ERROR_STORE_CORRUPT: psam_status = 5002;

/// There is no key to open the store with.
pub const PSAM_ERROR_STORE_KEY_MISSING: psam_status = 5003;

/// The key does not open this store.
pub const PSAM_ERROR_STORE_KEY_WRONG: psam_status = 5004;

/// The keyring that holds the store's key is locked.
pub const PSAM_ERROR_STORE_KEY_LOCKED: psam_status = 5005;

/// This account may not read or write the store.
pub const PSAM_ERROR_STORE_FORBIDDEN: psam_status = 5006;

/// A file of the store is a link, is foreign, or can be read by others.
pub const PSAM_ERROR_STORE_INSECURE: psam_status = 5007;

/// The store was written by a newer version of partnersam.
pub const PSAM_ERROR_STORE_SCHEMA_NEWER: psam_status = 5008;

/// The store cannot be written, so nothing was redeemed that could be lost.
pub const PSAM_ERROR_STORE_UNWRITABLE: psam_status = 5009;

/// Another process changed the same grant at the same time.
pub const PSAM_ERROR_STORE_CONFLICT: psam_status = 5010;

/// The audit record cannot be written, so what must be recorded was not done.
pub const PSAM_ERROR_AUDIT_UNWRITABLE: psam_status = 5011;

/// The audit record is not as it was written.
pub const PSAM_ERROR_AUDIT_TAMPERED: psam_status = 5012;

/// The identity that opens the vault lacks its role.
pub const PSAM_ERROR_VAULT_ROLE_MISSING: psam_status = 5013;

/// The vault's access policy does not allow this identity what it does.
pub const PSAM_ERROR_VAULT_POLICY_MISSING: psam_status = 5014;

/// The vault's firewall does not let this machine in.
pub const PSAM_ERROR_VAULT_FIREWALL_BLOCKED: psam_status = 5015;

/// Partnersam has a defect.
pub const PSAM_ERROR_INTERNAL: psam_status = 9001;

/// Partnersam stopped at a defect and contained it.
pub const PSAM_ERROR_PANIC: psam_status = 9002;

/// Number, name and sentence of each.
#[rustfmt::skip]
pub(crate) const TABLE: &[(psam_status, &CStr, &CStr)] = &[
    (PSAM_ERROR_INVALID_ARGUMENT, c"InvalidArgument", c"an argument has a value that cannot be used"),
    (PSAM_ERROR_CONFIG_INVALID, c"ConfigInvalid", c"the configuration has a value that cannot be used"),
    (PSAM_ERROR_CONFIG_MISSING, c"ConfigMissing", c"the configuration lacks a value that is needed"),
    (PSAM_ERROR_CANCELLED, c"Cancelled", c"the operation was cancelled before it ended"),
    (PSAM_ERROR_DEADLINE_EXCEEDED, c"DeadlineExceeded", c"the operation did not end within its time limit"),
    (PSAM_ERROR_HANDLE_INVALID, c"HandleInvalid", c"a handle is null, was freed, or is of another type"),
    (PSAM_ERROR_NOT_SUPPORTED, c"NotSupported", c"this build or this configuration cannot do that"),
    (PSAM_ERROR_GRANT_AMBIGUOUS, c"GrantAmbiguous", c"several partners have a grant and none was named"),
    (PSAM_ERROR_FORKED_HANDLE, c"ForkedHandle", c"the handle was opened before a fork and cannot be used in the child process"),
    (PSAM_ERROR_PURPOSE_REQUIRED, c"PurposeRequired", c"purposes are declared and the call names none"),
    (PSAM_ERROR_PURPOSE_UNKNOWN, c"PurposeUnknown", c"no such purpose is declared"),
    (PSAM_ERROR_PURPOSE_FORBIDDEN, c"PurposeForbidden", c"the purpose does not allow that audience or tenant"),
    (PSAM_ERROR_PURPOSE_EXPIRED, c"PurposeExpired", c"the purpose has ended"),
    (PSAM_ERROR_GRANT_OF_ANOTHER_APP, c"GrantOfAnotherApp", c"the refresh token was given to another app than the configured one"),
    (PSAM_ERROR_OLD_TOKEN_REMAINS, c"OldTokenRemains", c"the grant is stored, and the old refresh token could not be removed where it came from"),
    (PSAM_ERROR_CONSENT_REQUIRED, c"ConsentRequired", c"there is no usable grant for this partner and audience"),
    (PSAM_ERROR_INTERACTION_REQUIRED, c"InteractionRequired", c"the service wants a person to sign in again"),
    (PSAM_ERROR_MFA_REQUIRED, c"MfaRequired", c"the service wants a sign-in with MFA"),
    (PSAM_ERROR_MFA_NOT_PROVED, c"MfaNotProved", c"the sign-in was not proved to have used MFA, so nothing was stored"),
    (PSAM_ERROR_MFA_DOWNGRADE, c"MfaDowngrade", c"a grant that was proved with MFA is never replaced by one without"),
    (PSAM_ERROR_GRANT_EXPIRED, c"GrantExpired", c"the partner's refresh token has expired"),
    (PSAM_ERROR_GRANT_REVOKED, c"GrantRevoked", c"the partner's refresh token was revoked"),
    (PSAM_ERROR_CONSENT_DECLINED, c"ConsentDeclined", c"the person who signed in declined the consent"),
    (PSAM_ERROR_ADMIN_CONSENT_REQUIRED, c"AdminConsentRequired", c"an administrator must consent to the app first"),
    (PSAM_ERROR_APP_CREDENTIAL_INVALID, c"AppCredentialInvalid", c"the app's credential was refused"),
    (PSAM_ERROR_APP_CREDENTIAL_EXPIRED, c"AppCredentialExpired", c"the app's credential has expired"),
    (PSAM_ERROR_APP_NOT_FOUND, c"AppNotFound", c"the app is not known in that tenant or is disabled there"),
    (PSAM_ERROR_TENANT_NOT_FOUND, c"TenantNotFound", c"no tenant has that id or domain"),
    (PSAM_ERROR_TENANT_MISMATCH, c"TenantMismatch", c"the sign-in was to another tenant than the invited one"),
    (PSAM_ERROR_CONSENT_STATE_UNKNOWN, c"ConsentStateUnknown", c"the reply belongs to no pending consent, or to one already used"),
    (PSAM_ERROR_CONSENT_LINK_EXPIRED, c"ConsentLinkExpired", c"the consent link was not used in time"),
    (PSAM_ERROR_ID_TOKEN_INVALID, c"IdTokenInvalid", c"the id token failed a check, so the sign-in was not accepted"),
    (PSAM_ERROR_AUTHORIZATION_RESPONSE_INVALID, c"AuthorizationResponseInvalid", c"the reply to the consent link is incomplete or malformed"),
    (PSAM_ERROR_AUDIENCE_INVALID, c"AudienceInvalid", c"the audience or scope is not known in that tenant"),
    (PSAM_ERROR_AUDIENCE_NOT_CONSENTED, c"AudienceNotConsented", c"the grant does not cover this audience in that tenant"),
    (PSAM_ERROR_CONDITIONAL_ACCESS_BLOCKED, c"ConditionalAccessBlocked", c"a Conditional Access policy blocks this sign-in"),
    (PSAM_ERROR_ACCOUNT_UNUSABLE, c"AccountUnusable", c"the account that consented is disabled, locked or not entitled there"),
    (PSAM_ERROR_REQUEST_REFUSED, c"RequestRefused", c"the service refused the request as malformed"),
    (PSAM_ERROR_APP_MISCONFIGURED, c"AppMisconfigured", c"the app registration does not fit the request"),
    (PSAM_ERROR_CLOUD_MISMATCH, c"CloudMismatch", c"the tenant belongs to another cloud"),
    (PSAM_ERROR_DEVICE_CODE_EXPIRED, c"DeviceCodeExpired", c"the device code was not used in time"),
    (PSAM_ERROR_PARTNER_CENTER_MFA_REQUIRED, c"PartnerCenterMfaRequired", c"Partner Center refuses the token because its sign-in had no MFA"),
    (PSAM_ERROR_PARTNER_CENTER_FORBIDDEN, c"PartnerCenterForbidden", c"the account lacks the role or the relationship for this Partner Center call"),
    (PSAM_ERROR_PARTNER_CENTER_NOT_FOUND, c"PartnerCenterNotFound", c"Partner Center knows no such thing, or there is no relationship to that customer"),
    (PSAM_ERROR_PARTNER_CENTER_REFUSED, c"PartnerCenterRefused", c"Partner Center refused the call"),
    (PSAM_ERROR_NETWORK_UNAVAILABLE, c"NetworkUnavailable", c"the service could not be reached"),
    (PSAM_ERROR_TIMEOUT, c"Timeout", c"the service did not answer in time"),
    (PSAM_ERROR_TLS_FAILED, c"TlsFailed", c"the secure connection could not be made"),
    (PSAM_ERROR_RATE_LIMITED, c"RateLimited", c"the service asks to slow down"),
    (PSAM_ERROR_SERVER_UNAVAILABLE, c"ServerUnavailable", c"the service has trouble at the moment"),
    (PSAM_ERROR_RESPONSE_MALFORMED, c"ResponseMalformed", c"the service's answer could not be understood"),
    (PSAM_ERROR_RESPONSE_TOO_LARGE, c"ResponseTooLarge", c"the service's answer is larger than allowed"),
    (PSAM_ERROR_HOST_NOT_ALLOWED, c"HostNotAllowed", c"the address is outside the configured cloud, so nothing was sent"),
    (PSAM_ERROR_REDIRECT_REFUSED, c"RedirectRefused", c"the service answered with a redirect, which is never followed with credentials"),
    (PSAM_ERROR_STORE_UNAVAILABLE, c"StoreUnavailable", c"the store cannot be reached or opened"),
    (PSAM_ERROR_STORE_CORRUPT, c"StoreCorrupt", c"a record of the store cannot be read as what it should be"),
    (PSAM_ERROR_STORE_KEY_MISSING, c"StoreKeyMissing", c"there is no key to open the store with"),
    (PSAM_ERROR_STORE_KEY_WRONG, c"StoreKeyWrong", c"the key does not open this store"),
    (PSAM_ERROR_STORE_KEY_LOCKED, c"StoreKeyLocked", c"the keyring that holds the store's key is locked"),
    (PSAM_ERROR_STORE_FORBIDDEN, c"StoreForbidden", c"this account may not read or write the store"),
    (PSAM_ERROR_STORE_INSECURE, c"StoreInsecure", c"a file of the store is a link, is foreign, or can be read by others"),
    (PSAM_ERROR_STORE_SCHEMA_NEWER, c"StoreSchemaNewer", c"the store was written by a newer version of partnersam"),
    (PSAM_ERROR_STORE_UNWRITABLE, c"StoreUnwritable", c"the store cannot be written, so nothing was redeemed that could be lost"),
    (PSAM_ERROR_STORE_CONFLICT, c"StoreConflict", c"another process changed the same grant at the same time"),
    (PSAM_ERROR_AUDIT_UNWRITABLE, c"AuditUnwritable", c"the audit record cannot be written, so what must be recorded was not done"),
    (PSAM_ERROR_AUDIT_TAMPERED, c"AuditTampered", c"the audit record is not as it was written"),
    (PSAM_ERROR_VAULT_ROLE_MISSING, c"VaultRoleMissing", c"the identity that opens the vault lacks its role"),
    (PSAM_ERROR_VAULT_POLICY_MISSING, c"VaultPolicyMissing", c"the vault's access policy does not allow this identity what it does"),
    (PSAM_ERROR_VAULT_FIREWALL_BLOCKED, c"VaultFirewallBlocked", c"the vault's firewall does not let this machine in"),
    (PSAM_ERROR_INTERNAL, c"Internal", c"partnersam has a defect"),
    (PSAM_ERROR_PANIC, c"Panic", c"partnersam stopped at a defect and contained it"),
];

// Does not compile when a number is not the core's.
#[rustfmt::skip]
const _: () = {
    assert!(PSAM_ERROR_INVALID_ARGUMENT == ErrorKind::InvalidArgument as psam_status);
    assert!(PSAM_ERROR_CONFIG_INVALID == ErrorKind::ConfigInvalid as psam_status);
    assert!(PSAM_ERROR_CONFIG_MISSING == ErrorKind::ConfigMissing as psam_status);
    assert!(PSAM_ERROR_CANCELLED == ErrorKind::Cancelled as psam_status);
    assert!(PSAM_ERROR_DEADLINE_EXCEEDED == ErrorKind::DeadlineExceeded as psam_status);
    assert!(PSAM_ERROR_HANDLE_INVALID == ErrorKind::HandleInvalid as psam_status);
    assert!(PSAM_ERROR_NOT_SUPPORTED == ErrorKind::NotSupported as psam_status);
    assert!(PSAM_ERROR_GRANT_AMBIGUOUS == ErrorKind::GrantAmbiguous as psam_status);
    assert!(PSAM_ERROR_FORKED_HANDLE == ErrorKind::ForkedHandle as psam_status);
    assert!(PSAM_ERROR_PURPOSE_REQUIRED == ErrorKind::PurposeRequired as psam_status);
    assert!(PSAM_ERROR_PURPOSE_UNKNOWN == ErrorKind::PurposeUnknown as psam_status);
    assert!(PSAM_ERROR_PURPOSE_FORBIDDEN == ErrorKind::PurposeForbidden as psam_status);
    assert!(PSAM_ERROR_PURPOSE_EXPIRED == ErrorKind::PurposeExpired as psam_status);
    assert!(PSAM_ERROR_GRANT_OF_ANOTHER_APP == ErrorKind::GrantOfAnotherApp as psam_status);
    assert!(PSAM_ERROR_OLD_TOKEN_REMAINS == ErrorKind::OldTokenRemains as psam_status);
    assert!(PSAM_ERROR_CONSENT_REQUIRED == ErrorKind::ConsentRequired as psam_status);
    assert!(PSAM_ERROR_INTERACTION_REQUIRED == ErrorKind::InteractionRequired as psam_status);
    assert!(PSAM_ERROR_MFA_REQUIRED == ErrorKind::MfaRequired as psam_status);
    assert!(PSAM_ERROR_MFA_NOT_PROVED == ErrorKind::MfaNotProved as psam_status);
    assert!(PSAM_ERROR_MFA_DOWNGRADE == ErrorKind::MfaDowngrade as psam_status);
    assert!(PSAM_ERROR_GRANT_EXPIRED == ErrorKind::GrantExpired as psam_status);
    assert!(PSAM_ERROR_GRANT_REVOKED == ErrorKind::GrantRevoked as psam_status);
    assert!(PSAM_ERROR_CONSENT_DECLINED == ErrorKind::ConsentDeclined as psam_status);
    assert!(PSAM_ERROR_ADMIN_CONSENT_REQUIRED == ErrorKind::AdminConsentRequired as psam_status);
    assert!(PSAM_ERROR_APP_CREDENTIAL_INVALID == ErrorKind::AppCredentialInvalid as psam_status);
    assert!(PSAM_ERROR_APP_CREDENTIAL_EXPIRED == ErrorKind::AppCredentialExpired as psam_status);
    assert!(PSAM_ERROR_APP_NOT_FOUND == ErrorKind::AppNotFound as psam_status);
    assert!(PSAM_ERROR_TENANT_NOT_FOUND == ErrorKind::TenantNotFound as psam_status);
    assert!(PSAM_ERROR_TENANT_MISMATCH == ErrorKind::TenantMismatch as psam_status);
    assert!(PSAM_ERROR_CONSENT_STATE_UNKNOWN == ErrorKind::ConsentStateUnknown as psam_status);
    assert!(PSAM_ERROR_CONSENT_LINK_EXPIRED == ErrorKind::ConsentLinkExpired as psam_status);
    assert!(PSAM_ERROR_ID_TOKEN_INVALID == ErrorKind::IdTokenInvalid as psam_status);
    assert!(PSAM_ERROR_AUTHORIZATION_RESPONSE_INVALID == ErrorKind::AuthorizationResponseInvalid as psam_status);
    assert!(PSAM_ERROR_AUDIENCE_INVALID == ErrorKind::AudienceInvalid as psam_status);
    assert!(PSAM_ERROR_AUDIENCE_NOT_CONSENTED == ErrorKind::AudienceNotConsented as psam_status);
    assert!(PSAM_ERROR_CONDITIONAL_ACCESS_BLOCKED == ErrorKind::ConditionalAccessBlocked as psam_status);
    assert!(PSAM_ERROR_ACCOUNT_UNUSABLE == ErrorKind::AccountUnusable as psam_status);
    assert!(PSAM_ERROR_REQUEST_REFUSED == ErrorKind::RequestRefused as psam_status);
    assert!(PSAM_ERROR_APP_MISCONFIGURED == ErrorKind::AppMisconfigured as psam_status);
    assert!(PSAM_ERROR_CLOUD_MISMATCH == ErrorKind::CloudMismatch as psam_status);
    assert!(PSAM_ERROR_DEVICE_CODE_EXPIRED == ErrorKind::DeviceCodeExpired as psam_status);
    assert!(PSAM_ERROR_PARTNER_CENTER_MFA_REQUIRED == ErrorKind::PartnerCenterMfaRequired as psam_status);
    assert!(PSAM_ERROR_PARTNER_CENTER_FORBIDDEN == ErrorKind::PartnerCenterForbidden as psam_status);
    assert!(PSAM_ERROR_PARTNER_CENTER_NOT_FOUND == ErrorKind::PartnerCenterNotFound as psam_status);
    assert!(PSAM_ERROR_PARTNER_CENTER_REFUSED == ErrorKind::PartnerCenterRefused as psam_status);
    assert!(PSAM_ERROR_NETWORK_UNAVAILABLE == ErrorKind::NetworkUnavailable as psam_status);
    assert!(PSAM_ERROR_TIMEOUT == ErrorKind::Timeout as psam_status);
    assert!(PSAM_ERROR_TLS_FAILED == ErrorKind::TlsFailed as psam_status);
    assert!(PSAM_ERROR_RATE_LIMITED == ErrorKind::RateLimited as psam_status);
    assert!(PSAM_ERROR_SERVER_UNAVAILABLE == ErrorKind::ServerUnavailable as psam_status);
    assert!(PSAM_ERROR_RESPONSE_MALFORMED == ErrorKind::ResponseMalformed as psam_status);
    assert!(PSAM_ERROR_RESPONSE_TOO_LARGE == ErrorKind::ResponseTooLarge as psam_status);
    assert!(PSAM_ERROR_HOST_NOT_ALLOWED == ErrorKind::HostNotAllowed as psam_status);
    assert!(PSAM_ERROR_REDIRECT_REFUSED == ErrorKind::RedirectRefused as psam_status);
    assert!(PSAM_ERROR_STORE_UNAVAILABLE == ErrorKind::StoreUnavailable as psam_status);
    assert!(PSAM_ERROR_STORE_CORRUPT == ErrorKind::StoreCorrupt as psam_status);
    assert!(PSAM_ERROR_STORE_KEY_MISSING == ErrorKind::StoreKeyMissing as psam_status);
    assert!(PSAM_ERROR_STORE_KEY_WRONG == ErrorKind::StoreKeyWrong as psam_status);
    assert!(PSAM_ERROR_STORE_KEY_LOCKED == ErrorKind::StoreKeyLocked as psam_status);
    assert!(PSAM_ERROR_STORE_FORBIDDEN == ErrorKind::StoreForbidden as psam_status);
    assert!(PSAM_ERROR_STORE_INSECURE == ErrorKind::StoreInsecure as psam_status);
    assert!(PSAM_ERROR_STORE_SCHEMA_NEWER == ErrorKind::StoreSchemaNewer as psam_status);
    assert!(PSAM_ERROR_STORE_UNWRITABLE == ErrorKind::StoreUnwritable as psam_status);
    assert!(PSAM_ERROR_STORE_CONFLICT == ErrorKind::StoreConflict as psam_status);
    assert!(PSAM_ERROR_AUDIT_UNWRITABLE == ErrorKind::AuditUnwritable as psam_status);
    assert!(PSAM_ERROR_AUDIT_TAMPERED == ErrorKind::AuditTampered as psam_status);
    assert!(PSAM_ERROR_VAULT_ROLE_MISSING == ErrorKind::VaultRoleMissing as psam_status);
    assert!(PSAM_ERROR_VAULT_POLICY_MISSING == ErrorKind::VaultPolicyMissing as psam_status);
    assert!(PSAM_ERROR_VAULT_FIREWALL_BLOCKED == ErrorKind::VaultFirewallBlocked as psam_status);
    assert!(PSAM_ERROR_INTERNAL == ErrorKind::Internal as psam_status);
    assert!(PSAM_ERROR_PANIC == ErrorKind::Panic as psam_status);
};
