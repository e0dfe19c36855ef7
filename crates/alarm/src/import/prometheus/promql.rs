//! PromQL as far as MQE has words for it: what [`crate::desk`] writes, and comparisons that people write of it.

use std::iter::Peekable;
use std::vec::IntoIter;

use mqe::ast::Aggregation;

use super::labels::{self, Test};
use super::tokens::{Refused, Token, tokens};

/// An expression in MQE, and what PromQL says in it that MQE's rules say beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) expression: String,
    /// Minutes of the ranges in it; `None`: there is none, only the last values count.
    pub(super) minutes: Option<u32>,
    /// The services that it names; empty: all.
    pub(super) services: Vec<String>,
}

/// How deep expressions may be.
const MAX_DEPTH: usize = 64;

/// What makes one value of a range, in PromQL.
pub(crate) fn over_time(aggregation: Aggregation) -> &'static str {
    match aggregation {
        Aggregation::Avg => "avg_over_time",
        Aggregation::Sum => "sum_over_time",
        Aggregation::Max => "max_over_time",
        Aggregation::Min => "min_over_time",
        Aggregation::Count => "count_over_time",
        Aggregation::Latest => "last_over_time",
    }
}

/// The same in MQE.
pub(super) fn translate(text: &str) -> Result<Translated, Refused> {
    let (tokens, end) = (tokens(text)?.into_iter().peekable(), text.chars().count());
    let mut reader = Reader { tokens, end, depth: 0, minutes: None, services: None };
    let expression = reader.truth()?;
    if let Some((at, token)) = reader.tokens.next() {
        return Err((at, format!("{} is not understood here", token.shown())));
    }
    Ok(Translated { expression, minutes: reader.minutes, services: reader.services.unwrap_or_default() })
}

struct Reader {
    tokens: Peekable<IntoIter<(usize, Token)>>,
    end: usize,
    depth: usize,
    minutes: Option<u32>,
    services: Option<Vec<String>>,
}

/// A part in MQE, and whether it wants parentheses as an operand.
struct Part {
    text: String,
    binary: bool,
    /// Whether it is a series without a range: its last value counts outside of ranges.
    instant: bool,
    /// Whether it is a comparison, with `bool` or without.
    compared: Option<bool>,
}

impl Part {
    fn plain(text: String) -> Part {
        Part { text, binary: false, instant: false, compared: None }
    }

    fn operand(&self) -> String {
        if self.binary { format!("({})", self.text) } else { self.text.clone() }
    }
}

impl Reader {
    fn at(&mut self) -> usize {
        let end = self.end;
        self.tokens.peek().map_or(end, |(at, _)| *at)
    }

    fn refuse<T>(&mut self, why: impl Into<String>) -> Result<T, Refused> {
        Err((self.at(), why.into()))
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.tokens.next_if(|(_, token)| matches!(token, Token::Sign(own) if *own == sign)).is_some()
    }

    fn takes_word(&mut self, word: &str) -> bool {
        self.tokens.next_if(|(_, token)| matches!(token, Token::Word(own) if own.eq_ignore_ascii_case(word))).is_some()
    }

    fn wants(&mut self, sign: &str) -> Result<(), Refused> {
        if self.takes(sign) { Ok(()) } else { self.refuse(format!("{sign} is missing here")) }
    }

