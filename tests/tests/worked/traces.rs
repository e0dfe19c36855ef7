//! E8: the order of a trace's spans.

use e2e::store::Store;
use serde_json::json;

use crate::world::{World, parent, segment, span, with};

pub(crate) async fn e8_spans_of_a_trace_have_an_order(store: Store) {
    let mut world = World::start(&store).await;
    let from = |segment: &str, span: i32| parent(segment, span, ("A", "a1", "/a"), "");
    let x = segment(
        "S1",
        "X",
        "x1",
        vec![span(1, "Exit", "Http", 2, "/y", (1_010, 1_050)), span(0, "Entry", "Http", 1, "/x", (1_000, 1_060))],
    );
    // Two references: the last is the parent.
    let refs = json!({ "refs": [from("S9", 4), from("S1", 1)] });
    let y = segment("S2", "Y", "y1", vec![with(span(0, "Entry", "Http", 1, "/y", (1_020, 1_040)), refs)]);
    // Its parent never arrived: a root, and the earliest.
    let refs = json!({ "refs": [from("S7", 0)] });
    let z = segment("S3", "Z", "z1", vec![with(span(0, "Entry", "Http", 1, "/z", (900, 990)), refs)]);
    world.send(&[x, y, z]).await;
    world.check_trace("t-1", &["S3S0", "S1S0", "S1S1", "S2S0"]).await;
    world.server.stop().await;
}
