//! Windows over the store in memory and the embedded one.

use std::sync::Arc;

use expect_test::expect;
use model::metric::Seen;
use model::{Clock, UnixMillis, Zone};
use mqe::Loaded;
use storage::SharedStore;
use storage::embedded::Embedded;
use storage::memory::Memory;

use super::*;
use crate::columns::Limits;
use crate::testing::{self, life, row, write};

const START: u32 = 28_422_000;

fn catalogue() -> Catalogue {
    let all = [
        ("cpm", Scope::Service, Function::Cpm),
        ("resp_time", Scope::Service, Function::LongAvg),
        ("share", Scope::Service, Function::Percent),
        ("percentile", Scope::Service, Function::Percentile { precision: 10 }),
        ("codes", Scope::Service, Function::LabelCount),
        ("instance_cpm", Scope::ServiceInstance, Function::Cpm),
        ("call_cpm", Scope::ServiceRelation, Function::Cpm),
    ];
    testing::catalogue(&all)
}

fn service(name: &str) -> String {
    id::service(name, true)
}

fn read(scope: Scope, metric: &str, from: u32, to: u32) -> Read {
    let (from, to) = (Bucket(START + from), Bucket(START + to));
    Read { scope, metric: metric.to_owned(), grain: Grain::Minute, from, to }
}

/// Every value that there is.
fn shown(columns: &Columns, reads: &[Read]) -> String {
    let mut shown = String::new();
    for read in reads {
        let Some(table) = columns.table(read.scope) else { continue };
        let labelled = catalogue().get(&read.metric).unwrap().function.shape() == model::metric::Shape::Labelled;
        for (at, watched) in table.watched().iter().enumerate() {
            let buckets: Vec<Bucket> = (read.from.0..=read.to.0).map(Bucket).collect();
            let loaded = table.load(&read.metric, labelled, &(read.grain, buckets), &[at]);
            let Loaded::Series { mut rows, .. } = loaded else { panic!("{loaded:?}") };
            rows.sort_by(|one, other| one.labels.cmp(&other.labels));
            for row in rows {
                let label: String = row.labels.iter().map(|(name, value)| format!("{{{name}={value}}}")).collect();
                let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| value.to_string());
                let values: Vec<String> = row.values.iter().map(number).collect();
                let layers = watched.layers.join(",");
                let name = &watched.entity.name;
                shown.push_str(&format!("{}{label} of {name} ({layers}): {}\n", read.metric, values.join(" ")));
            }
        }
    }
    shown
}

