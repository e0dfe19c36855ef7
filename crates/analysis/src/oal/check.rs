//! Statements against what there is: sources, attributes, constants, functions.

use hashbrown::HashMap;
use model::cell;
use model::metric::Function;

use super::condition::{Compare, Condition, Filter, Test};
use super::lexer::Mistake;
use super::syntax::{Arg, Attribute, Comparison, Expr, Literal, Metric, Op, Statement};
use super::{Input, Position, Rule, Rules, Run};
use crate::source::{Access, Field, SourceKind, Type, attribute, constants, lookup};

/// What a metric's name stands for so far.
struct Named {
    file: String,
    at: Position,
    shipped: bool,
    /// `None` where its definition has a mistake.
    rule: Option<Rule>,
}

/// Rules of the statements of all files, each with the file's number; all that does not fit, otherwise. `files` are their names, and
/// whether they are shipped.
pub(super) fn check(files: &[(&str, bool)], statements: Vec<(usize, Statement)>) -> (Rules, Vec<(usize, Mistake)>) {
    let mut errors = Vec::new();
    let mut order: Vec<String> = Vec::new();
    let mut named: HashMap<String, Named> = HashMap::new();
    let mut disabled = Vec::new();
    for (n, statement) in statements {
        let metric = match statement {
            Statement::Metric(metric) => metric,
            Statement::Disable { name } => {
                disabled.push(name);
                continue;
            }
        };
        let (file, shipped) = files[n];
        let (at, name) = (metric.at, metric.name.clone());
        if let Some(first) = named.get(&name).filter(|first| first.shipped == shipped) {
            let (file, line, column) = (&first.file, first.at.line, first.at.column);
            let twice = "expected a name of its own, found";
            errors.push((n, (at, format!("{twice} `{name}` again; it is defined at {file}:{line}:{column}"))));
            continue;
        }
        let rule = rule(*metric).map_err(|mistake| errors.push((n, mistake))).ok();
        if named.insert(name.clone(), Named { file: file.to_owned(), at, shipped, rule }).is_none() {
            order.push(name);
        }
    }
    let mut rules = Rules::default();
    for name in disabled {
        match (named.remove(&name), cell::SLOW.iter().find(|(list, _)| *list == name)) {
            (None, Some((_, cell))) => rules.disabled.push(*cell),
            (None, None) => rules.unknown_disabled.push(name),
            (Some(_), _) => {}
        }
    }
    rules.rules = order.into_iter().filter_map(|name| named.remove(&name)?.rule).collect();
    (rules, errors)
}

fn rule(metric: Metric) -> Result<Rule, Mistake> {
    let (kind, scope) = lookup(&metric.source)
        .map_err(|names| (metric.source_at, format!("expected a source ({names}), found `{}`", metric.source)))?;
    let filters = metric.filters.iter().map(|f| filter(kind, f)).collect::<Result<Vec<_>, _>>()?;
    let (function, input) = function(kind, &metric)?;
    if let Some((at, name)) = &metric.decorator {
        decorator(&metric.source, *at, name)?;
    }
    let run = kind.map(|source| Run { source, filters, input });
    Ok(Rule { name: metric.name, scope, function, decorated: metric.decorator.is_some(), run })
}

/// Decorators keep the layer of the called service, each for one source.
fn decorator(source: &str, at: Position, name: &str) -> Result<(), Mistake> {
    const DECORATORS: [(&str, &str); 3] =
        [("Service", "ServiceDecorator"), ("Endpoint", "EndpointDecorator"), ("K8SService", "K8SServiceDecorator")];
    let found = format!("found \"{name}\"");
    match DECORATORS.iter().find(|(of, _)| *of == source) {
        Some((_, own)) if *own == name => Ok(()),
        Some((_, own)) => Err((at, format!("expected \"{own}\", the decorator of `{source}`, {found}"))),
        None => Err((at, format!("expected no decorator, as there is none for `{source}`, {found}"))),
    }
}

