//! The rows. A row is: code, kind of error, class, what it means; who acts, what they do first, the next command, what else helps.

use super::{Class, Remedy, Source, Step};
use crate::error::{Actor, ErrorKind};

const CONSENT: &str = "partnersam consent PARTNER";
/// Partner Center's token is what proves MFA, so it is asked for beside the audience that lacks consent.
const CONSENT_FOR: &str = "partnersam consent PARTNER --for partner-center,AUDIENCE";
const TOKEN: &str = "partnersam token PARTNER --for AUDIENCE";
const CUSTOMER_TOKEN: &str = "partnersam token PARTNER --for AUDIENCE --customer CUSTOMER";
/// Consents for one customer, once whoever must act has acted; asks before it changes anything.
const CUSTOMER_CONSENT: &str = "partnersam customers apply PARTNER --file grants.toml --customer CUSTOMER";
const PC_TOKEN: &str = "partnersam token PARTNER --for partner-center";
const PC_CUSTOMER_TOKEN: &str = "partnersam token PARTNER --for partner-center --customer CUSTOMER";
const STATUS: &str = "partnersam status";
const REVOKE: &str = "partnersam revoke PARTNER";
const EXPLAIN: &str = "partnersam explain";
const VERSION: &str = "partnersam --version";

macro_rules! table {
    ($name:ident $source:ident $($code:literal $kind:ident $class:ident $words:literal
        $actor:ident $first:literal $command:ident $note:literal
        $(customer $customer_actor:ident $customer_first:literal $customer_command:ident $customer_note:literal)?;)+) => {
        pub(super) const $name: &[Remedy] = &[$(Remedy {
            code: $code,
            source: Source::$source,
            class: Class::$class,
            kind: ErrorKind::$kind,
            words: $words,
            step: Step { actor: Actor::$actor, first: $first, command: $command, note: $note },
            in_customer_tenant: table!(@customer $($customer_actor $customer_first $customer_command $customer_note)?),
        }),+];
    };
    (@customer) => { None };
    (@customer $actor:ident $first:literal $command:ident $note:literal) => {
        Some(Step { actor: Actor::$actor, first: $first, command: $command, note: $note })
    };
}

