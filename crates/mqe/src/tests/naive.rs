//! A second evaluator, written from the description of the language alone: one entity, one value at a time, nothing shared,
//! nothing remembered. It answers with an error wherever the language has one, without its text.

use crate::ast::{Aggregation, Expr, Family, LabelAggregation, MathFunction, Op, Operator, Trend};
use crate::frame::{Frame, Span};
use crate::need::{BaselineKind, Label, Metric, Order};
use crate::{Loaded, Need, ResultType};

/// What is wrong is not said.
pub(super) type Result<T> = std::result::Result<T, ()>;

/// A value and the id of its bucket or entity.
pub(super) type Cell = (Option<String>, Option<f64>);

/// Labels and values of a label set.
pub(super) type Row = (Vec<(String, String)>, Vec<Cell>);

#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) kind: ResultType,
    pub(super) labelled: bool,
    pub(super) rows: Vec<Row>,
}

/// Evaluates in a world that answers needs.
pub(super) struct Naive<'a> {
    pub(super) load: &'a dyn Fn(&Need) -> Loaded,
}

fn single(value: Option<f64>) -> Table {
    Table { kind: ResultType::SingleValue, labelled: false, rows: vec![(Vec::new(), vec![(None, value)])] }
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

impl Naive<'_> {
    pub(super) fn table(&self, expr: &Expr, frame: Frame) -> Result<Table> {
        let arg = |n: usize| self.table(&expr.args[n], frame);
        match &expr.op {
            Op::Number(number) => Ok(single(Some(number.get()))),
            Op::Metric(metric) => self.series(metric, 0, frame),
            Op::TopN(top_n) => self.read(&Need::TopN { top_n: top_n.clone(), frame }),
            Op::TopNOf { n, order } => self.rankings(expr, *n, *order, frame),
            Op::Baseline { metric, kind } => self.baseline(metric, *kind, frame),
            Op::Trend { trend, of, range } => self.trend(*trend, of, *range, frame),
            Op::Negate => Ok(values(arg(0)?, |value| Some(-value))),
            Op::Binary(operator) => {
                let (left, right) = (arg(0)?, arg(1)?);
                if operator.family() == Family::Bool && !expr.args.iter().all(Expr::is_bool) {
                    return Err(());
                }
                pair(&left, &right, &|a, b| binary(*operator, a, b))
            }
            Op::Aggregate(aggregation) => aggregate(*aggregation, arg(0)?),
            Op::Math(function) => Ok(values(arg(0)?, |value| math(*function, value))),
            Op::ViewAsSeq => {
                let all: Vec<Result<Table>> = (0..expr.args.len()).map(arg).collect();
                let found = all.iter().find(|table| table.as_ref().is_ok_and(present));
                found.or(all.first()).cloned().unwrap_or(Err(()))
            }
            Op::IsPresent => {
                let any = (0..expr.args.len()).any(|n| arg(n).is_ok_and(|table| present(&table)));
                Ok(single(Some(truth(any))))
            }
            Op::Absent => Ok(single(Some(truth(!present(&arg(0)?))))),
            Op::Not => {
                let table = arg(0)?;
                if expr.args[0].is_bool() { Ok(values(table, |value| Some(truth(value == 0.0)))) } else { Err(()) }
            }
            Op::Relabels { target, replacement } => relabel(arg(0)?, target, replacement),
            Op::AggregateLabels { aggregation, labels } => aggregate_labels(*aggregation, labels, arg(0)?),
            Op::SortValues { n, order, aggregation } => sort_values(arg(0)?, *n, *order, *aggregation),
            Op::SortLabelValues { order, labels } => Ok(sort_labels(arg(0)?, labels, *order)),
            Op::ForEachLabel => arg(0),
            Op::Offset(span) => self.table(&expr.args[0], back(frame, *span)),
            Op::Over(window) => self.table(&expr.args[0], Frame { window: Some(*window), ..frame }),
            Op::ChangePct(span) => {
                let (now, then) = (arg(0)?, self.table(&expr.args[0], back(frame, *span))?);
                let difference = pair(&now, &then, &|now, then| now - then)?;
                let base = values(then, |then| (then != 0.0).then_some(then.abs()));
                Ok(values(pair(&difference, &base, &|by, base| by / base)?, |share| Some(share * 100.0)))
            }
            Op::BurnRate { objective, window } => {
                let inside = Frame { window: Some(*window), ..frame };
                let sums = |n: usize| aggregate(Aggregation::Sum, self.table(&expr.args[n], inside)?);
                let (bad, total) = (sums(0)?, values(sums(1)?, |total| (total > 0.0).then_some(total)));
                let share = pair(&bad, &total, &|bad, total| bad / total)?;
                Ok(values(share, |share| Some(share / (1.0 - objective.get() / 100.0))))
            }
            Op::Quantile(part) => Ok(each_to_one(arg(0)?, |cells| (None, quantile(numbers(cells), part.get())))),
            Op::StdDev => Ok(each_to_one(arg(0)?, |cells| (None, deviation(&numbers(cells))))),
            Op::ZScore => {
                let mut table = arg(0)?;
                for (_, cells) in &mut table.rows {
                    let all = numbers(cells);
                    let (Some(mean), Some(spread)) = (mean(&all), deviation(&all)) else { continue };
                    for (_, value) in cells {
                        *value = value.filter(|_| spread > 0.0).map(|value| (value - mean) / spread);
                    }
                }
                Ok(table)
            }
            Op::Ewma(weight) => ewma(arg(0)?, weight.get()),
        }
    }

    fn read(&self, need: &Need) -> Result<Table> {
        let ranking = matches!(need, Need::TopN { .. });
        let list = |kind, cells| {
            let wanted = !matches!(need, Need::TopN { top_n, .. } if top_n.n == 0);
            if ranking && wanted {
                Ok(Table { kind, labelled: false, rows: vec![(Vec::new(), cells)] })
            } else {
                Err(())
            }
        };
        match (self.load)(need) {
            Loaded::SortedList(all) => {
                list(ResultType::SortedList, all.into_iter().map(|each| (Some(each.id), Some(each.value))).collect())
            }
            Loaded::RecordList(all) => {
                list(ResultType::RecordList, all.into_iter().map(|each| (Some(each.id), Some(each.value))).collect())
            }
            Loaded::InvalidEntity => Ok(Table { kind: ResultType::Unknown, labelled: false, rows: Vec::new() }),
            Loaded::UnknownMetric | Loaded::NoAttribute(_) | Loaded::Failed(_) => Err(()),
            Loaded::Series { .. } if ranking => Err(()),
            Loaded::Series { labelled, ids, rows } => {
                let selected = need.metric().selected();
                let mut kept = Vec::new();
                for row in rows {
                    let fits = selected.iter().all(|(name, wanted)| {
                        row.labels.iter().any(|(key, value)| key == name && wanted.contains(&value.as_str()))
                    });
                    if !labelled || fits {
                        let cell = |(at, id): (usize, &String)| (Some(id.clone()), row.values.get(at, 0));
                        let written: Vec<String> = row.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
                        let mut labels = row.labels.clone();
                        labels.sort();
                        kept.push((
                            format!("{{{}}}", written.join(",")),
                            (labels, ids.iter().enumerate().map(cell).collect()),
                        ));
                    }
                }
                kept.sort_by(|(a, _): &(String, (Vec<_>, Vec<Cell>)), (b, _)| a.cmp(b));
                let rows = kept.into_iter().map(|(_, row)| row).collect();
                Ok(Table { kind: ResultType::TimeSeriesValues, labelled, rows })
            }
        }
    }

    fn series(&self, metric: &Metric, before: u32, frame: Frame) -> Result<Table> {
        self.read(&Need::Series { metric: metric.clone(), before, frame })
    }

    fn trend(&self, trend: Trend, of: &Metric, range: u32, frame: Frame) -> Result<Table> {
        if range == 0 {
            return Err(());
        }
        let mut table = self.series(of, range, frame)?;
        if table.kind != ResultType::TimeSeriesValues {
            return Err(());
        }
        let seconds = f64::from(frame.window.map_or(60, |window| window.step_minutes() * 60)) * f64::from(range);
        for (_, cells) in &mut table.rows {
            let all = cells.clone();
            let n = usize::try_from(range).unwrap().min(all.len());
            *cells = (n..all.len())
                .map(|at| {
                    let by = all[at].1.zip(all[at - n].1).map(|(now, then)| now - then);
                    let by = by.map(|by| if trend == Trend::Rate { by / seconds } else { by });
                    (all[at].0.clone(), by)
                })
                .collect();
        }
        Ok(table)
    }

    fn baseline(&self, metric: &Metric, kind: BaselineKind, frame: Frame) -> Result<Table> {
        let day = |n: u32| self.series(metric, 0, back(frame, Span::minutes(n * 1440).unwrap()));
        let days = (1..=7).map(day).collect::<Result<Vec<Table>>>()?;
        let mut rows: Vec<Row> = Vec::new();
        for (labels, cells) in days.iter().flat_map(|day| &day.rows) {
            if rows.iter().any(|(known, _)| known == labels) {
                continue;
            }
            let of = |day: &Table| day.rows.iter().find(|(its, _)| its == labels).map(|(_, cells)| cells.clone());
            let past: Vec<Vec<Cell>> = days.iter().filter_map(of).collect();
            let expected = (0..cells.len()).map(|at| {
                let near = |cells: &Vec<Cell>| {
                    let near = cells.iter().enumerate().filter(|(other, _)| other.abs_diff(at) <= 2);
                    near.filter_map(|(_, (_, value))| *value).collect::<Vec<f64>>()
                };
                let samples: Vec<Vec<f64>> = past.iter().map(near).filter(|samples| !samples.is_empty()).collect();
                let all: Vec<f64> = samples.iter().flatten().copied().collect();
                let expected = mean(&all).zip(deviation(&all)).filter(|_| samples.len() >= 3);
                let expected = expected.map(|(mean, spread)| match kind {
                    BaselineKind::Value => mean,
                    BaselineKind::Upper => mean + 3.0 * spread,
                    BaselineKind::Lower => mean - 3.0 * spread,
                });
                (cells[at].0.clone(), expected)
            });
            rows.push((labels.clone(), expected.collect()));
        }
        Ok(Table { kind: days[0].kind, labelled: days[0].labelled, rows })
    }

    fn rankings(&self, expr: &Expr, n: u32, order: Order, frame: Frame) -> Result<Table> {
        let mut cells: Vec<Cell> = Vec::new();
        let mut kind = None;
        for list in &expr.args {
            let table = self.table(list, frame)?;
            if table.kind == ResultType::Unknown {
                continue;
            }
            if *kind.get_or_insert(table.kind) != table.kind {
                return Err(());
            }
            cells.extend(table.rows.into_iter().flat_map(|(_, cells)| cells));
        }
        let Some(kind) = kind else {
            return Ok(Table { kind: ResultType::Unknown, labelled: false, rows: Vec::new() });
        };
        cells.sort_by(|(_, a), (_, b)| directed(order, compare(a.unwrap(), b.unwrap())));
        cells.truncate(usize::try_from(n).unwrap());
        Ok(Table { kind, labelled: false, rows: vec![(Vec::new(), cells)] })
    }
}