fn filter(kind: Option<SourceKind>, expr: &Expr) -> Result<Filter, Mistake> {
    let several = |parts: &[Expr]| parts.iter().map(|part| filter(kind, part)).collect::<Result<Vec<_>, _>>();
    Ok(match expr {
        Expr::One(comparison) => Filter::One(condition(kind, comparison)?),
        Expr::All(parts) => Filter::All(several(parts)?),
        Expr::Any(parts) => Filter::Any(several(parts)?),
    })
}

/// The attribute and what it holds. Of a source that nothing emits every attribute is taken.
fn resolve(kind: Option<SourceKind>, attr: &Attribute) -> Result<(Access, Type), Mistake> {
    let Some(kind) = kind else { return Ok((Access { field: Field::Unset, cast: attr.cast }, Type::Any)) };
    let (field, ty) = attribute(kind, &attr.path, attr.key.as_deref())
        .map_err(|names| (attr.at, format!("expected an attribute of this source ({names}), found `{}`", attr.path)))?;
    let ty = match (attr.cast, ty) {
        (false, ty) => ty,
        (true, Type::Text | Type::Int) => Type::Int,
        (true, _) => return Err((attr.at, format!("expected a text to cast, found `{}`", attr.path))),
    };
    Ok((Access { field, cast: attr.cast }, ty))
}

fn condition(kind: Option<SourceKind>, c: &Comparison) -> Result<Condition, Mistake> {
    let (access, ty) = resolve(kind, &c.left)?;
    let test = if ty == Type::Any { Test::Null(true) } else { test(ty, c)? };
    Ok(Condition { access, test })
}

fn test(ty: Type, c: &Comparison) -> Result<Test, Mistake> {
    let misfit = |wanted: &str| Err((c.at, format!("expected {wanted} for `{}`", c.left.path)));
    let equality = match c.op {
        Op::Equal => Some(true),
        Op::NotEqual => Some(false),
        _ => None,
    };
    Ok(match (ty, equality, &c.right) {
        (Type::Text | Type::Object, Some(equal), Literal::Null) => Test::Null(equal),
        (Type::Bool, Some(equal), Literal::Bool(value)) => Test::Bool(*value == equal),
        (Type::Text, Some(equal), Literal::Text(text)) => Test::Text(equal, text.as_str().into()),
        (Type::Text, None, Literal::Text(text)) if c.op == Op::Like => like(text),
        (Type::Tags, None, Literal::Text(text)) if c.op == Op::Contain => Test::Contain(true, text.as_str().into()),
        (Type::Tags, None, Literal::Text(text)) if c.op == Op::NotContain => Test::Contain(false, text.as_str().into()),
        (Type::Enum(set), Some(_), right @ Literal::Constant(..)) => Test::Int(compare(c)?, number(set, c, right)?),
        (Type::Int, _, Literal::Number(_)) => Test::Int(compare(c)?, whole(c.at, &c.right)?),
        (Type::Float, _, Literal::Number(text)) => {
            let number = text.parse().map_err(|_| (c.at, format!("expected a number, found `{text}`")))?;
            Test::Float(compare(c)?, number)
        }
        (Type::Int, None, Literal::List(values)) => {
            Test::InInts(values.iter().map(|v| whole(c.at, v)).collect::<Result<_, _>>()?)
        }
        (Type::Enum(set), None, Literal::List(values)) => {
            Test::InInts(values.iter().map(|v| number(set, c, v)).collect::<Result<_, _>>()?)
        }
        (Type::Text, None, Literal::List(values)) => {
            Test::InTexts(values.iter().map(|v| text(c, v)).collect::<Result<_, _>>()?)
        }
        (Type::Bool, ..) => return misfit("`== true`, `== false`, `!= true` or `!= false`"),
        (Type::Enum(set), ..) => return misfit(&format!("`==`, `!=` or `in` with constants of {set}")),
        (Type::Int | Type::Float, ..) => return misfit("a comparison with a number, or `in` with numbers"),
        (Type::Text, ..) => return misfit("`==`, `!=` with a text or null, `like` with a text, or `in` with texts"),
        (Type::Object, ..) => return misfit("`== null` or `!= null`"),
        (Type::Tags, ..) => return misfit("`contain` or `not contain` with a text `key:value`"),
        (Type::Any, ..) => Test::Null(true),
    })
}