// AADSTS numbers, in their order: `entra` relies on it, and a test checks it.
table! { NUMBERS Entra
    "16000" InteractionRequired Reauth
        "several accounts are signed in and none was chosen"
        ServiceAccountOwner "" CONSENT "and choose the partner's service account";
    "16003" AccountUnusable Account
        "the account has not been added to that tenant"
        ServiceAccountOwner "" CONSENT "and sign in with an account of the partner's tenant";
    "28000" RequestRefused Input
        "scopes of more than one resource were asked for in one token"
        Caller "ask for one audience at a time" TOKEN "";
    "50011" AppMisconfigured App
        "the redirect address is not one of the app registration's"
        AppDeveloper "register exactly that address in the app registration, under Web" CONSENT "";
    "50020" AccountUnusable Permission
        "the account is from another identity provider and is not a member of that tenant"
        PartnerAdministrator "use an account of the partner's own tenant" CONSENT ""
        customer PartnerAdministrator "put the account into a GDAP security group for that customer, and delete its guest object there" CUSTOMER_TOKEN "";
    "50034" AccountUnusable Input
        "the account does not exist in that tenant"
        Caller "check that partner and cloud are the right ones" CONSENT "and sign in with an account of that tenant";
    "50053" AccountUnusable Account
        "the account is locked, or signs in from an address that is blocked"
        PartnerAdministrator "wait or unlock the account" CONSENT "";
    "50055" AccountUnusable Account
        "the account's password has expired"
        ServiceAccountOwner "change the password" CONSENT "";
    "50057" AccountUnusable Account
        "the account is disabled"
        PartnerAdministrator "enable the account, or choose another one" CONSENT "";
    "50058" InteractionRequired Reauth
        "nobody is signed in"
        ServiceAccountOwner "" CONSENT "and sign in with MFA";
    "50059" TenantNotFound Input
        "no tenant is named in the request"
        Caller "name the partner by its tenant id or one of its domains" TOKEN "";
    "50072" MfaRequired Reauth
        "the account must enrol for MFA"
        ServiceAccountOwner "register MFA for the account" CONSENT "";
    "50074" MfaRequired Reauth
        "a strong sign-in is needed and was not made"
        ServiceAccountOwner "" CONSENT "and pass MFA; register it for the account if that was not done yet";
    "50076" MfaRequired Reauth
        "the resource wants a sign-in with MFA now, because of a policy, a new place or the age of the last one"
        ServiceAccountOwner "" CONSENT "and pass MFA; if it comes back, have \"remember MFA on trusted devices\" turned off and Conditional Access checked";
    "50078" MfaRequired Reauth
        "the MFA of the last sign-in is too old for a policy"
        ServiceAccountOwner "" CONSENT "have that policy lengthened or lifted for the service account";
    "50079" MfaRequired Reauth
        "the account must register for MFA, or its identity provider must report it"
        ServiceAccountOwner "register MFA for the account, or have the other identity provider send the MFA claim" CONSENT "";
    "50085" InteractionRequired Reauth
        "the account's other identity provider wants a new sign-in"
        ServiceAccountOwner "" CONSENT "";
    "50089" AuthorizationResponseInvalid Reauth
        "the sign-in took too long"
        ServiceAccountOwner "" CONSENT "";
    "50097" ConditionalAccessBlocked Policy
        "the sign-in must come from a known device"
        PartnerAdministrator "open the consent link on a device that the policy accepts, or have an administrator adjust the policy" CONSENT ""
        customer CustomerAdministrator "look the correlation id up in the customer's sign-in log and except the partner's account from the policy" CUSTOMER_TOKEN "";
    "50105" AccountUnusable Permission
        "the account is not assigned to the app"
        PartnerAdministrator "assign the account to the app under Enterprise applications" CONSENT ""
        customer CustomerAdministrator "assign the partner's account to the app under Enterprise applications in the customer's tenant" CUSTOMER_TOKEN "";
    "50126" AccountUnusable Account
        "user name or password are wrong"
        ServiceAccountOwner "" CONSENT "and sign in with the right ones";
    "50129" ConditionalAccessBlocked Policy
        "the device is not joined to the tenant"
        PartnerAdministrator "open the consent link on a device that the policy accepts, or have an administrator adjust the policy" CONSENT ""
        customer CustomerAdministrator "look the correlation id up in the customer's sign-in log and except the partner's account from the policy" CUSTOMER_TOKEN "";
    "50131" ConditionalAccessBlocked Policy
        "a Conditional Access policy blocks the sign-in"
        PartnerAdministrator "look the correlation id up in the sign-in log and adjust the policy" TOKEN ""
        customer CustomerAdministrator "look the correlation id up in the customer's sign-in log and except the partner's account from the policy" CUSTOMER_TOKEN "";
    "50132" GrantRevoked Reauth
        "the sessions of the account were revoked, or its password was changed"
        ServiceAccountOwner "ask who did it and why" CONSENT "";
    "50133" GrantRevoked Reauth
        "the password was changed, so the session ended"
        ServiceAccountOwner "ask who did it and why" CONSENT "";
    "50144" AccountUnusable Account
        "the account's Active Directory password has expired"
        ServiceAccountOwner "change the password" CONSENT "";
    "50158" MfaRequired Reauth
        "another provider's security challenge was not passed"
        ServiceAccountOwner "" CONSENT "and pass every step of the sign-in";
    "50173" GrantRevoked Reauth
        "the grant was revoked: sessions were revoked or the password was reset"
        ServiceAccountOwner "ask who did it and why, for it may be the answer to an incident" CONSENT "";
    "50177" AccountUnusable Permission
        "the account is not known to the resource in that tenant"
        PartnerAdministrator "use an account of the partner's own tenant" CONSENT ""
        customer PartnerAdministrator "put the account into a GDAP security group for that customer, and delete its guest object there" CUSTOMER_TOKEN "";
    "50194" AppMisconfigured App
        "the app is registered for one tenant only"
        AppDeveloper "make the app registration multitenant, or use it in its home tenant" CONSENT "";
    "50196" RateLimited Wait
        "Entra saw the same request too often and takes it for a loop"
        Wait "wait at least five minutes, and find what asks again and again" TOKEN "";
    "53000" ConditionalAccessBlocked Policy
        "the device does not comply with policy"
        PartnerAdministrator "open the consent link on a device that the policy accepts, or have an administrator adjust the policy" CONSENT ""
        customer CustomerAdministrator "look the correlation id up in the customer's sign-in log and except the partner's account from the policy" CUSTOMER_TOKEN "";
    "53001" ConditionalAccessBlocked Policy
        "the device is not joined to the tenant's domain"
        PartnerAdministrator "open the consent link on a device that the policy accepts, or have an administrator adjust the policy" CONSENT ""
        customer CustomerAdministrator "look the correlation id up in the customer's sign-in log and except the partner's account from the policy" CUSTOMER_TOKEN "";
    "53002" ConditionalAccessBlocked Policy
        "the browser or app is not one that policy accepts"
        PartnerAdministrator "open the consent link with an approved browser" CONSENT ""
        customer CustomerAdministrator "look the correlation id up in the customer's sign-in log and except the partner's account from the policy" CUSTOMER_TOKEN "";
    "53003" ConditionalAccessBlocked Policy
        "a Conditional Access policy blocks tokens here"
        PartnerAdministrator "look the correlation id up in the sign-in log" TOKEN "a named location for this machine is the usual answer"
        customer CustomerAdministrator "look the correlation id up in the customer's sign-in log and except the partner's account from the policy" CUSTOMER_TOKEN "";
    "53004" ConditionalAccessBlocked Security
        "the account must prove its identity first because a sign-in looked risky"
        PartnerAdministrator "look into Identity Protection and find out whose sign-in it was" CONSENT "";
    "53009" ConditionalAccessBlocked Policy
        "policy wants an app protection policy"
        PartnerAdministrator "exclude the service account from that policy" CONSENT ""
        customer CustomerAdministrator "look the correlation id up in the customer's sign-in log and except the partner's account from the policy" CUSTOMER_TOKEN "";
    "53011" ConditionalAccessBlocked Security
        "the account is blocked because of risk in its home tenant"
        PartnerAdministrator "look into Identity Protection and find out whose sign-in it was" CONSENT "";
    "54005" AuthorizationResponseInvalid Reauth
        "the authorization code was already used"
        ServiceAccountOwner "" CONSENT "a code works once";
    "65001" AudienceNotConsented Consent
        "nobody has consented to this app for this audience in that tenant"
        ServiceAccountOwner "" CONSENT_FOR "and accept"
        customer PartnerAdministrator "name the resource and its scopes in the grants file" CUSTOMER_CONSENT "";
    "65004" ConsentDeclined Consent
        "the person who signed in declined the consent"
        ServiceAccountOwner "" CONSENT "and sign in with the right account and accept";
    "65005" AppMisconfigured App
        "the app asks for a resource that is not in its list of permissions"
        AppDeveloper "add the permission to the app registration" CONSENT "";
    "70000" ConsentRequired Reauth
        "the grant or the code is not valid any more"
        ServiceAccountOwner "" CONSENT "";
    "70002" AppCredentialInvalid Credential
        "the app's credential could not be checked"
        AppDeveloper "check that the secret's value, not its id, is configured for this client id" TOKEN "";
    "70008" GrantExpired Reauth
        "the grant or the code has expired"
        ServiceAccountOwner "" CONSENT "schedule `partnersam renew` so that it is used in time";
    "70011" AudienceInvalid Input
        "the scope is not valid"
        Caller "check the audience's spelling, and ask for one audience at a time" TOKEN "";
    "70016" InteractionRequired Reauth
        "the person has not signed in with the device code yet"
        ServiceAccountOwner "enter the code at the address that was shown" STATUS "";
    "70018" DeviceCodeExpired Reauth
        "the device code is wrong"
        ServiceAccountOwner "" CONSENT "and enter the new code";
    "70019" DeviceCodeExpired Reauth
        "the device code has expired"
        ServiceAccountOwner "" CONSENT "and enter the new code";
    "70020" DeviceCodeExpired Reauth
        "the device code has expired"
        ServiceAccountOwner "" CONSENT "and enter the new code";
    "70043" GrantExpired Policy
        "a sign-in frequency policy ended the grant"
        ServiceAccountOwner "" CONSENT "have the service account excluded from sign-in frequency, but not from MFA";
    "70044" InteractionRequired Policy
        "a sign-in frequency policy ended the session"
        ServiceAccountOwner "" CONSENT "have the service account excluded from sign-in frequency, but not from MFA";
    "75011" InteractionRequired Reauth
        "the sign-in used another method than the app asked for"
        ServiceAccountOwner "" CONSENT "";
    "90002" TenantNotFound Input
        "no tenant has that id or domain"
        Caller "check the spelling, and that the configured cloud is the tenant's" TOKEN "";
    "90009" AppMisconfigured Input
        "the app asks for a token for itself by a name that only works by its GUID"
        Caller "name the audience by its app id" TOKEN "";
    "90014" RequestRefused Input
        "the request lacks a field"
        Maintainers "report it with the correlation id: it is a configuration error or a defect" VERSION "";
    "90033" ServerUnavailable Wait
        "Entra has trouble at the moment"
        Wait "wait a while" TOKEN "the grant is kept";
    "90038" CloudMismatch Cloud
        "the tenant belongs to another cloud"
        Caller "set `cloud` to the cloud that the tenant is in" TOKEN "";
    "90055" RateLimited Wait
        "the tenant has sent too many requests"
        Wait "wait as long as the error says" TOKEN "";
    "90072" AccountUnusable Permission
        "the account is not in that tenant and cannot use the app there"
        PartnerAdministrator "use an account of the partner's own tenant" CONSENT ""
        customer PartnerAdministrator "put the account into a GDAP security group for that customer, and delete its guest object there" CUSTOMER_TOKEN "";
    "90094" AdminConsentRequired Consent
        "an administrator must consent to these permissions first"
        PartnerAdministrator "open the admin consent link and accept" CONSENT "";
    "90095" AdminConsentRequired Consent
        "an administrator must approve the request for consent"
        PartnerAdministrator "approve the request under Enterprise applications" CONSENT "";
    "90099" AudienceNotConsented Consent
        "the app is not authorized in that tenant, and delegated administration needs consent beforehand"
        PartnerAdministrator "have the app consented to in that tenant" TOKEN ""
        customer PartnerAdministrator "name the resource and its scopes in the grants file" CUSTOMER_CONSENT "";
    "135011" ConditionalAccessBlocked Policy
        "the device is disabled"
        PartnerAdministrator "open the consent link on a device that the policy accepts, or have an administrator adjust the policy" CONSENT ""
        customer CustomerAdministrator "look the correlation id up in the customer's sign-in log and except the partner's account from the policy" CUSTOMER_TOKEN "";
    "500011" AudienceInvalid Tenant
        "the service is not present in that tenant"
        Caller "check the audience, that the tenant has a licence for the service, and that the cloud is right" TOKEN ""
        customer CustomerAdministrator "have the customer licensed for the service" CUSTOMER_TOKEN "";
    "500113" AppMisconfigured App
        "the app registration has no redirect address"
        AppDeveloper "register the redirect address in the app registration, under Web" CONSENT "";
    "500121" MfaRequired Reauth
        "MFA was tried and not passed"
        ServiceAccountOwner "" CONSENT "and pass MFA";
    "530003" ConditionalAccessBlocked Policy
        "the device must be managed"
        PartnerAdministrator "open the consent link on a device that the policy accepts, or have an administrator adjust the policy" CONSENT ""
        customer CustomerAdministrator "look the correlation id up in the customer's sign-in log and except the partner's account from the policy" CUSTOMER_TOKEN "";
    "530032" ConditionalAccessBlocked Policy
        "a security policy of the tenant blocks the sign-in"
        PartnerAdministrator "look the correlation id up in the sign-in log and adjust the policy" CONSENT "device code sign-in is often blocked: use a consent link"
        customer CustomerAdministrator "look the correlation id up in the customer's sign-in log and except the partner's account from the policy" CUSTOMER_TOKEN "";
    "530034" ConditionalAccessBlocked Security
        "delegated administration is blocked because of suspicious activity"
        PartnerAdministrator "treat it as an incident, and ask Microsoft's support" STATUS "";
    "530035" ConditionalAccessBlocked Policy
        "security defaults block this way of signing in"
        ServiceAccountOwner "" CONSENT "and use the consent link, not a device code";
    "650051" ServerUnavailable Wait
        "the app is being added to that tenant at this moment"
        Wait "wait a minute" TOKEN "";
    "650052" AppMisconfigured App
        "the tenant has no subscription for a service that the app asks for"
        AppDeveloper "have the service added to the tenant, or remove its permission from the app registration" CONSENT "";
    "650056" AppMisconfigured App
        "the app registration lacks permissions, or the consent is incomplete"
        AppDeveloper "check the app registration's permissions" CONSENT "";
    "650057" AppMisconfigured App
        "the resource is not in the app registration's list of permissions"
        AppDeveloper "add the permission to the app registration" CONSENT "";
    "700005" AuthorizationResponseInvalid Reauth
        "the code or the grant was issued for another tenant"
        ServiceAccountOwner "" CONSENT "";
    "700007" AppMisconfigured Input
        "the assertion or the grant was issued for another app"
        Caller "check that the client id is the one that the grant was made with" CONSENT "";
    "700009" AppMisconfigured App
        "the redirect address of the token request differs from the consent link's"
        AppDeveloper "use one redirect address for both" CONSENT "";
    "700016" AppNotFound Input
        "the app is not known in that tenant"
        AppDeveloper "check client id, tenant and cloud" CONSENT ""
        customer PartnerAdministrator "name the resource and its scopes in the grants file" CUSTOMER_CONSENT "";
    "700021" AppCredentialInvalid Credential
        "the app's assertion names another app"
        AppDeveloper "check that the certificate belongs to this client id" TOKEN "";
    "700022" RequestRefused Input
        "scopes of more than one resource were asked for in one token"
        Caller "ask for one audience at a time" TOKEN "";
    "700023" AppCredentialInvalid Credential
        "the app's assertion is made for another tenant or cloud"
        AppDeveloper "check tenant and cloud in the configuration" TOKEN "";
    "700024" AppCredentialInvalid Credential
        "the app's assertion is not valid at this time"
        HostAdministrator "set this machine's clock" TOKEN "";
    "700025" AppMisconfigured App
        "the app is registered as a public client, which must not send a secret"
        AppDeveloper "register the redirect address under Web and set \"Allow public client flows\" to no" CONSENT "";
    "700027" AppCredentialInvalid Credential
        "the signature of the app's assertion could not be checked"
        AppDeveloper "upload this certificate to the app registration" TOKEN "a new one takes some minutes to be known";
    "700030" AppCredentialInvalid Credential
        "the app's certificate is not one that may sign for it"
        AppDeveloper "upload this certificate to the app registration" TOKEN "";
    "700082" GrantExpired Reauth
        "the grant was not used for 90 days and has expired"
        ServiceAccountOwner "" CONSENT "schedule `partnersam renew` so that it is used in time";
    "700084" AppMisconfigured App
        "the grant came through a single-page redirect and lived for 24 hours only"
        AppDeveloper "register the redirect address under Web, not under single-page application" CONSENT "";
    "700211" AppCredentialInvalid Credential
        "no federated credential of the app names the assertion's issuer"
        AppDeveloper "add a federated credential with that issuer, to the letter, to the app registration" TOKEN "a new one takes some minutes to be known";
    "700212" AppCredentialInvalid Credential
        "no federated credential of the app names the assertion's audience"
        AppDeveloper "have the assertion issued for the federated credential's audience, as a rule api://AzureADTokenExchange" TOKEN "";
    "700213" AppCredentialInvalid Credential
        "no federated credential of the app names the assertion's subject"
        AppDeveloper "add a federated credential with that subject, to the letter, to the app registration" TOKEN "a new one takes some minutes to be known";
    "900023" TenantNotFound Input
        "the tenant's name is not a valid one"
        Caller "check the spelling" TOKEN "";
    "900144" RequestRefused Input
        "the request lacks a parameter"
        Maintainers "report it with the correlation id: it is a configuration error or a defect" VERSION "";
    "900382" CloudMismatch Cloud
        "confidential clients cannot be used across clouds"
        Caller "set `cloud` to the cloud that the tenant is in, with an app registered there" TOKEN "";
    "900432" CloudMismatch Cloud
        "confidential clients cannot be used across clouds"
        Caller "set `cloud` to the cloud that the tenant is in, with an app registered there" TOKEN "";
    "901002" RequestRefused Input
        "the v2 endpoint does not take a resource parameter"
        Maintainers "report it with the correlation id: it is a defect" VERSION "";
    "5000224" TenantNotFound Tenant
        "the tenant is not available any more"
        Caller "find out whether the tenant was deleted" REVOKE "";
    "7000012" AuthorizationResponseInvalid Reauth
        "the grant was obtained for another tenant"
        ServiceAccountOwner "" CONSENT "";
    "7000112" AppNotFound App
        "the app is disabled"
        AppDeveloper "enable it under Enterprise applications" TOKEN "if Microsoft disabled it, ask why"
        customer CustomerAdministrator "enable the app under Enterprise applications in the customer's tenant" CUSTOMER_TOKEN "";
    "7000114" AppMisconfigured App
        "the app may not make on-behalf-of calls"
        AppDeveloper "check the app registration" TOKEN "";
    "7000215" AppCredentialInvalid Credential
        "the client secret is wrong"
        AppDeveloper "configure the secret's value, not its id" TOKEN "a new one takes some minutes to be known";
    "7000218" AppMisconfigured Credential
        "the app is registered as a confidential client, and no credential was sent"
        AppDeveloper "configure the app's secret or certificate" TOKEN "";
    "7000222" AppCredentialExpired Credential
        "the client secret has expired"
        AppDeveloper "add a new secret to the app registration and configure it" TOKEN "then remove the old one";
    "7000229" AppNotFound Consent
        "the app has no service principal in that tenant"
        ServiceAccountOwner "" CONSENT ""
        customer PartnerAdministrator "name the resource and its scopes in the grants file" CUSTOMER_CONSENT "";
    "9002313" RequestRefused Input
        "the request is malformed"
        Maintainers "report it with the correlation id: it is a configuration error or a defect" VERSION "";
}

