//! Waiting for what has to come: for a condition and never for a time.

use std::time::{Duration, Instant};

/// How long anything that is waited for may take on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

pub async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

/// Waits until something is so.
pub async fn until(what: &str, is_so: impl AsyncFnMut() -> bool) {
    let mut is_so = is_so;
    until_some(what, async || is_so().await.then_some(())).await;
}

/// Waits until there is something, and gives it.
pub async fn until_some<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    let (mut look, started) = (look, Instant::now());
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "it did not come to be: {what}");
        pause().await;
    }
}
