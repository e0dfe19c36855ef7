//! What the tests of several modules need.

use model::cell::{self, CellId};
use model::metric::{Catalogue, Function, MetricDef, Seen};
use model::{Agg, Bucket, Cells, Partial, Row, RowKey, Scope, Step, UnixMillis};
use storage::{Batch, Store};

/// A catalogue of these metrics.
pub(crate) fn catalogue(metrics: &[(&str, Scope, Function)]) -> Catalogue {
    let def = |(cell, &(name, scope, function)): (u16, &(&str, Scope, Function))| MetricDef {
        cell: CellId(cell),
        name: name.to_owned(),
        scope,
        function,
    };
    Catalogue::new((100..).zip(metrics).map(def))
}

/// A row of a minute in which metrics of [`catalogue`] saw something.
pub(crate) fn row(
    catalogue: &Catalogue,
    (scope, entity): (Scope, &str),
    minute: Bucket,
    seen: &[(&str, &[Seen<'_>])],
) -> Row {
    let mut cells = Cells::default();
    for (name, all) in seen {
        let def = catalogue.get(name).unwrap();
        let agg = cells.open(def.cell, || def.function.empty());
        all.iter().for_each(|one| def.function.observe(agg, *one, UnixMillis(minute.start().0)));
    }
    let key = RowKey { scope, step: Step::Minute, bucket: minute, entity: entity.into() };
    Row { key, partial: Partial { writer: 1, life: minute.0 }, seq: 1, cells }
}

/// A life row with layers by ordinal.
pub(crate) fn life((scope, entity): (Scope, &str), layers: &[i32]) -> Row {
    let mut cells = Cells::default();
    cells.open(cell::LAST_PING, || Agg::Max(1));
    if !layers.is_empty() {
        cells.open(cell::LAYERS, || Agg::Ids(layers.iter().copied().collect()));
    }
    let key = RowKey { scope, step: Step::Life, bucket: Bucket(0), entity: entity.into() };
    let seq = u64::try_from(layers.len()).unwrap() + 1;
    Row { key, partial: Partial { writer: 1, life: 0 }, seq, cells }
}

/// Writes rows.
pub(crate) async fn write(store: &dyn Store, rows: Vec<Row>) {
    let written = store.write(&Batch { rows, records: Vec::new() }).await.unwrap();
    assert!(written.rows_refused.is_empty(), "{written:?}");
}