fn back(frame: Frame, span: Span) -> Frame {
    Frame { back_minutes: frame.back_minutes + span.in_minutes(), ..frame }
}

fn present(table: &Table) -> bool {
    table.rows.iter().any(|(_, cells)| cells.iter().any(|(_, value)| value.is_some()))
}

fn values(mut table: Table, change: impl Fn(f64) -> Option<f64>) -> Table {
    for (_, value) in table.rows.iter_mut().flat_map(|(_, cells)| cells) {
        *value = value.and_then(&change);
    }
    table
}

fn numbers(cells: &[Cell]) -> Vec<f64> {
    cells.iter().filter_map(|(_, value)| *value).collect()
}

fn each_to_one(mut table: Table, one: impl Fn(&[Cell]) -> Cell) -> Table {
    for (_, cells) in &mut table.rows {
        *cells = vec![one(cells)];
    }
    table.kind = ResultType::SingleValue;
    table
}

fn binary(operator: Operator, a: f64, b: f64) -> f64 {
    match operator {
        Operator::Add => a + b,
        Operator::Sub => a - b,
        Operator::Mul => a * b,
        Operator::Div => a / b,
        Operator::Mod => a % b,
        Operator::Eq => truth(a == b),
        Operator::Neq => truth(a != b),
        Operator::Lt => truth(a < b),
        Operator::Lte => truth(a <= b),
        Operator::Gt => truth(a > b),
        Operator::Gte => truth(a >= b),
        Operator::And => truth(a == 1.0 && b == 1.0),
        Operator::Or => truth(a == 1.0 || b == 1.0),
    }
}

