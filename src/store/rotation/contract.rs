//! What a change of keys must do alike in every store. `rotation_contract!(make)` plays it all against the places that `make` makes.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::{KeyRotation, Known, Moved, Standing};
use crate::error::ErrorKind;
use crate::secret::{AccessToken, RefreshToken};
use crate::store::fixtures::*;
use crate::store::{Expect, GrantStore, Written};

type Store = Arc<dyn GrantStore>;

/// Where the records of a test are, for any number of processes, and the source of keys that all of them read.
pub(crate) trait Shared {
    /// As a new process of one host has it, with nothing in memory.
    fn open(&self, source: &Arc<Several>) -> Store;

    /// The same on another host, which shares no file with the first.
    fn elsewhere(&self, source: &Arc<Several>) -> Store {
        self.open(source)
    }
}

macro_rules! rotation_contract {
    ($make:expr) => {
        $crate::store::rotation::contract::rotation_contract! { $make =>
            every_step_of_a_change_of_keys_can_be_the_last_and_can_be_done_again
            a_process_with_the_old_key_in_memory_goes_on_through_a_change_of_keys
            a_process_that_only_reads_finds_what_was_moved_from_the_key_in_its_memory
        }
    };
    ($make:expr => $($test:ident)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            $crate::store::rotation::contract::$test(&($make)()).await;
        }
    )+};
}
pub(crate) use rotation_contract;

fn steps(store: &Store) -> &dyn KeyRotation {
    store.rotation().unwrap()
}

/// From the first step to the last; what is sealed beside the store is its caller's.
pub(crate) async fn rotate(store: &dyn KeyRotation) {
    store.add(None).await.unwrap();
    store.switch(None).await.unwrap();
    finish(store).await;
}

/// From where the new key is the store's.
pub(crate) async fn finish(store: &dyn KeyRotation) {
    while store.move_some(64).await.unwrap().seen > 0 {}
    store.settle().await.unwrap();
    store.retire(None).await.unwrap();
}

async fn put(store: &Store, number: u128, token: u64, expect: Expect) -> Written {
    let token = RefreshToken::new(format!("not-a-real-refresh-token-{token}"));
    store.put_grant(&grant_key(number), &token, &grant_facts(), expect).await.unwrap()
}

async fn put_access(store: &Store, number: u128) {
    let token = AccessToken::new("not-a-real-access-token");
    store.put_token(&token_key(number, "graph"), &token, &token_facts()).await.unwrap();
}

async fn refresh_token(store: &Store, number: u128) -> (u64, String) {
    let grant = store.grant(&grant_key(number)).await.unwrap().unwrap();
    // EXPOSE: compared with what was put in.
    (grant.generation, grant.refresh_token.expose().to_owned())
}

async fn fill(store: &Store) {
    for number in [1, 2, 3] {
        assert_eq!(put(store, number, 0, Expect::Absent).await, Written::Yes(1));
        put_access(store, number).await;
    }
    store.put_pending(&pending(7), NOW).await.unwrap();
}

async fn read_grants(store: &Store) -> Vec<(u64, String)> {
    assert_eq!(store.tenants(&app(), None, 10).await.unwrap(), [tenant(1), tenant(2), tenant(3)]);
    let mut found = Vec::new();
    for number in [1, 2, 3] {
        found.push(refresh_token(store, number).await);
    }
    found
}

/// Everything that is kept for one host.
async fn read_all(store: &Store) -> Vec<(u64, String)> {
    for number in [1, 2, 3] {
        let access = store.token(&token_key(number, "graph")).await.unwrap().unwrap();
        // EXPOSE: compared with what was put in.
        assert_eq!(access.token.expose(), "not-a-real-access-token");
    }
    assert!(store.pending(&app(), &[7; 32]).await.unwrap().is_some());
    read_grants(store).await
}

async fn seal_beside(store: &Store) -> Vec<u8> {
    store.seal_beside("label", b"beside").await.unwrap().unwrap()
}

async fn is_beside(store: &Store, sealed: &[u8]) -> bool {
    store.open_beside("label", sealed).await.unwrap().is_some_and(|opened| opened.as_slice() == b"beside")
}

