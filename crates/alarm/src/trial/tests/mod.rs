//! Trials over a store in memory.

mod jobs;
mod live;
mod reports;

use std::sync::Arc;

use model::layer::Layers;
use model::metric::{Catalogue, Function, Seen};
use model::{Bucket, Scope, UnixMillis, Zone, id};
use storage::memory::Memory;
use storage::{SharedStore, Store, Swapped};

use super::*;
use crate::testing::{self, life, row, write};

/// The first minute of which there is data: 2024-01-15T12:00:00Z.
const START: u32 = 28_422_000;

fn catalogue() -> Catalogue {
    let all = [
        ("cpm", Scope::Service, Function::Cpm),
        ("resp_time", Scope::Service, Function::LongAvg),
        ("percentile", Scope::Service, Function::Percentile { precision: 10 }),
    ];
    testing::catalogue(&all)
}

fn service(name: &str) -> String {
    id::service(name, true)
}

fn ground(store: SharedStore) -> Ground {
    let zone = Zone::utc();
    let about = About { zone: zone.clone(), external_url: String::new() };
    Ground { store, catalogue: Arc::new(catalogue()), zone, layers: Layers::default(), about }
}

/// In the middle of the minute after so many ones.
fn after(minutes: u32) -> UnixMillis {
    Bucket(START + minutes).start().plus(30_000)
}

/// A store with the response times of services, a value for each minute, `-` where there is none.
async fn store(services: &[(&str, &str)]) -> SharedStore {
    let store: SharedStore = Arc::new(Memory::new());
    for (name, values) in services {
        write(store.as_ref(), vec![life((Scope::Service, &service(name)), &[2])]).await;
        for (minute, value) in (0..).zip(values.split_whitespace()) {
            let Ok(value) = value.parse() else { continue };
            let seen: &[(&str, &[Seen<'_>])] = &[("cpm", &[Seen::One]), ("resp_time", &[Seen::Int(value)])];
            write(
                store.as_ref(),
                vec![row(&catalogue(), (Scope::Service, &service(name)), Bucket(START + minute), seen)],
            )
            .await;
        }
    }
    store
}

fn rule(expression: &str) -> Rule {
    Rule {
        id: "r".to_owned(),
        name: "slow".to_owned(),
        expression: expression.to_owned(),
        period: 1,
        message: "{name} is slow".to_owned(),
        ..Rule::default()
    }
}

async fn keep<T: Doc>(store: &dyn Store, document: &T) {
    let swapped = store.swap_many(&[(doc::write(document), model::item::Revision(0))]).await.unwrap();
    assert!(matches!(swapped.as_slice(), [Swapped::Done(_)]), "{swapped:?}");
}
