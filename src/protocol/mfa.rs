//! Whether a sign-in used MFA, as far as an access token tells.
//!
//! `amr` stands in v1 access tokens only, which is what Partner Center and Graph get
//! (<https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>). The words in it are RFC 8176's and the identity
//! provider's; the one that counts is `mfa`, in any case.

use super::jwt;
use crate::clock::UnixTime;
use crate::secret::AccessToken;
use crate::store::{Mfa, MfaEvidence};

/// What an access token says of MFA, looked at `now`.
///
/// `mfa` in the list is yes; a list without it, the empty one included, is no: the service was asked how the person signed in and did not name
/// MFA. No list, or one that is not made of strings, or a token that cannot be read is unknown: that is not a no.
pub fn evidence(access_token: &AccessToken, now: UnixTime) -> MfaEvidence {
    // EXPOSE: reads the claims out of it; nothing of the token itself is kept.
    let amr = jwt::peek(access_token.expose()).and_then(|claims| claims.amr);
    MfaEvidence { verdict: verdict(amr.as_deref()), amr: kept(amr), partner_center: None, checked_on: now }
}

/// The verdict on a list of `amr` values, or on the lack of one.
pub fn verdict(amr: Option<&[String]>) -> Mfa {
    match amr {
        Some(methods) if methods.iter().any(|method| method.eq_ignore_ascii_case("mfa")) => Mfa::Yes,
        Some(_) => Mfa::No,
        None => Mfa::Unknown,
    }
}

/// The list as it was, within bounds: it is stored with the grant.
fn kept(amr: Option<Vec<String>>) -> Vec<String> {
    const MOST: usize = 32;
    const LONGEST: usize = 64;
    amr.unwrap_or_default().into_iter().take(MOST).map(|method| method.chars().take(LONGEST).collect()).collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    fn evidence_of(claims: &Value) -> MfaEvidence {
        let token = format!("e30.{}.test", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
        evidence(&AccessToken::new(token), UnixTime(7))
    }

    #[test]
    fn the_word_counts_in_any_case_and_place_but_only_whole() {
        for (amr, verdict) in [
            (json!(["pwd", "mfa"]), Mfa::Yes),
            (json!(["MFA"]), Mfa::Yes),
            (json!(["fed", "Mfa", "x"]), Mfa::Yes),
            (json!(["pwd"]), Mfa::No),
            (json!(["pwd", "mfax"]), Mfa::No),
            (json!(["no-mfa"]), Mfa::No),
            (json!([]), Mfa::No),
            (json!(["pwd", "rsa"]), Mfa::No),
            (json!("mfa"), Mfa::Unknown),
            (json!(["mfa", 1]), Mfa::Unknown),
            (json!(null), Mfa::Unknown),
        ] {
            assert_eq!(evidence_of(&json!({"amr": amr})).verdict, verdict, "{amr}");
        }
        assert_eq!(evidence_of(&json!({"acr": "1"})).verdict, Mfa::Unknown);
    }

    #[test]
    fn an_opaque_token_is_not_a_no() {
        for opaque in ["test-opaque", "e30.!!!.x", "e30.W10.x", "."] {
            assert_eq!(evidence(&AccessToken::new(opaque), UnixTime(7)).verdict, Mfa::Unknown);
        }
    }

    #[test]
    fn the_list_is_kept_as_it_was() {
        let evidence = evidence_of(&json!({"amr": ["fed", "MFA"]}));
        assert_eq!(evidence.amr, ["fed", "MFA"]);
        assert_eq!((evidence.checked_on, evidence.partner_center), (UnixTime(7), None));
    }

    #[test]
    fn a_long_list_is_cut_after_it_was_judged() {
        let mut methods = vec!["x".repeat(500); 100];
        methods.push("mfa".to_owned());
        let evidence = evidence_of(&json!({"amr": methods}));
        assert_eq!((evidence.verdict, evidence.amr.len(), evidence.amr.concat().len()), (Mfa::Yes, 32, 32 * 64));
    }
}
