//! Expressions prepared for evaluation: every different step once, whatever number of them need it.

use std::collections::HashMap;
use std::ops::Range;

use crate::ast::{Expr, Family, Op, Trend};
use crate::eval::Run;
use crate::eval::value::{Loaded, Outcome, Value};
use crate::frame::{Frame, Span};
use crate::need::{Metric, Need};

/// How many days before are looked at for a baseline.
pub(crate) const BASELINE_DAYS: u32 = 7;

/// Any number of expressions, in which equal parts are one. It holds no values and can be kept as long as the expressions
/// stay the same.
#[derive(Debug, Clone, Default)]
pub struct Program {
    pub(crate) nodes: Vec<Node>,
    needs: Vec<Need>,
    /// The node of each expression.
    roots: Vec<usize>,
}

/// What is computed from what.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) step: Step,
    /// Nodes with smaller numbers.
    pub(crate) children: Vec<usize>,
    /// What to say when the children cannot be what this node wants.
    pub(crate) note: Option<String>,
    /// How many nodes and expressions want it.
    pub(crate) n_uses: usize,
    /// Whether the form of its value, not only the numbers, depends on numbers. Then it differs from entity to entity.
    by_entity: bool,
}

/// How a node is computed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The answer to a need.
    Read(usize),
    /// From a series that begins `range` buckets early.
    Trend {
        trend: Trend,
        range: u32,
        /// In its step, if not in that of the duration.
        window: Option<Span>,
    },
    /// Any other, from its children. What only says when or for whom has no step of its own.
    Do(Op),
}

/// The loaded values of entities that are evaluated together.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The answers to [`Program::needs`], in its order. What [`Loaded::Series`] says of labels and ids holds for all entities of
    /// the batch, so only entities with the same label sets can be in one; every column is as wide as the batch.
    pub loaded: &'a [Loaded],
    /// How many entities, one at least.
    pub width: usize,
    /// Length of a bucket (60, 3,600, 86,400), by which `rate` divides.
    pub step_seconds: u32,
}

/// Computes an expression from what was loaded for it.
///
/// `loaded` has the answers to [`Expr::needs`], in its order. `step_seconds` is the length of a bucket (60, 3,600, 86,400), by
/// which `rate` divides.
///
/// Whatever is wrong with the operands is said in [`Outcome::error`]. An empty value stays empty through everything but
/// `count`, `sum`, `is_present` and `absent`.
pub fn evaluate(expr: &Expr, loaded: &[Loaded], step_seconds: u32) -> Outcome {
    let mut outcome = Outcome::failed(String::new());
    let batch = Batch { loaded, width: 1, step_seconds };
    Program::new([expr]).run(batch, |_, _, value| outcome = Outcome::of(value));
    outcome
}

impl Program {
    /// Prepares expressions. Their order is that of the answers.
    pub fn new<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Self {
        let mut builder = Builder::new(usize::MAX);
        for expr in exprs {
            builder.root(expr, Frame::default());
        }
        builder.program
    }

    /// One expression and each of its parts in the frame that it has there; the parts in the order of [`Expr::parts`]. The
    /// needs are those of the expression.
    pub(crate) fn of_parts(expr: &Expr) -> Self {
        let mut builder = Builder::new(usize::MAX);
        builder.root(expr, Frame::default());
        builder.parts(expr, Frame::default());
        builder.program
    }

    /// `None` when it would have more than so many steps.
    pub(crate) fn limited(expr: &Expr, n_steps: usize) -> Option<Self> {
        let mut builder = Builder::new(n_steps);
        builder.root(expr, Frame::default());
        (builder.n_left > 0).then_some(builder.program)
    }

    /// What has to be read, each thing once.
    pub fn needs(&self) -> &[Need] {
        &self.needs
    }

    /// How many steps are computed for a batch.
    pub fn n_steps(&self) -> usize {
        self.nodes.len()
    }

    /// Computes every expression for every entity of a batch.
    ///
    /// `answer` is told the number of the expression, the entities, and what it came to for them or why it has no result. Most
    /// expressions are answered once for the whole batch. Those in which numbers decide about the form (`sort_values`,
    /// `view_as_seq`) are answered for each entity; the columns of such an answer have one entity.
    pub fn run(&self, batch: Batch<'_>, answer: impl FnMut(usize, Range<usize>, Result<&Value, &str>)) {
        self.run_some(batch, |_| true, answer);
    }

    /// The same for those expressions alone whose numbers are `wanted`; the others are not computed.
    pub fn run_some(
        &self,
        batch: Batch<'_>,
        wanted: impl Fn(usize) -> bool,
        mut answer: impl FnMut(usize, Range<usize>, Result<&Value, &str>),
    ) {
        let one_by_one = |root: &usize| batch.width > 1 && self.nodes.get(*root).is_some_and(|node| node.by_entity);
        let roots = || self.roots.iter().enumerate().filter(|(number, _)| wanted(*number));
        let mut run = Run::new(self, batch);
        for (number, root) in roots().filter(|(_, root)| !one_by_one(root)) {
            let value = run.value(*root);
            answer(number, 0..batch.width, value.as_ref().map_err(String::as_str));
        }
        if !roots().any(|(_, root)| one_by_one(root)) {
            return;
        }
        for entity in 0..batch.width {
            let loaded: Vec<Loaded> = batch.loaded.iter().map(|loaded| loaded.of_entity(entity)).collect();
            let mut run = Run::new(self, Batch { loaded: &loaded, width: 1, ..batch });
            for (number, root) in roots().filter(|(_, root)| one_by_one(root)) {
                let value = run.value(*root);
                answer(number, entity..entity + 1, value.as_ref().map_err(String::as_str));
            }
        }
    }
}

