//! What the tests of several modules need.

use model::Scope;
use model::cell::CellId;
use model::metric::{Catalogue, Function, MetricDef};

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
