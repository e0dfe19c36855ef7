//! Completion of tags: which keys and values were seen on which days.

use std::collections::BTreeSet;

use model::{Agg, Scope, Step, cell};
use storage::{Entities, ScanQuery};

use crate::{
    Error,
    app::{self, App},
    duration::Range,
};

/// Most keys or values that are offered.
const MAX_OFFERED: usize = 100;

/// What carries a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Trace,
    Log,
    Alarm,
}

impl Kind {
    /// How the rows of this kind begin.
    fn prefix(self) -> &'static str {
        match self {
            Kind::Trace => "TRACE|",
            Kind::Log => "LOG|",
            Kind::Alarm => alarm::records::TAG_ROWS,
        }
    }
}

/// Keys of searchable tags seen on the days of the range, ascending.
pub(crate) async fn keys(app: &App, kind: Kind, range: &Range) -> Result<Vec<String>, Error> {
    let rows = app::scan(app, days(app, range, Entities::Prefix(kind.prefix().to_owned()))).await?;
    let keys: BTreeSet<&str> = rows.iter().filter_map(|row| row.entity.strip_prefix(kind.prefix())).collect();
    Ok(keys.into_iter().take(MAX_OFFERED).map(str::to_owned).collect())
}

/// Values of a searchable tag seen on the days of the range, ascending.
pub(crate) async fn values(app: &App, kind: Kind, key: &str, range: &Range) -> Result<Vec<String>, Error> {
    let entity = format!("{}{key}", kind.prefix());
    let rows = app::scan(app, days(app, range, Entities::Ids(vec![entity.into()]))).await?;
    let mut values = BTreeSet::new();
    for row in &rows {
        if let Some(Agg::Texts(texts)) = row.cells.get(cell::VALUES) {
            values.extend(texts.keys().map(String::as_str));
        }
    }
    Ok(values.into_iter().take(MAX_OFFERED).map(str::to_owned).collect())
}

fn days(app: &App, range: &Range, entities: Entities) -> ScanQuery {
    ScanQuery {
        scope: Scope::Tag,
        step: Step::Day,
        from: app.zone().bucket(Step::Day, range.first),
        to: app.zone().bucket(Step::Day, range.last),
        entities,
        cells: vec![cell::VALUES],
        changed_since: None,
        after: None,
        limit: 0,
    }
}
