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

/// All tokens with their positions, [`Token::End`] last. Comments (`//`, and `/* */` with others in them) are left out.
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

    /// A comment ends where all that began in it have ended; where one of those never ends, at the first end there is.
    fn skip_block(&mut self) -> Result<(), Mistake> {
        let start = self.at;
        let ends = Self::block(self.chars.clone());
        let Some(n) = ends else {
            return Err((start, "expected `*/` to end this comment, found the end of the file".to_owned()));
        };
        (0..n).for_each(|_| {
            self.next();
        });
        Ok(())
    }

    /// How many characters the comment has that begins here; `None` where it has no end.
    fn block(chars: impl Iterator<Item = char>) -> Option<usize> {
        let (mut depth, mut first_end, mut before) = (0u32, None, ' ');
        for (n, c) in chars.enumerate() {
            match (before, c) {
                ('/', '*') => depth += 1,
                ('*', '/') => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(n + 1);
                    }
                    first_end = first_end.or(Some(n + 1));
                }
                _ => {
                    before = c;
                    continue;
                }
            }
            // A sign belongs to one pair only: `/*/` does not end what it begins.
            before = ' ';
        }
        first_end
    }

    fn token(&mut self) -> Result<Token, Mistake> {
        let at = self.at;
        let Some(&c) = self.chars.peek() else { return Ok(Token::End) };
        if is_letter(c) {
            return Ok(Token::Ident(self.take_while(|c| is_letter(c) || c.is_ascii_digit())));
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

    /// Digits may be parted: `1_000`.
    fn number(&mut self) -> Token {
        let mut text = String::new();
        if self.chars.peek() == Some(&'-') {
            text.extend(self.next());
        }
        text.push_str(&self.take_while(|c| c.is_ascii_digit() || c == '_').replace('_', ""));
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
            let at = self.at;
            match self.next() {
                Some('"') => return Ok(Token::Text(text)),
                Some('\\') => text.push(self.escaped(at)?),
                None | Some('\n') => {
                    return Err((start, "expected `\"` to end this text, found the end of the line".to_owned()));
                }
                Some(c) => text.push(c),
            }
        }
    }

    /// The character that stands behind a backslash at `at`.
    fn escaped(&mut self, at: Position) -> Result<char, Mistake> {
        const KNOWN: &str =
            "expected `\\b`, `\\t`, `\\n`, `\\f`, `\\r`, `\\\"`, `\\'`, `\\\\` or `\\u` and four digits";
        let found = self.next();
        Ok(match found {
            Some('b') => '\u{8}',
            Some('t') => '\t',
            Some('n') => '\n',
            Some('f') => '\u{c}',
            Some('r') => '\r',
            Some(c @ ('"' | '\'' | '\\')) => c,
            Some('u') => {
                let digits = (0..4).map_while(|_| self.next()).filter(char::is_ascii_hexdigit).collect::<String>();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                code.and_then(char::from_u32).ok_or_else(|| (at, format!("{KNOWN}, found `\\u{digits}`")))?
            }
            Some(c) => return Err((at, format!("{KNOWN}, found `\\{}`", c.escape_debug()))),
            None => return Err((at, format!("{KNOWN}, found the end of the file"))),
        })
    }
}

/// Names are written in the letters of any language, `_` and `$`.
fn is_letter(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}