fn compare(c: &Comparison) -> Result<Compare, Mistake> {
    Ok(match c.op {
        Op::Equal => Compare::Equal,
        Op::NotEqual => Compare::NotEqual,
        Op::Greater => Compare::Greater,
        Op::Less => Compare::Less,
        Op::GreaterEqual => Compare::GreaterEqual,
        Op::LessEqual => Compare::LessEqual,
        Op::Like | Op::In | Op::Contain | Op::NotContain => {
            return Err((c.at, format!("expected `==`, `!=`, `>`, `<`, `>=` or `<=` for `{}`", c.left.path)));
        }
    })
}

fn like(text: &str) -> Test {
    let (before, rest) = text.strip_prefix('%').map_or((false, text), |rest| (true, rest));
    let (after, rest) = rest.strip_suffix('%').map_or((false, rest), |rest| (true, rest));
    Test::Like { before, after, text: rest.into() }
}

fn number(set: &'static str, c: &Comparison, value: &Literal) -> Result<i64, Mistake> {
    let Literal::Constant(named, constant) = value else {
        return Err((c.at, format!("expected constants of {set} for `{}`", c.left.path)));
    };
    let constants = constants(named)
        .filter(|_| named == set)
        .ok_or_else(|| (c.at, format!("expected a constant of {set}, found `{named}.{constant}`")))?;
    constants
        .number(constant)
        .map_err(|names| (c.at, format!("expected a constant of {set} ({names}), found `{constant}`")))
}

fn text(c: &Comparison, value: &Literal) -> Result<Box<str>, Mistake> {
    if let Literal::Text(text) = value {
        Ok(text.as_str().into())
    } else {
        Err((c.at, "expected a list of texts".to_owned()))
    }
}

fn whole(at: Position, value: &Literal) -> Result<i64, Mistake> {
    let Literal::Number(text) = value else { return Err((at, "expected a whole number".to_owned())) };
    text.parse().map_err(|_| (at, format!("expected a whole number, found `{text}`")))
}

/// The function with its arguments, and what it takes of the source.
fn function(kind: Option<SourceKind>, metric: &Metric) -> Result<(Function, Input), Mistake> {
    let args = Args { kind, metric };
    Ok(match metric.function.as_str() {
        "cpm" => args.none().map(|()| (Function::Cpm, Input::One))?,
        "count" => args.none().map(|()| (Function::Count, Input::One))?,
        "sum" => (Function::Sum, args.alone()?),
        "longAvg" => (Function::LongAvg, args.alone()?),
        "max" => (Function::Max, args.alone()?),
        "min" => (Function::Min, args.alone()?),
        "doubleAvg" => (Function::DoubleAvg, args.float()?),
        "maxDouble" => (Function::MaxDouble, args.float()?),
        "minDouble" => (Function::MinDouble, args.float()?),
        "percent" => {
            args.count(1, "a condition")?;
            (Function::Percent, Input::Match(args.condition(0)?))
        }
        "rate" => {
            args.count(2, "two conditions")?;
            (Function::Rate, Input::Rate(args.condition(0)?, args.condition(1)?))
        }
        "apdex" => {
            args.count(2, "a name and a status")?;
            args.attribute(0, Type::Text, "the name of a service")?;
            let ok = args.attribute(1, Type::Bool, "the status")?;
            (Function::Apdex, Input::Apdex { latency: args.int()?, ok })
        }
        // `percentile` is the deprecated spelling: the same numbers under other labels.
        "percentile2" | "percentile" => {
            args.count(1, "the width of a bucket")?;
            (Function::Percentile { precision: args.width(0)? }, Input::Int(args.int()?))
        }
        "histogram" => {
            args.count(2, "the width of a bucket and how many there are")?;
            (Function::Histogram { step: args.width(0)?, steps: args.width(1)? }, Input::Int(args.int()?))
        }
        "labelCount" => {
            args.labels(1, "a label")?;
            let label = args.attribute(0, Type::Text, "a label")?;
            (Function::LabelCount, Input::Label { label, value: None })
        }
        "labelAvg" => {
            let label = args.attribute(0, Type::Text, "a label")?;
            let names_value = matches!(metric.args.get(1), Some(Arg::Attribute(_)));
            let value = if names_value { args.attribute(1, Type::Int, "a number")? } else { args.int()? };
            args.labels(1 + usize::from(names_value), "a label and perhaps a number")?;
            (Function::LabelAvg, Input::Label { label, value: Some(value) })
        }
        other => {
            let known = "cpm, count, sum, longAvg, doubleAvg, max, min, maxDouble, minDouble, percent, rate, apdex, percentile2, histogram, labelCount, labelAvg";
            return Err((metric.function_at, format!("expected `filter` or a function ({known}), found `{other}`")));
        }
    })
}

