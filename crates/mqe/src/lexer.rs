//! Text to tokens. The longest match wins, as in the original grammar: `top_n_of` is one word, `12ab` too.

use crate::error::{ParseError, Place};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// Letters, digits and `_`: a name, a function or another word of the language.
    Word(&'a str),
    /// Digits only.
    Integer(&'a str),
    /// A number with a fraction or an exponent.
    Decimal(&'a str),
    /// What stands between quotes.
    Text(&'a str),
    /// An operator or another sign.
    Sign(&'static str),
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) place: Place,
}

/// Longer signs first, so that the longest matches.
const SIGNS: [&str; 22] = [
    "==", "!=", "<=", ">=", "&&", "||", ".", ",", "(", ")", "[", "]", "{", "}", "=", "-", "+", "*", "/", "%", "<", ">",
];

/// All tokens of a text. Fails at the first character that begins none, and at a quote that is never closed: this looks
/// at the whole text, also behind the end of the expression.
pub(crate) fn lex(text: &str) -> Result<Vec<Token<'_>>, ParseError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let start = text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let wrong = |message| ParseError::at(text, Place { start, end: start + first.len_utf8() }, message);
        let (kind, length) = match first {
            '\'' | '"' => {
                quoted(rest, first).ok_or_else(|| wrong(format!("a text begins with {first} and does not end")))?
            }
            _ if is_word(first) => word_or_number(rest),
            _ => sign(rest).ok_or_else(|| wrong(format!("{} means nothing here", shown(first))))?,
        };
        tokens.push(Token { kind, place: Place { start, end: start + length } });
        rest = rest.split_at(length).1;
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn shown(c: char) -> String {
    if c.is_control() { format!("the character {:?}", c) } else { format!("'{c}'") }
}

fn sign(rest: &str) -> Option<(Kind<'_>, usize)> {
    let one = SIGNS.into_iter().find(|sign| rest.starts_with(sign))?;
    Some((Kind::Sign(one), one.len()))
}

fn quoted(rest: &str, quote: char) -> Option<(Kind<'_>, usize)> {
    let (inside, _) = rest.strip_prefix(quote)?.split_once(quote)?;
    Some((Kind::Text(inside), inside.len() + 2))
}

fn word_or_number(rest: &str) -> (Kind<'_>, usize) {
    let word = prefix(rest, is_word);
    let digits = prefix(rest, |c| c.is_ascii_digit());
    if digits.is_empty() {
        return (Kind::Word(word), word.len());
    }
    let mut length = digits.len();
    let mut fraction = 0;
    if let Some(behind) = rest.split_at(length).1.strip_prefix('.') {
        fraction = prefix(behind, |c| c.is_ascii_digit()).len();
        length += if fraction > 0 { 1 + fraction } else { 0 };
    }
    let exponent = exponent(rest.split_at(length).1);
    length += exponent;
    let number = rest.split_at(length).0;
    if fraction > 0 || exponent > 0 {
        (Kind::Decimal(number), length)
    } else if word.len() > length {
        (Kind::Word(word), word.len())
    } else {
        (Kind::Integer(number), length)
    }
}

/// Length of `e3`, `E+3` or `e-3` at the beginning, 0 if there is none. `e3x` is none: that is a name.
fn exponent(rest: &str) -> usize {
    let Some(behind) = rest.strip_prefix(['e', 'E']) else { return 0 };
    let unsigned = behind.strip_prefix(['+', '-']).unwrap_or(behind);
    let digits = prefix(unsigned, |c| c.is_ascii_digit());
    if digits.is_empty() || prefix(unsigned, is_word) != digits {
        return 0;
    }
    rest.len() - unsigned.len() + digits.len()
}

fn prefix(text: &str, belongs: impl Fn(char) -> bool) -> &str {
    text.split(|c| !belongs(c)).next().unwrap_or_default()
}