// What stands in `error` (RFC 6749 section 5.2, RFC 8628 section 3.5, and what Entra adds), and in that of a claims challenge.
table! { ERRORS Entra
    "access_denied" ConsentDeclined Consent
        "the person who signed in, or a policy, said no"
        ServiceAccountOwner "" CONSENT "and sign in with the right account and accept";
    "authorization_declined" ConsentDeclined Consent
        "the person declined the sign-in by device code"
        ServiceAccountOwner "" CONSENT "";
    "authorization_pending" InteractionRequired Reauth
        "the person has not signed in with the device code yet"
        ServiceAccountOwner "enter the code at the address that was shown" STATUS "";
    "bad_verification_code" DeviceCodeExpired Reauth
        "the device code is wrong"
        ServiceAccountOwner "" CONSENT "and enter the new code";
    "consent_required" AudienceNotConsented Consent
        "nobody has consented to this app for this audience in that tenant"
        ServiceAccountOwner "" CONSENT_FOR "and accept"
        customer PartnerAdministrator "name the resource and its scopes in the grants file" CUSTOMER_CONSENT "";
    "expired_token" DeviceCodeExpired Reauth
        "the device code was not used in time"
        ServiceAccountOwner "" CONSENT "and enter the new code";
    "interaction_required" InteractionRequired Reauth
        "the service wants a person to sign in again"
        ServiceAccountOwner "" CONSENT "and sign in with MFA";
    "invalid_client" AppCredentialInvalid Credential
        "the app's credential was refused"
        AppDeveloper "check that the secret's value, not its id, is configured for this client id" TOKEN "";
    "invalid_grant" InteractionRequired Reauth
        "the grant or the code is not accepted; the number beside it says why"
        ServiceAccountOwner "" CONSENT "and sign in with MFA";
    "invalid_instance" TenantNotFound Cloud
        "the authority is not one of Microsoft's"
        Caller "check `cloud`" TOKEN "";
    "invalid_request" RequestRefused Input
        "the service refused the request as malformed; the number beside it says why"
        Caller "read the service's text" TOKEN "";
    "invalid_resource" AudienceInvalid Tenant
        "the service is not present in that tenant"
        Caller "check the audience, that the tenant has a licence for the service, and that the cloud is right" TOKEN "";
    "invalid_scope" AudienceInvalid Input
        "the scope is not valid"
        Caller "check the audience's spelling, and ask for one audience at a time" TOKEN "";
    "invalid_tenant" TenantNotFound Input
        "no tenant has that id or domain"
        Caller "check the spelling, and that the configured cloud is the tenant's" TOKEN "";
    "login_required" InteractionRequired Reauth
        "nobody is signed in"
        ServiceAccountOwner "" CONSENT "and sign in with MFA";
    "server_error" ServerUnavailable Wait
        "Entra has trouble at the moment"
        Wait "wait a while" TOKEN "the grant is kept";
    "slow_down" RateLimited Wait
        "the service asks to slow down"
        Wait "wait five seconds more each time" STATUS "";
    "temporarily_unavailable" ServerUnavailable Wait
        "Entra has trouble at the moment"
        Wait "wait a while" TOKEN "the grant is kept";
    "unauthorized_client" AppMisconfigured App
        "the app may not ask in this way, or is not known in that tenant; the number beside it says why"
        AppDeveloper "check the app registration" TOKEN "";
    "insufficient_claims" InteractionRequired Policy
        "the service wants a token that satisfies more claims"
        ServiceAccountOwner "" CONSENT "and sign in with MFA; the error carries the claims";
    "unsupported_grant_type" RequestRefused Input
        "the service does not know this kind of request"
        Maintainers "report it with the correlation id: it is a configuration error or a defect" VERSION "";
}

