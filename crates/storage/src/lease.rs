//! Leases: one node at a time does what needs one owner, without nodes ever talking to each other.
//!
//! A lease is an item. Its holder writes it anew every [`RENEW`]; another node takes it when it saw no change for [`TAKE_OVER`] on
//! its *own* monotonic clock, so no clocks of two machines are compared. A holder stops [`HELD`] after its last successful renewal
//! *began*, which is before anybody takes over. Neither helps a holder that froze in the middle of a write: what a new holder must
//! protect from the old one's writes it [`touch`]es first, so that these fail their compare-and-set.

use std::sync::Arc;
use std::time::Duration;

use model::item::{Item, Revision};
use model::kinds::ItemKind;
use model::{Clock, UnixMillis};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::chance::Chance;
use crate::{ItemQuery, SharedStore, Store, StoreError, Swapped};

/// From one renewal to the next, and from one look at another's lease to the next.
pub const RENEW: Duration = Duration::from_secs(3);
/// How long a lease that does not change is left to its holder.
pub const TAKE_OVER: Duration = Duration::from_secs(10);
/// How long a renewal lasts for the holder, from its beginning.
pub const HELD: Duration = Duration::from_secs(8);
/// How often [`touch`] looks again at what others changed meanwhile.
const TOUCHES: usize = 16;

/// One tenure of a lease: another one, of this node or not, has another term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term(Revision);

#[derive(Clone, Copy, Debug)]
struct Held {
    term: Term,
    renewed: Instant,
}

/// Tells whether this node holds a lease. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Tenure(watch::Receiver<Option<Held>>);

impl Tenure {
    /// The term, while the lease is held. To be asked again before each thing that only a holder may do: the process may have been
    /// frozen since.
    pub fn term(&self) -> Option<Term> {
        let held = *self.0.borrow();
        held.filter(|held| held.renewed.elapsed() <= HELD).map(|held| held.term)
    }

    /// Done when the lease is held; at once where it is. Never done when its task has ended.
    pub async fn held(&mut self) -> Term {
        loop {
            if let Some(term) = self.term() {
                return term;
            }
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Takes and keeps one lease for one node.
pub struct Lease {
    store: SharedStore,
    clock: Clock,
    name: &'static str,
    holder: Arc<str>,
    chance: Chance,
    state: State,
    told: watch::Sender<Option<Held>>,
    failing: bool,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("name", &self.name).field("state", &self.state).finish_non_exhaustive()
    }
}

/// A write of the lease whose answer is not known: repeated with the same nonce, and counted from its first beginning, for it may
/// have been applied then.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    expected: Revision,
    nonce: u64,
    begun: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Our own last revision of it, where it is ours, and the term.
    mine: Option<(Revision, Term)>,
    attempt: Option<Attempt>,
    /// Another's revision and since when it is seen unchanged.
    seen: Option<(Revision, Instant)>,
}

impl Lease {
    /// The lease `name` for the node `holder`, whose id nobody else has. Nothing happens before it is run.
    pub fn new(store: SharedStore, clock: Clock, name: &'static str, holder: Arc<str>, seed: u64) -> (Lease, Tenure) {
        let (told, tenure) = watch::channel(None);
        let lease = Lease {
            store,
            clock,
            name,
            holder,
            chance: Chance::new(seed),
            state: State::default(),
            told,
            failing: false,
        };
        (lease, Tenure(tenure))
    }

