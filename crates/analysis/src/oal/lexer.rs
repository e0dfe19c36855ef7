//! Text to tokens.

use std::iter::Peekable;
use std::str::Chars;

use super::Position;

/// A token. Keywords are identifiers; the parser knows them by where they stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Ident(String),
    Number(String),
    Text(String),
    /// One of [`SYMBOLS`].
    Symbol(&'static str),
    End,
}

impl Token {
    /// The token as an error shows it.
    pub(super) fn show(&self) -> String {
        match self {
            Token::Ident(text) | Token::Number(text) => format!("`{text}`"),
            Token::Text(text) => format!("\"{text}\""),
            Token::Symbol(symbol) => format!("`{symbol}`"),
            Token::End => "the end of the file".to_owned(),
        }
    }
}

/// Longer ones first, so that `>=` is not read as `>` and `=`.
const SYMBOLS: [&str; 16] = ["->", "==", "!=", ">=", "<=", "=", ">", "<", "(", ")", "[", "]", ".", ",", ";", "*"];

/// A mistake: where, and what.
pub(super) type Mistake = (Position, String);

/// All tokens with their positions, [`Token::End`] last. Comments (`//`, `/* */`) are left out.
pub(super) fn tokens(text: &str) -> Result<Vec<(Position, Token)>, Mistake> {
    let mut lexer = Lexer { chars: text.chars().peekable(), at: Position { line: 1, column: 1 } };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank()?;
        let at = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((at, token));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    at: Position,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        if c == '\n' {
            self.at = Position { line: self.at.line.saturating_add(1), column: 1 };
        } else {
            self.at.column = self.at.column.saturating_add(1);
        }
        Some(c)
    }

    fn second(&self) -> Option<char> {
        self.chars.clone().nth(1)
    }

    fn skip_blank(&mut self) -> Result<(), Mistake> {
        loop {
            match self.chars.peek().copied() {
                Some(c) if c.is_whitespace() || c == '\u{feff}' => {
                    self.next();
                }
                Some('/') if self.second() == Some('/') => while !matches!(self.next(), None | Some('\n')) {},
                Some('/') if self.second() == Some('*') => self.skip_block()?,
                _ => return Ok(()),
            }
        }
    }

    fn skip_block(&mut self) -> Result<(), Mistake> {
        let start = self.at;
        self.next();
        self.next();
        let mut star = false;
        while let Some(c) = self.next() {
            if star && c == '/' {
                return Ok(());
            }
            star = c == '*';
        }
        Err((start, "expected `*/` to end this comment, found the end of the file".to_owned()))
    }

    fn token(&mut self) -> Result<Token, Mistake> {
        let at = self.at;
        let Some(&c) = self.chars.peek() else { return Ok(Token::End) };
        if c.is_ascii_alphabetic() || c == '_' {
            return Ok(Token::Ident(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_')));
        }
        if c.is_ascii_digit() || (c == '-' && self.second().is_some_and(|c| c.is_ascii_digit())) {
            return Ok(self.number());
        }
        if c == '"' {
            return self.text();
        }
        let rest = self.chars.clone();
        for symbol in SYMBOLS {
            if rest.clone().take(symbol.len()).eq(symbol.chars()) {
                symbol.chars().for_each(|_| {
                    self.next();
                });
                return Ok(Token::Symbol(symbol));
            }
        }
        Err((at, format!("expected a name, a number, a text or a sign, found `{c}`")))
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(&c) = self.chars.peek()
            && keep(c)
        {
            taken.push(c);
            self.next();
        }
        taken
    }

    fn number(&mut self) -> Token {
        let mut text = String::new();
        if self.chars.peek() == Some(&'-') {
            text.extend(self.next());
        }
        text.push_str(&self.take_while(|c| c.is_ascii_digit()));
        if self.chars.peek() == Some(&'.') && self.second().is_some_and(|c| c.is_ascii_digit()) {
            text.extend(self.next());
            text.push_str(&self.take_while(|c| c.is_ascii_digit()));
        }
        Token::Number(text)
    }

    fn text(&mut self) -> Result<Token, Mistake> {
        let start = self.at;
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(Token::Text(text)),
                Some('\\') => text.extend(self.next()),
                None | Some('\n') => {
                    return Err((start, "expected `\"` to end this text, found the end of the line".to_owned()));
                }
                Some(c) => text.push(c),
            }
        }
    }
}