// What stands in `suberror`.
table! { SUBERRORS Entra
    "additional_action" InteractionRequired Reauth
        "the person must do something more when signing in"
        ServiceAccountOwner "" CONSENT "and pass every step of the sign-in";
    "bad_token" GrantRevoked Reauth
        "the grant was revoked or has expired; the number beside it says which"
        ServiceAccountOwner "ask who did it and why" CONSENT "";
    "basic_action" InteractionRequired Reauth
        "the person must sign in again"
        ServiceAccountOwner "" CONSENT "and sign in with MFA";
    "client_mismatch" AppMisconfigured Input
        "the grant was made for another app"
        Caller "check that the client id is the one that the grant was made with" CONSENT "";
    "device_authentication_failed" ConditionalAccessBlocked Policy
        "the sign-in must come from a known device"
        PartnerAdministrator "open the consent link on a device that the policy accepts, or have an administrator adjust the policy" CONSENT "";
    "message_only" InteractionRequired Policy
        "the sign-in page has a message for the person that signing in does not mend"
        PartnerAdministrator "look the correlation id up in the sign-in log" CONSENT "";
    "protection_policy_required" ConditionalAccessBlocked Policy
        "policy wants an app protection policy"
        PartnerAdministrator "exclude the service account from that policy" CONSENT "";
    "token_expired" GrantExpired Reauth
        "the grant has expired, by age, for want of use or by a sign-in frequency policy"
        ServiceAccountOwner "" CONSENT "schedule `partnersam renew` so that it is used in time";
    "user_password_expired" AccountUnusable Account
        "the account's password has expired"
        ServiceAccountOwner "change the password" CONSENT "";
}

