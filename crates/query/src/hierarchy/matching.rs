//! Evaluates matching rules, and finds the texts by which services of two layers can be looked up instead of compared one by one.

use std::borrow::Cow;

use super::rule::{Comparison, Condition, Expr, Field, Method, Rule, Side, Statement, Type};

/// What rules know of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    pub(crate) name: &'a str,
    pub(crate) short_name: &'a str,
}

/// Two services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) upper: Names<'a>,
    pub(crate) lower: Names<'a>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value<'a> {
    Text(Cow<'a, str>),
    Number(i64),
    Truth(bool),
}

impl Expr {
    /// `None`: a position lies beyond its text.
    fn value<'a>(&'a self, pair: &Pair<'a>) -> Option<Value<'a>> {
        Some(match self {
            Expr::Text(text) => Value::Text(text.into()),
            Expr::Number(number) => Value::Number(*number),
            Expr::Truth(truth) => Value::Truth(*truth),
            Expr::Field(side, field) => {
                let names = if *side == Side::Upper { pair.upper } else { pair.lower };
                Value::Text(match field {
                    Field::Name => names.name.into(),
                    Field::ShortName => names.short_name.into(),
                })
            }
            Expr::Call(on, method, arguments) => call(on.text(pair)?, *method, arguments, pair)?,
            Expr::Add(left, right) if self.ty() == Type::Text => {
                Value::Text(Cow::Owned(left.text(pair)?.into_owned() + &right.text(pair)?))
            }
            Expr::Add(left, right) => Value::Number(left.number(pair)?.saturating_add(right.number(pair)?)),
            Expr::Subtract(left, right) => Value::Number(left.number(pair)?.saturating_sub(right.number(pair)?)),
        })
    }

    fn text<'a>(&'a self, pair: &Pair<'a>) -> Option<Cow<'a, str>> {
        if let Value::Text(text) = self.value(pair)? { Some(text) } else { None }
    }

    fn number(&self, pair: &Pair<'_>) -> Option<i64> {
        if let Value::Number(number) = self.value(pair)? { Some(number) } else { None }
    }
}

fn call<'a>(on: Cow<'a, str>, method: Method, arguments: &'a [Expr], pair: &Pair<'a>) -> Option<Value<'a>> {
    let text = |at: usize| arguments.get(at).and_then(|argument: &Expr| argument.text(pair));
    Some(match method {
        Method::Substring => {
            let from = arguments.first()?.number(pair)?;
            let to = match arguments.get(1) {
                Some(to) => Some(to.number(pair)?),
                None => None,
            };
            Value::Text(Cow::Owned(substring(&on, from, to)?.to_owned()))
        }
        Method::IndexOf => Value::Number(position(&on, on.find(&*text(0)?))),
        Method::LastIndexOf => Value::Number(position(&on, on.rfind(&*text(0)?))),
        Method::Concat => Value::Text(Cow::Owned(on.into_owned() + &text(0)?)),
        Method::Replace => Value::Text(Cow::Owned(on.replace(&*text(0)?, &text(1)?))),
        Method::ToLowerCase => Value::Text(Cow::Owned(on.to_lowercase())),
        Method::ToUpperCase => Value::Text(Cow::Owned(on.to_uppercase())),
        Method::Trim => Value::Text(Cow::Owned(on.trim().to_owned())),
        Method::Length => Value::Number(count(&on)),
        Method::StartsWith => Value::Truth(on.starts_with(&*text(0)?)),
        Method::EndsWith => Value::Truth(on.ends_with(&*text(0)?)),
        Method::Contains => Value::Truth(on.contains(&*text(0)?)),
        Method::Equals => Value::Truth(on == text(0)?),
        Method::EqualsIgnoreCase => Value::Truth(on.to_lowercase() == text(0)?.to_lowercase()),
        Method::IsEmpty => Value::Truth(on.is_empty()),
    })
}

fn count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// The position in characters of one in bytes; -1 for none.
fn position(text: &str, found: Option<usize>) -> i64 {
    found.and_then(|at| text.get(..at)).map_or(-1, count)
}

fn substring(text: &str, from: i64, to: Option<i64>) -> Option<&str> {
    let byte = |at: i64| {
        let at = usize::try_from(at).ok()?;
        text.char_indices().map(|(byte, _)| byte).chain([text.len()]).nth(at)
    };
    text.get(byte(from)?..to.map_or(Some(text.len()), byte)?)
}

