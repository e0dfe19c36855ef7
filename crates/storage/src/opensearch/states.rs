//! The numbers of a cell as columns of their own, so that the cluster can merge partials while it aggregates.
//!
//! A cell's columns are named after its id and the part: `c64n` is the count of cell 64. Sums of the cluster are floating-point
//! numbers, exact as long as they stay below 2^53; a row lists the cells of which a part is so great that a sum could leave that range
//! ([`BIG`]), and questions that meet one are computed from the cells themselves.

use model::agg::Fixed;
use model::cell::CellId;
use model::metric::Function;
use model::{Agg, Cells, UnixMillis};
use serde_json::{Map, Value, json};
use smallvec::{SmallVec, smallvec};

use super::json::put;

/// The field with the ids of the cells whose parts are too great for sums of the cluster.
pub(super) const BIG: &str = "big";
/// A sum of 128 parts below this is exact.
const SMALL: u64 = 1 << 46;
/// Sums from here on may have been rounded.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Bits behind the point of [`Agg::AvgF`].
const FRACTION: u32 = 40;

/// One column of a cell: part and number.
type Column = (&'static str, i64);

/// A cell's columns; none for what cannot be merged by adding and comparing numbers.
fn columns(agg: &Agg) -> SmallVec<[Column; 3]> {
    let unsigned = |v: u64| i64::try_from(v).unwrap_or(i64::MAX);
    match agg {
        Agg::Count(n) => smallvec![("n", unsigned(*n))],
        Agg::Sum(v) => smallvec![("s", *v)],
        Agg::Max(v) => smallvec![("x", *v)],
        Agg::Min(v) => smallvec![("i", *v)],
        Agg::Latest { at, value } => smallvec![("la", at.0), ("lv", *value)],
        Agg::Avg { sum, count } => smallvec![("as", *sum), ("ac", unsigned(*count))],
        Agg::AvgF { sum, count } => {
            let sum = sum.units();
            let whole = i64::try_from(sum >> FRACTION).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX });
            let fraction = i64::try_from(sum & ((1 << FRACTION) - 1)).unwrap_or(0);
            smallvec![("fw", whole), ("ff", fraction), ("fc", unsigned(*count))]
        }
        Agg::Percent { matched, total } => smallvec![("pm", unsigned(*matched)), ("pt", unsigned(*total))],
        Agg::Rate { numerator, denominator } => smallvec![("rn", unsigned(*numerator)), ("rd", unsigned(*denominator))],
        Agg::Apdex { satisfied, tolerated, total } => {
            smallvec![("ds", unsigned(*satisfied)), ("dt", unsigned(*tolerated)), ("dn", unsigned(*total))]
        }
        Agg::Ids(ids) => ids.first().map(|&id| ("id", i64::from(id))).into_iter().collect(),
        Agg::Percentile(_) | Agg::Histogram(_) | Agg::Top(_) | Agg::Texts(_) | Agg::Labeled(_) => SmallVec::new(),
    }
}

/// The name of a column.
pub(super) fn name(cell: CellId, part: &str) -> String {
    format!("c{}{part}", cell.0)
}

/// Appends the columns of all cells as members of a JSON object that has members already.
pub(super) fn put_columns(out: &mut Vec<u8>, cells: &Cells) {
    let mut big = Vec::new();
    for (cell, agg) in cells.iter() {
        let columns = columns(agg);
        for (part, value) in &columns {
            out.extend_from_slice(b",\"c");
            put(out, &cell.0);
            out.extend_from_slice(part.as_bytes());
            out.extend_from_slice(b"\":");
            put(out, value);
        }
        if !matches!(agg, Agg::Latest { .. }) && columns.iter().any(|(_, value)| value.unsigned_abs() > SMALL) {
            big.push(cell.0);
        }
    }
    if !big.is_empty() {
        out.extend_from_slice(b",\"big\":");
        put(out, &big);
    }
}

/// The cells whose columns a mapping must know, each with the parts it has. Cells of one id have one kind of memory.
pub(super) fn parts(agg: &Agg) -> &'static [&'static str] {
    match agg {
        Agg::Count(_) => &["n"],
        Agg::Sum(_) => &["s"],
        Agg::Max(_) => &["x"],
        Agg::Min(_) => &["i"],
        Agg::Latest { .. } => &["la", "lv"],
        Agg::Avg { .. } => &["as", "ac"],
        Agg::AvgF { .. } => &["fw", "ff", "fc"],
        Agg::Percent { .. } => &["pm", "pt"],
        Agg::Rate { .. } => &["rn", "rd"],
        Agg::Apdex { .. } => &["ds", "dt", "dn"],
        Agg::Ids(_) => &["id"],
        Agg::Percentile(_) | Agg::Histogram(_) | Agg::Top(_) | Agg::Texts(_) | Agg::Labeled(_) => &[],
    }
}

/// How a column is mapped: read in bulk, never searched.
pub(super) fn mapping() -> Value {
    json!({"type": "long", "index": false})
}

/// What the cluster merges of a cell, in the function that a ranking is about.
#[derive(Clone, Debug)]
pub(super) struct Merge {
    empty: Agg,
    cell: CellId,
}

/// A sum that may have been rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rounded;

impl Merge {
    /// What to merge; `None` for functions whose value is no single number, which nothing can be ranked by.
    pub(super) fn of(function: Function, cell: CellId) -> Option<Merge> {
        let empty = function.empty();
        (!parts(&empty).is_empty()).then_some(Merge { empty, cell })
    }

    /// A column that every row with the cell has.
    pub(super) fn column(&self) -> String {
        name(self.cell, parts(&self.empty)[0])
    }

