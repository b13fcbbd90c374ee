//! What is explained is what `tests/scenarios/explain.golden.json` says, which every language is held against.

use partnersam::{explain, remedy};
use serde_json::Value;

fn golden() -> Value {
    let text = include_str!("../scenarios/explain.golden.json");
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn every_case_is_explained_as_in_every_language() {
    let golden = golden();
    let cases = golden["cases"].as_array().expect("cases");
    assert!(cases.len() > 250, "{}", cases.len());
    for case in cases {
        let text = case["text"].as_str().expect("a text");
        let document: Value = serde_json::from_str(&explain::to_json(text)).expect("JSON");
        assert_eq!(document, case["document"], "{text}: run `make gen`");
    }
}

#[test]
fn every_row_of_the_table_is_a_case() {
    let golden = golden();
    let cases = golden["cases"].as_array().expect("cases");
    for row in remedy::all() {
        assert!(cases.iter().any(|case| case["text"] == row.name()), "{}", row.name());
    }
}

/// The codes that partners' automation is known to meet.
#[test]
fn the_table_has_the_codes_that_are_met() {
    for number in [
        50076, 50074, 50072, 50079, 50078, 50173, 50132, 50133, 70043, 700_082, 70008, 70000, 700_084, 65001, 65004,
        90094, 90095, 90099, 650_051, 650_052, 650_056, 650_057, 65005, 500_011, 50020, 50177, 50034, 50126, 50055,
        50053, 50057, 50105, 53003, 53000, 53001, 530_003, 530_032, 530_035, 530_034, 53004, 53011, 54005, 50011,
        700_016, 7_000_229, 90002, 700_025, 7_000_218, 7_000_215, 7_000_222, 700_024, 700_027, 7_000_112, 700_005,
        700_007, 28000, 700_022, 70011, 90009, 901_002, 900_144, 9_002_313, 50194, 50196, 90055, 90033, 900_382,
        900_432, 90038, 5_000_224, 900_023,
    ] {
        assert!(remedy::entra(number).is_some(), "{number}");
    }
    for code in [
        "900420", "900421", "10001", "900329", "900308", "900309", "90000", "900316", "800001", "400", "20002",
        "60003", "429",
    ] {
        assert!(remedy::lookup(remedy::Source::PartnerCenter, code).is_some(), "{code}");
    }
    for code in [
        "SecretNotFound",
        "SecretDisabled",
        "Forbidden",
        "ForbiddenByRbac",
        "ForbiddenByFirewall",
        "AccessDenied",
        "ObjectIsDeletedButRecoverable",
        "ObjectIsBeingDeleted",
        "ObjectIsBeingRecovered",
        "Throttled",
    ] {
        assert!(remedy::lookup(remedy::Source::KeyVault, code).is_some(), "{code}");
    }
}
