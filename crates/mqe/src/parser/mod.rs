//! Tokens to a tree, by precedence climbing. What stands in the parentheses of a function is read in [`call`].

mod call;

use crate::ast::{Aggregation, Expr, Number, Op, Operator, Trend};
use crate::error::{ParseError, Place};
use crate::lexer::{Kind, Token, lex};
use crate::program::Program;
use crate::{MAX_DEPTH, MAX_LENGTH, MAX_NEEDS, MAX_STEPS, MAX_TERMS};

/// Parses the longest expression at the beginning of a text.
///
/// What follows it is ignored as long as it consists of tokens of the language: `avg(a) > 1 and avg(b) > 2` is
/// `avg(a) > 1`. SkyWalking's entry rule does not ask for the end of the text, and dashboards exist that rely on it.
///
/// # Errors
/// Where and why the text is no expression, or which limit of this crate it exceeds.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    Parser::new(text)?.all(false)
}

/// Like [`parse`], and what follows the expression is an error, too. For texts that a person is writing.
///
/// # Errors
/// As [`parse`].
pub fn parse_whole(text: &str) -> Result<Expr, ParseError> {
    Parser::new(text)?.all(true)
}

/// Words that are no metric and no label, beside those of the enums in [`crate::ast`]. The names of our own functions are
/// not among them: they mean something in front of a parenthesis only, where no metric can stand.
const RESERVED: [&str; 22] = [
    "abs",
    "ceil",
    "floor",
    "round",
    "top_n",
    "top_n_of",
    "view_as_seq",
    "is_present",
    "relabels",
    "aggregate_labels",
    "sort_values",
    "sort_label_values",
    "attr0",
    "attr1",
    "attr2",
    "attr3",
    "attr4",
    "attr5",
    "baseline",
    "value",
    "upper",
    "lower",
];

/// Words of which the case does not matter.
const RESERVED_ANY_CASE: [&str; 3] = ["bool", "asc", "des"];

fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
        || RESERVED_ANY_CASE.iter().any(|each| each.eq_ignore_ascii_case(word))
        || Aggregation::of_word(word).is_some()
        || Trend::of_word(word).is_some()
}

