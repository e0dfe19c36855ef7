//! Reads matching rules.

use super::rule::{Comparison, Condition, Expr, Field, Method, Rule, Side, Statement, Type};

/// How deep a rule may nest.
const MAX_DEPTH: usize = 32;

/// A word, a literal or a sign, and the column where it begins.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(i64),
    Sign(&'static str),
    End,
}

impl Token {
    fn describe(&self) -> String {
        match self {
            Token::Word(word) => format!("`{word}`"),
            Token::Text(text) => format!("'{text}'"),
            Token::Number(number) => format!("`{number}`"),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => "the end".to_owned(),
        }
    }
}

/// Longer ones first.
const SIGNS: [&str; 20] =
    ["->", "==", "!=", "&&", "||", ">=", "<=", ">", "<", "!", ".", ",", ";", "(", ")", "{", "}", "+", "-", "="];

/// Reads a rule.
///
/// # Errors
/// What was expected and what was found, with the column (from 1) in the text.
pub(crate) fn rule(text: &str) -> Result<Rule, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, upper: String::new(), lower: String::new(), depth: 0 };
    parser.rule()
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let column = text.chars().count() - rest.chars().count() + 1;
        let Some(first) = rest.chars().next() else {
            found.push((column, Token::End));
            return Ok(found);
        };
        let split = |end: usize| rest.split_at_checked(end).expect("the end lies between two characters");
        let (token, after) = if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
            continue;
        } else if first.is_ascii_alphabetic() || first == '_' {
            let (word, after) =
                split(rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len()));
            (Token::Word(word.to_owned()), after)
        } else if first.is_ascii_digit() {
            let (digits, after) = split(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
            let number = digits.parse::<i32>().map_err(|_| format!("column {column}: `{digits}` is too large"))?;
            (Token::Number(number.into()), after)
        } else if first == '\'' || first == '"' {
            let (literal, after) =
                literal(rest, first).ok_or_else(|| format!("column {column}: a text without end"))?;
            (Token::Text(literal), after)
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Token::Sign(sign), split(sign.len()).1)
        } else {
            return Err(format!("column {column}: `{first}` has no meaning here"));
        };
        found.push((column, token));
        rest = after;
    }
}