    fn deeper(&mut self) -> Result<(), Refused> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { self.refuse("it is too deep") } else { Ok(()) }
    }

    /// A comparison, or several with `and` and `or`.
    fn truth(&mut self) -> Result<String, Refused> {
        self.deeper()?;
        let mut text = self.all_of()?;
        while self.takes_word("or") {
            text = format!("{text} || {}", self.all_of()?);
        }
        self.depth -= 1;
        Ok(text)
    }

    fn all_of(&mut self) -> Result<String, Refused> {
        let mut text = self.question()?;
        while self.takes_word("and") {
            text = format!("{text} && {}", self.question()?);
        }
        if self.takes_word("unless") {
            return self.refuse("there is no MQE for unless");
        }
        Ok(text)
    }

    /// A comparison, or a truth in parentheses: which of both is only known behind them.
    fn question(&mut self) -> Result<String, Refused> {
        let (at, before) = (self.at(), (self.tokens.clone(), self.minutes, self.services.clone(), self.depth));
        let compared = self.compared(false);
        if let Ok(Part { text, compared: Some(false), .. }) = compared {
            return Ok(format!("({text})"));
        }
        let why = match compared {
            Err(refused) => refused,
            Ok(Part { compared: Some(true), .. }) => {
                (at, "with bool it is there always, and so fires always".to_owned())
            }
            Ok(_) => {
                (at, "this is no comparison: it fires wherever there is a value, which no rule here does".to_owned())
            }
        };
        (self.tokens, self.minutes, self.services, self.depth) = before;
        if !self.takes("(") {
            return Err(why);
        }
        // The error that is farther on is the one of the reading that was meant.
        let farther = |other: Refused| if other.0 > why.0 { other } else { why.clone() };
        let text = self.truth().map_err(farther)?;
        if !self.takes(")") {
            return Err(why);
        }
        Ok(format!("({text})"))
    }

    /// A comparison of two values, or one value. In a series every bucket counts, else the last one.
    fn compared(&mut self, series: bool) -> Result<Part, Refused> {
        self.deeper()?;
        let a = self.sum(series)?;
        let sign = ["==", "!=", ">=", "<=", ">", "<"].into_iter().find(|sign| self.takes(sign));
        let Some(sign) = sign else {
            self.depth -= 1;
            return Ok(a);
        };
        let is_bool = self.takes_word("bool");
        if series && !is_bool {
            return self
                .refuse("a comparison in a range wants bool: without it, it leaves values out, which MQE does not");
        }
        let b = self.sum(series)?;
        self.depth -= 1;
        if self.takes_word("on") || self.takes_word("ignoring") {
            return self.refuse("there is no MQE for on and ignoring");
        }
        let text = format!("{} {sign} {}", self.last(&a, series), self.last(&b, series));
        Ok(Part { text, binary: true, instant: false, compared: Some(is_bool) })
    }

    /// A part as an operand; of a series outside of ranges its last value.
    fn last(&mut self, part: &Part, series: bool) -> String {
        if part.instant && !series { format!("latest({})", part.text) } else { part.operand() }
    }

    fn sum(&mut self, series: bool) -> Result<Part, Refused> {
        let mut a = self.product(series)?;
        while let Some(sign) = ["+", "-"].into_iter().find(|sign| self.takes(sign)) {
            let b = self.product(series)?;
            a = self.calculated(&a, sign, &b, series);
        }
        Ok(a)
    }

    fn product(&mut self, series: bool) -> Result<Part, Refused> {
        let mut a = self.one(series)?;
        while let Some(sign) = ["*", "/", "%"].into_iter().find(|sign| self.takes(sign)) {
            let b = self.one(series)?;
            a = self.calculated(&a, sign, &b, series);
        }
        if self.takes("^") {
            return self.refuse("there is no MQE for ^");
        }
        Ok(a)
    }

    fn calculated(&mut self, a: &Part, sign: &str, b: &Part, series: bool) -> Part {
        let text = format!("{} {sign} {}", self.last(a, series), self.last(b, series));
        Part { text, binary: true, instant: false, compared: None }
    }

    fn one(&mut self, series: bool) -> Result<Part, Refused> {
        self.deeper()?;
        let part = self.one_within(series)?;
        self.depth -= 1;
        if self.takes_word("offset") || self.takes("@") {
            return self.refuse("another time is not taken over");
        }
        Ok(part)
    }

    fn one_within(&mut self, series: bool) -> Result<Part, Refused> {
        if self.takes("-") {
            let part = self.one(series)?;
            return Ok(Part::plain(format!("-({})", self.last(&Part { binary: false, ..part }, series))));
        }
        if self.takes("(") {
            let part = self.compared(series)?;
            self.wants(")")?;
            return Ok(part);
        }
        let at = self.at();
        match self.tokens.next() {
            Some((_, Token::Number(number))) => Ok(Part::plain(number)),
            Some((_, Token::Word(word))) if self.takes("(") => {
                let own = Aggregation::ALL.iter().find(|own| over_time(**own) == word);
                let own = own.ok_or_else(|| (at, format!("there is no MQE for {word}")))?.word();
                if series {
                    return Err((at, "an aggregation within a range is not taken over".to_owned()));
                }
                let range = self.range()?;
                self.wants(")")?;
                Ok(Part::plain(format!("{own}({range})")))
            }
            Some((_, Token::Word(word))) => Ok(Part { instant: true, ..Part::plain(self.metric(&word)?) }),
            Some((_, token)) => Err((at, format!("{} is not understood here", token.shown()))),
            None => Err((at, "something is missing at the end".to_owned())),
        }
    }

    /// A series with its range: `name{…}[5m]`, or `(…)[5m:1m]`.
    fn range(&mut self) -> Result<String, Refused> {
        let part = self.one(true)?;
        self.wants("[")?;
        let at = self.at();
        let minutes = self.duration()?;
        if *self.minutes.get_or_insert(minutes) != minutes {
            return Err((at, "a rule looks at one range, and this is another one".to_owned()));
        }
        if self.takes(":") {
            let at = self.at();
            let step = if matches!(self.tokens.peek(), Some((_, Token::Sign("]")))) { 1 } else { self.duration()? };
            if step != 1 {
                return Err((at, "values are a minute apart here".to_owned()));
            }
        }
        self.wants("]")?;
        Ok(part.text)
    }

    fn duration(&mut self) -> Result<u32, Refused> {
        let at = self.at();
        match self.tokens.next() {
            Some((_, Token::Duration(text))) => match labels::seconds(&text) {
                Some(seconds) if seconds >= 60 && seconds % 60 == 0 => {
                    u32::try_from(seconds / 60).map_err(|_| (at, format!("{text} is too long")))
                }
                Some(_) => Err((at, format!("{text} is not whole minutes"))),
                None => Err((at, format!("{text} is no duration"))),
            },
            _ => Err((at, "a duration is missing here".to_owned())),
        }
    }

    /// A metric with its labels, of which `service` belongs to the selector.
    fn metric(&mut self, name: &str) -> Result<String, Refused> {
        let mut own = Vec::new();
        let mut services = None;
        if self.takes("{") {
            while !self.takes("}") {
                let at = self.at();
                let Some((_, Token::Word(label))) = self.tokens.next() else {
                    return Err((at, "a label is missing here".to_owned()));
                };
                let sign = ["=~", "!=", "!~", "="].into_iter().find(|sign| self.takes(sign));
                let Some((_, Token::Text(value))) = self.tokens.next() else {
                    return Err((at, format!("{label} wants a text")));
                };
                let test = match sign {
                    Some("=") => Test::Equal,
                    Some("=~") => Test::Matches,
                    _ => return Err((at, format!("{label}: only = and =~ are taken over"))),
                };
                let values = labels::values(test, &value).map_err(|why| (at, format!("{label}: {why}")))?;
                match label.as_str() {
                    "service" => services = Some(values),
                    _ if values.iter().any(|value| value.contains(['\'', ','])) => {
                        return Err((at, format!("{label}: MQE has no words for {value:?}")));
                    }
                    _ => own.push(format!("{label}='{}'", values.join(","))),
                }
                if !self.takes(",") {
                    self.wants("}")?;
                    break;
                }
            }
        }
        let services = services.unwrap_or_default();
        let at = self.at();
        if *self.services.get_or_insert_with(|| services.clone()) != services {
            return Err((at, "a rule is about the same services everywhere, and these are others".to_owned()));
        }
        Ok(if own.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", own.join(",")) })
    }
}
