//! Regular expressions as operators of SkyWalking write them: Java's, matched against the whole text.
//!
//! What both languages have is read by an engine whose time is linear; look-around and back-references take steps instead, and
//! an expression that takes too many matches nothing and says so.

use fancy_regex::{Regex, RegexBuilder};

/// Longest expression, in bytes.
pub const MAX_PATTERN: usize = 4_096;
/// Steps that an expression with look-around or back-references may take for one text.
pub const MAX_STEPS: usize = 100_000;
/// Bytes that a compiled expression may take.
const MAX_SIZE: usize = 1 << 20;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPattern(String);

impl Pattern {
    /// Compiles an expression. It is for the whole text, as Java's `matches`.
    pub fn new(text: &str) -> Result<Pattern, BadPattern> {
        if text.len() > MAX_PATTERN {
            return Err(BadPattern(format!("it has {} bytes, at most {MAX_PATTERN} are allowed", text.len())));
        }
        let own = translated(text);
        // Alone first: a `)` too many must not close the group around it.
        let build = |text: &str| {
            RegexBuilder::new(text)
                .backtrack_limit(MAX_STEPS)
                .delegate_size_limit(MAX_SIZE)
                .build()
                .map_err(|error| BadPattern(error.to_string()))
        };
        build(&own)?;
        build(&format!(r"\A(?:{own})\z")).map(Pattern)
    }

    /// Whether the whole text matches; `None`: it takes too many steps to say.
    pub fn matches(&self, text: &str) -> Option<bool> {
        self.0.is_match(text).ok()
    }
}

/// The same expression in the words of the engine: Java's `\d`, `\w` and `\s` are ASCII, and it quotes with `\Q…\E`.
fn translated(text: &str) -> String {
    let mut own = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            own.push(c);
            continue;
        }
        match rest.next() {
            Some('Q') => {
                let behind = rest.as_str();
                let (quoted, after) = behind.split_once("\\E").unwrap_or((behind, ""));
                own.push_str(&fancy_regex::escape(quoted));
                rest = after.chars();
            }
            Some('d') => own.push_str("[0-9]"),
            Some('D') => own.push_str("[^0-9]"),
            Some('w') => own.push_str("[0-9A-Za-z_]"),
            Some('W') => own.push_str("[^0-9A-Za-z_]"),
            Some('s') => own.push_str(r"[ \t\n\x0B\x0C\r]"),
            Some('S') => own.push_str(r"[^ \t\n\x0B\x0C\r]"),
            Some(other) => own.extend(['\\', other]),
            None => own.push('\\'),
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_is_matched_as_java_does() {
        let all = [
            ("a", "a", true),
            ("a", "ab", false),
            ("a|b", "ab", false),
            ("a|ab", "ab", true),
            (".*", "", true),
            (r"svc-\d+", "svc-12", true),
            (r"svc-\d+", "svc-\u{0661}", false),
            (r"[\w.]+", "a.b_c", true),
            (r"[^\s]+", "a b", false),
            (r"\Qa.b|\E.", "a.b|c", true),
            (r"\Qa.b", "axb", false),
            ("(?i)Order", "oRDER", true),
            ("(?!internal).*", "internal-a", false),
            ("(?!internal).*", "public-a", true),
            (r"(a)-\1", "a-a", true),
            ("a++b", "aab", true),
            ("(?<name>x)y", "xy", true),
            ("^a$", "a", true),
            ("服务.", "服务1", true),
        ];
        for (pattern, text, expected) in all {
            assert_eq!(Pattern::new(pattern).unwrap().matches(text), Some(expected), "{pattern} on {text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for bad in ["(", "a)|(b", "[a", "*", r"\"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
        assert!(Pattern::new(&"a".repeat(MAX_PATTERN + 1)).is_err());
    }

    #[test]
    fn an_expression_that_takes_too_long_says_nothing() {
        let slow = Pattern::new(r"(?:(a+)\1?)+[bc]").unwrap();
        assert_eq!(slow.matches(&"a".repeat(60)), None);
    }
}
