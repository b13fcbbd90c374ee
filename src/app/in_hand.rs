//! What is in memory goes on while the store is away or does not answer.

use std::time::Duration;

use crate::error::{ErrorKind, Result};

/// How long the way to something newer may hold up a caller who could have what is in memory at once: an early refresh, a store that does not answer.
pub(super) const PATIENCE_IN_HAND: Duration = Duration::from_secs(2);

/// Where an answer is from.
pub(super) enum Found<T, M> {
    InStore(T),
    InMemory(M),
}

/// What the store says; what was true before, where there is that and the store is away.
pub(super) async fn unless_away<T, M>(
    in_memory: Option<M>,
    asked: impl Future<Output = Result<T>>,
) -> Result<Found<T, M>> {
    let Some(in_memory) = in_memory else { return asked.await.map(Found::InStore) };
    match tokio::time::timeout(PATIENCE_IN_HAND, asked).await {
        Ok(Err(error)) if error.kind() == ErrorKind::StoreUnavailable => Ok(Found::InMemory(in_memory)),
        Ok(answer) => answer.map(Found::InStore),
        Err(_) => Ok(Found::InMemory(in_memory)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::error::Error;

    fn in_memory(found: &Result<Found<i32, i32>>) -> bool {
        matches!(found, Ok(Found::InMemory(7)))
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_something_in_memory_does_not_wait_for_a_store_that_is_away() {
        assert!(in_memory(&unless_away(Some(7), std::future::pending()).await));
        let failed = |kind| async move { Err::<i32, _>(Error::new(kind, "store", "as asked for")) };
        assert!(in_memory(&unless_away(Some(7), failed(ErrorKind::StoreUnavailable)).await));
        let forbidden = unless_away(Some(7), failed(ErrorKind::StoreForbidden)).await.err().unwrap();
        assert_eq!(forbidden.kind(), ErrorKind::StoreForbidden);
        assert!(matches!(unless_away(Some(7), async { Ok(8) }).await, Ok(Found::InStore(8))));
        let long = async {
            tokio::time::sleep(PATIENCE_IN_HAND * 2).await;
            Ok(8)
        };
        assert!(matches!(unless_away::<_, i32>(None, long).await, Ok(Found::InStore(8))));
    }
}
