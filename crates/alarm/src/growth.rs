//! What more data does to the truth of a condition: whether the running minute can decide it, and whether missing data can make it
//! true.
//!
//! Counts, sums and greatest values grow while a minute runs: `sum(cpm > 100) >= 3` that is true stays true, `avg(cpm) < 10` that is
//! true may be false ten seconds later. Means, shares and percentiles settle: once the minute holds some seconds of data, they are
//! taken for what they will be. Of the running minute an entity is only decided where every metric of the condition has a value in
//! it, so that nothing can appear there later but label sets.

use model::metric::Function;
use mqe::ast::{Aggregation, Expr, Family, LabelAggregation, MathFunction, Op, Operator};
use mqe::need::Metric;

/// What may be said of a condition before all data is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fairness {
    /// Whether the running minute can decide it.
    pub running: Option<InRunning>,
    /// Whether missing data could make it true, so that it waits for a complete minute.
    pub patient: bool,
}

/// When the running minute can decide a condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InRunning {
    /// Whether it must have settled: hold some seconds of data.
    pub settled: bool,
    /// Metrics that must have a value in it.
    pub present: Vec<String>,
}

/// How a metric behaves while a minute runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaf {
    Grows,
    Shrinks,
    Settles,
}

/// What more data does to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Growth {
    /// Nothing.
    Flat,
    /// It stays or becomes greater; of a truth: true stays true.
    Up,
    /// It stays or becomes less.
    Down,
    /// Anything.
    Unknown,
}

impl Growth {
    fn flip(self) -> Growth {
        match self {
            Growth::Up => Growth::Down,
            Growth::Down => Growth::Up,
            other => other,
        }
    }

    /// Of what depends on both in their directions.
    fn and(self, other: Growth) -> Growth {
        match (self, other) {
            (Growth::Flat, growth) | (growth, Growth::Flat) => growth,
            (one, other) if one == other => one,
            _ => Growth::Unknown,
        }
    }

    /// Of what depends on it in no order.
    fn any(self) -> Growth {
        if self == Growth::Flat { Growth::Flat } else { Growth::Unknown }
    }
}

/// What is known of a part.
#[derive(Clone, Copy, Debug)]
struct Form {
    growth: Growth,
    /// Whether it is never below 0.
    nonneg: bool,
    /// Whether values may appear where there are none.
    appears: bool,
}

const CONSTANT: Form = Form { growth: Growth::Flat, nonneg: true, appears: false };
const UNKNOWN: Form = Form { growth: Growth::Unknown, nonneg: false, appears: true };

/// What data is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The rest of the running minute, which has a value of each metric.
    Running,
    /// Anything, from nodes that have not flushed.
    Missing,
}

/// Judges a condition. `function` says how a metric remembers; `None`: there is none of that name.
pub fn fairness(expr: &Expr, function: impl Fn(&str) -> Option<Function>) -> Fairness {
    let judge = |mode| {
        let mut judge = Judge { mode, function: &function, in_running: InRunning::default() };
        let form = judge.form(expr, false);
        (form.growth, judge.in_running)
    };
    let (growth, in_running) = judge(Mode::Running);
    let stays_true = |growth| matches!(growth, Growth::Flat | Growth::Up);
    Fairness { running: stays_true(growth).then_some(in_running), patient: !stays_true(judge(Mode::Missing).0) }
}

struct Judge<'a> {
    mode: Mode,
    function: &'a dyn Fn(&str) -> Option<Function>,
    in_running: InRunning,
}

