//! What Entra's error numbers (AADSTS) mean for people, and who must act: one table.
//!
//! Numbers refine what is shown; what happens to a grant is never decided by them alone (see [`classify`](super::classify)). Meanings:
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>, and what operators of partner tools report where that list is silent.

use crate::error::ErrorKind;

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The number behind `AADSTS`.
    pub number: u32,
    /// The kind of error it is shown as.
    pub kind: ErrorKind,
    /// What it means, in plain words.
    pub words: &'static str,
    /// What to do, and what to run.
    pub remedy: &'static str,
}

/// The row of that number; none where the table does not know it.
pub fn lookup(number: u32) -> Option<&'static Code> {
    TABLE.binary_search_by_key(&number, |code| code.number).ok().and_then(|at| TABLE.get(at))
}

/// The first of `numbers` that the table knows.
pub fn first_known(numbers: &[u32]) -> Option<&'static Code> {
    numbers.iter().find_map(|number| lookup(*number))
}

/// Where Entra explains a number, known to the table or not.
pub fn link(number: u32) -> String {
    format!("https://login.microsoftonline.com/error?code={number}")
}

/// The numbers that stand behind `AADSTS` in a text, in order, each once, at most 16.
pub fn numbers_in(text: &str) -> Vec<u32> {
    const MOST: usize = 16;
    let mut numbers = Vec::new();
    for rest in text.split("AADSTS").skip(1) {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if let Some(number) = rest.get(..digits).and_then(|digits| digits.parse().ok())
            && !numbers.contains(&number)
            && numbers.len() < MOST
        {
            numbers.push(number);
        }
    }
    numbers
}

macro_rules! table {
    ($($number:literal $kind:ident $words:literal $remedy:literal;)+) => {
        const TABLE: &[Code] =
            &[$(Code { number: $number, kind: ErrorKind::$kind, words: $words, remedy: $remedy }),+];
    };
}