async fn each_store(check: impl AsyncFn(SharedStore)) {
    check(Arc::new(Memory::new())).await;
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::from_fn(|| UnixMillis(i64::from(START) * 60_000));
    let embedded = Embedded::open(folder.path(), storage::embedded::Options::default(), &Zone::utc(), clock).unwrap();
    let store: SharedStore = Arc::new(embedded);
    check(Arc::clone(&store)).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn values_are_those_that_queries_show() {
    each_store(async |store| {
        let (catalogue, shop) = (catalogue(), service("shop"));
        let one = [Seen::One; 3];
        let latencies = [Seen::Int(120), Seen::Int(80), Seen::Int(1_001)];
        let codes = [Seen::Label("200", 1), Seen::Label("500", 1), Seen::Label("200", 1)];
        let pod = id::instance(&shop, "pod");
        let call = id::relation(&service("web"), &shop);
        write(
            store.as_ref(),
            vec![
                life((Scope::Service, &shop), &[2, 5]),
                row(
                    &catalogue,
                    (Scope::Service, &shop),
                    Bucket(START),
                    &[
                        ("cpm", &one),
                        ("resp_time", &latencies),
                        ("percentile", &latencies),
                        ("codes", &codes),
                        ("share", &[Seen::Match(true), Seen::Match(false)]),
                    ],
                ),
                row(&catalogue, (Scope::Service, &shop), Bucket(START + 2), &[("cpm", &one[..1])]),
                row(&catalogue, (Scope::Service, &service("web")), Bucket(START + 2), &[("cpm", &one)]),
                row(&catalogue, (Scope::ServiceInstance, &pod), Bucket(START), &[("instance_cpm", &one)]),
                row(&catalogue, (Scope::ServiceRelation, &call), Bucket(START), &[("call_cpm", &one)]),
            ],
        )
        .await;
        let reads = [
            read(Scope::Service, "cpm", 0, 2),
            read(Scope::Service, "resp_time", 0, 1),
            read(Scope::Service, "percentile", 0, 0),
            read(Scope::Service, "codes", 0, 0),
            read(Scope::Service, "share", 0, 0),
            read(Scope::Service, "unknown", 0, 2),
            read(Scope::ServiceInstance, "instance_cpm", 0, 0),
            read(Scope::ServiceRelation, "call_cpm", 0, 0),
        ];
        let mut columns = Columns::new(Zone::utc());
        load(store.as_ref(), &catalogue, &mut columns, &reads).await.unwrap();
        let known: Vec<Read> = reads.iter().filter(|read| read.metric != "unknown").cloned().collect();
        expect![[r#"
            cpm of shop (GENERAL,FAAS): 3 - 1
            cpm of web (): - - 3
            resp_time of shop (GENERAL,FAAS): 400 -
            resp_time of web (): - -
            percentile{p=50} of shop (GENERAL,FAAS): 120
            percentile{p=75} of shop (GENERAL,FAAS): 120
            percentile{p=90} of shop (GENERAL,FAAS): 1000
            percentile{p=95} of shop (GENERAL,FAAS): 1000
            percentile{p=99} of shop (GENERAL,FAAS): 1000
            codes{n=200} of shop (GENERAL,FAAS): 2
            codes{n=500} of shop (GENERAL,FAAS): 1
            share of shop (GENERAL,FAAS): 5000
            share of web (): -
            instance_cpm of pod of shop (GENERAL,FAAS): 3
            call_cpm of web to shop (GENERAL,FAAS): 3
        "#]]
        .assert_eq(&shown(&columns, &known));
    })
    .await;
}

#[tokio::test]
async fn a_bucket_that_is_read_again_is_what_it_is_now_and_others_stay() {
    each_store(async |store| {
        let (catalogue, shop) = (catalogue(), service("shop"));
        let minute = |at: u32, n: usize, seq: u64| {
            let seen = vec![Seen::One; n];
            let row = row(&catalogue, (Scope::Service, &shop), Bucket(START + at), &[("cpm", &seen)]);
            model::Row { seq, ..row }
        };
        write(store.as_ref(), vec![minute(0, 1, 1), minute(1, 2, 1)]).await;
        let mut columns = Columns::new(Zone::utc());
        let all = [read(Scope::Service, "cpm", 0, 3)];
        load(store.as_ref(), &catalogue, &mut columns, &all).await.unwrap();
        let first = shown(&columns, &all);
        // Late data, and a new minute.
        write(store.as_ref(), vec![minute(0, 9, 2), minute(1, 5, 2), minute(2, 1, 1)]).await;
        load(store.as_ref(), &catalogue, &mut columns, &[read(Scope::Service, "cpm", 1, 3)]).await.unwrap();
        let second = shown(&columns, &all);
        expect![[r#"
            cpm of shop (): 1 2 - -
            cpm of shop (): 1 5 1 -
        "#]]
        .assert_eq(&format!("{first}{second}"));
    })
    .await;
}

#[tokio::test]
async fn layers_are_those_of_the_service_also_of_one_that_is_new() {
    each_store(async |store| {
        let catalogue = catalogue();
        let row_of = |name: &str, minute: u32| {
            row(&catalogue, (Scope::Service, &service(name)), Bucket(START + minute), &[("cpm", &[Seen::One])])
        };
        let layers = |columns: &Columns| {
            let watched = columns.table(Scope::Service).unwrap().watched();
            let of = |one: &crate::columns::Watched| format!("{} {}", one.entity.name, one.layers.join(","));
            watched.iter().map(of).collect::<Vec<_>>().join("; ")
        };
        write(store.as_ref(), vec![life((Scope::Service, &service("a")), &[2]), row_of("a", 0)]).await;
        let mut columns = Columns::new(Zone::utc());
        load(store.as_ref(), &catalogue, &mut columns, &[read(Scope::Service, "cpm", 0, 0)]).await.unwrap();
        assert_eq!(layers(&columns), "a GENERAL");
        write(store.as_ref(), vec![life((Scope::Service, &service("b")), &[5]), row_of("b", 1)]).await;
        load(store.as_ref(), &catalogue, &mut columns, &[read(Scope::Service, "cpm", 1, 1)]).await.unwrap();
        assert_eq!(layers(&columns), "a GENERAL; b FAAS");
        // Another layer is reported of what is known.
        write(store.as_ref(), vec![life((Scope::Service, &service("a")), &[2, 5])]).await;
        let before = columns.table(Scope::Service).unwrap().version();
        refresh(store.as_ref(), &mut columns).await.unwrap();
        assert_eq!(layers(&columns), "a GENERAL,FAAS; b FAAS");
        assert_ne!(columns.table(Scope::Service).unwrap().version(), before, "selectors are asked again");
    })
    .await;
}

#[tokio::test]
async fn what_retention_took_is_forgotten_and_what_has_values_is_not() {
    let store: SharedStore = Arc::new(Memory::new());
    let catalogue = catalogue();
    let (a, b) = (service("a"), service("b"));
    let (pod_a, pod_b) = (id::instance(&a, "pod"), id::instance(&b, "pod"));
    let seen: &[(&str, &[Seen<'_>])] = &[("instance_cpm", &[Seen::One])];
    let calls: &[(&str, &[Seen<'_>])] = &[("call_cpm", &[Seen::One])];
    let minute = Bucket(START);
    let rows = vec![
        life((Scope::Service, &a), &[2]),
        life((Scope::ServiceInstance, &pod_a), &[]),
        row(&catalogue, (Scope::ServiceInstance, &pod_a), minute, seen),
        row(&catalogue, (Scope::ServiceInstance, &pod_b), minute, seen),
        row(&catalogue, (Scope::ServiceRelation, &id::relation(&a, &b)), minute, calls),
        row(&catalogue, (Scope::ServiceRelation, &id::relation(&a, &a)), minute, calls),
    ];
    write(store.as_ref(), rows).await;
    let mut columns = Columns::new(Zone::utc());
    let reads = [read(Scope::ServiceInstance, "instance_cpm", 0, 0), read(Scope::ServiceRelation, "call_cpm", 0, 0)];
    load(store.as_ref(), &catalogue, &mut columns, &reads).await.unwrap();
    forget(store.as_ref(), &mut columns).await.unwrap();
    assert_eq!(columns.n_entities(), 4, "all have values");
    columns.keep(&[]);
    forget(store.as_ref(), &mut columns).await.unwrap();
    let left = |scope| {
        let watched = columns.table(scope).unwrap().watched().iter().filter(|one| !one.gone);
        watched.map(|one| one.entity.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(left(Scope::ServiceInstance), ["pod of a"]);
    assert_eq!(left(Scope::ServiceRelation), ["a to a"]);
    // It reports again.
    load(store.as_ref(), &catalogue, &mut columns, &reads).await.unwrap();
    assert_eq!(columns.n_entities(), 4);
}

#[tokio::test]
async fn at_its_limits_it_takes_in_no_more_entities_and_label_sets() {
    let store: SharedStore = Arc::new(Memory::new());
    let catalogue = catalogue();
    let codes = ["200", "404", "500", "503"].map(|code| Seen::Label(code, 1));
    let rows = ["a", "b", "c", "d"].map(|name| {
        let seen: &[(&str, &[Seen<'_>])] = &[("cpm", &[Seen::One]), ("codes", &codes)];
        row(&catalogue, (Scope::Service, &service(name)), Bucket(START), seen)
    });
    write(store.as_ref(), rows.to_vec()).await;
    let counted = async |limits: Limits, metric: &str| {
        let mut columns = Columns::new(Zone::utc());
        columns.limits = limits;
        let reads = [read(Scope::Service, metric, 0, 0)];
        load(store.as_ref(), &catalogue, &mut columns, &reads).await.unwrap();
        let lines = shown(&columns, &reads).lines().count();
        // A second reading of the same does not change who was taken in.
        load(store.as_ref(), &catalogue, &mut columns, &reads).await.unwrap();
        assert_eq!(shown(&columns, &reads).lines().count(), lines);
        (columns.n_entities(), lines, columns.n_left_out())
    };
    let limits = Limits::default();
    assert_eq!(counted(limits, "cpm").await, (4, 4, 0));
    assert_eq!(counted(Limits { entities: 3, ..limits }, "cpm").await, (3, 3, 1));
    assert_eq!(counted(Limits { values: 2, ..limits }, "cpm").await, (2, 2, 2));
    assert_eq!(counted(limits, "codes").await, (4, 16, 0));
    assert_eq!(counted(Limits { label_sets: 3, ..limits }, "codes").await, (4, 12, 4));
}
