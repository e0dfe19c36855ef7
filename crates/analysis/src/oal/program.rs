//! Metrics made ready to run.

use model::cell::CellId;
use model::metric::{Function, Seen};
use model::{Cells, UnixMillis};

use super::{Filter, Input, Rules, Run};
use crate::source::{Datum, NotANumber, Source, SourceKind};

/// One metric, with its cell.
#[derive(Debug)]
struct Metric {
    cell: CellId,
    function: Function,
    filters: Vec<Filter>,
    input: Input,
}

/// Metrics by the kind of source they see. [`Program::default`] sees nothing.
#[derive(Debug, Default)]
pub struct Program {
    by_kind: [Vec<Metric>; SourceKind::COUNT],
    disabled: Vec<CellId>,
}

impl Program {
    /// Puts rules and the numbers of their cells together. A rule for which `cell` has no number is left out.
    pub fn compile(rules: &Rules, cell: impl Fn(&super::Rule) -> Option<CellId>) -> Program {
        let mut program = Program { disabled: rules.disabled.clone(), ..Program::default() };
        for rule in rules.iter() {
            let (Some(Run { source, filters, input }), Some(cell)) = (rule.run.clone(), cell(rule)) else { continue };
            program.by_kind[source as usize].push(Metric { cell, function: rule.function, filters, input });
        }
        // Ascending, so that a new row's cells are only ever appended.
        program.by_kind.iter_mut().for_each(|metrics| metrics.sort_by_key(|m| m.cell));
        program
    }

    /// Whether a list of slow statements is to be kept.
    pub(crate) fn keeps(&self, list: CellId) -> bool {
        !self.disabled.contains(&list)
    }

    /// How many metrics of a kind see something of a source, and so the cells of a new row.
    pub(crate) fn sees(&self, kind: SourceKind, source: &Source<'_>) -> usize {
        self.by_kind[kind as usize].iter().filter(|metric| matches!(metric.see(source), Ok(Some(_)))).count()
    }

    /// Lets every metric of a kind see a source. Answers how many metrics could not read a number that they were to see.
    pub(crate) fn observe(&self, kind: SourceKind, source: &Source<'_>, at: UnixMillis, cells: &mut Cells) -> u64 {
        let (mut unreadable, mut next) = (0, 0);
        for metric in &self.by_kind[kind as usize] {
            match metric.see(source) {
                Ok(Some(seen)) => {
                    let cell = cells.open_next(&mut next, metric.cell, || metric.function.empty());
                    metric.function.observe(cell, seen, at);
                }
                Ok(None) => {}
                Err(NotANumber) => unreadable += 1,
            }
        }
        unreadable
    }
}

impl Metric {
    /// What it sees of a source; `None`: nothing, because a filter does not hold or the attribute is null.
    fn see<'a>(&self, source: &Source<'a>) -> Result<Option<Seen<'a>>, NotANumber> {
        for filter in &self.filters {
            if !filter.holds(source)? {
                return Ok(None);
            }
        }
        Ok(match &self.input {
            Input::One => Some(Seen::One),
            Input::Int(access) => match access.read(source)? {
                Datum::Int(v) => Some(Seen::Int(v)),
                _ => None,
            },
            Input::Float(access) => match access.read(source)? {
                Datum::Float(v) => Some(Seen::Float(v)),
                #[expect(clippy::cast_precision_loss, reason = "a mean of fractions over whole numbers")]
                Datum::Int(v) => Some(Seen::Float(v as f64)),
                _ => None,
            },
            Input::Match(condition) => Some(Seen::Match(condition.holds(source)?)),
            Input::Rate(numerator, denominator) => {
                Some(Seen::Rate { numerator: numerator.holds(source)?, denominator: denominator.holds(source)? })
            }
            Input::Apdex { latency, ok } => match (latency.read(source)?, ok.read(source)?) {
                (Datum::Int(latency), Datum::Bool(ok)) => {
                    Some(Seen::Apdex { latency, threshold: source.apdex_threshold(), ok })
                }
                _ => None,
            },
            Input::Label { label, value } => {
                let number = match value {
                    Some(value) => value.read(source)?,
                    None => Datum::Int(1),
                };
                match (label.read(source)?, number) {
                    (Datum::Text(label), Datum::Int(v)) => Some(Seen::Label(label, v)),
                    _ => None,
                }
            }
        })
    }
}