// In the order of the numbers: `lookup` relies on it, and a test checks it.
table! {
    16000 InteractionRequired
        "several accounts are signed in and none was chosen"
        "run `partnersam consent PARTNER` and choose the partner's service account";
    16003 AccountUnusable
        "the account has not been added to that tenant"
        "sign in with an account of the partner's tenant";
    28000 RequestRefused
        "scopes of more than one resource were asked for in one token"
        "ask for one audience at a time";
    50011 AppMisconfigured
        "the redirect address is not one of the app registration's"
        "register exactly that address in the app registration, under Web";
    50020 AccountUnusable
        "the account is from another identity provider and is not a member of that tenant"
        "use an account of the partner's tenant; for a customer, put it into a GDAP security group and delete its guest object there";
    50034 AccountUnusable
        "the account does not exist in that tenant"
        "check that partner and cloud are right, and sign in with an account of that tenant";
    50053 AccountUnusable
        "the account is locked, or signs in from an address that is blocked"
        "wait or unlock the account, then run `partnersam consent PARTNER`";
    50055 AccountUnusable
        "the account's password has expired"
        "change the password, then run `partnersam consent PARTNER`";
    50057 AccountUnusable
        "the account is disabled"
        "enable the account, or run `partnersam consent PARTNER` with another one";
    50058 InteractionRequired
        "nobody is signed in"
        "run `partnersam consent PARTNER` and sign in with MFA";
    50059 TenantNotFound
        "no tenant is named in the request"
        "name the partner by its tenant id or one of its domains";
    50072 MfaRequired
        "the account must enrol for MFA"
        "register MFA for the account, then run `partnersam consent PARTNER`";
    50074 MfaRequired
        "a strong sign-in is needed and was not made"
        "run `partnersam consent PARTNER` and pass MFA";
    50076 MfaRequired
        "the resource wants a sign-in with MFA now, because of a policy, a new place or the age of the last one"
        "run `partnersam consent PARTNER` and pass MFA; if it comes back, turn off \"remember MFA on trusted devices\" and check Conditional Access";
    50078 MfaRequired
        "the MFA of the last sign-in is too old for a policy"
        "run `partnersam consent PARTNER`; lengthen or lift that policy for the service account";
    50079 MfaRequired
        "the account must register for MFA, or its identity provider must report it"
        "register MFA for the account, or have the other identity provider send the MFA claim, then run `partnersam consent PARTNER`";
    50085 InteractionRequired
        "the account's other identity provider wants a new sign-in"
        "run `partnersam consent PARTNER`";
    50089 AuthorizationResponseInvalid
        "the sign-in took too long"
        "run `partnersam consent PARTNER` again";
    50097 ConditionalAccessBlocked
        "the sign-in must come from a known device"
        "open the consent link on a device that the policy accepts";
    50105 AccountUnusable
        "the account is not assigned to the app"
        "assign the account to the app under Enterprise applications, then run `partnersam consent PARTNER`";
    50126 AccountUnusable
        "user name or password are wrong"
        "sign in again with the right ones";
    50129 ConditionalAccessBlocked
        "the device is not joined to the tenant"
        "open the consent link on a device that the policy accepts";
    50131 ConditionalAccessBlocked
        "a Conditional Access policy blocks the sign-in"
        "look the correlation id up in the sign-in log and adjust the policy";
    50132 GrantRevoked
        "the sessions of the account were revoked, or its password was changed"
        "ask who did it and why, then run `partnersam consent PARTNER`";
    50133 GrantRevoked
        "the password was changed, so the session ended"
        "ask who did it and why, then run `partnersam consent PARTNER`";
    50144 AccountUnusable
        "the account's Active Directory password has expired"
        "change the password, then run `partnersam consent PARTNER`";
    50158 MfaRequired
        "another provider's security challenge was not passed"
        "run `partnersam consent PARTNER` and pass every step of the sign-in";
    50173 GrantRevoked
        "the grant was revoked: sessions were revoked or the password was reset"
        "ask who did it and why, for it may be the answer to an incident; then run `partnersam consent PARTNER`";
    50177 AccountUnusable
        "the account is not known to the resource in that tenant"
        "put the account into a GDAP security group for that customer, and delete its guest object there";
    50194 AppMisconfigured
        "the app is registered for one tenant only"
        "make the app registration multitenant, or use it in its home tenant";
    50196 RateLimited
        "Entra saw the same request too often and takes it for a loop"
        "wait at least five minutes, and find what asks again and again";
    53000 ConditionalAccessBlocked
        "the device does not comply with policy"
        "open the consent link on a compliant device";
    53001 ConditionalAccessBlocked
        "the device is not joined to the tenant's domain"
        "open the consent link on a joined device";
    53002 ConditionalAccessBlocked
        "the browser or app is not one that policy accepts"
        "open the consent link with an approved browser";
    53003 ConditionalAccessBlocked
        "a Conditional Access policy blocks tokens here"
        "look the correlation id up in the sign-in log; a named location for this machine is the usual answer";
    53004 ConditionalAccessBlocked
        "the account must prove its identity first because a sign-in looked risky"
        "look into Identity Protection, then run `partnersam consent PARTNER`";
    53009 ConditionalAccessBlocked
        "policy wants an app protection policy"
        "exclude the service account from that policy";
    53011 ConditionalAccessBlocked
        "the account is blocked because of risk in its home tenant"
        "look into Identity Protection, then run `partnersam consent PARTNER`";
    54005 AuthorizationResponseInvalid
        "the authorization code was already used"
        "run `partnersam consent PARTNER` again; a code works once";
    65001 AudienceNotConsented
        "nobody has consented to this app for this audience in that tenant"
        "partner: run `partnersam consent PARTNER --for AUDIENCE`; customer: the app must be consented to in the customer's tenant";
    65004 ConsentDeclined
        "the person who signed in declined the consent"
        "run `partnersam consent PARTNER` again and accept";
    65005 AppMisconfigured
        "the app asks for a resource that is not in its list of permissions"
        "add the permission to the app registration, then run `partnersam consent PARTNER`";
    70000 ConsentRequired
        "the grant or the code is not valid any more"
        "run `partnersam consent PARTNER`";
    70002 AppCredentialInvalid
        "the app's credential could not be checked"
        "check that the secret's value, not its id, is configured for this client id";
    70008 GrantExpired
        "the grant or the code has expired"
        "run `partnersam consent PARTNER`, then schedule `partnersam renew` so that it is used in time";
    70011 AudienceInvalid
        "the scope is not valid"
        "check the audience's spelling; one audience at a time";
    70016 InteractionRequired
        "the person has not signed in with the device code yet"
        "enter the code at the address that was shown";
    70018 DeviceCodeExpired
        "the device code is wrong"
        "start again and enter the new code";
    70019 DeviceCodeExpired
        "the device code has expired"
        "start again and enter the new code";
    70020 DeviceCodeExpired
        "the device code has expired"
        "start again and enter the new code";
    70043 GrantExpired
        "a sign-in frequency policy ended the grant"
        "run `partnersam consent PARTNER`; exclude the service account from sign-in frequency, but not from MFA";
    70044 InteractionRequired
        "a sign-in frequency policy ended the session"
        "run `partnersam consent PARTNER`; exclude the service account from sign-in frequency, but not from MFA";
    75011 InteractionRequired
        "the sign-in used another method than the app asked for"
        "run `partnersam consent PARTNER`";
    90002 TenantNotFound
        "no tenant has that id or domain"
        "check the spelling, and that the configured cloud is the tenant's";
    90009 AppMisconfigured
        "the app asks for a token for itself by a name that only works by its GUID"
        "name the audience by its app id";
    90014 RequestRefused
        "the request lacks a field"
        "it is a configuration error or a defect; report it with the correlation id";
    90033 ServerUnavailable
        "Entra has trouble at the moment"
        "try again later; the grant is kept";
    90038 CloudMismatch
        "the tenant belongs to another cloud"
        "set `cloud` to the cloud that the tenant is in";
    90055 RateLimited
        "the tenant has sent too many requests"
        "wait, then try again";
    90072 AccountUnusable
        "the account is not in that tenant and cannot use the app there"
        "sign in with an account of the partner's tenant; for a customer, check the GDAP groups";
    90094 AdminConsentRequired
        "an administrator must consent to these permissions first"
        "send the admin consent link to an administrator of that tenant, then run `partnersam consent PARTNER`";
    90095 AdminConsentRequired
        "an administrator must approve the request for consent"
        "have an administrator of that tenant approve it, then run `partnersam consent PARTNER`";
    135_011 ConditionalAccessBlocked
        "the device is disabled"
        "open the consent link on a device that the policy accepts";
    500_011 AudienceInvalid
        "the service is not present in that tenant"
        "check the audience, that the tenant has a licence for the service, and that the cloud is right";
    500_113 AppMisconfigured
        "the app registration has no redirect address"
        "register the redirect address in the app registration, under Web";
    500_121 MfaRequired
        "MFA was tried and not passed"
        "run `partnersam consent PARTNER` and pass MFA";
    530_003 ConditionalAccessBlocked
        "the device must be managed"
        "open the consent link on a managed device";
    530_032 ConditionalAccessBlocked
        "a security policy of the tenant blocks the sign-in"
        "look the correlation id up in the sign-in log; device code sign-in is often blocked: use a consent link";
    530_034 ConditionalAccessBlocked
        "delegated administration is blocked because of suspicious activity"
        "treat it as an incident: ask the partner's administrators, and Microsoft's support";
    530_035 ConditionalAccessBlocked
        "security defaults block this way of signing in"
        "use a consent link: run `partnersam consent PARTNER`";
    650_051 ServerUnavailable
        "the app is being added to that tenant at this moment"
        "try again in a minute";
    650_052 AppMisconfigured
        "the tenant has no subscription for a service that the app asks for"
        "add the service to the tenant, or remove its permission from the app registration";
    650_056 AppMisconfigured
        "the app registration lacks permissions, or the consent is incomplete"
        "check the app registration's permissions, then run `partnersam consent PARTNER`";
    650_057 AppMisconfigured
        "the resource is not in the app registration's list of permissions"
        "add the permission to the app registration, then run `partnersam consent PARTNER`";
    700_005 AuthorizationResponseInvalid
        "the code or the grant was issued for another tenant"
        "run `partnersam consent PARTNER`";
    700_007 AppMisconfigured
        "the assertion or the grant was issued for another app"
        "check that the client id is the one that the grant was made with";
    700_009 AppMisconfigured
        "the redirect address of the token request differs from the consent link's"
        "use one redirect address for both";
    700_016 AppNotFound
        "the app is not known in that tenant"
        "check client id and tenant; a partner: run `partnersam consent PARTNER`; a customer: the app must be consented to there";
    700_021 AppCredentialInvalid
        "the app's assertion names another app"
        "check that the certificate belongs to this client id";
    700_022 RequestRefused
        "scopes of more than one resource were asked for in one token"
        "ask for one audience at a time";
    700_023 AppCredentialInvalid
        "the app's assertion is made for another tenant or cloud"
        "check tenant and cloud in the configuration";
    700_024 AppCredentialInvalid
        "the app's assertion is not valid at this time"
        "check this machine's clock";
    700_025 AppMisconfigured
        "the app is registered as a public client, which must not send a secret"
        "register the redirect address under Web and set \"Allow public client flows\" to no";
    700_027 AppCredentialInvalid
        "the signature of the app's assertion could not be checked"
        "upload this certificate to the app registration; a new one takes some minutes to be known";
    700_030 AppCredentialInvalid
        "the app's certificate is not one that may sign for it"
        "upload this certificate to the app registration";
    700_082 GrantExpired
        "the grant was not used for 90 days and has expired"
        "run `partnersam consent PARTNER`, then schedule `partnersam renew` so that it is used in time";
    700_084 AppMisconfigured
        "the grant came through a single-page redirect and lived for 24 hours only"
        "register the redirect address under Web, not under single-page application, then run `partnersam consent PARTNER`";
    900_023 TenantNotFound
        "the tenant's name is not a valid one"
        "check the spelling";
    900_144 RequestRefused
        "the request lacks a parameter"
        "it is a configuration error or a defect; report it with the correlation id";
    900_382 CloudMismatch
        "confidential clients cannot be used across clouds"
        "set `cloud` to the cloud that the tenant is in, with an app registered there";
    900_432 CloudMismatch
        "confidential clients cannot be used across clouds"
        "set `cloud` to the cloud that the tenant is in, with an app registered there";
    901_002 RequestRefused
        "the v2 endpoint does not take a resource parameter"
        "it is a defect; report it with the correlation id";
    5_000_224 TenantNotFound
        "the tenant is not available any more"
        "remove the customer or the partner if its tenant was deleted";
    7_000_012 AuthorizationResponseInvalid
        "the grant was obtained for another tenant"
        "run `partnersam consent PARTNER`";
    7_000_112 AppNotFound
        "the app is disabled"
        "enable it under Enterprise applications; if Microsoft disabled it, ask its owner";
    7_000_114 AppMisconfigured
        "the app may not make on-behalf-of calls"
        "check the app registration";
    7_000_215 AppCredentialInvalid
        "the client secret is wrong"
        "configure the secret's value, not its id; a new one takes some minutes to be known";
    7_000_218 AppMisconfigured
        "the app is registered as a confidential client, and no credential was sent"
        "configure the app's secret or certificate";
    7_000_222 AppCredentialExpired
        "the client secret has expired"
        "add a new secret to the app registration, configure it, then remove the old one";
    7_000_229 AppNotFound
        "the app has no service principal in that tenant"
        "a partner: run `partnersam consent PARTNER`; a customer: the app must be consented to there";
    9_002_313 RequestRefused
        "the request is malformed"
        "it is a configuration error or a defect; report it with the correlation id";
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_so_that_every_row_is_found() {
        assert!(TABLE.is_sorted_by(|a, b| a.number < b.number));
        for code in TABLE {
            assert_eq!(lookup(code.number), Some(code));
        }
        assert_eq!(lookup(1), None);
        assert_eq!(lookup(u32::MAX), None);
    }

    #[test]
    fn texts_are_written_like_all_texts_here() {
        for code in TABLE {
            for text in [code.words, code.remedy] {
                assert!(!text.ends_with('.') && !text.is_empty(), "{}: {text}", code.number);
                let first = text.split(' ').next().unwrap();
                assert!(
                    first == "MFA" || first == "Entra" || first.chars().all(|c| !c.is_uppercase()),
                    "{}: {text}",
                    code.number
                );
            }
        }
    }

    #[test]
    fn kinds_say_who_must_act() {
        for (number, kind) in [
            (50076, ErrorKind::MfaRequired),
            (70043, ErrorKind::GrantExpired),
            (700_082, ErrorKind::GrantExpired),
            (50173, ErrorKind::GrantRevoked),
            (65001, ErrorKind::AudienceNotConsented),
            (7_000_215, ErrorKind::AppCredentialInvalid),
            (7_000_222, ErrorKind::AppCredentialExpired),
            (700_016, ErrorKind::AppNotFound),
            (90002, ErrorKind::TenantNotFound),
            (53003, ErrorKind::ConditionalAccessBlocked),
            (500_011, ErrorKind::AudienceInvalid),
            (90094, ErrorKind::AdminConsentRequired),
            (50011, ErrorKind::AppMisconfigured),
            (700_025, ErrorKind::AppMisconfigured),
            (7_000_218, ErrorKind::AppMisconfigured),
            (50194, ErrorKind::AppMisconfigured),
            (900_382, ErrorKind::CloudMismatch),
            (50196, ErrorKind::RateLimited),
            (90055, ErrorKind::RateLimited),
        ] {
            assert_eq!(lookup(number).unwrap().kind, kind, "{number}");
        }
    }

    #[test]
    fn numbers_are_read_out_of_texts() {
        assert_eq!(numbers_in("AADSTS70043: x (AADSTS50076) AADSTS70043"), [70043, 50076]);
        assert_eq!(numbers_in("AADSTS: none, AADSTS99999999999999: too long, aadsts1"), Vec::<u32>::new());
        assert_eq!(numbers_in(&"AADSTS1 ".repeat(100)), [1]);
        let many: String = (0..100).map(|n| format!("AADSTS{n} ")).collect();
        assert_eq!(numbers_in(&many).len(), 16);
        assert_eq!(link(123), "https://login.microsoftonline.com/error?code=123");
    }

    #[test]
    fn the_first_known_number_is_taken() {
        assert_eq!(first_known(&[1, 50076, 65001]).unwrap().number, 50076);
        assert_eq!(first_known(&[1, 2]), None);
    }
}
