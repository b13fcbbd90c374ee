//! What people have their tokens in.

use partnersam::moving_in::{Source, recognise};

use crate::{CANARY, CASES, corpus, error_of, spoil};

#[test]
fn sources_of_tokens() {
    spoil("sources of tokens", CASES, &corpus::token_sources(), |input, mutator| {
        let name = ["token.txt", ".env", "App.config", "saved.xml", "settings.json"][mutator.below(5)];
        let mut errors = Vec::new();
        for name in [None, Some(name)] {
            let read = recognise(input, name);
            if let Ok(found) = &read {
                // What is cut lies in the input, in order; and nothing else is changed.
                let cut: usize = found.cut().iter().map(|range| range.len()).sum();
                assert!(found.cut().windows(2).all(|pair| pair[0].end <= pair[1].start));
                assert_eq!(found.blanked(input).len() + cut, input.len());
            }
            errors.extend(error_of(read));
        }
        // What a mutation ran into a field's name is a part of the name.
        errors.retain(|error| {
            !error.context().iter().any(|(key, value)| key.ends_with("field") && value.contains(CANARY))
        });
        errors
    });
}

#[test]
fn names_of_sources() {
    let valid =
        ["keyvault://my-vault/secrets/RefreshToken", "https://my-vault.vault.azure.net/secrets/a/b", "keyring:tool/me"];
    spoil("names of sources", CASES, &valid, |input, _| {
        let text = String::from_utf8_lossy(input);
        error_of(text.parse::<Source>()).into_iter().collect()
    });
}