// Partner Center's own codes.
table! { PARTNER_CENTER PartnerCenter
    "400" PartnerCenterForbidden Permission
        "Partner Center denies access"
        PartnerAdministrator "check the account's Partner Center roles and GDAP groups" PC_TOKEN ""
        customer PartnerAdministrator "put the account into AdminAgents, and into a GDAP security group for that customer with the role Cloud Application Administrator" CUSTOMER_CONSENT "";
    "429" RateLimited Wait
        "Partner Center asks to slow down"
        Wait "wait as long as the error says" PC_TOKEN "every request counts, the refused ones too";
    "10001" PartnerCenterMfaRequired Reauth
        "Partner Center refuses the token because its sign-in had no MFA"
        ServiceAccountOwner "register MFA for the account" CONSENT "";
    "20002" PartnerCenterForbidden Permission
        "the partner has no relationship to that customer"
        PartnerAdministrator "check the customer's id, and that the relationship is accepted and not expired" PC_TOKEN ""
        customer PartnerAdministrator "have the customer accept a relationship with GDAP, or leave that customer out" CUSTOMER_CONSENT "";
    "60003" PartnerCenterNotFound Input
        "Partner Center knows no such customer, or there is no relationship to it"
        Caller "check the customer's id and the relationship" PC_TOKEN ""
        customer PartnerAdministrator "check the customer's id, and have the customer accept a relationship with GDAP" CUSTOMER_CONSENT "";
    "90000" PartnerCenterForbidden Permission
        "Entra refused what Partner Center asked for"
        PartnerAdministrator "read the AADSTS number in the service's text" EXPLAIN "";
    "800001" PartnerCenterRefused Input
        "the call lacks the partner's token"
        Caller "" PC_TOKEN "and call with that token";
    "900308" PartnerCenterForbidden Permission
        "the account lacks the role or the GDAP relationship for this call"
        PartnerAdministrator "check the account's Partner Center roles and GDAP groups" PC_TOKEN ""
        customer PartnerAdministrator "put the account into AdminAgents, and into a GDAP security group for that customer with the role Cloud Application Administrator" CUSTOMER_CONSENT "";
    "900309" ConditionalAccessBlocked Policy
        "a Conditional Access policy blocks the account"
        PartnerAdministrator "look the correlation id up in the sign-in log and adjust the policy or the place it runs from" PC_TOKEN ""
        customer CustomerAdministrator "look the correlation id up in the customer's sign-in log and except the partner's account from the policy" CUSTOMER_CONSENT "";
    "900316" PartnerCenterRefused Input
        "a partner's token does not work for a call about licences"
        Caller "" PC_CUSTOMER_TOKEN "and call with that token";
    "900329" PartnerCenterRefused Input
        "the call does not take an app's own token"
        Caller "" PC_TOKEN "and call with that token of the partner's grant";
    "900420" PartnerCenterRefused Input
        "the token is for another service; tokens for the retired Azure AD Graph are refused"
        Caller "" PC_TOKEN "and call with that token";
    "900421" PartnerCenterMfaRequired Reauth
        "Partner Center refuses the token because its sign-in had no MFA"
        ServiceAccountOwner "register MFA for the account" CONSENT "";
}

