//! Tokens to statements. Names are taken as they come; whether they exist is checked afterwards.

use super::Position;
use super::lexer::{Mistake, Token, tokens};

/// One statement.
#[derive(Debug)]
pub(super) enum Statement {
    Metric(Metric),
    Disable { name: String },
}

/// `name = from(…)…;`
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) at: Position,
    pub(super) name: String,
    pub(super) source_at: Position,
    pub(super) source: String,
    /// `None` for `*`.
    pub(super) attribute: Option<Attribute>,
    pub(super) filters: Vec<Comparison>,
    pub(super) function_at: Position,
    pub(super) function: String,
    pub(super) args: Vec<Arg>,
    pub(super) decorated: bool,
}

/// `(str->long)sideCar.x` or `tag["key"]`.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) at: Position,
    pub(super) cast: bool,
    /// With its dots.
    pub(super) path: String,
    pub(super) key: Option<String>,
}

/// How two sides are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Like,
    In,
    Contain,
    NotContain,
}

/// `attribute op value`
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) left: Attribute,
    pub(super) op: Op,
    pub(super) at: Position,
    pub(super) right: Literal,
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    /// `RequestType.MQ`
    Constant(String, String),
    List(Vec<Literal>),
}

/// An argument of a function.
#[derive(Debug)]
pub(super) enum Arg {
    Condition(Comparison),
    Attribute(Attribute),
    Literal(Position, Literal),
}

impl Arg {
    pub(super) fn at(&self) -> Position {
        match self {
            Arg::Condition(c) => c.left.at,
            Arg::Attribute(a) => a.at,
            Arg::Literal(at, _) => *at,
        }
    }
}

/// The statements of one file, or the first mistake in it.
pub(super) fn parse(text: &str) -> Result<Vec<Statement>, Mistake> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0 };
    let mut statements = Vec::new();
    while *parser.peek() != Token::End {
        if parser.take(";") {
            continue;
        }
        statements.push(parser.statement()?);
    }
    Ok(statements)
}

struct Parser {
    /// Never empty: the end is a token.
    tokens: Vec<(Position, Token)>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn at(&self) -> Position {
        self.tokens[self.next].0
    }

    fn advance(&mut self) -> Token {
        let token = self.tokens[self.next].1.clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn take(&mut self, symbol: &'static str) -> bool {
        let found = *self.peek() == Token::Symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Ident(name) if name == word);
        if found {
            self.advance();
        }
        found
    }

    fn fail<T>(&self, expected: &str) -> Result<T, Mistake> {
        Err((self.at(), format!("expected {expected}, found {}", self.peek().show())))
    }

    fn symbol(&mut self, symbol: &'static str) -> Result<(), Mistake> {
        if self.take(symbol) { Ok(()) } else { self.fail(&format!("`{symbol}`")) }
    }

    fn word(&mut self, word: &str) -> Result<(), Mistake> {
        if self.take_word(word) { Ok(()) } else { self.fail(&format!("`{word}`")) }
    }

    fn ident(&mut self, what: &str) -> Result<String, Mistake> {
        if let Token::Ident(name) = self.peek() {
            let name = name.clone();
            self.advance();
            return Ok(name);
        }
        self.fail(what)
    }

    fn statement(&mut self) -> Result<Statement, Mistake> {
        let at = self.at();
        let name = self.ident("a metric's name or `disable`")?;
        let statement = if name == "disable" && *self.peek() == Token::Symbol("(") {
            self.advance();
            let name = self.ident("the name of what is disabled")?;
            self.symbol(")")?;
            Statement::Disable { name }
        } else {
            Statement::Metric(self.metric(at, name)?)
        };
        if *self.peek() != Token::End {
            self.symbol(";")?;
        }
        Ok(statement)
    }

    fn metric(&mut self, at: Position, name: String) -> Result<Metric, Mistake> {
        self.symbol("=")?;
        self.word("from")?;
        self.symbol("(")?;
        let cast = self.cast()?;
        let source_at = self.at();
        let source = self.ident("a source")?;
        self.symbol(".")?;
        let attribute = if self.take("*") { None } else { Some(self.path(cast)?) };
        self.symbol(")")?;
        let mut filters = Vec::new();
        self.symbol(".")?;
        while self.take_word("filter") {
            self.symbol("(")?;
            filters.push(self.comparison()?);
            self.symbol(")")?;
            self.symbol(".")?;
        }
        let function_at = self.at();
        let function = self.ident("`filter` or a function")?;
        let args = self.args()?;
        let mut decorated = false;
        if self.take(".") {
            self.word("decorator")?;
            self.symbol("(")?;
            if !matches!(self.advance(), Token::Text(_)) {
                self.next -= 1;
                return self.fail("the decorator's name in quotes");
            }
            self.symbol(")")?;
            decorated = true;
        }
        Ok(Metric { at, name, source_at, source, attribute, filters, function_at, function, args, decorated })
    }

