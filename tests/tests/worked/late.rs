//! E6: late data across a minute's end, in minute, hour and day.

use e2e::store::Store;
use serde_json::{Value, json};

use crate::world::{World, segment, service, span, with};

fn call(id: &str, service: &str, (start, end): (i64, i64), is_error: bool) -> Value {
    let entry = with(span(0, "Entry", "Http", 1, "/a", (start, end)), json!({ "isError": is_error }));
    segment(id, service, "a1", vec![entry])
}

pub(crate) async fn e6_late_data_reach_minute_hour_and_day(store: Store) {
    let mut world = World::start(&store).await;
    let a = service("A");
    world.send(&[call("s1", "A", (59_950, 60_450), false), call("s2", "A", (60_000, 60_100), false)]).await;
    // Beside it 125 and 59 calls in an hour: whole calls a minute, rounded down.
    let others = (0..125).map(|i| call(&format!("o{i}"), "Busy", (i * 100, i * 100 + 5), false));
    let idle = (0..59).map(|i| call(&format!("i{i}"), "Idle", (i * 100, i * 100 + 5), false));
    world.send(&others.chain(idle).collect::<Vec<_>>()).await;

    // A call belongs to the minute it began in.
    let second = "service_cpm=1; service_resp_time=100; service_sla=10000; service_apdex=10000; service_percentile=100";
    world
        .check(0, &[(a.clone(), "service_cpm=1; service_resp_time=500; service_sla=10000; service_percentile=500")])
        .await;
    world.check(1, &[(a.clone(), second)]).await;
    // Hour and day are written before the late call, so that it finds what is there.
    let before = "service_cpm=0; service_resp_time=300; service_sla=10000; service_apdex=10000";
    world.check_step("HOUR", 0, &[(a.clone(), before)]).await;
    world.check_step("DAY", 0, &[(a.clone(), before)]).await;

    world.send(&[call("s3", "A", (30_000, 30_040), true)]).await;
    let first = "service_cpm=2; service_resp_time=270; service_sla=5000; service_apdex=5000; service_percentile=40,500,500,500,500";
    world.check(0, &[(a.clone(), first)]).await;
    world.check(1, &[(a.clone(), second)]).await;
    let whole = "service_cpm=0; service_resp_time=213; service_sla=6666; service_apdex=6666; service_percentile=100,100,500,500,500";
    world
        .check_step(
            "HOUR",
            0,
            &[(a.clone(), whole), (service("Busy"), "service_cpm=2"), (service("Idle"), "service_cpm=0")],
        )
        .await;
    world.check_step("DAY", 0, &[(a, whole), (service("Busy"), "service_cpm=0; service_resp_time=5")]).await;
    // Late data do not move an instance back: it was seen in both minutes.
    let instances =
        async |world: &World| [world.instances("QQ==.1", 0).await, world.instances("QQ==.1", 1).await].concat();
    world.check_list("instances", &["QQ==.1_YTE=", "QQ==.1_YTE="], instances).await;
    world.server.stop().await;
}