// Key Vault's codes, outer and inner.
table! { KEY_VAULT KeyVault
    "AccessDenied" VaultPolicyMissing Permission
        "the vault's access policy does not allow this"
        HostAdministrator "have the vault's owner assign the role Key Vault Secrets Officer, or get, list, set and delete in the access policy" STATUS "";
    "BadParameter" StoreUnavailable Input
        "the vault refused a name or a value"
        HostAdministrator "check the name of the vault and of the secret in the configuration: letters, digits and hyphens, 127 at most" STATUS "";
    "Conflict" StoreConflict Wait
        "another process changed the same secret at the same time"
        Wait "wait a moment" STATUS "";
    "Forbidden" StoreForbidden Permission
        "the vault does not allow this"
        HostAdministrator "have the vault's owner assign the role Key Vault Secrets Officer" STATUS "";
    "ForbiddenByFirewall" VaultFirewallBlocked Permission
        "the vault's firewall does not let this machine in"
        HostAdministrator "have the vault's owner allow this machine's address, or use a private endpoint" STATUS "";
    "ForbiddenByPolicy" VaultPolicyMissing Permission
        "the vault's access policy does not allow this"
        HostAdministrator "have the vault's owner add get, list, set and delete of secrets to the access policy" STATUS "";
    "ForbiddenByRbac" VaultRoleMissing Permission
        "the identity lacks the vault's role"
        HostAdministrator "have the vault's owner assign the role Key Vault Secrets Officer" STATUS "it takes some minutes to be known";
    "ObjectIsBeingDeleted" StoreConflict Wait
        "the secret is being deleted at this moment"
        Wait "wait a minute" STATUS "";
    "ObjectIsBeingRecovered" StoreConflict Wait
        "the secret is being recovered at this moment"
        Wait "wait a minute" STATUS "";
    "ObjectIsDeletedButRecoverable" StoreUnavailable Vault
        "the secret was deleted and is kept by soft delete, so its name is taken"
        HostAdministrator "recover it in the vault, or purge it" STATUS "";
    "SecretDisabled" StoreForbidden Vault
        "the secret is disabled in the vault"
        HostAdministrator "find out who disabled it and why, and enable it" STATUS "";
    "SecretNotFound" StoreUnavailable Vault
        "the vault has no secret of that name"
        HostAdministrator "check the name of the vault and of the secret in the configuration" CONSENT "that makes a new one";
    "Throttled" RateLimited Wait
        "the vault has had too many requests"
        Wait "wait as long as the error says" STATUS "";
    "Unauthorized" StoreForbidden Credential
        "the vault does not accept the identity's token"
        HostAdministrator "check the tenant and the identity that the store signs in with" STATUS "";
    "VaultNotFound" StoreUnavailable Input
        "there is no vault of that name"
        HostAdministrator "check the vault's name in the configuration, and that the cloud is right" STATUS "";
}
