//! A file of components, in our form or in SkyWalking's.
//!
//! Ours is a list under `components`, each with its server. SkyWalking's has a key for each component, and the servers under a
//! key of their own. What a key holds tells which it is, so both may stand in one file.

use std::collections::HashSet;
use std::fmt::{self, Display};

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};

/// SkyWalking's key of the servers.
const SERVERS: &str = "Component-Server-Mappings";
/// The key of our list.
const COMPONENTS: &str = "components";
const MAX_PRIORITY: u8 = 100;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) components: Vec<Component>,
    /// Names of components, and of those at the other end of their calls.
    pub(super) servers: Vec<(Spanned<String>, Spanned<String>)>,
}

/// One component of a file.
#[derive(Debug)]
pub(super) struct Component {
    pub(super) id: i32,
    pub(super) name: String,
    pub(super) priority: Option<u8>,
}

impl File {
    /// Reads a file, and checks what can be checked without others. `Err`: every problem.
    pub(super) fn read(name: &str, text: &str) -> Result<File, Vec<String>> {
        let written: Result<Option<Written>, _> = serde_saphyr::from_str(text);
        let written = written.map_err(|error| {
            let at = error.location().unwrap_or(Location::UNKNOWN);
            let what = error.without_snippet().to_string();
            let place = format!(" at line {}, column {}", at.line(), at.column());
            vec![format!("{name}:{}:{}: {}", at.line(), at.column(), what.strip_suffix(&place).unwrap_or(&what))]
        })?;
        let Written { components, servers, others } = written.unwrap_or_default();
        let mut file = File { components: Vec::with_capacity(components.len()), servers };
        let other = |key| problem(name, key, format_args!("{} is no component with an id", key.value));
        let mut problems: Vec<_> = others.iter().map(other).collect();
        let (mut ids, mut names) = (HashSet::new(), HashSet::new());
        for Entry { id, name: own, priority, server } in components {
            if !ids.insert(id.value) {
                problems.push(problem(name, &id, format_args!("the id {} stands here a second time", id.value)));
            }
            if own.value.trim().is_empty() {
                problems.push(problem(name, &own, "a component has no name"));
            } else if !names.insert(own.value.clone()) {
                problems.push(problem(name, &own, format_args!("the name {} stands here a second time", own.value)));
            }
            let valid =
                priority.as_ref().and_then(|given| u8::try_from(given.value).ok()).filter(|&p| p <= MAX_PRIORITY);
            if let (Some(given), None) = (&priority, valid) {
                let what = format!("priority must be between 0 and {MAX_PRIORITY}, is {}", given.value);
                problems.push(problem(name, given, what));
            }
            file.components.push(Component { id: id.value, name: own.value.clone(), priority: valid });
            file.servers.extend(server.map(|server| (own, server)));
        }
        if problems.is_empty() { Ok(file) } else { Err(problems) }
    }
}

/// A problem and its place.
pub(super) fn problem<T>(file: &str, at: &Spanned<T>, what: impl Display) -> String {
    format!("{file}:{}:{}: {what}", at.referenced.line(), at.referenced.column())
}

/// A file as it is written, whichever form it has.
#[derive(Debug, Default)]
struct Written {
    components: Vec<Entry>,
    servers: Vec<(Spanned<String>, Spanned<String>)>,
    /// Keys that hold something else.
    others: Vec<Spanned<String>>,
}

/// One component as our form has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Spanned<i32>,
    name: Spanned<String>,
    #[serde(default)]
    priority: Option<Spanned<i64>>,
    #[serde(default)]
    server: Option<Spanned<String>>,
}

/// One component as SkyWalking's form has it, under its name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    id: Spanned<i32>,
    #[serde(default)]
    priority: Option<Spanned<i64>>,
    /// For readers; some entries have the one and some the other.
    #[serde(default, rename = "languages", alias = "language")]
    _languages: Option<IgnoredAny>,
}

/// What a key of a file holds.
enum Section {
    List(Vec<Entry>),
    One(Named),
    /// A text, a number, nothing.
    Other,
}

impl<'de> Deserialize<'de> for Section {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Section;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a component with its id, or the list of components")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<Section, S::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(seq)).map(Section::List)
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Section, M::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Section::One)
            }

            // An error here would point at the file's first line: what is wrong is told with the place of the key.
            fn visit_bool<E>(self, _: bool) -> Result<Section, E> {
                Ok(Section::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Section, E> {
                Ok(Section::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Section, E> {
                Ok(Section::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Section, E> {
                Ok(Section::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Section, E> {
                Ok(Section::Other)
            }

            fn visit_unit<E>(self) -> Result<Section, E> {
                Ok(Section::Other)
            }
        }

        from.deserialize_any(Either)
    }
}

/// Pairs of names, in the order of the file.
#[derive(Debug, Default)]
struct Pairs(Vec<(Spanned<String>, Spanned<String>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names of components, each with that of its server")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        from.deserialize_map(All)
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list `components`, or components by their names")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Written, M::Error> {
                let mut written = Written::default();
                while let Some(name) = map.next_key::<Spanned<String>>()? {
                    if name.value == SERVERS {
                        written.servers.extend(map.next_value::<Option<Pairs>>()?.unwrap_or_default().0);
                        continue;
                    }
                    match map.next_value()? {
                        Section::List(list) if name.value == COMPONENTS => written.components.extend(list),
                        Section::List(_) | Section::Other => written.others.push(name),
                        Section::One(Named { id, priority, _languages }) => {
                            written.components.push(Entry { id, name, priority, server: None });
                        }
                    }
                }
                Ok(written)
            }
        }

        from.deserialize_map(Keys)
    }
}
