//! Numbers that an expression names instead of writing them: `avg(service_resp_time) > $threshold`.
//!
//! They are written into the text before it is parsed, so that an expression with its numbers is one like any other, and places in
//! it are told as places of what the operator wrote.

use std::collections::BTreeMap;

/// An expression with its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The text to parse.
    pub text: String,
    /// Bytes of the text and the bytes of the source that they stand for, where a number was written.
    written: Vec<([usize; 2], [usize; 2])>,
}

/// A name that has no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("${name} has no number")]
pub struct Unbound {
    /// The name, without the sign in front.
    pub name: String,
    /// Its first byte: that of the sign.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
}

impl Bound {
    /// The bytes of the source that some bytes of the text stand for.
    pub fn source(&self, start: usize, end: usize) -> [usize; 2] {
        let (mut begins, mut ends) = (start, end);
        for &([from, to], [source_from, source_to]) in &self.written {
            if start >= to {
                begins = start - to + source_to;
            } else if start >= from {
                begins = source_from;
            }
            if end >= to {
                ends = end - to + source_to;
            } else if end > from {
                ends = source_to;
            }
        }
        [begins, ends]
    }
}

/// The names that a text uses, each as often as it does, with their first bytes and the bytes behind them.
pub fn names(text: &str) -> Vec<(&str, usize, usize)> {
    let mut found = Vec::new();
    let mut quote = None;
    for (start, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '$') => {
                let behind = text.get(start + 1..).unwrap_or_default();
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = behind.find(|c| !is_part(c)).unwrap_or(behind.len());
                let name = behind.split_at(end).0;
                if !name.is_empty() {
                    found.push((name, start, start + 1 + end));
                }
            }
            (None, _) => {}
        }
    }
    found
}

/// Writes the numbers in the place of their names. `Err`: the first name that has none.
pub fn bind(text: &str, variables: &BTreeMap<String, f64>) -> Result<Bound, Unbound> {
    let mut bound = Bound { text: String::with_capacity(text.len()), written: Vec::new() };
    let mut done = 0;
    for (name, start, end) in names(text) {
        let Some(number) = variables.get(name) else { return Err(Unbound { name: name.to_owned(), start, end }) };
        bound.text.push_str(text.get(done..start).unwrap_or_default());
        let from = bound.text.len();
        let shown = number.to_string();
        bound.text.push_str(&if *number < 0.0 { format!("({shown})") } else { shown });
        bound.written.push(([from, bound.text.len()], [start, end]));
        done = end;
    }
    bound.text.push_str(text.get(done..).unwrap_or_default());
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_where_their_names_stood_and_places_are_those_of_the_source() {
        let variables = [("limit".to_owned(), 1500.5), ("n".to_owned(), -2.0)].into();
        let source = "avg(m{a='$n'}) > $limit && x > $n";
        let bound = bind(source, &variables).unwrap();
        assert_eq!(bound.text, "avg(m{a='$n'}) > 1500.5 && x > (-2)");
        let told = |part: &str| {
            let start = bound.text.find(part).unwrap();
            let [from, to] = bound.source(start, start + part.len());
            source.get(from..to).unwrap().to_owned()
        };
        assert_eq!(told("avg(m"), "avg(m");
        assert_eq!(told("1500.5"), "$limit");
        assert_eq!(told("500"), "$limit", "a part of a number is all of its name");
        assert_eq!(told("x > (-2)"), "x > $n");
        assert_eq!(told("&& x"), "&& x");
    }

    #[test]
    fn a_name_without_a_number_is_told() {
        let unbound = bind("a > $b", &BTreeMap::new()).unwrap_err();
        assert_eq!((unbound.name.as_str(), unbound.start, unbound.end), ("b", 4, 6));
        assert_eq!(bind("a > $", &BTreeMap::new()).unwrap().text, "a > $", "the parser says what is wrong with it");
    }
}