impl Judge<'_> {
    /// `past`: of minutes that are long over.
    fn form(&mut self, expr: &Expr, past: bool) -> Form {
        match (&expr.op, expr.args.as_slice()) {
            (Op::Number(_) | Op::Baseline { .. }, _) => CONSTANT,
            (Op::Metric(metric), _) => self.leaf(metric, past),
            (Op::Trend { of, .. }, _) => {
                let leaf = self.leaf(of, past);
                // What is missing may be missing at either end.
                let growth = if self.mode == Mode::Missing { leaf.growth.any() } else { leaf.growth };
                Form { growth, nonneg: false, ..leaf }
            }
            (Op::Binary(operator), [left, right]) => {
                let (one, other) = (self.form(left, past), self.form(right, past));
                binary(*operator, one, other)
            }
            (Op::Offset(_), [of]) => self.form(of, true),
            (Op::BurnRate { .. }, [bad, total]) => {
                let (bad, total) = (self.form(bad, past), self.form(total, past));
                Form { growth: bad.growth.and(total.growth.flip()), ..bad }
            }
            (Op::ViewAsSeq, args) => args.iter().map(|arg| self.form(arg, past)).fold(CONSTANT, join),
            (Op::IsPresent, args) => self.presence(args, past),
            (Op::Absent, args) => {
                let form = self.presence(args, past);
                Form { growth: form.growth.flip(), ..form }
            }
            (op, [of]) => of_one(op, self.form(of, past)),
            _ => UNKNOWN,
        }
    }

    fn leaf(&mut self, metric: &Metric, past: bool) -> Form {
        if past {
            return CONSTANT;
        }
        let Some(function) = (self.function)(&metric.name) else { return CONSTANT };
        let labelled = matches!(function, Function::LabelCount | Function::LabelAvg);
        let leaf = leaf(function);
        self.in_running.settled |= leaf == Leaf::Settles;
        if !self.in_running.present.contains(&metric.name) {
            self.in_running.present.push(metric.name.clone());
        }
        let (growth, nonneg) = match leaf {
            Leaf::Grows => (Growth::Up, true),
            Leaf::Shrinks => (Growth::Down, false),
            Leaf::Settles => (Growth::Flat, false),
        };
        Form { growth, nonneg, appears: labelled || self.mode == Mode::Missing }
    }

    /// Whether there is any value. It is no reason to want one in the running minute.
    fn presence(&mut self, args: &[Expr], past: bool) -> Form {
        let wanted = self.in_running.present.len();
        let appears =
            args.iter().map(|arg| self.form(arg, past)).any(|form| form.appears || form.growth != Growth::Flat);
        self.in_running.present.truncate(wanted);
        Form { growth: if appears { Growth::Up } else { Growth::Flat }, ..CONSTANT }
    }
}

fn leaf(function: Function) -> Leaf {
    match function {
        Function::Cpm
        | Function::Count
        | Function::Sum
        | Function::Max
        | Function::MaxDouble
        | Function::LabelCount
        | Function::Histogram { .. } => Leaf::Grows,
        Function::Min | Function::MinDouble => Leaf::Shrinks,
        Function::LongAvg
        | Function::DoubleAvg
        | Function::Latest
        | Function::Percent
        | Function::Rate
        | Function::Apdex
        | Function::Percentile { .. }
        | Function::LabelAvg => Leaf::Settles,
    }
}

fn join(one: Form, other: Form) -> Form {
    Form {
        growth: one.growth.and(other.growth),
        nonneg: one.nonneg && other.nonneg,
        appears: one.appears || other.appears,
    }
}

fn binary(operator: Operator, left: Form, right: Form) -> Form {
    let both = join(left, right);
    let nothing_moves = both.growth == Growth::Flat && left.growth == Growth::Flat;
    let growth = match operator {
        Operator::Add | Operator::And | Operator::Or => both.growth,
        Operator::Sub | Operator::Gt | Operator::Gte => left.growth.and(right.growth.flip()),
        Operator::Lt | Operator::Lte => left.growth.flip().and(right.growth),
        Operator::Mul if both.nonneg => both.growth,
        Operator::Div if both.nonneg => left.growth.and(right.growth.flip()),
        // By a factor of which the sign is known.
        Operator::Mul if right.nonneg && right.growth == Growth::Flat => left.growth,
        Operator::Mul if left.nonneg && left.growth == Growth::Flat => right.growth,
        Operator::Div if right.nonneg && right.growth == Growth::Flat => left.growth,
        _ if nothing_moves => Growth::Flat,
        _ => Growth::Unknown,
    };
    let is_truth = operator.family() != Family::Arithmetic;
    Form { growth, nonneg: is_truth || (both.nonneg && operator != Operator::Sub), ..both }
}

