//! The store with its key in a real keyring. Runs where PARTNERSAM_TEST_KEYRING says that the session's keyring is one to play with.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use partnersam::clock::UnixTime;
use partnersam::error::ErrorKind;
use partnersam::secret::RefreshToken;
use partnersam::store::key::KeySource;
use partnersam::store::{
    self, AppKey, Expect, Grant, GrantFacts, GrantKey, GrantState, GrantStore, MfaEvidence, PasswordSource, Written,
};

fn is_there(test: &str) -> bool {
    let is_there = std::env::var_os("PARTNERSAM_TEST_KEYRING").is_some_and(|value| value == "1");
    if !is_there {
        #[expect(clippy::print_stderr, reason = "says what was not tested")]
        {
            eprintln!("skipped, for PARTNERSAM_TEST_KEYRING is not 1: {test}");
        }
    }
    is_there
}

fn open(path: &Path) -> Arc<dyn GrantStore> {
    store::open(&format!("sqlite:{}", path.display()), KeySource::default().provider(None), PasswordSource::default())
        .unwrap()
}

fn key() -> GrantKey {
    let app = AppKey { authority: "emulator".to_owned(), client_id: "not-a-real-app".parse().unwrap() };
    app.grant("11111111-2222-3333-4444-555555555555".parse().unwrap())
}

fn facts() -> GrantFacts {
    let now = UnixTime(1_800_000_000);
    GrantFacts {
        user_oid: "user-1".to_owned(),
        user_name: "admin@fabrikam.example".to_owned(),
        domains: Vec::new(),
        consented_on: now,
        mfa: MfaEvidence::default(),
        last_redeemed_on: now,
        expires_on: now.plus(90 * 86_400),
        renew_after: now.plus(7 * 86_400),
        audiences: Vec::new(),
        purpose: "tests".to_owned(),
        taints: Vec::new(),
        state: GrantState::Active,
    }
}

async fn put(store: &Arc<dyn GrantStore>) -> partnersam::Result<Written> {
    store.put_grant(&key(), &RefreshToken::new("not-a-real-refresh-token"), &facts(), Expect::Absent).await
}

async fn get(store: &Arc<dyn GrantStore>) -> partnersam::Result<Option<Grant>> {
    store.grant(&key()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_opens_again_with_the_key_that_the_keyring_keeps() {
    if !is_there("a_store_opens_again_with_the_key_that_the_keyring_keeps") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grants.db");
    assert_eq!(put(&open(&path)).await.unwrap(), Written::Yes(1));
    let grant = get(&open(&path)).await.unwrap().unwrap();
    assert_eq!(grant.refresh_token.expose(), "not-a-real-refresh-token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_make_one_store_agree_on_one_key() {
    if !is_there("many_that_make_one_store_agree_on_one_key") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grants.db");
    let makers: Vec<_> = (0..8)
        .map(|_| {
            let store = open(&path);
            tokio::spawn(async move { put(&store).await.unwrap() })
        })
        .collect();
    let mut won = 0;
    for maker in makers {
        won += usize::from(maker.await.unwrap() == Written::Yes(1));
    }
    assert_eq!(won, 1);
    assert!(get(&open(&path)).await.unwrap().is_some());
}

#[tokio::test]
async fn two_stores_share_no_key() {
    if !is_there("two_stores_share_no_key") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one.db"), folder.path().join("other.db"));
    put(&open(&one)).await.unwrap();
    put(&open(&other)).await.unwrap();
    // With one entry for both, the second store would open with the first one's key.
    let source = KeySource::Keyring { service: "partnersam".to_owned(), user: Some("not-a-store".to_owned()) };
    let stranger =
        store::open(&format!("sqlite:{}", one.display()), source.provider(None), PasswordSource::default()).unwrap();
    assert_eq!(get(&stranger).await.unwrap_err().kind(), ErrorKind::StoreKeyMissing);
    assert!(get(&open(&one)).await.unwrap().is_some());
    assert!(get(&open(&other)).await.unwrap().is_some());
}

/// A machine without a session bus. The variable is read once per process, so the test runs itself again as a child that has another one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_a_keyring_the_refusal_says_what_to_do() {
    const PLACE: &str = "PARTNERSAM_TEST_PLACE";
    if let Some(path) = std::env::var_os(PLACE) {
        let refused = put(&open(Path::new(&path))).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::StoreKeyMissing);
        assert!(refused.hint().contains("PARTNERSAM_KEY_FILE"), "{}", refused.hint());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grants.db");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["without_a_keyring_the_refusal_says_what_to_do", "--exact"])
        .env(PLACE, &path)
        .env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", folder.path().join("no-bus").display()))
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    // Nothing was put anywhere in its stead.
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name.to_string_lossy().starts_with("grants.db")), "{names:?}");
}