fn pair(left: &Table, right: &Table, make: &dyn Fn(f64, f64) -> f64) -> Result<Table> {
    let one = |table: &Table| match &table.rows[..] {
        [(_, cells), ..] if cells.len() == 1 => Ok(cells[0].1),
        _ => Err(()),
    };
    let is_single = |table: &Table| table.kind == ResultType::SingleValue;
    let is_series = |table: &Table| table.kind == ResultType::TimeSeriesValues;
    if left.kind == ResultType::Unknown || right.kind == ResultType::Unknown {
        return Err(());
    }
    let both = |a: Option<f64>, b: Option<f64>| Some(make(a?, b?));
    let zip = |kept: &[Cell], others: &[Cell], swapped: bool| -> Result<Vec<Cell>> {
        if kept.len() != others.len() {
            return Err(());
        }
        let cell = |((id, a), (_, b)): (&Cell, &Cell)| (id.clone(), if swapped { both(*b, *a) } else { both(*a, *b) });
        Ok(kept.iter().zip(others).map(cell).collect())
    };
    let same_form = is_single(left) == is_single(right);
    if is_single(left) && is_single(right) && !left.labelled && !right.labelled {
        return Ok(single(both(one(left)?, one(right)?)));
    }
    if (!same_form || left.labelled != right.labelled) && (is_single(left) || is_single(right)) {
        // One value meets each of many.
        let (many, value, swapped) = if is_single(right) && !(is_single(left) && right.labelled) {
            (left, one(right)?, false)
        } else {
            (right, one(left)?, true)
        };
        let mut many = many.clone();
        for (_, cell) in many.rows.iter_mut().flat_map(|(_, cells)| cells) {
            *cell = if swapped { both(value, *cell) } else { both(*cell, value) };
        }
        return Ok(many);
    }
    if !(is_single(left) || is_series(left)) || !(is_single(right) || is_series(right)) || !same_form {
        return Err(());
    }
    let mut kept = if right.labelled && !left.labelled { right.clone() } else { left.clone() };
    let (other, swapped) = if right.labelled && !left.labelled { (left, true) } else { (right, false) };
    if left.labelled && right.labelled {
        for (labels, cells) in &mut kept.rows {
            let set = |labels: &[(String, String)]| labels.iter().cloned().collect::<std::collections::BTreeSet<_>>();
            // Where a label set is there twice, as after `relabels`, the last one is met.
            match other.rows.iter().rfind(|(its, _)| set(its) == set(labels)) {
                Some((_, others)) if is_single(left) && (cells.len() != 1 || others.len() != 1) => return Err(()),
                Some((_, others)) => *cells = zip(cells, others, false)?,
                None => cells.iter_mut().for_each(|(_, value)| *value = None),
            }
        }
        return Ok(kept);
    }
    let (_, others) = other.rows.first().ok_or(())?;
    if kept.rows.is_empty() && !kept.labelled {
        return Err(());
    }
    for (_, cells) in &mut kept.rows {
        *cells = zip(cells, others, swapped)?;
    }
    Ok(kept)
}

