//! What services and browsers send, and what people write.

use std::time::Duration;

use partnersam::clock::UnixTime;
use partnersam::partner_center::desired_grants::DesiredGrants;
use partnersam::partner_center::standing_grants::{self, Standing};
use partnersam::partner_center::{application_consents, customers, errors, mfa_probe, mfa_reports, role_probe};
use partnersam::protocol::claims_challenge;
use partnersam::protocol::classify::{classify, refusal};
use partnersam::protocol::error_reply::ErrorReply;
use partnersam::protocol::jwt;
use partnersam::protocol::metadata::Metadata;
use partnersam::protocol::redirect::{Outcome, RedirectReply, denial};
use partnersam::protocol::token_reply::TokenReply;
use partnersam::{Authority, Cloud, explain};

use crate::corpus::{self, NOW};
use crate::{CASES, error_of, spoil};

const STATUSES: [u16; 12] = [200, 204, 400, 401, 403, 404, 408, 409, 412, 429, 500, 503];

#[test]
fn challenges() {
    spoil("challenges", CASES, &corpus::challenge_headers(), |input, _| {
        let text = String::from_utf8_lossy(input);
        for challenge in claims_challenge::challenges(input) {
            assert!(!challenge.scheme.is_empty());
            challenge.parameter("claims");
        }
        if let Some(found) = claims_challenge::find([input, input]) {
            let merged = claims_challenge::merged(Some(&found.claims), &["cp1".to_owned()])
                .expect("what was found is a claims request");
            assert!(merged.is_some_and(|claims| claims.contains("cp1")));
        }
        let mut errors: Vec<_> = error_of(claims_challenge::merged(Some(&text), &[])).into_iter().collect();
        errors.extend(error_of(claims_challenge::of_caller(&text)));
        errors
    });
}

#[test]
fn error_bodies() {
    spoil("error bodies", CASES, &corpus::error_bodies(), |input, mutator| {
        let status = STATUSES[mutator.below(STATUSES.len())];
        let wait = Some(Duration::from_secs(mutator.below(usize::MAX) as u64));
        let mut errors = vec![errors::refusal(status, wait, input), errors::refusal_for_customer(status, wait, input)];
        errors.push(standing_grants::refusal(status, wait, input));
        let reply = ErrorReply::parse(input);
        errors.push(classify(status, reply.as_ref(), wait).error);
        errors.extend(reply.map(|reply| refusal("token", &reply)));
        // Looks each word up, which takes longer than all of the above.
        if mutator.below(8) == 0 {
            assert!(explain::explain(&String::from_utf8_lossy(input)).iter().all(|each| !each.hint.is_empty()));
        }
        if corpus::is_in_its_place(input) { errors } else { Vec::new() }
    });
}

#[test]
fn token_replies() {
    spoil("token replies", CASES, &corpus::token_replies(), |input, _| {
        let parsed = TokenReply::parse(input, UnixTime(NOW));
        if let Ok(reply) = &parsed {
            assert!((0..=30 * 24 * 3600).contains(&reply.expires_in));
            // EXPOSE: what will stand in a header fits there.
            assert!(reply.access_token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
            jwt::peek(reply.access_token.expose());
        }
        error_of(parsed).into_iter().collect()
    });
}

#[test]
fn redirect_replies() {
    spoil("redirect replies", CASES, &corpus::redirect_replies(), |input, _| {
        let parsed = RedirectReply::parse(&String::from_utf8_lossy(input));
        if let Ok(RedirectReply { outcome: Outcome::Denied(reply), .. }) = &parsed {
            // Shows the service's words, so only that it ends is looked at.
            assert!(denial(reply).message().len() < crate::LONGEST_TEXT);
        }
        [error_of(parsed), error_of(RedirectReply::from_form(input))].into_iter().flatten().collect()
    });
}

#[test]
fn authorities() {
    let authority = Authority::microsoft(Cloud::Public);
    spoil("authorities", CASES, &corpus::metadata(), |input, _| {
        let parsed = Metadata::parse(input, &authority);
        if let Ok(metadata) = &parsed {
            for url in [&metadata.token_endpoint, &metadata.authorization_endpoint, &metadata.jwks_uri] {
                assert_eq!(url.origin(), authority.login().origin(), "a secret would go there");
            }
        }
        error_of(parsed).into_iter().collect()
    });
}

#[test]
fn grants_files() {
    spoil("grants files", CASES, &corpus::grants_files(), |input, _| {
        let parsed = DesiredGrants::parse(&String::from_utf8_lossy(input));
        if let Ok(desired) = &parsed {
            assert!(desired.compare(&Standing::default()).iter().all(|row| !row.is_none()));
            assert!(desired.canonical().lines().count() == desired.grants().len());
        }
        error_of(parsed).into_iter().collect()
    });
}

#[test]
fn lists() {
    spoil("lists", CASES, &corpus::lists(), |input, mutator| {
        let status = [200, 200, 200, 404, 409, 429][mutator.below(6)];
        let response = http::Response::builder().status(status).body(input).expect("a response");
        [
            error_of(customers::read(&response, None)),
            error_of(standing_grants::read_principals(&response, None)),
            error_of(standing_grants::read_principal(&response, None)),
            error_of(standing_grants::read_grants(&response, None)),
            error_of(application_consents::read_granted(&response, None)),
            error_of(application_consents::read_withdrawn(&response, None)),
            error_of(mfa_probe::read(&response, None)),
            error_of(mfa_reports::principals(&response)),
            error_of(mfa_reports::adoption(&response)),
            error_of(role_probe::read(&response, None)),
        ]
        .into_iter()
        .flatten()
        .collect()
    });
}
