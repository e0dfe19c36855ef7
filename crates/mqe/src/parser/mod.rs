//! Tokens to a tree, by precedence climbing. What stands in the parentheses of a function is read in [`call`].

mod call;

use crate::ast::{Aggregation, Expr, MathFunction, Operator, Trend};
use crate::lexer::{Kind, ParseError, Token, lex};
use crate::need::Need;
use crate::{MAX_DEPTH, MAX_LENGTH, MAX_NEEDS, MAX_TERMS};

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

/// Words that are no metric and no label, beside those of the enums in [`crate::ast`].
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
            return Err(ParseError { line: 1, column: 0, message });
        }
        Ok(Self { text, tokens: lex(text)?, next: 0, n_terms: 0 })
    }

    fn all(mut self, whole: bool) -> Result<Expr, ParseError> {
        let (expr, _) = self.expression(0, 0)?;
        if whole && self.peek().is_some() {
            return Err(self.unexpected("the end"));
        }
        let n_needs = expr.needs().len();
        if n_needs > MAX_NEEDS {
            return Err(self.error(format!("an expression reads at most {MAX_NEEDS} metrics, this reads {n_needs}")));
        }
        Ok(expr)
    }

    /// An expression of operators that bind tighter than `above`.
    fn expression(&mut self, above: u8, depth: usize) -> Result<Tree, ParseError> {
        if depth >= MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH}")));
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
            left = Expr::Binary { operator, left: Box::new(left), right: Box::new(right) };
        }
        Ok((left, height))
    }

    /// The height of a tree with one more level.
    fn grown(&mut self, height: usize) -> Result<usize, ParseError> {
        self.n_terms += 1;
        if height >= MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH}")));
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
        let Some(kind) = self.peek() else { return Err(self.unexpected("a metric, a number or a function")) };
        match kind {
            Kind::Integer(number) | Kind::Decimal(number) => {
                let value: f64 = number.parse().unwrap_or(f64::INFINITY);
                if value.is_infinite() {
                    return Err(self.error(format!("the number {number} is too large")));
                }
                self.next += 1;
                Ok((Expr::Number(value), self.grown(0)?))
            }
            Kind::Sign("(") => {
                self.next += 1;
                let inside = self.expression(0, depth + 1)?;
                self.sign(")")?;
                Ok(inside)
            }
            Kind::Sign("-") => {
                if depth >= MAX_DEPTH {
                    return Err(self.error(format!("nested deeper than {MAX_DEPTH}")));
                }
                self.next += 1;
                let (of, height) = self.operand(depth + 1)?;
                Ok((Expr::Negate(Box::new(of)), self.grown(height)?))
            }
            Kind::Word(word) => self.word(word, depth),
            _ => Err(self.unexpected("a metric, a number or a function")),
        }
    }

    /// A metric, or a function by its name.
    fn word(&mut self, word: &'a str, depth: usize) -> Result<Tree, ParseError> {
        if !is_reserved(word) {
            let metric = self.metric()?;
            return Ok((Expr::Read(Need::Series { metric, before: 0 }), self.grown(0)?));
        }
        if let Some(aggregation) = Aggregation::of_word(word) {
            let (of, height) = self.only_argument(depth)?;
            return Ok((Expr::Aggregate { aggregation, of: Box::new(of) }, height));
        }
        if let Some(trend) = Trend::of_word(word) {
            self.open()?;
            let of = self.metric()?;
            self.sign(",")?;
            let range = self.integer()?;
            self.sign(")")?;
            return Ok((Expr::Trend { trend, of, range }, self.grown(0)?));
        }
        let math = match word {
            "abs" => Some(MathFunction::Abs),
            "ceil" => Some(MathFunction::Ceil),
            "floor" => Some(MathFunction::Floor),
            _ => None,
        };
        if let Some(function) = math {
            let (of, height) = self.only_argument(depth)?;
            return Ok((Expr::Math { function, of: Box::new(of) }, height));
        }
        self.function(word, depth)
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

    fn quoted(&mut self) -> Result<String, ParseError> {
        let Some(Kind::Text(text)) = self.peek() else { return Err(self.unexpected("a text in quotes")) };
        self.next += 1;
        Ok(text.to_owned())
    }

    /// The parenthesis behind the name of a function, which is the next token.
    fn open(&mut self) -> Result<(), ParseError> {
        self.next += 1;
        self.sign("(")
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

    fn unexpected(&self, expected: &str) -> ParseError {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(Kind::Word(text) | Kind::Integer(text) | Kind::Decimal(text)) => format!("'{text}'"),
            Some(Kind::Text(text)) => format!("the text '{text}'"),
            Some(Kind::Sign(sign)) => format!("'{sign}'"),
        };
        self.error(format!("expected {expected}, found {found}"))
    }

    /// An error at the next token.
    fn error(&self, message: String) -> ParseError {
        let at = self.tokens.get(self.next).map_or(self.text.len(), |token| token.at);
        ParseError::at(self.text, at, message)
    }
}
