//! A composite rule of the form before 9.6: `a_rule && (b_rule || c_rule)`, the rules being those of the same file. Their expressions
//! are written in place of their names.

use std::collections::BTreeMap;

use crate::rule::Rule;

use super::fields::Fields;
use super::report::Entry;
use super::{Placed, rule};

/// How deep parentheses may stand in each other.
const MAX_DEPTH: usize = 32;

/// Reads a rule; `None` where it cannot be one, with the reason in the entry.
pub(super) fn read(
    name: &str,
    mut fields: Fields<'_>,
    rules: &BTreeMap<String, Rule>,
    entry: &mut Entry,
) -> Option<Placed<Rule>> {
    let at = fields.place("expression");
    let Some(text) = fields.text("expression", entry) else {
        entry.reject(at, "a composite rule wants an expression");
        return None;
    };
    let mut members = Vec::new();
    let mut parser = Parser { rest: &text, rules, members: &mut members, depth: 0 };
    let parsed = parser.or().and_then(|expression| match parser.rest.trim_start() {
        "" => Ok(expression),
        rest => Err(format!("a rule, && or || is wanted before: {rest}")),
    });
    let expression = match parsed {
        Ok(expression) => expression,
        Err(what) => {
            entry.reject(at, what);
            return None;
        }
    };
    let first = members.first().copied()?;
    for other in &members {
        if other.period != first.period {
            let what = format!(
                "{} sees {} minutes and {} sees {}: one rule has one period",
                first.name, first.period, other.name, other.period
            );
            entry.reject(at, what);
        }
        if other.selector != first.selector {
            entry.reject(
                at,
                format!("{} and {} watch different entities: one rule watches one set", first.name, other.name),
            );
        }
    }
    let has_silence = fields.has("silence-period");
    let mut placed = rule::common(name, fields, entry);
    entry.warn(entry.at, format!("it is a composite rule of the form before 9.6, and read as {expression}"));
    placed.doc.expression = expression;
    placed.doc.period = first.period;
    placed.doc.selector = first.selector.clone();
    if !has_silence {
        placed.doc.silence = first.silence;
    }
    Some(placed)
}

/// `||` binds looser than `&&`, as in Java; in an expression they bind alike, so each is put in parentheses.
struct Parser<'a, 'm> {
    rest: &'a str,
    rules: &'a BTreeMap<String, Rule>,
    members: &'m mut Vec<&'a Rule>,
    depth: usize,
}

impl Parser<'_, '_> {
    fn eat(&mut self, sign: &str) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix(sign) else { return false };
        self.rest = rest;
        true
    }

    fn or(&mut self) -> Result<String, String> {
        let mut left = self.and()?;
        let mut n = 1;
        while self.eat("||") {
            left = format!("{left} || {}", self.and()?);
            n += 1;
        }
        Ok(if n > 1 && self.depth > 0 { format!("({left})") } else { left })
    }

    fn and(&mut self) -> Result<String, String> {
        let mut all = vec![self.one()?];
        while self.eat("&&") {
            all.push(self.one()?);
        }
        let joined = all.join(" && ");
        // Whether an `||` stands beside it is not known yet; parentheses do no harm.
        Ok(if all.len() > 1 { format!("({joined})") } else { joined })
    }

    fn one(&mut self) -> Result<String, String> {
        if self.eat("(") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(format!("parentheses stand in each other {MAX_DEPTH} deep at most"));
            }
            let inside = self.or()?;
            self.depth -= 1;
            return if self.eat(")") { Ok(inside) } else { Err("a ) is missing".to_owned()) };
        }
        let text = self.rest.trim_start();
        let end = text.find(|c: char| c.is_whitespace() || "&|()!".contains(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        self.rest = rest;
        if name.is_empty() {
            return Err(format!(
                "the name of a rule is wanted{}",
                if text.is_empty() { " at the end" } else { " here" }
            ));
        }
        let rule = self
            .rules
            .get(name)
            .ok_or_else(|| format!("there is no rule {name} of the form before 9.6 in the file"))?;
        self.members.push(rule);
        Ok(format!("({})", rule.expression))
    }
}
