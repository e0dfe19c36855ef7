//! Nodes that come and go: what they make, what they find, what they refuse.

use futures_util::future::join_all;
use model::cell::CellId;
use model::kinds::RecordKind;
use model::metric::Function;
use model::{Agg, Bucket, Scope, Step, UnixMillis, Zone};
use reqwest::Method;
use serde_json::{Value, json};
use storage::{Batch, Entities, Order, Retention, SeriesQuery, Store as _, StoreError, TopQuery};

use crate::support::{DAY, MINUTE, NOW, Room, clusters, ids, record, records_of, row};

fn top(cell: CellId) -> TopQuery {
    TopQuery {
        scope: Scope::Service,
        step: Step::Minute,
        from: MINUTE,
        to: MINUTE,
        cell,
        function: Function::Count,
        order: Order::Desc,
        n: 10,
        entities: Entities::All,
        attrs: Vec::new(),
    }
}

#[tokio::test]
async fn nodes_that_start_at_once_share_templates_columns_and_rows() {
    for url in clusters() {
        let room = Room::new(&url);
        let stores = join_all((0..4).map(|_| room.open())).await;
        // Each brings a metric of its own at the same moment, and all of them one more.
        let write = async |n: u16| {
            let cells = [(CellId(100), Agg::Count(u64::from(n))), (CellId(200 + n), Agg::Count(7))];
            let rows = vec![row("s", MINUTE, u64::from(n), 1, &cells)];
            stores[usize::from(n)].write(&Batch { rows, records: Vec::new() }).await.unwrap();
        };
        join_all((0..4).map(write)).await;
        for store in &stores {
            assert_eq!(store.top(&top(CellId(100))).await.unwrap()[0].value, 6.0, "0 + 1 + 2 + 3");
            for n in 0..4 {
                assert_eq!(store.top(&top(CellId(200 + n))).await.unwrap()[0].value, 7.0, "{n}");
            }
        }
        let index = format!("{}-rows-20240115", room.config.index_prefix);
        let mapped = room.ask(Method::GET, &format!("/{index}/_mapping"), None).await;
        let fields = &mapped[index.as_str()]["mappings"]["properties"];
        assert!((200..204).all(|n| fields[format!("c{n}n")]["type"] == "long"), "{fields}");
        for store in &stores {
            store.close().await.unwrap();
        }
        room.leave().await;
    }
}

#[tokio::test]
async fn another_zone_or_format_is_refused_and_says_what_to_do() {
    for url in clusters() {
        let room = Room::new(&url);
        room.open().await.close().await.unwrap();
        let refused = async |zone: &Zone| match room.try_open(zone).await {
            Err(StoreError::Damaged(why)) => why,
            other => panic!("{other:?}"),
        };
        let why = refused(&Zone::named("Asia/Shanghai").unwrap()).await;
        assert!(why.contains("time zone UTC, and Asia/Shanghai is configured"), "{why}");

        let path = format!("/_index_template/{}-rows", room.config.index_prefix);
        let mut newer = room.ask(Method::GET, &path, None).await["index_templates"][0]["index_template"].clone();
        newer["_meta"]["skylark_format"] = json!(999);
        room.ask(Method::PUT, &path, Some(newer.clone())).await;
        let why = refused(&Zone::utc()).await;
        assert!(why.contains("format 999, this version reads 1"), "{why}");

        newer["_meta"]["skylark_format"] = json!(1);
        newer["template"]["mappings"]["properties"]["bucket"] = json!({"type": "keyword"});
        room.ask(Method::PUT, &path, Some(newer)).await;
        let why = refused(&Zone::utc()).await;
        assert!(why.contains("maps bucket as"), "{why}");
        room.leave().await;
    }
}

#[tokio::test]
async fn what_an_older_version_left_is_extended() {
    for url in clusters() {
        let room = Room::new(&url);
        let store = room.open().await;
        let old = record(RecordKind::Segment, "old", NOW);
        store.write(&Batch { rows: Vec::new(), records: vec![old] }).await.unwrap();
        store.close().await.unwrap();
        // The older version knew no tags, and something that this one does not know.
        let path = format!("/_index_template/{}-segment", room.config.index_prefix);
        let mut older = room.ask(Method::GET, &path, None).await["index_templates"][0]["index_template"].clone();
        let fields = older["template"]["mappings"]["properties"].as_object_mut().unwrap();
        fields.remove("tags");
        fields.insert("fancy".to_owned(), json!({"type": "long"}));
        room.ask(Method::PUT, &path, Some(older.clone())).await;
        let index = format!("{}-segment-20240116", room.config.index_prefix);
        room.ask(Method::PUT, &format!("/{index}"), None).await;

        let store = room.open().await;
        let mapped = room.ask(Method::GET, &format!("/{index}/_mapping"), None).await;
        let fields = &mapped[index.as_str()]["mappings"]["properties"];
        assert_eq!(fields["tags"]["type"], "keyword", "the index that is there learned it");
        assert_eq!(fields["fancy"]["type"], "long");
        let template = room.ask(Method::GET, &path, None).await;
        let fields = &template["index_templates"][0]["index_template"]["template"]["mappings"]["properties"];
        assert!(fields["tags"].is_object() && fields["fancy"].is_object(), "neither is lost");
        assert_eq!(ids(&store, RecordKind::Segment).await, ["old"]);
        room.close(&store).await;
    }
}