impl Condition {
    /// `None`: a position lies beyond its text.
    fn holds(&self, pair: &Pair<'_>) -> Option<bool> {
        Some(match self {
            Condition::And(left, right) => left.holds(pair)? && right.holds(pair)?,
            Condition::Or(left, right) => left.holds(pair)? || right.holds(pair)?,
            Condition::Not(inner) => !inner.holds(pair)?,
            Condition::Value(value) => value.value(pair)? == Value::Truth(true),
            Condition::Compare(Comparison::Equal, left, right) => left.value(pair)? == right.value(pair)?,
            Condition::Compare(Comparison::Unequal, left, right) => left.value(pair)? != right.value(pair)?,
            Condition::Compare(comparison, left, right) => {
                let (left, right) = (left.number(pair)?, right.number(pair)?);
                match comparison {
                    Comparison::Less => left < right,
                    Comparison::Greater => left > right,
                    Comparison::LessOrEqual => left <= right,
                    _ => left >= right,
                }
            }
        })
    }
}

/// What statements return: outer `None`, a position lies beyond its text; inner `None`, they return nothing.
fn run(body: &[Statement], pair: &Pair<'_>) -> Option<Option<bool>> {
    for statement in body {
        let returned = match statement {
            Statement::Return(condition) => Some(condition.holds(pair)?),
            Statement::If(branches, otherwise) => {
                let mut chosen = otherwise.as_slice();
                for (condition, branch) in branches {
                    if condition.holds(pair)? {
                        chosen = branch;
                        break;
                    }
                }
                run(chosen, pair)?
            }
        };
        if returned.is_some() {
            return Some(returned);
        }
    }
    Some(None)
}

/// A rule of the form "these two texts are equal", each of one service, under conditions on one service each.
#[derive(Debug)]
pub(crate) struct Keys<'r> {
    guards: Vec<&'r Condition>,
    upper: &'r Expr,
    lower: &'r Expr,
}

impl Keys<'_> {
    /// The text of a service of this side; `None`: it matches nothing.
    pub(crate) fn of(&self, side: Side, names: Names<'_>) -> Option<String> {
        // What speaks of one service only does not look at the other.
        let pair = Pair { upper: names, lower: names };
        for guard in self.guards.iter().filter(|guard| guard.mentions(side)) {
            if !guard.holds(&pair)? {
                return None;
            }
        }
        let key = if side == Side::Upper { self.upper } else { self.lower };
        key.text(&pair).map(Cow::into_owned)
    }
}

impl Rule {
    /// Whether the services match.
    pub(crate) fn matches(&self, pair: &Pair<'_>) -> bool {
        run(&self.body, pair).flatten() == Some(true)
    }

    /// The texts by which services can be looked up, where the rule has the form for it, as all published ones do.
    pub(crate) fn keys(&self) -> Option<Keys<'_>> {
        let never = Condition::Value(Expr::Truth(false));
        match self.body.as_slice() {
            [Statement::Return(condition)] => keys(condition, Vec::new()),
            [Statement::If(branches, otherwise), rest @ ..] => {
                let [(guard, branch)] = branches.as_slice() else { return None };
                let [Statement::Return(condition)] = branch.as_slice() else { return None };
                let is_never = |body: &[Statement]| {
                    matches!(body, [] | [Statement::Return(_)])
                        && body.iter().all(|statement| *statement == Statement::Return(never.clone()))
                };
                let fits = is_never(otherwise) && is_never(rest);
                if fits { keys(condition, guards(guard)?) } else { None }
            }
            _ => None,
        }
    }
}

fn keys<'r>(condition: &'r Condition, guards: Vec<&'r Condition>) -> Option<Keys<'r>> {
    let Condition::Compare(Comparison::Equal, left, right) = condition else { return None };
    let is_of = |expr: &Expr, side| expr.mentions(side) && expr.ty() == Type::Text;
    let (upper, lower) = if is_of(left, Side::Upper) { (left, right) } else { (right, left) };
    let fits = is_of(upper, Side::Upper)
        && !upper.mentions(Side::Lower)
        && is_of(lower, Side::Lower)
        && !lower.mentions(Side::Upper);
    fits.then_some(Keys { guards, upper, lower })
}

/// The parts of a condition, each of which speaks of one service; `None` where one speaks of both or of none.
fn guards(condition: &Condition) -> Option<Vec<&Condition>> {
    if let Condition::And(left, right) = condition {
        let mut all = guards(left)?;
        all.extend(guards(right)?);
        return Some(all);
    }
    (condition.mentions(Side::Upper) != condition.mentions(Side::Lower)).then(|| vec![condition])
}
