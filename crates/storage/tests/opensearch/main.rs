//! The store on real OpenSearch clusters: what every store must do, and what is special about this one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod faults;
mod nodes;
mod proxy;
mod questions;
mod support;

use std::sync::Mutex;

use proptest::test_runner::{Config, TestRunner};
use storage::SharedStore;
use storage::memory::Memory;
use storage::testing;

use support::{Room, clusters};

#[tokio::test]
async fn it_conforms() {
    for url in clusters() {
        let rooms = Mutex::new(Vec::new());
        testing::conformance(|| async {
            let room = Room::new(&url);
            let store = room.shared().await;
            rooms.lock().unwrap().push(room);
            store as SharedStore
        })
        .await;
        for room in rooms.into_inner().unwrap() {
            room.leave().await;
        }
    }
}

#[test]
fn it_answers_as_the_store_in_memory_does() {
    for url in clusters() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let config = Config { cases: 12, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new(config);
        let ran = runner.run(&testing::ops(), |ops| {
            runtime.block_on(async {
                let room = Room::new(&url);
                let store = room.open().await;
                testing::compare(&Memory::new(), &store, &ops).await;
                room.close(&store).await;
            });
            Ok(())
        });
        if let Err(error) = ran {
            panic!("{url}: {error}");
        }
    }
}
