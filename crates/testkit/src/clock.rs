//! Wall-clock time that moves with tokio's.

use model::{Clock, UnixMillis};
use tokio::time::Instant;

/// When tests begin, unless they care: 2024-01-15T12:00:00Z, the first moment of a minute and of an hour.
pub const START: UnixMillis = UnixMillis(1_705_320_000_000);

/// A clock that shows `start` now and moves with tokio's time from here on: in a test with paused time hours pass in a moment,
/// and every timer and every time stamp agree.
///
/// Must be called within a tokio runtime.
pub fn clock(start: UnixMillis) -> Clock {
    let began = Instant::now();
    Clock::from_fn(move || start.plus(i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_passes_in_a_moment() {
        let clock = clock(START);
        assert_eq!(clock.now(), START);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(clock.now(), START.plus(3_600_000));
    }
}