struct Builder {
    program: Program,
    known: HashMap<(Step, Vec<usize>), usize>,
    known_needs: HashMap<Need, usize>,
    /// How many more steps may be met; at 0 the program is of no use.
    n_left: usize,
}

impl Builder {
    fn new(n_left: usize) -> Self {
        Self { program: Program::default(), known: HashMap::new(), known_needs: HashMap::new(), n_left }
    }

    fn root(&mut self, expr: &Expr, frame: Frame) {
        let root = self.node(expr, frame);
        self.program.roots.push(root);
        self.used(root);
    }

    fn parts(&mut self, expr: &Expr, frame: Frame) {
        self.root(expr, frame);
        let inside = match expr.op {
            Op::Offset(span) => frame.back(span),
            Op::Over(window) | Op::BurnRate { window, .. } => frame.over(window),
            _ => frame,
        };
        expr.args.iter().for_each(|arg| self.parts(arg, inside));
    }

    /// The node of an expression whose values are those of a frame.
    fn node(&mut self, expr: &Expr, frame: Frame) -> usize {
        self.n_left = self.n_left.saturating_sub(1);
        if self.n_left == 0 {
            return 0;
        }
        let series = |metric: &Metric, before, frame| Need::Series { metric: metric.clone(), before, frame };
        match (&expr.op, expr.args.as_slice()) {
            (Op::Metric(metric), _) => self.read(series(metric, 0, frame)),
            (Op::TopN(top_n), _) => self.read(Need::TopN { top_n: top_n.clone(), frame }),
            (Op::Trend { trend, of, range }, _) => {
                let child = self.read(series(of, *range, frame));
                let step = Step::Trend { trend: *trend, range: *range, window: frame.window };
                let note = format!("The result of expression [{of}] is not a time series result.");
                self.intern(step, vec![child], Some(note))
            }
            (Op::Baseline { metric, .. }, _) => {
                let past = |day| series(metric, 0, frame.back(Span::DAY.times(day)));
                let children = (1..=BASELINE_DAYS).map(|day| self.read(past(day))).collect();
                self.intern(Step::Do(expr.op.clone()), children, None)
            }
            (Op::ForEachLabel, [of]) => self.node(of, frame),
            (Op::Offset(span), [of]) => self.node(of, frame.back(*span)),
            (Op::Over(window), [of]) => self.node(of, frame.over(*window)),
            (Op::ChangePct(span), [of]) => {
                let children = vec![self.node(of, frame), self.node(of, frame.back(*span))];
                self.intern(Step::Do(expr.op.clone()), children, None)
            }
            (Op::BurnRate { window, .. }, args) => {
                let children = args.iter().map(|arg| self.node(arg, frame.over(*window))).collect();
                self.intern(Step::Do(expr.op.clone()), children, None)
            }
            (op, args) => {
                let children = args.iter().map(|arg| self.node(arg, frame)).collect();
                self.intern(Step::Do(op.clone()), children, note(op, args))
            }
        }
    }

    fn read(&mut self, need: Need) -> usize {
        let needs = &mut self.program.needs;
        let index = *self.known_needs.entry(need).or_insert_with_key(|need| {
            needs.push(need.clone());
            needs.len() - 1
        });
        self.intern(Step::Read(index), Vec::new(), None)
    }

    fn intern(&mut self, step: Step, children: Vec<usize>, note: Option<String>) -> usize {
        let key = (step, children);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let (step, children) = key.clone();
        children.iter().for_each(|child| self.used(*child));
        let by_entity = matches!(step, Step::Do(Op::SortValues { .. } | Op::ViewAsSeq))
            || children.iter().filter_map(|child| self.program.nodes.get(*child)).any(|child| child.by_entity);
        self.program.nodes.push(Node { step, children, note, n_uses: 0, by_entity });
        let number = self.program.nodes.len() - 1;
        self.known.insert(key, number);
        number
    }

    fn used(&mut self, node: usize) {
        if let Some(node) = self.program.nodes.get_mut(node) {
            node.n_uses += 1;
        }
    }
}

/// What is wrong with the operands of an operator: for certain, when it wants truths; where they have no labels, when it
/// wants those.
fn note(op: &Op, args: &[Expr]) -> Option<String> {
    let no_truth = |what: &str| format!("Bool Operation: The result of the {what}expression is not a compare result.");
    match (op, args) {
        (Op::Binary(operator), [left, right]) if operator.family() == Family::Bool => match () {
            () if !left.is_bool() => Some(no_truth("left ")),
            () if !right.is_bool() => Some(no_truth("right ")),
            () => None,
        },
        (Op::Not, [of]) if !of.is_bool() => Some(no_truth("")),
        (Op::Relabels { .. } | Op::AggregateLabels { .. }, [of]) => {
            Some(format!("The result of expression [{of}] is not a labeled result."))
        }
        _ => None,
    }
}
