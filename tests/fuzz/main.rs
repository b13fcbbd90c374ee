//! Bad input of every kind, in great number and always the same: each ends in a value or in a typed error whose text is short, one line, and without a word of
//! what is secret in the input. A panic, a stack that overflows or an endless loop fails the test by itself.
//!
//! `FUZZ_ROUNDS=1000 cargo test --test fuzz` goes on with other seeds; `make soak` does that.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod certificates;
mod corpus;
mod id_tokens;
mod moving_in;
mod mutator;
mod record;
mod replies;

use partnersam::Error;

use crate::mutator::Mutator;

/// What stands in the secret part of inputs, so that it can be looked for.
const CANARY: &str = "cAnArY-NoT-a-ReAl-SeCrEt";

/// Spoiled inputs of each kind in one round.
const CASES: usize = 3_000;

/// A message is read by people; a hint, too.
const LONGEST_TEXT: usize = 2_048;
/// The whole report of an error: the longest parts are a service's description (4 KiB) and a claims request (16 KiB), each escaped.
const LONGEST_REPORT: usize = 256 << 10;

/// Hands `cases` spoiled inputs a round to `enter`, which gives the errors that came of one. `kind` is in the seed and in what a failure says.
fn spoil<B: AsRef<[u8]>>(
    kind: &str,
    cases: usize,
    valid: &[B],
    mut enter: impl FnMut(&[u8], &mut Mutator) -> Vec<Error>,
) {
    let rounds: u64 = std::env::var("FUZZ_ROUNDS").ok().map_or(1, |rounds| rounds.parse().expect("a number"));
    let mut refused = 0;
    for round in 0..rounds {
        let seed = kind.bytes().fold(round, |seed, byte| seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
        let mut mutator = Mutator::new(seed);
        for case in 0..cases {
            let input = mutator.spoiled(valid);
            for error in enter(&input, &mut mutator) {
                refused += 1;
                check(&error, &format!("{kind}, round {round}, case {case}: {}", String::from_utf8_lossy(&input)));
            }
        }
    }
    assert!(refused == 0 || refused > cases / 20, "{kind}: only {refused} were refused, so nearly all are still good");
}

fn check(error: &Error, case: &str) {
    let is_line = |text: &str| text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control);
    assert!(is_line(error.message()) && is_line(error.hint()), "{error:?}\n{case}");
    assert!(error.context().iter().all(|(_, value)| is_line(value)), "{error:?}\n{case}");
    for text in [format!("{error:?}"), error.to_json()] {
        assert!(text.len() <= LONGEST_REPORT, "a report of {} bytes\n{case}", text.len());
        assert!(!text.contains(CANARY), "the secret is in {text}\n{case}");
    }
}

/// The error, if it is one, of something whose value matters to nobody here.
fn error_of<T>(result: Result<T, impl Into<Error>>) -> Option<Error> {
    result.err().map(Into::into)
}

/// The control: a check that would let anything pass is none.
#[test]
#[should_panic(expected = "the secret is in")]
fn a_quoted_secret_would_be_found() {
    check(&Error::new(partnersam::ErrorKind::Internal, "test", CANARY), "the control");
}
