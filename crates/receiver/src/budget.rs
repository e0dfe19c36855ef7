//! The byte budget: how much telemetry may be in memory at once, from the first byte of a message until it is stored.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::permit::{Permit, Release};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::fault::Fault;

/// How long a caller waits for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as it takes: a stream that is not read slows its sender down.
    Stream,
    /// A moment: the caller of a single call would rather know.
    Unary,
}

/// All bytes there are.
pub(crate) struct Budget {
    semaphore: Arc<Semaphore>,
    release: Release,
    /// How long a single call waits.
    unary: Duration,
    /// How long a stream waits that holds a part already. Were it to wait for ever, many halves of messages could wait
    /// for each other.
    holding: Duration,
}

impl Budget {
    pub(crate) fn new(bytes: u32, unary: Duration, holding: Duration) -> Self {
        let semaphore = Arc::new(Semaphore::new(bytes as usize));
        let mine = Arc::clone(&semaphore);
        Budget { semaphore, release: Arc::new(move |bytes| mine.add_permits(bytes as usize)), unary, holding }
    }

    /// Bytes that nobody holds.
    pub(crate) fn free(&self) -> usize {
        self.semaphore.available_permits()
    }

    /// How long to wait at most; `None`: as long as it takes.
    pub(crate) fn limit(&self, patience: Patience, holding: bool) -> Option<Duration> {
        match patience {
            Patience::Unary => Some(self.unary),
            Patience::Stream if holding => Some(self.holding),
            Patience::Stream => None,
        }
    }
}

/// A share of the budget on its way to becoming a [`Permit`]. Dropping it gives the bytes back.
pub(crate) struct Held {
    budget: Arc<Budget>,
    bytes: u32,
}

impl Held {
    /// A share of nothing.
    pub(crate) fn nothing(budget: &Arc<Budget>) -> Self {
        Held { budget: Arc::clone(budget), bytes: 0 }
    }

    /// Its size.
    pub(crate) fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Takes `more` bytes, waiting as long as `patience` allows. Fails with [`Fault::Overload`], keeping what it holds.
    pub(crate) async fn grow(&mut self, more: usize, patience: Patience) -> Result<(), Fault> {
        let more = u32::try_from(more).map_err(|_| Fault::TooLarge)?;
        let semaphore = &self.budget.semaphore;
        // Most of the time there is room, and no timer is needed.
        let taken = match semaphore.try_acquire_many(more) {
            Ok(taken) => taken,
            Err(_) => {
                let wait = semaphore.acquire_many(more);
                let taken = match self.budget.limit(patience, self.bytes > 0) {
                    Some(limit) => timeout(limit, wait).await.map_err(|_| Fault::Overload)?,
                    None => wait.await,
                };
                taken.map_err(|_| Fault::Closing)?
            }
        };
        taken.forget();
        self.bytes = self.bytes.saturating_add(more);
        Ok(())
    }

    /// Cuts a share of at most `bytes` off this one.
    pub(crate) fn split(&mut self, bytes: usize) -> Held {
        let part = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes);
        self.bytes -= part;
        Held { budget: Arc::clone(&self.budget), bytes: part }
    }

    /// The share as it travels with the data.
    pub(crate) fn into_permit(mut self) -> Permit {
        let bytes = std::mem::take(&mut self.bytes);
        Permit::new(bytes, Arc::clone(&self.budget.release))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            (self.budget.release)(self.bytes);
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.bytes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(bytes: u32) -> Arc<Budget> {
        Arc::new(Budget::new(bytes, Duration::from_millis(500), Duration::from_secs(30)))
    }

    #[tokio::test]
    async fn shares_come_back_however_they_end() {
        let budget = budget(100);
        let mut held = Held::nothing(&budget);
        held.grow(60, Patience::Stream).await.unwrap();
        let part = held.split(20);
        assert_eq!((held.bytes(), part.bytes(), budget.free()), (40, 20, 40));
        let permit = part.into_permit();
        drop(held);
        assert_eq!(budget.free(), 80);
        drop(permit);
        assert_eq!(budget.free(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_call_waits_half_a_second_and_half_a_message_thirty() {
        let budget = budget(100);
        let mut all = Held::nothing(&budget);
        all.grow(90, Patience::Stream).await.unwrap();

        let begun = tokio::time::Instant::now();
        let mut unary = Held::nothing(&budget);
        assert_eq!(unary.grow(11, Patience::Unary).await, Err(Fault::Overload));
        assert_eq!(begun.elapsed().as_millis(), 500);

        let begun = tokio::time::Instant::now();
        let mut half = Held::nothing(&budget);
        half.grow(10, Patience::Stream).await.unwrap();
        assert_eq!(half.grow(1, Patience::Stream).await, Err(Fault::Overload));
        assert_eq!(begun.elapsed().as_secs(), 30);
    }
}
