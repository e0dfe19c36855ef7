//! What expressions may name: for editors.

use mqe::condition::ValueKind;
use serde::Serialize;

use crate::entity::scope_name;

use super::rules::scope_asked;
use super::{Desk, DeskError};

/// A metric that a rule may be about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricInfo {
    /// Its name.
    pub name: String,
    /// What its entities are, in SkyWalking's words.
    pub scope: &'static str,
    /// `REGULAR`: a value for a minute; `LABELED`: one for each set of labels; `HEATMAP`: counts by value.
    pub kind: &'static str,
    /// Names of its labels, where they are known beforehand.
    pub labels: Vec<String>,
}

impl Desk {
    /// Metrics whose names begin so, of that scope where one is given, by name.
    pub fn metrics(&self, prefix: &str, scope: Option<&str>) -> Result<Vec<MetricInfo>, DeskError> {
        let scope = scope_asked(scope)?;
        let info = |name: &str| {
            let known = crate::check::known(&self.ground.catalogue, name)?;
            if scope.is_some_and(|scope| scope != known.scope) {
                return None;
            }
            let function = self.ground.catalogue.get(name)?.function;
            Some(MetricInfo {
                name: name.to_owned(),
                scope: scope_name(known.scope),
                kind: match known.kind {
                    ValueKind::Labelled => "LABELED",
                    ValueKind::HeatMap => "HEATMAP",
                    _ => "REGULAR",
                },
                labels: match function {
                    model::metric::Function::Percentile { .. } => vec!["p".to_owned()],
                    _ => Vec::new(),
                },
            })
        };
        let mut all: Vec<MetricInfo> = self
            .ground
            .catalogue
            .iter()
            .filter(|def| def.name.starts_with(prefix))
            .filter_map(|def| info(&def.name))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }
}
