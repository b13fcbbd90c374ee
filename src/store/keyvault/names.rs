//! Secrets' names: one for each grant, no two alike, and nothing of a person in them.

use aws_lc_rs::digest;

use crate::store::GrantKey;

/// The name under which a vault tells how its records are sealed.
pub(super) const STORE: &str = "psam-store";

/// The name of a grant's secret. Names have 1 to 127 letters, digits and hyphens, and no case
/// (<https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates>).
///
/// At Entra it spells authority, app and tenant: the two ids have always 36 characters, so no two grants share a name. Other authorities' and apps'
/// names may be longer than fits, so their SHA-256 stands for them; `x` is no authority's name.
pub(super) fn of_grant(key: &GrantKey) -> String {
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let client_id = key.client_id.as_str().to_ascii_lowercase();
    if key.client_id.is_guid() && is_plain(&key.authority) && key.authority != "x" && key.authority.len() <= 40 {
        return format!("psam-{}-{client_id}-{}", key.authority, key.tenant);
    }
    let mut owner = Vec::new();
    for part in [key.authority.as_str(), key.client_id.as_str()] {
        owner.extend_from_slice(&(part.len() as u64).to_be_bytes());
        owner.extend_from_slice(part.as_bytes());
    }
    let hash = digest::digest(&digest::SHA256, &owner);
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("psam-x-{hash}-{}", key.tenant)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::store::fixtures::{grant_key, tenant};

    fn key(authority: &str, client_id: &str, number: u128) -> GrantKey {
        GrantKey { authority: authority.to_owned(), client_id: client_id.parse().unwrap(), tenant: tenant(number) }
    }

    #[test]
    fn names_can_be_read_and_fit() {
        assert_eq!(
            of_grant(&grant_key(1)),
            "psam-emulator-aaaabbbb-0000-cccc-1111-dddd2222eeee-ffff0000-0000-0000-0000-000000000001"
        );
        let long = key(&format!("generic:{}", "a".repeat(63)), &"b".repeat(200), 1);
        assert!(of_grant(&long).len() <= 127);
    }

    #[test]
    fn no_two_grants_share_a_name() {
        let (guid, other) = ("aaaabbbb-0000-cccc-1111-dddd2222eeee", "aaaabbbb-0000-cccc-1111-dddd2222eeef");
        let mut names = HashSet::new();
        for authority in ["public", "us-government", "china", "emulator", "generic:lab", "generic:la", "x", "generic:x"]
        {
            for client_id in [guid, other, "b", "another-app", "Another-App", "lab"] {
                for number in [1, 2] {
                    assert!(names.insert(of_grant(&key(authority, client_id, number))), "{authority} {client_id}");
                }
            }
        }
        assert!(!names.contains(STORE));
    }

    proptest! {
        #[test]
        fn a_name_is_always_one_that_a_vault_takes(authority in "[a-z:-]{1,71}", client_id in "[!-~]{1,120}") {
            if let Ok(client_id) = client_id.parse() {
                let name = of_grant(&GrantKey { authority, client_id, tenant: tenant(1) });
                prop_assert!((1..=127).contains(&name.len()));
                prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            }
        }
    }
}