/// A text in quotes, and what follows it.
fn literal(text: &str, quote: char) -> Option<(String, &str)> {
    let mut literal = String::new();
    let mut chars = text.chars();
    chars.next();
    loop {
        match chars.next()? {
            '\\' => literal.push(match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            '\n' => return None,
            end if end == quote => return Some((literal, chars.as_str())),
            other => literal.push(other),
        }
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    upper: String,
    lower: String,
    depth: usize,
}

impl Parser {
    fn rule(&mut self) -> Result<Rule, String> {
        self.expect("{")?;
        self.expect("(")?;
        self.upper = self.word("the name of the upper service")?;
        self.expect(",")?;
        self.lower = self.word("the name of the lower service")?;
        if self.upper == self.lower {
            return Err(self.problem("the two services have the same name"));
        }
        self.expect(")")?;
        self.expect("->")?;
        let is_statement = |token: &Token| matches!(token, Token::Word(word) if word == "if" || word == "return");
        let body = if *self.peek() == Token::Sign("{") {
            self.block()?
        } else if is_statement(self.peek()) {
            self.statements()?
        } else {
            vec![Statement::Return(self.condition()?)]
        };
        self.expect("}")?;
        match self.peek() {
            Token::End => Ok(Rule { body }),
            _ => Err(self.unexpected("the end")),
        }
    }

    /// Counts how deep the text nests; [`Parser::leave`] belongs to it.
    fn enter(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.problem(&format!("nested deeper than {MAX_DEPTH}"))) } else { Ok(()) }
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    fn block(&mut self) -> Result<Vec<Statement>, String> {
        self.expect("{")?;
        self.enter()?;
        let body = self.statements()?;
        self.leave();
        self.expect("}")?;
        Ok(body)
    }

    fn statements(&mut self) -> Result<Vec<Statement>, String> {
        let mut body = Vec::new();
        while *self.peek() != Token::Sign("}") {
            body.push(self.statement()?);
            while self.take(";") {}
        }
        if body.is_empty() { Err(self.unexpected("`if` or `return`")) } else { Ok(body) }
    }

    fn statement(&mut self) -> Result<Statement, String> {
        if self.take_word("return") {
            return self.condition().map(Statement::Return);
        }
        if !self.take_word("if") {
            return Err(self.unexpected("`if` or `return`"));
        }
        let mut branches = Vec::new();
        loop {
            self.expect("(")?;
            let condition = self.condition()?;
            self.expect(")")?;
            branches.push((condition, self.branch()?));
            if !self.take_word("else") {
                return Ok(Statement::If(branches, Vec::new()));
            }
            if !self.take_word("if") {
                return Ok(Statement::If(branches, self.branch()?));
            }
        }
    }

    fn branch(&mut self) -> Result<Vec<Statement>, String> {
        if *self.peek() == Token::Sign("{") {
            return self.block();
        }
        self.enter()?;
        let statement = self.statement()?;
        self.leave();
        while self.take(";") {}
        Ok(vec![statement])
    }

    fn condition(&mut self) -> Result<Condition, String> {
        let mut left = self.all()?;
        while self.take("||") {
            left = Condition::Or(Box::new(left), Box::new(self.all()?));
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut left = self.one()?;
        while self.take("&&") {
            left = Condition::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Condition, String> {
        self.enter()?;
        let condition = if self.take("!") {
            Condition::Not(Box::new(self.one()?))
        } else if self.take("(") {
            let inner = self.condition()?;
            self.expect(")")?;
            inner
        } else {
            self.comparison()?
        };
        self.leave();
        Ok(condition)
    }

    fn comparison(&mut self) -> Result<Condition, String> {
        let column = self.column();
        let left = self.expr()?;
        let comparison = match self.peek() {
            Token::Sign("==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::Unequal,
            Token::Sign("<") => Comparison::Less,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            _ if left.ty() == Type::Truth => return Ok(Condition::Value(left)),
            _ => return Err(format!("column {column}: {} is no condition", left.ty().name())),
        };
        self.at += 1;
        let right = self.expr()?;
        let has_order = !matches!(comparison, Comparison::Equal | Comparison::Unequal);
        if left.ty() != right.ty() || (has_order && left.ty() != Type::Number) {
            let (left, right) = (left.ty().name(), right.ty().name());
            return Err(format!("column {column}: {left} and {right} cannot be compared this way"));
        }
        Ok(Condition::Compare(comparison, left, right))
    }

    fn expr(&mut self) -> Result<Expr, String> {
        self.enter()?;
        let column = self.column();
        let mut left = self.primary()?;
        loop {
            let is_sum = match self.peek() {
                Token::Sign("+") => true,
                Token::Sign("-") => false,
                _ => break,
            };
            self.at += 1;
            let right = self.primary()?;
            let fits = left.ty() == right.ty() && (left.ty() == Type::Number || (is_sum && left.ty() == Type::Text));
            if !fits {
                let (left, right) = (left.ty().name(), right.ty().name());
                return Err(format!("column {column}: {left} and {right} cannot be added or subtracted"));
            }
            let (l, r) = (Box::new(left), Box::new(right));
            left = if is_sum { Expr::Add(l, r) } else { Expr::Subtract(l, r) };
        }
        self.leave();
        Ok(left)
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let column = self.column();
        match self.next() {
            Token::Text(text) => Ok(Expr::Text(text)),
            Token::Number(number) => Ok(Expr::Number(number)),
            Token::Sign("-") => match self.next() {
                Token::Number(number) => Ok(Expr::Number(-number)),
                _ => Err(format!("column {column}: `-` without a number")),
            },
            Token::Word(word) if word == "true" || word == "false" => Ok(Expr::Truth(word == "true")),
            Token::Word(word) if word == self.upper => self.chain(Side::Upper),
            Token::Word(word) if word == self.lower => self.chain(Side::Lower),
            other => {
                let (upper, lower) = (&self.upper, &self.lower);
                Err(format!(
                    "column {column}: expected a text, a number, `{upper}.…` or `{lower}.…`, found {}",
                    other.describe()
                ))
            }
        }
    }

    /// A service's field, and the methods that are called on it.
    fn chain(&mut self, side: Side) -> Result<Expr, String> {
        self.expect(".")?;
        let column = self.column();
        let field = self.word("`name` or `shortName`")?;
        let mut expr = match field.as_str() {
            "name" => Expr::Field(side, Field::Name),
            "shortName" => Expr::Field(side, Field::ShortName),
            other => return Err(format!("column {column}: services have a `name` and a `shortName`, no `{other}`")),
        };
        while self.take(".") {
            expr = self.call(expr)?;
        }
        Ok(expr)
    }

    fn call(&mut self, on: Expr) -> Result<Expr, String> {
        let column = self.column();
        let name = self.word("a method")?;
        let method = Method::by_name(&name).ok_or_else(|| format!("column {column}: texts have no method `{name}`"))?;
        if on.ty() != Type::Text {
            return Err(format!("column {column}: `{name}` is a method of texts, not of {}", on.ty().name()));
        }
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.take(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(self.expr()?);
        }
        let takes = method.takes();
        let fit = arguments.iter().map(Expr::ty).zip(takes).all(|(given, taken)| given == *taken);
        if !fit || !(method.needs()..=takes.len()).contains(&arguments.len()) {
            let takes: Vec<&str> = takes.iter().map(|ty| ty.name()).collect();
            let takes = if takes.is_empty() { "nothing".to_owned() } else { takes.join(" and ") };
            return Err(format!("column {column}: `{name}` takes {takes}"));
        }
        Ok(Expr::Call(Box::new(on), method, arguments))
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(_, token)| token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(column, _)| *column)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn take(&mut self, sign: &'static str) -> bool {
        let found = *self.peek() == Token::Sign(sign);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(own) if own == word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn word(&mut self, what: &str) -> Result<String, String> {
        match self.peek().clone() {
            Token::Word(word) => {
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.unexpected(what)),
        }
    }

    fn unexpected(&self, expected: &str) -> String {
        self.problem(&format!("expected {expected}, found {}", self.peek().describe()))
    }

    fn problem(&self, what: &str) -> String {
        format!("column {}: {what}", self.column())
    }
}