/// A tree and how deep it is, so that no recursion over it can go deeper than [`MAX_DEPTH`].
type Tree = (Expr, usize);

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
    n_terms: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, ParseError> {
        if text.len() > MAX_LENGTH {
            let message = format!("an expression has at most {MAX_LENGTH} bytes, this has {}", text.len());
            return Err(ParseError::at(text, Place::default(), message));
        }
        Ok(Self { text, tokens: lex(text)?, next: 0, n_terms: 0 })
    }

    fn all(mut self, whole: bool) -> Result<Expr, ParseError> {
        let (expr, _) = self.expression(0, 0)?;
        if whole && self.peek().is_some() {
            return Err(self.unexpected("the end"));
        }
        let wrong = |message| Err(ParseError::at(self.text, expr.place, message));
        let Some(program) = Program::limited(&expr, MAX_STEPS) else {
            return wrong(format!("an expression has at most {MAX_STEPS} steps"));
        };
        let n_needs = program.needs().len();
        if n_needs > MAX_NEEDS {
            return wrong(format!("an expression reads at most {MAX_NEEDS} metrics, this reads {n_needs}"));
        }
        Ok(expr)
    }

    /// An expression of operators that bind tighter than `above`.
    fn expression(&mut self, above: u8, depth: usize) -> Result<Tree, ParseError> {
        if depth >= MAX_DEPTH {
            return Err(self.too_deep());
        }
        let (mut left, mut height) = self.operand(depth)?;
        while let Some(operator) = self.operator() {
            if operator.precedence() <= above {
                break;
            }
            self.next += 1;
            if matches!(self.peek(), Some(Kind::Word(word)) if word.eq_ignore_ascii_case("bool")) {
                // `> bool` is allowed after a comparison, where it changes nothing.
                if operator.precedence() != Operator::Eq.precedence() {
                    return Err(self.unexpected("an operand"));
                }
                self.next += 1;
            }
            let (right, right_height) = self.expression(operator.precedence(), depth + 1)?;
            height = self.grown(height.max(right_height))?;
            let place = Place { start: left.place.start, end: right.place.end };
            left = Expr { op: Op::Binary(operator), args: vec![left, right], place };
        }
        Ok((left, height))
    }

    /// The height of a tree with one more level.
    fn grown(&mut self, height: usize) -> Result<usize, ParseError> {
        self.n_terms += 1;
        if height >= MAX_DEPTH {
            return Err(self.too_deep());
        }
        if self.n_terms > MAX_TERMS {
            return Err(self.error(format!("more than {MAX_TERMS} operands and operators")));
        }
        Ok(height + 1)
    }

    fn operator(&self) -> Option<Operator> {
        let Some(Kind::Sign(sign)) = self.peek() else { return None };
        Operator::ALL.into_iter().find(|operator| operator.symbol() == sign)
    }

    fn operand(&mut self, depth: usize) -> Result<Tree, ParseError> {
        let start = self.place().start;
        match self.peek() {
            Some(Kind::Integer(_) | Kind::Decimal(_)) => {
                let number = self.number()?;
                self.tree(start, Op::Number(number), Vec::new(), 0)
            }
            Some(Kind::Sign("(")) => {
                self.next += 1;
                let (mut inside, height) = self.expression(0, depth + 1)?;
                self.sign(")")?;
                inside.place = self.since(start);
                Ok((inside, height))
            }
            Some(Kind::Sign("-")) => {
                if depth >= MAX_DEPTH {
                    return Err(self.too_deep());
                }
                self.next += 1;
                let (of, height) = self.operand(depth + 1)?;
                self.tree(start, Op::Negate, vec![of], height)
            }
            Some(Kind::Word(word)) if is_reserved(word) || (self.calls() && call::is_ours(word)) => {
                self.function(word, depth)
            }
            Some(Kind::Word(_)) => {
                let metric = self.metric()?;
                self.tree(start, Op::Metric(metric), Vec::new(), 0)
            }
            _ => Err(self.unexpected("a metric, a number or a function")),
        }
    }

    /// A tree that was read from `start` on.
    fn tree(&mut self, start: usize, op: Op, args: Vec<Expr>, height: usize) -> Result<Tree, ParseError> {
        let height = self.grown(height)?;
        Ok((Expr { op, args, place: self.since(start) }, height))
    }

    /// From `start` up to the end of the token before the next.
    fn since(&self, start: usize) -> Place {
        let last = self.next.checked_sub(1).and_then(|last| self.tokens.get(last));
        Place { start, end: last.map_or(start, |token| token.place.end) }
    }

    /// Whether a parenthesis follows the next token.
    fn calls(&self) -> bool {
        matches!(self.tokens.get(self.next + 1), Some(Token { kind: Kind::Sign("("), .. }))
    }

    /// A word that means something here.
    fn one_of<T>(&mut self, meaning: impl Fn(&str) -> Option<T>, expected: &str) -> Result<T, ParseError> {
        let found = match self.peek() {
            Some(Kind::Word(word)) => meaning(word),
            _ => None,
        };
        let Some(found) = found else { return Err(self.unexpected(expected)) };
        self.next += 1;
        Ok(found)
    }

    /// A whole number up to the largest that SkyWalking reads, 2³¹ − 1.
    fn integer(&mut self) -> Result<u32, ParseError> {
        let Some(Kind::Integer(digits)) = self.peek() else { return Err(self.unexpected("a whole number")) };
        let Some(number) = digits.parse().ok().filter(|number| *number <= i32::MAX.unsigned_abs()) else {
            return Err(self.error(format!("the number {digits} is too large")));
        };
        self.next += 1;
        Ok(number)
    }

    fn number(&mut self) -> Result<Number, ParseError> {
        let Some(Kind::Integer(digits) | Kind::Decimal(digits)) = self.peek() else {
            return Err(self.unexpected("a number"));
        };
        let Some(number) = digits.parse().ok().and_then(Number::new) else {
            return Err(self.error(format!("the number {digits} is too large")));
        };
        self.next += 1;
        Ok(number)
    }

    fn quoted(&mut self) -> Result<String, ParseError> {
        let Some(Kind::Text(text)) = self.peek() else { return Err(self.unexpected("a text in quotes")) };
        self.next += 1;
        Ok(text.to_owned())
    }

    fn sign(&mut self, sign: &str) -> Result<(), ParseError> {
        if !self.is_sign(sign) {
            return Err(self.unexpected(&format!("'{sign}'")));
        }
        self.next += 1;
        Ok(())
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Kind::Sign(found)) if found == sign)
    }

    fn peek(&self) -> Option<Kind<'a>> {
        self.tokens.get(self.next).map(|token| token.kind)
    }

    /// Where the next token stands, or the end of the text.
    fn place(&self) -> Place {
        let end = self.text.len();
        self.tokens.get(self.next).map_or(Place { start: end, end }, |token| token.place)
    }

    fn too_deep(&self) -> ParseError {
        self.error(format!("nested deeper than {MAX_DEPTH}"))
    }

    fn unexpected(&self, expected: &str) -> ParseError {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(Kind::Word(text) | Kind::Integer(text) | Kind::Decimal(text)) => format!("'{text}'"),
            Some(Kind::Text(text)) => format!("the text '{text}'"),
            Some(Kind::Sign(sign)) => format!("'{sign}'"),
        };
        let error = self.error(format!("expected {expected}, found {found}"));
        ParseError { expected: Some(expected.to_owned()), ..error }
    }

    /// An error at the next token.
    fn error(&self, message: String) -> ParseError {
        ParseError::at(self.text, self.place(), message)
    }
}