pub(crate) async fn every_step_of_a_change_of_keys_can_be_the_last_and_can_be_done_again(place: &impl Shared) {
    let source = Arc::new(Several::new(1));
    // Each time a new process that knows nothing.
    let store = || place.open(&source);
    fill(&store()).await;
    let before = (read_all(&store()).await, read_grants(&place.elsewhere(&source)).await);
    let all_is_as_before = async || {
        assert_eq!(read_all(&store()).await, before.0);
        assert_eq!(read_grants(&place.elsewhere(&source)).await, before.1);
    };
    let mut beside = seal_beside(&store()).await;
    assert_eq!((steps(&store()).grants().await.unwrap(), steps(&store()).held().await.unwrap()), (3, 1));

    // Where each host has a source of its own the new key is brought to all of them first.
    let first = if steps(&store()).has_copies() { Known::HereOnly } else { Known::Everywhere };
    assert_eq!(steps(&store()).add(None).await.unwrap(), first);
    assert_eq!(steps(&store()).add(None).await.unwrap(), Known::Everywhere);
    assert_eq!((source.held(), steps(&store()).held().await.unwrap()), (vec![1, 2], 2));
    assert_eq!(steps(&store()).standing().await.unwrap(), None);
    all_is_as_before().await;

    steps(&store()).switch(None).await.unwrap();
    all_is_as_before().await;
    assert_eq!(steps(&store()).switch(None).await.unwrap_err().kind(), ErrorKind::StoreConflict);
    for left in [3, 2, 1, 0] {
        assert_eq!(steps(&store()).left().await.unwrap(), left);
        assert_eq!(steps(&store()).standing().await.unwrap(), Some(Standing::Moving));
        assert_eq!(steps(&store()).move_some(1).await.unwrap(), Moved { seen: left.min(1), unreadable: 0 });
        all_is_as_before().await;
        assert!(is_beside(&store(), &beside).await);
    }
    // What `App::rotate_key` does with the files that are sealed beside the store.
    beside = seal_beside(&store()).await;
    steps(&store()).settle().await.unwrap();
    steps(&store()).settle().await.unwrap();
    assert_eq!(steps(&store()).move_some(1).await.unwrap(), Moved::default());
    assert_eq!(steps(&store()).standing().await.unwrap(), Some(Standing::Retiring));
    all_is_as_before().await;

    steps(&store()).retire(None).await.unwrap();
    steps(&store()).retire(None).await.unwrap();
    assert_eq!((source.held(), steps(&store()).standing().await.unwrap()), (vec![2], None));
    all_is_as_before().await;
    assert!(is_beside(&store(), &beside).await);
    let old = place.open(&Arc::new(Several::new(1)));
    assert_eq!(old.grant(&grant_key(1)).await.unwrap_err().kind(), ErrorKind::StoreKeyWrong);
}

pub(crate) async fn a_process_with_the_old_key_in_memory_goes_on_through_a_change_of_keys(place: &impl Shared) {
    let source = Arc::new(Several::new(1));
    let (rotating, old) = (place.open(&source), place.elsewhere(&source));
    fill(&rotating).await;
    let mut last = (1, "not-a-real-refresh-token-0".to_owned());
    // A host keeps tokens of grants that it knows.
    read_grants(&old).await;
    put_access(&old, 2).await;
    old.put_pending(&pending(7), NOW).await.unwrap();
    let mut number = 0;
    let mut use_it = async || {
        let found = refresh_token(&old, 1).await;
        assert_eq!(found, last);
        assert!(old.token(&token_key(2, "graph")).await.unwrap().is_some());
        assert!(old.pending(&app(), &[7; 32]).await.unwrap().is_some());
        number += 1;
        assert_eq!(put(&old, 1, number, Expect::Generation(found.0)).await, Written::Yes(found.0 + 1));
        last = refresh_token(&old, 1).await;
        assert_eq!(last, (found.0 + 1, format!("not-a-real-refresh-token-{number}")));
        put_access(&old, 1).await;
        assert!(old.token(&token_key(1, "graph")).await.unwrap().is_some());
        assert!(old.grant(&grant_key(3)).await.unwrap().is_some());
        old.put_pending(&pending(9), NOW).await.unwrap();
        assert!(old.pending(&app(), &[9; 32]).await.unwrap().is_some());
        old.put_domain("emulator", "fabrikam.example", tenant(1), NOW).await.unwrap();
        assert!(old.domain("emulator", "fabrikam.example").await.unwrap().is_some());
        old.check_writable().await.unwrap();
    };
    use_it().await;
    steps(&rotating).add(None).await.unwrap();
    use_it().await;
    steps(&rotating).switch(None).await.unwrap();
    use_it().await;
    while steps(&rotating).move_some(1).await.unwrap().seen > 0 {
        use_it().await;
    }
    let beside = seal_beside(&rotating).await;
    steps(&rotating).settle().await.unwrap();
    use_it().await;
    steps(&rotating).retire(None).await.unwrap();
    use_it().await;
    assert!(is_beside(&old, &beside).await);
    rotate(steps(&rotating)).await;
    use_it().await;
    assert_eq!(source.held(), [3]);
}

pub(crate) async fn a_process_that_only_reads_finds_what_was_moved_from_the_key_in_its_memory(place: &impl Shared) {
    let source = Arc::new(Several::new(1));
    let rotating = place.open(&source);
    fill(&rotating).await;
    let readers = [1, 2, 3, 4].map(|_| place.open(&source));
    for reader in &readers {
        reader.grant(&grant_key(3)).await.unwrap().unwrap();
    }
    rotate(steps(&rotating)).await;
    let beside = seal_beside(&rotating).await;
    // Each asks for another kind of record first.
    let [of_a_grant, of_a_token, of_a_consent, of_a_file] = readers;
    assert!(of_a_grant.grant(&grant_key(1)).await.unwrap().is_some());
    assert!(of_a_token.token(&token_key(1, "graph")).await.unwrap().is_some());
    assert!(of_a_consent.pending(&app(), &[7; 32]).await.unwrap().is_some());
    assert!(is_beside(&of_a_file, &beside).await);
}
