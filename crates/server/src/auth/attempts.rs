//! Failed logins, and when somebody must wait.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many passwords may be wrong within [`WINDOW`].
const MOST: u32 = 10;
/// How long failures count.
const WINDOW: Duration = Duration::from_secs(60);
/// Pairs of peer and user that are remembered; the longest known is forgotten for a new one.
const MAX_KNOWN: usize = 1_024;

/// Failed logins by peer and user.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<(IpAddr, String), Failed>>);

#[derive(Clone, Copy, Debug)]
struct Failed {
    n: u32,
    since: Instant,
}

impl Failed {
    fn left(&self) -> Duration {
        WINDOW.saturating_sub(self.since.elapsed())
    }
}

/// One who has a network of IPv6 has all its addresses.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

impl Attempts {
    fn known(&self) -> MutexGuard<'_, HashMap<(IpAddr, String), Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another password may be tried; else how long not.
    pub(super) fn may_try(&self, peer: IpAddr, user: &str) -> Result<(), Duration> {
        let known = self.known();
        let failed = known.get(&(network(peer), user.to_owned()));
        match failed.filter(|failed| failed.n >= MOST).map(Failed::left) {
            Some(left) if !left.is_zero() => Err(left),
            Some(_) | None => Ok(()),
        }
    }

    /// A password was wrong. Answers whether it was the last for a while.
    pub(super) fn failed(&self, peer: IpAddr, user: &str) -> bool {
        let mut known = self.known();
        let key = (network(peer), user.to_owned());
        if !known.contains_key(&key) && known.len() >= MAX_KNOWN {
            known.retain(|_, failed| !failed.left().is_zero());
            let oldest = known.iter().min_by_key(|(_, failed)| failed.since).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest.filter(|_| known.len() >= MAX_KNOWN) {
                known.remove(&oldest);
            }
        }
        let failed = known.entry(key).or_insert_with(|| Failed { n: 0, since: Instant::now() });
        if failed.left().is_zero() {
            *failed = Failed { n: 0, since: Instant::now() };
        }
        failed.n += 1;
        failed.n == MOST
    }

    /// The password was right.
    pub(super) fn succeeded(&self, peer: IpAddr, user: &str) {
        self.known().remove(&(network(peer), user.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: usize) -> IpAddr {
        IpAddr::from([10, 0, u8::try_from(n / 256).unwrap(), u8::try_from(n % 256).unwrap()])
    }

    #[tokio::test(start_paused = true)]
    async fn who_guesses_ten_times_in_a_minute_waits_for_its_end() {
        let attempts = Attempts::default();
        for n in 1..=MOST {
            assert_eq!(attempts.may_try(peer(1), "ann"), Ok(()));
            assert_eq!(attempts.failed(peer(1), "ann"), n == MOST);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(attempts.may_try(peer(1), "ann"), Err(Duration::from_secs(50)));
        assert_eq!(attempts.may_try(peer(1), "bob"), Ok(()), "others are not held up");
        assert_eq!(attempts.may_try(peer(2), "ann"), Ok(()));
        tokio::time::advance(Duration::from_secs(50)).await;
        assert_eq!(attempts.may_try(peer(1), "ann"), Ok(()));
        assert!(!attempts.failed(peer(1), "ann"), "it counts anew");
        attempts.succeeded(peer(1), "ann");
        assert!(attempts.known().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded_and_the_longest_known_goes_first() {
        let attempts = Attempts::default();
        for n in 0..=MAX_KNOWN {
            attempts.failed(peer(n), "ann");
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let known = attempts.known();
        assert_eq!(known.len(), MAX_KNOWN);
        assert!(!known.contains_key(&(peer(0), "ann".to_owned())));
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let [a, b] = ["2001:db8::1", "2001:db8::ffff:1"].map(|text| network(text.parse().unwrap()));
        assert_eq!(a, b);
        assert_ne!(a, network("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), network("10.0.0.1".parse().unwrap()));
    }
}