    /// The aggregations that merge the parts.
    pub(super) fn aggregations(&self) -> Map<String, Value> {
        let parts = parts(&self.empty);
        if let Agg::Latest { .. } = self.empty {
            let sort = parts.iter().map(|part| json!({name(self.cell, part): "desc"})).collect::<Vec<_>>();
            let hits = json!({"top_hits": {"size": 1, "sort": sort, "_source": false}});
            return Map::from_iter([("latest".to_owned(), hits)]);
        }
        let how = match self.empty {
            Agg::Max(_) => "max",
            Agg::Min(_) => "min",
            _ => "sum",
        };
        let names = ["a", "b", "c"].iter().zip(parts);
        names.map(|(key, part)| ((*key).to_owned(), json!({how: {"field": name(self.cell, part)}}))).collect()
    }

    /// The cell of the merged parts, in the order of [`parts`]; of a latest value, time and value instead.
    pub(super) fn cell(&self, [a, b, c]: [f64; 3], latest: Option<(i64, i64)>) -> Result<Agg, Rounded> {
        let unsigned = |number| whole(number).and_then(|v| u64::try_from(v).map_err(|_| Rounded));
        Ok(match self.empty {
            Agg::Count(_) => Agg::Count(unsigned(a)?),
            Agg::Sum(_) => Agg::Sum(whole(a)?),
            Agg::Max(_) => Agg::Max(whole(a)?),
            Agg::Min(_) => Agg::Min(whole(a)?),
            Agg::Latest { .. } => {
                let (at, value) = latest.ok_or(Rounded)?;
                Agg::Latest { at: UnixMillis(at), value }
            }
            Agg::Avg { .. } => Agg::Avg { sum: whole(a)?, count: unsigned(b)? },
            Agg::AvgF { .. } => {
                let sum = (i128::from(whole(a)?) << FRACTION) + i128::from(whole(b)?);
                Agg::AvgF { sum: Fixed::new(sum), count: unsigned(c)? }
            }
            Agg::Percent { .. } => Agg::Percent { matched: unsigned(a)?, total: unsigned(b)? },
            Agg::Rate { .. } => Agg::Rate { numerator: unsigned(a)?, denominator: unsigned(b)? },
            Agg::Apdex { .. } => Agg::Apdex { satisfied: unsigned(a)?, tolerated: unsigned(b)?, total: unsigned(c)? },
            _ => return Err(Rounded),
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "whole numbers below 2^53, which both types hold exactly")]
fn whole(value: f64) -> Result<i64, Rounded> {
    if value.abs() < EXACT { Ok(value as i64) } else { Err(Rounded) }
}

#[cfg(test)]
mod tests {
    use model::agg::to_fixed;

    use super::*;

    fn all() -> Vec<(Function, Agg)> {
        vec![
            (Function::Count, Agg::Count(7)),
            (Function::Sum, Agg::Sum(-7)),
            (Function::Max, Agg::Max(9)),
            (Function::Min, Agg::Min(-9)),
            (Function::LongAvg, Agg::Avg { sum: -5, count: 2 }),
            (Function::DoubleAvg, Agg::AvgF { sum: to_fixed(-2.75), count: 4 }),
            (Function::Percent, Agg::Percent { matched: 1, total: 3 }),
            (Function::Rate, Agg::Rate { numerator: 3, denominator: 4 }),
            (Function::Apdex, Agg::Apdex { satisfied: 1, tolerated: 2, total: 3 }),
        ]
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn merged(agg: &Agg) -> [f64; 3] {
        let mut numbers = columns(agg).into_iter().map(|(_, v)| v as f64);
        std::array::from_fn(|_| numbers.next().unwrap_or(0.0))
    }

    #[test]
    fn columns_are_the_parts_and_come_back_as_the_cell() {
        for (function, agg) in all() {
            let named: Vec<_> = columns(&agg).into_iter().map(|(part, _)| part).collect();
            assert_eq!(named, parts(&agg), "{agg:?}");
            let merge = Merge::of(function, CellId(64)).unwrap();
            assert_eq!(merge.aggregations().len(), named.len());
            assert_eq!(merge.cell(merged(&agg), None), Ok(agg));
        }
        assert!(Merge::of(Function::Percentile { precision: 10 }, CellId(64)).is_none());
        assert!(Merge::of(Function::LabelCount, CellId(64)).is_none());
    }

    #[test]
    fn no_two_parts_of_a_cell_share_a_column() {
        let mut parts: Vec<_> = all().iter().flat_map(|(_, agg)| parts(agg)).copied().collect();
        parts.extend(super::parts(&Agg::Latest { at: UnixMillis(0), value: 0 }));
        parts.extend(super::parts(&Agg::id(1)));
        let n = parts.len();
        parts.sort_unstable();
        parts.dedup();
        assert_eq!(parts.len(), n);
    }

    #[test]
    fn great_parts_are_marked_and_great_sums_are_noticed() {
        let text = |agg: Agg| {
            let mut out = Vec::new();
            put_columns(&mut out, &[(CellId(64), agg)].into_iter().collect());
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(Agg::Count(5)), r#","c64n":5"#);
        assert_eq!(text(Agg::Sum(-(1 << 46) - 1)), r#","c64s":-70368744177665,"big":[64]"#);
        assert_eq!(text(Agg::Count(u64::MAX)), r#","c64n":9223372036854775807,"big":[64]"#);
        assert_eq!(
            text(Agg::Latest { at: UnixMillis(i64::MIN), value: 1 }),
            r#","c64la":-9223372036854775808,"c64lv":1"#
        );
        let merge = Merge::of(Function::Count, CellId(64)).unwrap();
        assert_eq!(merge.cell([EXACT, 0.0, 0.0], None), Err(Rounded));
    }
}