fn of_one(op: &Op, form: Form) -> Form {
    let appearing = if form.appears { Growth::Up } else { Growth::Flat };
    let growth = match op {
        Op::Aggregate(Aggregation::Count) => appearing,
        Op::Aggregate(Aggregation::Sum) | Op::AggregateLabels { aggregation: LabelAggregation::Sum, .. } => {
            let appearing = if form.nonneg { appearing } else { appearing.any() };
            form.growth.and(appearing)
        }
        Op::Aggregate(Aggregation::Max) | Op::AggregateLabels { aggregation: LabelAggregation::Max, .. } => {
            form.growth.and(appearing)
        }
        Op::Aggregate(Aggregation::Min) | Op::AggregateLabels { aggregation: LabelAggregation::Min, .. } => {
            form.growth.and(appearing.flip())
        }
        // A mean of what appears is taken for what it will be, unless it is one of counts.
        Op::AggregateLabels { aggregation: LabelAggregation::Avg, .. } if form.appears => form.growth.any(),
        Op::Negate | Op::Not => form.growth.flip(),
        Op::Math(MathFunction::Abs) if !form.nonneg => form.growth.any(),
        Op::StdDev | Op::ZScore | Op::SortValues { .. } => form.growth.any(),
        _ => form.growth,
    };
    let nonneg = match op {
        Op::Aggregate(Aggregation::Count) | Op::Not | Op::StdDev | Op::Math(MathFunction::Abs) => true,
        Op::Negate | Op::ZScore | Op::ChangePct(_) => false,
        _ => form.nonneg,
    };
    Form { growth, nonneg, ..form }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn function(name: &str) -> Option<Function> {
        Some(match name {
            "cpm" => Function::Cpm,
            "peak" => Function::Max,
            "low" => Function::Min,
            "codes" => Function::LabelCount,
            "resp_time" => Function::LongAvg,
            "sla" => Function::Percent,
            "percentile" => Function::Percentile { precision: 10 },
            _ => return None,
        })
    }

    fn said(text: &str) -> String {
        let Fairness { running, patient } = fairness(&mqe::parse(text).unwrap(), function);
        let running = match running {
            None => "closed minutes only".to_owned(),
            Some(InRunning { settled, present }) => {
                format!("{} with {}", if settled { "when settled" } else { "at once" }, present.join(" "))
            }
        };
        format!("{text}\n    {running}{}\n", if patient { ", waits for all data" } else { "" })
    }

    #[test]
    fn a_condition_is_decided_early_where_growth_cannot_undo_it() {
        let all = [
            "sum(resp_time > 1000) >= 3",
            "sum(sla < 8000) >= 2",
            "sum(percentile{p='99'} > 1000) >= 3",
            "avg(resp_time) > 1000 && avg(cpm) > 10",
            "sum(cpm > 100) >= 3",
            "sum(cpm < 100) >= 3",
            "avg(cpm) < 10",
            "avg(cpm) > 10",
            "sum(cpm) * 2 > 10",
            "0 - sum(cpm) < 10",
            "sum(cpm) == 10",
            "sum(resp_time > 1000) < 1",
            "count(resp_time) < 3",
            "count(resp_time) > 3",
            "max(peak) > 5",
            "min(low) < 5",
            "min(low) > 5",
            "max(cpm) / min(cpm) > 5",
        ];
        let shown: String = all.into_iter().map(said).collect();
        expect![[r#"
            sum(resp_time > 1000) >= 3
                when settled with resp_time
            sum(sla < 8000) >= 2
                when settled with sla
            sum(percentile{p='99'} > 1000) >= 3
                when settled with percentile
            avg(resp_time) > 1000 && avg(cpm) > 10
                when settled with resp_time cpm
            sum(cpm > 100) >= 3
                at once with cpm
            sum(cpm < 100) >= 3
                closed minutes only, waits for all data
            avg(cpm) < 10
                closed minutes only, waits for all data
            avg(cpm) > 10
                at once with cpm
            sum(cpm) * 2 > 10
                at once with cpm
            0 - sum(cpm) < 10
                at once with cpm
            sum(cpm) == 10
                closed minutes only, waits for all data
            sum(resp_time > 1000) < 1
                when settled with resp_time, waits for all data
            count(resp_time) < 3
                when settled with resp_time, waits for all data
            count(resp_time) > 3
                when settled with resp_time
            max(peak) > 5
                at once with peak
            min(low) < 5
                at once with low
            min(low) > 5
                closed minutes only, waits for all data
            max(cpm) / min(cpm) > 5
                closed minutes only, waits for all data
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn functions_pass_on_what_growth_does_to_their_operands() {
        let all = [
            "sum(aggregate_labels(codes,sum) > 5) >= 1",
            "sum(aggregate_labels(codes,avg) > 5) >= 1",
            "sum(increase(cpm,2) > 5) >= 1",
            "max(increase(resp_time,2)) > 5",
            "absent(cpm)",
            "is_present(cpm) == 1",
            "not(avg(cpm) > 1)",
            "not(avg(cpm) < 1)",
            "avg(cpm) > offset(avg(cpm),1d) * 2",
            "avg(cpm) < offset(avg(cpm),1d) / 2",
            "latest(change_pct(cpm,1d)) > 50",
            "latest(zscore(cpm)) > 3",
            "latest(zscore(resp_time)) > 3",
            "burn_rate(cpm,cpm,99,1h) > 5",
            "burn_rate(resp_time,sla,99,1h) > 5",
            "latest(ewma(cpm,0.5)) > 5",
            "latest(sort_values(codes,1,des,avg)) > 5",
            "avg(cpm % 7) > 5",
            "abs(sum(cpm) - 5) > 5",
        ];
        let shown: String = all.into_iter().map(said).collect();
        expect![[r#"
            sum(aggregate_labels(codes,sum) > 5) >= 1
                at once with codes
            sum(aggregate_labels(codes,avg) > 5) >= 1
                closed minutes only, waits for all data
            sum(increase(cpm,2) > 5) >= 1
                at once with cpm, waits for all data
            max(increase(resp_time,2)) > 5
                when settled with resp_time
            absent(cpm)
                closed minutes only, waits for all data
            is_present(cpm) == 1
                closed minutes only, waits for all data
            not(avg(cpm) > 1)
                closed minutes only, waits for all data
            not(avg(cpm) < 1)
                at once with cpm
            avg(cpm) > offset(avg(cpm),1d) * 2
                at once with cpm
            avg(cpm) < offset(avg(cpm),1d) / 2
                closed minutes only, waits for all data
            latest(change_pct(cpm,1d)) > 50
                at once with cpm
            latest(zscore(cpm)) > 3
                closed minutes only, waits for all data
            latest(zscore(resp_time)) > 3
                when settled with resp_time
            burn_rate(cpm,cpm,99,1h) > 5
                closed minutes only, waits for all data
            burn_rate(resp_time,sla,99,1h) > 5
                when settled with resp_time sla
            latest(ewma(cpm,0.5)) > 5
                at once with cpm
            latest(sort_values(codes,1,des,avg)) > 5
                closed minutes only, waits for all data
            avg(cpm % 7) > 5
                closed minutes only, waits for all data
            abs(sum(cpm) - 5) > 5
                closed minutes only, waits for all data
        "#]]
        .assert_eq(&shown);
    }
}
