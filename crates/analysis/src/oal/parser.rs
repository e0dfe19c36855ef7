//! Tokens to statements. Names are taken as they come; whether they exist is checked afterwards.

use super::Position;
use super::lexer::{Mistake, Token, tokens};
use super::syntax::{Arg, Attribute, Comparison, Expr, Literal, Metric, Op, Statement};

/// How deep brackets may stand in each other.
const DEEPEST: usize = 32;

/// The statements of one file, and the mistakes in it. What stands between a mistake and the next `;` is passed over.
pub(super) fn parse(text: &str) -> (Vec<Statement>, Vec<Mistake>) {
    let tokens = match tokens(text) {
        Ok(tokens) => tokens,
        Err(mistake) => return (Vec::new(), vec![mistake]),
    };
    let mut parser = Parser { tokens, next: 0 };
    let (mut statements, mut mistakes) = (Vec::new(), Vec::new());
    while *parser.peek() != Token::End {
        if parser.take(";") {
            continue;
        }
        match parser.statement() {
            Ok(statement) => statements.push(statement),
            Err(mistake) => {
                mistakes.push(mistake);
                while !matches!(parser.peek(), Token::End | Token::Symbol(";")) {
                    parser.advance();
                }
            }
        }
    }
    (statements, mistakes)
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
            Statement::Metric(Box::new(self.metric(at, name)?))
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
            filters.push(self.any(0)?);
            self.symbol(")")?;
            self.symbol(".")?;
        }
        let function_at = self.at();
        let function = self.ident("`filter` or a function")?;
        let args = self.args()?;
        let mut decorator = None;
        if self.take(".") {
            self.word("decorator")?;
            self.symbol("(")?;
            let at = self.at();
            let Token::Text(name) = self.peek() else { return self.fail("the decorator's name in quotes") };
            decorator = Some((at, name.clone()));
            self.advance();
            self.symbol(")")?;
        }
        Ok(Metric { at, name, source_at, source, attribute, filters, function_at, function, args, decorator })
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

    /// `or` binds less than `and`. `depth`: brackets that are open.
    fn any(&mut self, depth: usize) -> Result<Expr, Mistake> {
        let first = self.all(depth)?;
        let mut parts = vec![first];
        while self.take_word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(single(parts, Expr::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expr, Mistake> {
        let first = self.unit(depth)?;
        let mut parts = vec![first];
        while self.take_word("and") {
            parts.push(self.unit(depth)?);
        }
        Ok(single(parts, Expr::All))
    }

    fn unit(&mut self, depth: usize) -> Result<Expr, Mistake> {
        if !self.opens_group() {
            return self.comparison().map(Expr::One);
        }
        if depth == DEEPEST {
            return self.fail(&format!("at most {DEEPEST} brackets in each other"));
        }
        self.symbol("(")?;
        let inner = self.any(depth + 1)?;
        self.symbol(")")?;
        Ok(inner)
    }

    /// Whether a bracket opens here that belongs to no cast.
    fn opens_group(&self) -> bool {
        let ahead = |n: usize| self.tokens.get(self.next + n).map(|(_, token)| token);
        let casts = match ahead(1) {
            Some(Token::Ident(word)) if word == "str" => ahead(2) == Some(&Token::Symbol("->")),
            Some(Token::Ident(word)) if word == "long" || word == "int" => ahead(2) == Some(&Token::Symbol(")")),
            _ => false,
        };
        *self.peek() == Token::Symbol("(") && !casts
    }

    fn comparison(&mut self) -> Result<Comparison, Mistake> {
        let left = self.attribute()?;
        match self.op()? {
            Some((at, op)) => {
                let right = if op == Op::In { self.list()? } else { self.literal()? };
                Ok(Comparison { left, op, at, right })
            }
            None => self.fail("`==`, `!=`, `>`, `<`, `>=`, `<=`, `in`, `like`, `contain` or `not contain`"),
        }
    }

    fn op(&mut self) -> Result<Option<(Position, Op)>, Mistake> {
        let at = self.at();
        if self.take_word("not") {
            self.word("contain")?;
            return Ok(Some((at, Op::NotContain)));
        }
        let found = match self.peek() {
            Token::Symbol(name) => *name,
            Token::Ident(name) => name,
            _ => return Ok(None),
        };
        let Some((_, op)) = Op::NAMES.iter().find(|(name, _)| *name == found) else { return Ok(None) };
        self.advance();
        Ok(Some((at, *op)))
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
        let first = self.next;
        if !self.opens_group() {
            let attribute = self.attribute()?;
            if self.op()?.is_none() {
                return Ok(Arg::Attribute(attribute));
            }
            self.next = first;
        }
        Ok(Arg::Condition(at, self.any(0)?))
    }
}

/// One part stands for itself.
fn single(mut parts: Vec<Expr>, several: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 { parts.remove(0) } else { several(parts) }
}