    /// Takes the lease when it is free and renews it until `stop` is done; then gives it up, so that the next holder need not wait.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let next = Instant::now() + RENEW;
            tokio::select! {
                biased;
                () = &mut stop => break,
                beat = self.beat() => self.tell(beat.err()),
            }
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = sleep_until(next) => {}
            }
        }
        if self.state.mine.is_some()
            && let Err(error) = self.give_up().await
        {
            warn!(lease = self.name, %error, "the lease could not be given up; others take it when it runs out");
        }
    }

    /// One look, with what follows from it.
    async fn beat(&mut self) -> Result<(), StoreError> {
        if let Some(attempt) = self.state.attempt {
            return self.write(attempt).await;
        }
        if let Some((revision, _)) = self.state.mine {
            return self.write_first(revision).await;
        }
        let query = ItemQuery { kind: ItemKind::Lease, ids: vec![self.name.to_owned()], tombstones: true };
        let stored = self.store.items(&query).await?.into_iter().next();
        match self.free(stored.as_ref()) {
            Some(expected) => self.write_first(expected).await,
            None => Ok(()),
        }
    }

    /// The revision to be replaced, where nobody holds the lease.
    fn free(&mut self, stored: Option<&Item>) -> Option<Revision> {
        let Some(item) = stored else { return Some(Revision(0)) };
        if item.tombstone {
            return Some(item.revision);
        }
        let now = Instant::now();
        match self.state.seen {
            Some((revision, since)) if revision == item.revision => {
                (now.duration_since(since) >= TAKE_OVER).then_some(revision)
            }
            _ => {
                self.state.seen = Some((item.revision, now));
                None
            }
        }
    }

    async fn write_first(&mut self, expected: Revision) -> Result<(), StoreError> {
        let nonce = self.chance.bits();
        self.write(Attempt { expected, nonce, begun: Instant::now() }).await
    }

    async fn write(&mut self, attempt: Attempt) -> Result<(), StoreError> {
        self.state.attempt = Some(attempt);
        let swapped = self.swap(attempt, false).await?;
        self.state.attempt = None;
        match swapped {
            Some(Swapped::Done(revision)) => {
                let term = self.state.mine.map_or(Term(revision), |(_, term)| term);
                if self.state.mine.is_none() {
                    info!(lease = self.name, holder = %self.holder, "lease taken");
                }
                self.state.mine = Some((revision, term));
                self.state.seen = None;
                self.told.send_replace(Some(Held { term, renewed: attempt.begun }));
            }
            Some(Swapped::Conflict(stored)) => {
                if self.state.mine.take().is_some() {
                    warn!(lease = self.name, holder = %self.holder, "another node has taken the lease");
                }
                self.told.send_replace(None);
                self.state.seen = stored.map(|item| (item.revision, Instant::now()));
            }
            None => {}
        }
        Ok(())
    }

    async fn give_up(&mut self) -> Result<(), StoreError> {
        self.told.send_replace(None);
        let Some((revision, _)) = self.state.mine.take() else { return Ok(()) };
        let expected = self.state.attempt.take().map_or(revision, |attempt| attempt.expected);
        let nonce = self.chance.bits();
        self.swap(Attempt { expected, nonce, begun: Instant::now() }, true).await.map(|_| ())
    }

    async fn swap(&self, attempt: Attempt, tombstone: bool) -> Result<Option<Swapped>, StoreError> {
        let item = Item {
            kind: ItemKind::Lease,
            id: self.name.to_owned(),
            revision: Revision(0),
            nonce: attempt.nonce,
            tombstone,
            updated: self.clock.now(),
            body: format!("{{\"holder\":\"{}\"}}", self.holder),
        };
        Ok(self.store.swap_many(&[(item, attempt.expected)]).await?.into_iter().next())
    }

    /// An error is told when it begins, not at every try.
    fn tell(&mut self, error: Option<StoreError>) {
        if let Some(error) = &error
            && !self.failing
        {
            warn!(lease = self.name, %error, "the lease cannot be read or renewed");
        }
        self.failing = error.is_some();
    }
}

/// Raises the revision of every living item of the kind that is `wanted`, changing nothing else: whoever read one before fails to
/// change it now. What others change meanwhile is touched again. Answers how many were touched.
pub async fn touch(
    store: &dyn Store,
    kind: ItemKind,
    wanted: impl Fn(&Item) -> bool,
    chance: &mut Chance,
    now: UnixMillis,
) -> Result<usize, StoreError> {
    let query = ItemQuery { kind, ids: Vec::new(), tombstones: false };
    let mut left: Vec<Item> = store.items(&query).await?.into_iter().filter(&wanted).collect();
    let mut touched = 0;
    for _ in 0..TOUCHES {
        if left.is_empty() {
            return Ok(touched);
        }
        let swaps: Vec<_> = left
            .drain(..)
            .map(|item| (Item { nonce: chance.bits(), updated: now, ..item.clone() }, item.revision))
            .collect();
        for swapped in store.swap_many(&swaps).await? {
            match swapped {
                Swapped::Done(_) => touched += 1,
                Swapped::Conflict(Some(item)) if !item.tombstone && wanted(&item) => left.push(item),
                Swapped::Conflict(_) => {}
            }
        }
    }
    if left.is_empty() {
        return Ok(touched);
    }
    Err(StoreError::Unavailable(format!("{} items of kind {} kept changing", left.len(), kind.name())))
}

#[cfg(test)]
mod tests;
