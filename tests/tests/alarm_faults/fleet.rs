//! Many services, each of which reports for a while.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::load::{COLLECT, segment};
use e2e::now;
use e2e::wire::Grpc;
use prost::Message as _;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long each service reports.
const ACTIVE_SECONDS: usize = 45;
/// Each service reports once in so many seconds.
const EVERY: usize = 5;
/// What a server does not take by then is not sent again: it was killed, or stands still.
const PATIENCE: Duration = Duration::from_secs(3);

/// Services that begin to report one after another. Dropping it ends all.
pub(crate) struct Fleet {
    server: Arc<Mutex<Grpc>>,
    reporting: JoinHandle<()>,
}

impl Fleet {
    /// `size` services, of which so many begin each second.
    pub(crate) fn start(server: Grpc, size: usize, per_second: usize) -> Fleet {
        let server = Arc::new(Mutex::new(server));
        let reporting = tokio::spawn(report(Arc::clone(&server), size, per_second));
        Fleet { server, reporting }
    }

    /// From now on they report there.
    pub(crate) fn turn_to(&self, server: Grpc) {
        *self.server.lock().unwrap() = server;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.reporting.abort();
    }
}

async fn report(server: Arc<Mutex<Grpc>>, size: usize, per_second: usize) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for second in 0..size / per_second + ACTIVE_SECONDS {
        seconds.tick().await;
        let active = second.saturating_sub(ACTIVE_SECONDS) * per_second..size.min((second + 1) * per_second);
        let start = now();
        let bodies = active
            .filter(|n| n % EVERY == second % EVERY)
            .map(|n| segment(&format!("service-{n:03}"), &format!("fleet.{n}.{second}"), start).encode_to_vec().into());
        let server = server.lock().unwrap().clone();
        // Whether it took them shows in what it says of them later.
        let _taken = timeout(PATIENCE, server.stream(COLLECT, bodies.collect())).await;
    }
}
