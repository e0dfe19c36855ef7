//! The contract, held against the embedded store.

use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Zone};
use proptest::test_runner::{Config, TestRunner};

use super::{Embedded, Options};
use crate::memory::Memory;
use crate::testing::{compare, conformance, ops};
use crate::{SharedStore, Store};

fn open(folder: &tempfile::TempDir) -> Embedded {
    // Small partitions, so that questions cross them.
    let options = Options { commit_every: Duration::from_millis(1), partition_docs: 12, ..Options::default() };
    Embedded::open(folder.path(), options, &Zone::utc(), Clock::system()).unwrap()
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    conformance(|| async {
        let folder = tempfile::tempdir_in(root.path()).unwrap();
        let store: SharedStore = Arc::new(open(&folder));
        // The folder goes with `root`.
        drop(folder.keep());
        store
    })
    .await;
}

#[test]
fn it_answers_as_the_store_in_memory() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let compared = runner.run(&ops(), |ops| {
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let store = open(&folder);
            compare(&Memory::new(), &store, &ops).await;
            store.close().await.unwrap();
        });
        Ok(())
    });
    compared.unwrap();
}