/// What is no number is above all numbers.
fn compare(a: f64, b: f64) -> std::cmp::Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(&b),
        (a, b) => a.cmp(&b),
    }
}

fn directed(order: Order, ordering: std::cmp::Ordering) -> std::cmp::Ordering {
    if order == Order::Asc { ordering } else { ordering.reverse() }
}

fn sum(values: &[f64]) -> f64 {
    let (mut sum, mut carry) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = value - carry;
        let new = sum + next;
        carry = (new - sum) - next;
        sum = new;
    }
    let plain: f64 = values.iter().fold(0.0, |sum, value| sum + value);
    if (sum - carry).is_nan() && plain.is_infinite() { plain } else { sum - carry }
}

#[expect(clippy::cast_precision_loss, reason = "few values")]
fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() { None } else { Some(sum(values) / values.len() as f64) }
}

fn deviation(values: &[f64]) -> Option<f64> {
    let middle = mean(values)?;
    let squares: Vec<f64> = values.iter().map(|value| (value - middle) * (value - middle)).collect();
    Some(mean(&squares)?.sqrt())
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few values")]
fn quantile(mut values: Vec<f64>, part: f64) -> Option<f64> {
    values.sort_by(|a, b| compare(*a, *b));
    let at = values.len().checked_sub(1)? as f64 * part;
    let (low, share) = (at.floor() as usize, at - at.floor());
    match values.get(low + 1) {
        Some(next) if share > 0.0 && *next != values[low] => Some(values[low] + (next - values[low]) * share),
        _ => Some(values[low]),
    }
}

#[expect(clippy::cast_precision_loss, reason = "few values")]
fn aggregate(aggregation: Aggregation, table: Table) -> Result<Table> {
    if aggregation == Aggregation::Latest && table.kind != ResultType::TimeSeriesValues {
        return Err(());
    }
    let extreme = |cells: &[Cell], over: fn(std::cmp::Ordering) -> bool| {
        let mut best: Cell = (None, None);
        for (id, value) in cells {
            let Some(value) = value else { continue };
            if best.1.is_none_or(|best| over(compare(*value, best))) {
                best = (id.clone(), Some(*value));
            }
        }
        best
    };
    Ok(each_to_one(table, |cells| match aggregation {
        Aggregation::Avg => (None, mean(&numbers(cells))),
        Aggregation::Count => (None, Some(numbers(cells).len() as f64)),
        Aggregation::Sum => (None, Some(sum(&numbers(cells)))),
        Aggregation::Latest => extreme(cells, |_| true),
        Aggregation::Max => extreme(cells, std::cmp::Ordering::is_gt),
        Aggregation::Min => extreme(cells, std::cmp::Ordering::is_lt),
    }))
}

fn math(function: MathFunction, value: f64) -> Option<f64> {
    match function {
        MathFunction::Abs => Some(if value.is_sign_negative() { -value } else { value }),
        MathFunction::Ceil => Some(value.ceil()),
        MathFunction::Floor => Some(value.floor()),
        MathFunction::Round(places) => value.is_finite().then(|| round(value, usize::try_from(places).unwrap())),
    }
}

/// By whole numbers: the shortest decimal of the value without its point, divided by a power of ten.
fn round(value: f64, places: usize) -> f64 {
    let text = value.abs().to_string();
    let Some((whole, fraction)) = text.split_once('.') else { return value };
    if fraction.len() <= places {
        return value;
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let n_dropped = fraction.len() - places;
    if n_dropped > 37 {
        return if value < 0.0 { -0.0 } else { 0.0 };
    }
    let all: u128 = format!("{whole}{fraction}").trim_start_matches('0').parse().unwrap_or(0);
    let unit = 10_u128.pow(u32::try_from(n_dropped).unwrap());
    let rounded = all / unit + u128::from(all % unit >= unit / 2);
    format!("{sign}{rounded}e-{places}").parse().unwrap()
}

fn relabel(mut table: Table, target: &Label, replacement: &Label) -> Result<Table> {
    if !table.labelled {
        return Err(());
    }
    if target.value.trim().is_empty() || replacement.value.trim().is_empty() {
        return Ok(table);
    }
    let list = |text: &str| text.trim_end_matches(',').split(',').map(str::to_owned).collect::<Vec<_>>();
    // Nothing but commas is a list of nothing.
    let list = |text: &str| if text.trim_end_matches(',').is_empty() { vec![String::new()] } else { list(text) };
    let (old, new) = (list(&target.value), list(&replacement.value));
    if old.len() != new.len() {
        return Err(());
    }
    for label in table.rows.iter_mut().flat_map(|(labels, _)| labels) {
        for (old, new) in old.iter().zip(&new).rev() {
            if label.0 == target.name && label.1 == *old {
                *label = (replacement.name.clone(), new.clone());
                break;
            }
        }
    }
    Ok(table)
}

fn label_of(labels: &[(String, String)], name: &str) -> String {
    labels.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

fn aggregate_labels(aggregation: LabelAggregation, names: &[String], table: Table) -> Result<Table> {
    if !table.labelled {
        return Err(());
    }
    let Some((first, _)) = table.rows.first() else { return Ok(table) };
    let names: Vec<String> = names.iter().filter(|name| first.iter().any(|(key, _)| key == *name)).cloned().collect();
    let group = |labels: &[(String, String)]| -> Vec<(String, String)> {
        names.iter().map(|name| (name.clone(), label_of(labels, name))).collect()
    };
    let mut rows: Vec<Row> = Vec::new();
    for (labels, _) in &table.rows {
        let labels = group(labels);
        if rows.iter().any(|(known, _)| *known == labels) {
            continue;
        }
        let members: Vec<&Vec<Cell>> =
            table.rows.iter().filter(|(its, _)| group(its) == labels).map(|(_, cells)| cells).collect();
        let cell = |at: usize| {
            let values: Vec<f64> = members.iter().filter_map(|cells| cells.get(at)?.1).collect();
            let value = match aggregation {
                LabelAggregation::Avg => mean(&values),
                LabelAggregation::Sum => (!values.is_empty()).then(|| sum(&values)),
                LabelAggregation::Max => values.iter().copied().max_by(|a, b| compare(*a, *b)),
                LabelAggregation::Min => values.iter().copied().min_by(|a, b| compare(*a, *b)),
            };
            (members[0][at].0.clone(), value)
        };
        rows.push((labels, (0..members[0].len()).map(cell).collect()));
    }
    Ok(Table { kind: table.kind, labelled: !names.is_empty(), rows })
}

fn sort_values(mut table: Table, n: u32, order: Order, aggregation: Aggregation) -> Result<Table> {
    if table.labelled {
        table.kind = ResultType::TimeSeriesValues;
        let mut keyed = Vec::new();
        for row in table.rows {
            let alone = Table { kind: table.kind, labelled: true, rows: vec![row.clone()] };
            keyed.push((aggregate(aggregation, alone)?.rows[0].1[0].1.unwrap_or(0.0), row));
        }
        keyed.sort_by(|(a, _), (b, _)| directed(order, compare(*a, *b)));
        table.rows = keyed.into_iter().map(|(_, row)| row).take(usize::try_from(n).unwrap()).collect();
    }
    Ok(table)
}

fn sort_labels(mut table: Table, names: &[String], order: Order) -> Table {
    let key = |labels: &[(String, String)]| names.iter().map(|name| label_of(labels, name)).collect::<Vec<_>>();
    table.rows.sort_by(|(a, _), (b, _)| directed(order, key(a).cmp(&key(b))));
    table
}

fn ewma(mut table: Table, weight: f64) -> Result<Table> {
    if table.kind != ResultType::TimeSeriesValues {
        return Err(());
    }
    for (_, cells) in &mut table.rows {
        let mut before: Option<f64> = None;
        for value in cells.iter_mut().filter_map(|(_, value)| value.as_mut()) {
            *value = before.map_or(*value, |before| weight * *value + (1.0 - weight) * before);
            before = Some(*value);
        }
    }
    Ok(table)
}