#[tokio::test]
async fn a_day_has_few_indices_which_leave_as_a_whole() {
    for url in clusters() {
        let mut room = Room::new(&url);
        room.config.shards = 2;
        let store = room.open().await;
        let mut batch = Batch::default();
        for day in 0..2u32 {
            for kind in RecordKind::ALL {
                batch.records.push(record(kind, &format!("{}-{day}", kind.def().name), NOW.plus(i64::from(day) * DAY)));
            }
            for step in Step::ALL {
                let mut row = row("s", Bucket(MINUTE.0 + day * 1_440), 1, 1, &[(CellId(64), Agg::Count(1))]);
                row.key.step = step;
                batch.rows.push(row);
            }
        }
        store.write(&batch).await.unwrap();
        let of_day = |day: &str| ["log", "record", "rows", "segment"].map(|family| format!("{family}-{day}"));
        let expected = |days: &[&str]| {
            let mut all: Vec<String> = days.iter().flat_map(|day| of_day(day)).collect();
            all.extend(["items".to_owned(), "life".to_owned()]);
            all.sort();
            all
        };
        assert_eq!(room.indices().await, expected(&["20240115", "20240116"]));
        let settings = format!("/{}-segment-20240115/_settings?flat_settings=true", room.config.index_prefix);
        let settings = room.ask(Method::GET, &settings, None).await;
        let settings = &settings.as_object().unwrap().values().next().unwrap()["settings"];
        assert_eq!(
            (&settings["index.number_of_shards"], &settings["index.number_of_replicas"]),
            (&json!("2"), &json!("0"))
        );

        let policy = Retention { records_days: 3, metrics_days: 3 };
        let expire = async |now: UnixMillis| store.expire(&policy, now).await.unwrap().partitions;
        assert_eq!(expire(NOW.plus(3 * DAY)).await, 0, "the first day is not over by three days yet");
        assert_eq!(expire(NOW.plus(4 * DAY)).await, 4);
        assert_eq!(room.indices().await, expected(&["20240116"]));
        assert_eq!(expire(NOW.plus(4 * DAY)).await, 0);
        assert_eq!(ids(&store, RecordKind::Event).await, ["event-1"]);

        let stats = store.stats().await;
        let parts: Vec<_> = stats.bytes.iter().map(|(part, _)| part.as_str()).collect();
        assert_eq!(parts, ["items", "records/log", "records/record", "records/segment", "rows"]);
        assert!(stats.bytes.iter().all(|(_, bytes)| *bytes > 0), "{stats:?}");
        let commits: Vec<_> = stats.commits.iter().map(|(part, n, _)| (part.as_str(), *n)).collect();
        assert_eq!(commits, [("records", 1), ("rows", 1), ("items", 0)]);
        room.close(&store).await;
    }
}

#[tokio::test]
async fn prefixes_keep_stores_apart() {
    for url in clusters() {
        let one = Room::new(&url);
        let mut two = Room::new(&url);
        // One name begins with the other.
        two.config.index_prefix = format!("{}-x", one.config.index_prefix);
        let (first, second) = (one.open().await, two.open().await);
        let batch = |id: &str, n| Batch {
            rows: vec![row("s", MINUTE, 1, 1, &[(CellId(64), Agg::Count(n))])],
            records: vec![record(RecordKind::Segment, id, NOW)],
        };
        first.write(&batch("first", 1)).await.unwrap();
        second.write(&batch("second", 10)).await.unwrap();
        for (store, id, n) in [(&first, "first", 1), (&second, "second", 10)] {
            assert_eq!(ids(store, RecordKind::Segment).await, [id]);
            let query = SeriesQuery {
                scope: Scope::Service,
                step: Step::Minute,
                entities: vec!["s".into()],
                from: MINUTE,
                to: MINUTE,
                cells: vec![CellId(64)],
            };
            let series = store.series(&query).await.unwrap();
            assert_eq!(series[0].points[0].1.get(CellId(64)), Some(&Agg::Count(n)));
        }
        let policy = Retention { records_days: 2, metrics_days: 2 };
        first.expire(&policy, NOW.plus(30 * DAY)).await.unwrap();
        assert_eq!(ids(&first, RecordKind::Segment).await, [""; 0]);
        assert_eq!(ids(&second, RecordKind::Segment).await, ["second"]);
        assert_eq!(second.records(&records_of(RecordKind::Segment)).await.unwrap().records.len(), 1);
        two.close(&second).await;
        one.close(&first).await;
    }
}

#[tokio::test]
async fn what_is_no_opensearch_is_refused() {
    for url in clusters() {
        let mut room = Room::new(&url);
        room.config.urls = vec![format!("{url}/_cluster/health")];
        let why = room.try_open(&Zone::utc()).await.unwrap_err();
        assert!(why.to_string().contains("not OpenSearch 2 or newer"), "{why}");
        let answer: Value = room.ask(Method::GET, "/", None).await;
        assert_eq!(answer["version"]["distribution"], "opensearch");
    }
}
