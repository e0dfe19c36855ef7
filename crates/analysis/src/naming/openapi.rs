//! Grouping by OpenAPI definitions: the paths of an interface are the endpoints of its service (analysis 2.9.1).

use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// What `x-sw-endpoint-name-match-rule` and `x-sw-endpoint-name-format` are where a definition does not say.
const DEFAULT_FORM: &str = "${METHOD}:${PATH}";
/// What of a path's description is a method.
const METHODS: [(&str, &str); 8] = [
    ("get", "GET"),
    ("post", "POST"),
    ("put", "PUT"),
    ("delete", "DELETE"),
    ("trace", "TRACE"),
    ("options", "OPTIONS"),
    ("head", "HEAD"),
    ("patch", "PATCH"),
];
/// What in a match rule would ask for a regular expression.
const REGEX: [char; 9] = ['(', ')', '[', ']', '|', '*', '+', '?', '\\'];

/// What grouping needs of an OpenAPI definition, of any version that has `paths`. Everything else in it is passed over.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Definition {
    /// The service whose endpoints these are; the name of the file's folder where it is not given.
    #[serde(rename = "x-sw-service-name", default)]
    pub service: Option<String>,
    /// How agents name the endpoint, with `${METHOD}` and `${PATH}` in it.
    #[serde(rename = "x-sw-endpoint-name-match-rule", default)]
    pub match_rule: Option<String>,
    /// How it is to be named, with the same.
    #[serde(rename = "x-sw-endpoint-name-format", default)]
    pub format: Option<String>,
    /// Methods by path, in the order of the file.
    #[serde(default)]
    pub paths: Option<Paths>,
}

/// Paths and the keys of what each is described by, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths(pub Vec<(String, Vec<String>)>);

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let paths = deserializer.deserialize_map(Ordered::<Option<Keys>>(std::marker::PhantomData))?;
        Ok(Paths(
            paths.into_iter().map(|(path, keys)| (path, keys.map(|Keys(keys)| keys).unwrap_or_default())).collect(),
        ))
    }
}

/// The keys of a map whose values mean nothing.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys = deserializer.deserialize_map(Ordered::<IgnoredAny>(std::marker::PhantomData))?;
        Ok(Keys(keys.into_iter().map(|(key, _)| key).collect()))
    }
}

/// A map as a list, so that its order is kept.
struct Ordered<V>(std::marker::PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Ordered<V> {
    type Value = Vec<(String, V)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// The endpoints of one service.
#[derive(Clone, Debug, Default)]
pub(super) struct Endpoints {
    /// Those without variables.
    direct: HashMap<Box<str>, Arc<str>, RandomState>,
    /// Those with, by the number of parts between slashes; in each list the ones to prefer stand first.
    patterns: HashMap<usize, Vec<Pattern>, RandomState>,
}

/// How an endpoint with variables is named: what is between slashes, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    parts: Vec<Part>,
    shown: Arc<str>,
    n_variables: usize,
    /// With each variable counted as one character.
    length: usize,
}

/// Texts between variables: one of them is no variable, `a{x}b` are two.
type Part = Vec<Box<str>>;

impl Endpoints {
    /// Adds those of a definition, and cuts what they are shown as with `cut`.
    pub(super) fn add(&mut self, definition: &Definition, cut: impl Fn(&str) -> Arc<str>) -> Result<(), String> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let rule = given(&definition.match_rule).unwrap_or_else(|| DEFAULT_FORM.to_owned());
        let format = given(&definition.format).unwrap_or_else(|| DEFAULT_FORM.to_owned());
        if let Some(found) = rule.chars().find(|c| REGEX.contains(c)) {
            return Err(format!(
                "x-sw-endpoint-name-match-rule: a text with ${{METHOD}} and ${{PATH}} in it, not a regular expression: `{found}`"
            ));
        }
        let methods = |keys: &[String]| -> Vec<&str> {
            keys.iter()
                .filter_map(|key| METHODS.iter().find(|(name, _)| name == key))
                .map(|(_, shown)| *shown)
                .collect()
        };
        for (path, keys) in definition.paths.iter().flat_map(|paths| &paths.0) {
            for method in methods(keys) {
                let fill = |form: &str| form.replace("${METHOD}", method).replace("${PATH}", path);
                self.insert(&fill(&rule), cut(&fill(&format)));
            }
        }
        Ok(())
    }

    fn insert(&mut self, matched: &str, shown: Arc<str>) {
        let parts: Vec<Part> = matched.split('/').map(part).collect();
        let n_variables = parts.iter().map(|part| part.len() - 1).sum();
        if n_variables == 0 {
            self.direct.insert(matched.into(), shown);
            return;
        }
        let texts = parts.iter().flatten().map(|text| text.chars().count()).sum::<usize>();
        let length = texts + n_variables + parts.len() - 1;
        let patterns = self.patterns.entry(parts.len()).or_default();
        patterns.push(Pattern { parts, shown, n_variables, length });
        // Stable: of two alike the one that came first stays first.
        patterns.sort_by_key(|pattern| (pattern.n_variables, usize::MAX - pattern.length));
    }

    /// What an endpoint is shown as, where one of the definitions has it.
    pub(super) fn find(&self, name: &str) -> Option<&Arc<str>> {
        if let Some(shown) = self.direct.get(name) {
            return Some(shown);
        }
        let patterns = self.patterns.get(&(name.bytes().filter(|&byte| byte == b'/').count() + 1))?;
        let fits =
            |pattern: &&Pattern| pattern.parts.iter().zip(name.split('/')).all(|(part, text)| matches(part, text));
        patterns.iter().find(fits).map(|pattern| &pattern.shown)
    }
}

/// The texts around the variables of what is between two slashes. A variable has a name of at least one character.
fn part(text: &str) -> Part {
    let (mut texts, mut rest, mut literal) = (Vec::new(), text, String::new());
    while let Some((before, behind)) = rest.split_once('{') {
        match behind.split_once('}') {
            Some((name, after)) if !name.is_empty() => {
                literal.push_str(before);
                texts.push(std::mem::take(&mut literal).into_boxed_str());
                rest = after;
            }
            _ => {
                literal.push_str(before);
                literal.push('{');
                rest = behind;
            }
        }
    }
    literal.push_str(rest);
    texts.push(literal.into_boxed_str());
    texts
}

/// Whether a text is these texts with something, and not nothing, between each two of them. Each text in the middle is taken where
/// it first occurs: if any choice leads to a match, that one does. So no character is looked at twice for one part.
fn matches(part: &Part, text: &str) -> bool {
    let Some((first, rest)) = part.split_first() else { return false };
    let Some(mut text) = text.strip_prefix(&**first) else { return false };
    let Some((last, middle)) = rest.split_last() else { return text.is_empty() };
    for literal in middle {
        match skip(text).and_then(|(after, _)| after.split_once(&**literal)) {
            Some((_, behind)) => text = behind,
            None => return false,
        }
    }
    skip(text).is_some_and(|(after, _)| after.ends_with(&**last))
}

/// Without its first character, which a variable takes; `None` where there is none.
fn skip(text: &str) -> Option<(&str, char)> {
    let mut chars = text.chars();
    let c = chars.next()?;
    Some((chars.as_str(), c))
}
