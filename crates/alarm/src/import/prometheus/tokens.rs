//! The words of PromQL.

/// What is not understood: where, as the number of characters in front of it, and why.
pub(super) type Refused = (usize, String);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Number(String),
    /// Digits with a unit: `1h30m`.
    Duration(String),
    Text(String),
    Sign(&'static str),
}

impl Token {
    pub(super) fn shown(&self) -> String {
        match self {
            Token::Word(text) | Token::Number(text) | Token::Duration(text) => text.clone(),
            Token::Text(text) => format!("{text:?}"),
            Token::Sign(sign) => (*sign).to_owned(),
        }
    }
}

const SIGNS: [&str; 24] = [
    "==", "!=", ">=", "<=", "=~", "!~", "(", ")", "{", "}", "[", "]", ",", ":", "=", ">", "<", "+", "-", "*", "/", "%",
    "^", "@",
];

/// The tokens of an expression, each with the number of characters in front of it.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Refused> {
    let chars: Vec<char> = text.chars().collect();
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some(&c) = chars.get(at) {
        let rest = chars.get(at..).unwrap_or_default();
        let run = |is: fn(char) -> bool| rest.iter().copied().take_while(|c| is(*c)).collect::<String>();
        let (token, n) = match c {
            _ if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '#' => {
                at += rest.iter().take_while(|c| **c != '\n').count();
                continue;
            }
            '"' | '\'' => {
                quoted(rest).ok_or((at, "this text has no end, or an escape that is not known".to_owned()))?
            }
            _ if c.is_ascii_digit() || c == '.' => {
                let word = run(|c| c.is_ascii_alphanumeric() || c == '.');
                let n = word.chars().count();
                let is_number = word.parse::<f64>().is_ok();
                (if is_number { Token::Number(word) } else { Token::Duration(word) }, n)
            }
            _ if c.is_ascii_alphabetic() || c == '_' => {
                let word = run(|c| c.is_ascii_alphanumeric() || c == '_');
                let n = word.chars().count();
                (Token::Word(word), n)
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.iter().copied().take(sign.len()).eq(sign.chars()));
                let sign = sign.ok_or_else(|| (at, format!("{c:?} is not understood")))?;
                (Token::Sign(sign), sign.len())
            }
        };
        all.push((at, token));
        at += n;
    }
    Ok(all)
}

/// A text in quotes, and how many characters it takes.
fn quoted(chars: &[char]) -> Option<(Token, usize)> {
    let (quote, mut text, mut at) = (*chars.first()?, String::new(), 1);
    loop {
        match *chars.get(at)? {
            c if c == quote => return Some((Token::Text(text), at + 1)),
            '\\' => {
                text.push(match chars.get(at + 1)? {
                    'n' => '\n',
                    't' => '\t',
                    c @ ('\\' | '"' | '\'') => *c,
                    _ => return None,
                });
                at += 2;
            }
            c => {
                text.push(c);
                at += 1;
            }
        }
    }
}
