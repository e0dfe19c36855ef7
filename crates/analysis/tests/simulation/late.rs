//! Worked example E6 of the analysis reference: late data across a minute's end, from segments to what the store answers.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use analysis::windows;
use expect_test::{Expect, expect};
use model::metric::{Catalogue, Value};
use model::segment::Span;
use model::telemetry::Telemetry;
use model::{Agg, Bucket, Cells, Scope, Step, Zone, cell, id};
use storage::SharedStore;
use storage::memory::Memory;
use testkit::START;
use testkit::segments::{entry, segment};
use tokio::time::sleep;

use crate::node::{Node, Surroundings};
use crate::reference::{Contents, stored};
use crate::world::{context, metrics};

fn call(id: &str, start: i64, end: i64, is_error: bool) -> Telemetry {
    let span = Span { component: 1, is_error, ..entry(0, "/a", START.0 + start, end - start) };
    Telemetry::Segment(Box::new(segment("A", "a1", id, id, vec![span])))
}

/// What the store shows of service A, and when its instance was seen.
fn show(contents: &Contents, catalogue: &Catalogue, zone: &Zone) -> String {
    let mut text = String::new();
    for ((scope, step, bucket, entity), cells) in &contents.rows {
        if *scope == Scope::Service && *step != Step::Life && **entity == *id::service("A", true) {
            text += &format!("{}{}\n", zone.bucket_text(*step, *bucket), metrics_of(cells, *step, catalogue));
        }
        if (*scope, *step) == (Scope::ServiceInstance, Step::Life) {
            let (Some(Agg::Min(first)), Some(Agg::Max(last))) =
                (cells.get(cell::FIRST_SEEN), cells.get(cell::LAST_PING))
            else {
                panic!("an instance has both: {cells:?}")
            };
            let minute = |minute: &i64| {
                let bucket = Bucket(u32::try_from(*minute).expect("a minute of our time"));
                zone.bucket_text(Step::Minute, bucket)
            };
            text += &format!("instance seen {} to {}\n", minute(first), minute(last));
        }
    }
    text
}

fn metrics_of(cells: &Cells, step: Step, catalogue: &Catalogue) -> String {
    let metric = |name: &str| {
        let metric = catalogue.get(&format!("service_{name}")).expect("a shipped metric");
        let value = cells.get(metric.cell).and_then(|agg| metric.function.value(agg, step));
        match value.expect("a call leaves all of them") {
            Value::Labeled(ranks) => {
                let ranks: Vec<_> = ranks.iter().map(|(_, v)| v.to_string()).collect();
                format!(" {name} {}", ranks.join(","))
            }
            Value::Int(v) => format!(" {name} {v}"),
            other => format!(" {name} {other:?}"),
        }
    };
    ["cpm", "resp_time", "sla", "apdex", "percentile"].map(metric).concat()
}

async fn check(memory: &SharedStore, catalogue: &Catalogue, expected: Expect) {
    expected.assert_eq(&show(&stored(&**memory).await, catalogue, &Zone::utc()));
}

#[tokio::test(start_paused = true)]
async fn late_data_count_in_their_own_minute_hour_and_day() {
    let (program, catalogue) = metrics();
    let store: SharedStore = Arc::new(Memory::new());
    let around = Surroundings {
        store: store.clone(),
        context: context(program, &Zone::utc()),
        zone: Zone::utc(),
        clock: testkit::clock(START),
        windows: windows::Config::default(),
        budget: Arc::new(AtomicI64::new(0)),
    };
    let node = Node::start(&around, 1, 2);
    sleep(Duration::from_secs(61)).await;
    node.submit(0, call("s1", 59_950, 60_450, false)).await;
    node.submit(1, call("s2", 60_000, 60_100, false)).await;
    node.at_rest().await;
    check(
        &store,
        &catalogue,
        expect![[r#"
        202401151200 cpm 1 resp_time 500 sla 10000 apdex 10000 percentile 500,500,500,500,500
        202401151201 cpm 1 resp_time 100 sla 10000 apdex 10000 percentile 100,100,100,100,100
        2024011512 cpm 0 resp_time 300 sla 10000 apdex 10000 percentile 100,500,500,500,500
        20240115 cpm 0 resp_time 300 sla 10000 apdex 10000 percentile 100,500,500,500,500
        instance seen 202401151200 to 202401151201
    "#]],
    )
    .await;
    sleep(Duration::from_secs(240)).await;
    node.submit(0, call("s3", 30_000, 30_040, true)).await;
    node.at_rest().await;
    check(
        &store,
        &catalogue,
        expect![[r#"
        202401151200 cpm 2 resp_time 270 sla 5000 apdex 5000 percentile 40,500,500,500,500
        202401151201 cpm 1 resp_time 100 sla 10000 apdex 10000 percentile 100,100,100,100,100
        2024011512 cpm 0 resp_time 213 sla 6666 apdex 6666 percentile 100,100,500,500,500
        20240115 cpm 0 resp_time 213 sla 6666 apdex 6666 percentile 100,100,500,500,500
        instance seen 202401151200 to 202401151201
    "#]],
    )
    .await;
}