    /// `(str->long)`, `(str->int)`, `(long)`, `(int)`: all make a whole number of a text.
    fn cast(&mut self) -> Result<bool, Mistake> {
        if !self.take("(") {
            return Ok(false);
        }
        if self.take_word("str") {
            self.symbol("->")?;
        }
        if !self.take_word("long") && !self.take_word("int") {
            return self.fail("`long` or `int`");
        }
        self.symbol(")")?;
        Ok(true)
    }

    fn attribute(&mut self) -> Result<Attribute, Mistake> {
        let cast = self.cast()?;
        self.path(cast)
    }

    fn path(&mut self, cast: bool) -> Result<Attribute, Mistake> {
        let at = self.at();
        let mut path = self.ident("an attribute")?;
        let mut key = None;
        loop {
            if self.take(".") {
                path.push('.');
                path.push_str(&self.ident("an attribute")?);
            } else if self.take("[") {
                let Token::Text(text) = self.peek() else { return self.fail("a key in quotes") };
                key = Some(text.clone());
                self.advance();
                self.symbol("]")?;
                break;
            } else {
                break;
            }
        }
        Ok(Attribute { at, cast, path, key })
    }

    fn comparison(&mut self) -> Result<Comparison, Mistake> {
        let left = self.attribute()?;
        match self.op()? {
            Some((at, op)) => self.right(left, at, op),
            None => self.fail("`==`, `!=`, `>`, `<`, `>=`, `<=`, `in`, `like`, `contain` or `not contain`"),
        }
    }

    fn right(&mut self, left: Attribute, at: Position, op: Op) -> Result<Comparison, Mistake> {
        let right = if op == Op::In { self.list()? } else { self.literal()? };
        Ok(Comparison { left, op, at, right })
    }

    fn op(&mut self) -> Result<Option<(Position, Op)>, Mistake> {
        let at = self.at();
        let op = match self.peek() {
            Token::Symbol("==") => Op::Equal,
            Token::Symbol("!=") => Op::NotEqual,
            Token::Symbol(">") => Op::Greater,
            Token::Symbol("<") => Op::Less,
            Token::Symbol(">=") => Op::GreaterEqual,
            Token::Symbol("<=") => Op::LessEqual,
            Token::Ident(word) if word == "like" => Op::Like,
            Token::Ident(word) if word == "in" => Op::In,
            Token::Ident(word) if word == "contain" => Op::Contain,
            Token::Ident(word) if word == "not" => {
                self.advance();
                self.word("contain")?;
                return Ok(Some((at, Op::NotContain)));
            }
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some((at, op)))
    }

    fn list(&mut self) -> Result<Literal, Mistake> {
        self.symbol("[")?;
        let mut values = vec![self.literal()?];
        while self.take(",") {
            values.push(self.literal()?);
        }
        self.symbol("]")?;
        Ok(Literal::List(values))
    }

    fn literal(&mut self) -> Result<Literal, Mistake> {
        let literal = match self.peek() {
            Token::Number(text) => Literal::Number(text.clone()),
            Token::Text(text) => Literal::Text(text.clone()),
            Token::Ident(word) if word == "null" => Literal::Null,
            Token::Ident(word) if word == "true" => Literal::Bool(true),
            Token::Ident(word) if word == "false" => Literal::Bool(false),
            Token::Ident(_) => {
                let set = self.ident("a value")?;
                self.symbol(".")?;
                return Ok(Literal::Constant(set, self.ident("a constant")?));
            }
            _ => return self.fail("a value: a number, a text in quotes, `true`, `false`, `null` or a constant"),
        };
        self.advance();
        Ok(literal)
    }

    fn args(&mut self) -> Result<Vec<Arg>, Mistake> {
        self.symbol("(")?;
        let mut args = Vec::new();
        if self.take(")") {
            return Ok(args);
        }
        loop {
            args.push(self.arg()?);
            if self.take(")") {
                return Ok(args);
            }
            if !self.take(",") {
                return self.fail("`,` or `)`");
            }
        }
    }

    fn arg(&mut self) -> Result<Arg, Mistake> {
        let at = self.at();
        let is_literal = match self.peek() {
            Token::Number(_) | Token::Text(_) => true,
            Token::Ident(word) => matches!(word.as_str(), "true" | "false" | "null"),
            _ => false,
        };
        if is_literal {
            return Ok(Arg::Literal(at, self.literal()?));
        }
        let left = self.attribute()?;
        match self.op()? {
            Some((at, op)) => Ok(Arg::Condition(self.right(left, at, op)?)),
            None => Ok(Arg::Attribute(left)),
        }
    }
}
