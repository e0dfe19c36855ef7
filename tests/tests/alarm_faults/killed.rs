//! One server, killed again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::hook::Hook;
use e2e::on_stores;
use e2e::server::Server;
use e2e::store::Store;
use tokio::time::sleep;

use crate::fleet::Fleet;
use crate::{all_is_told, identity, incidents, requests, set_up, transitions};

const N_KILLS: usize = 10;
const N_SERVICES: usize = 500;

/// Numbers that look drawn and are the same in each run.
struct Drawn(u64);

impl Drawn {
    /// The next one, below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

async fn ten_kills_lose_nothing_of_a_thousand_transitions(store: Store) {
    let hook = Hook::start().await;
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("alarm-settings.yml"), "rules: {}\n").unwrap();
    let settings = store.settings().with_files(files.path());
    let mut server = Server::start(&settings).await;
    set_up(&server, &hook).await;
    let fleet = Fleet::start(server.grpc(), N_SERVICES, 8);
    let mut drawn = Drawn(7);
    let mut seen = BTreeMap::new();
    for _ in 0..N_KILLS {
        // A new process waits ten seconds for the lease of the one before: some are killed before, most after.
        sleep(Duration::from_millis(3_000 + drawn.below(27_000))).await;
        seen.extend(incidents(&server).await.iter().map(identity));
        sleep(Duration::from_millis(drawn.below(2_000))).await;
        server.kill().await;
        server = Server::start(&settings).await;
        fleet.turn_to(server.grpc());
    }
    let all = all_is_told(&server, &hook, N_SERVICES * 9 / 5).await;
    let n_transitions = all.iter().flat_map(transitions).count();
    assert!(n_transitions >= 1_000, "{n_transitions} transitions");
    let known: BTreeMap<_, _> = all.iter().map(identity).collect();
    for (id, about) in &seen {
        assert_eq!(known.get(id), Some(about), "what was known before a crash is known under the same id");
    }
    assert!(!seen.is_empty(), "there was something to be known before the last crash");
    let (n, n_repeats) = (hook.told().len(), hook.told().len() - requests(&hook).len());
    assert!(n_repeats * 100 < n, "{n_repeats} of {n} requests were repeats");
    server.stop().await;
}
on_stores!(ten_kills_lose_nothing_of_a_thousand_transitions: embedded);