struct Args<'a> {
    kind: Option<SourceKind>,
    metric: &'a Metric,
}

impl Args<'_> {
    fn count(&self, n: usize, what: &str) -> Result<(), Mistake> {
        let found = self.metric.args.len();
        if found == n {
            return Ok(());
        }
        let found = if found == 1 { "1 argument".to_owned() } else { format!("{found} arguments") };
        let message = format!("expected `{}` with {what}, found {found}", self.metric.function);
        Err((self.metric.function_at, message))
    }

    /// Behind the first `n` there may be a number: how many labels the reference keeps. Ours is [`model::agg::MAX_LABELS`].
    fn labels(&self, n: usize, what: &str) -> Result<(), Mistake> {
        if self.metric.args.len() == n + 1 {
            return self.width(n).map(|_| ());
        }
        self.count(n, what)
    }

    fn none(&self) -> Result<(), Mistake> {
        self.count(0, "no argument")
    }

    fn alone(&self) -> Result<Input, Mistake> {
        self.none()?;
        self.int().map(Input::Int)
    }

    fn missing<T>(&self, what: &str) -> Result<T, Mistake> {
        Err((self.metric.function_at, format!("expected `{}` with {what}", self.metric.function)))
    }

    /// The source's attribute, which must be of one of the types.
    fn value(&self, types: &[Type], what: &str) -> Result<Access, Mistake> {
        let Some(attr) = &self.metric.attribute else {
            let message = format!("expected an attribute that is {what} for `{}`, found `*`", self.metric.function);
            return Err((self.metric.source_at, message));
        };
        let (access, ty) = resolve(self.kind, attr)?;
        if ty == Type::Any || types.contains(&ty) {
            return Ok(access);
        }
        Err((
            attr.at,
            format!("expected an attribute that is {what} for `{}`, found `{}`", self.metric.function, attr.path),
        ))
    }

    fn int(&self) -> Result<Access, Mistake> {
        self.value(&[Type::Int], "a whole number")
    }

    fn float(&self) -> Result<Input, Mistake> {
        self.none()?;
        self.value(&[Type::Float, Type::Int], "a number").map(Input::Float)
    }

    fn condition(&self, i: usize) -> Result<Filter, Mistake> {
        match self.metric.args.get(i) {
            Some(Arg::Condition(_, expr)) => filter(self.kind, expr),
            Some(other) => Err((other.at(), "expected a condition such as `status == true`".to_owned())),
            None => self.missing("a condition"),
        }
    }

    fn attribute(&self, i: usize, wanted: Type, what: &str) -> Result<Access, Mistake> {
        match self.metric.args.get(i) {
            Some(Arg::Attribute(attr)) => {
                let (access, ty) = resolve(self.kind, attr)?;
                if ty == Type::Any || ty == wanted {
                    return Ok(access);
                }
                Err((attr.at, format!("expected {what}, found `{}`", attr.path)))
            }
            Some(other) => Err((other.at(), format!("expected an attribute: {what}"))),
            None => self.missing(what),
        }
    }

    fn width(&self, i: usize) -> Result<u32, Mistake> {
        match self.metric.args.get(i) {
            Some(Arg::Literal(at, Literal::Number(text))) => text
                .parse::<u32>()
                .ok()
                .filter(|&n| n > 0)
                .ok_or_else(|| (*at, format!("expected a whole number above 0, found `{text}`"))),
            Some(other) => Err((other.at(), "expected a whole number above 0".to_owned())),
            None => self.missing("a whole number above 0"),
        }
    }
}
