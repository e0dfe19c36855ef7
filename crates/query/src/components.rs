//! The component library: what the numbers of components in spans are called.

use std::collections::HashMap;

use serde::Deserialize;

/// The priority of a component that names none.
const DEFAULT_PRIORITY: u8 = 50;
/// What an id is called that nobody lists, where even id 0 is not listed.
const NOBODY: &str = "Unknown";

/// The component library as its file has it (`config/component-libraries.yml`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentFile {
    /// The components.
    pub components: Vec<Component>,
}

/// One component of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// The number in spans.
    pub id: i32,
    /// What it is called.
    pub name: String,
    /// The name of the component at the other end of a call, where nobody reports from it.
    #[serde(default)]
    pub server: Option<String>,
    /// Which component names a node that several describe: the greater one. 50 where it is missing.
    #[serde(default)]
    pub priority: Option<u8>,
}

/// The component library, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Components {
    by_id: HashMap<i32, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    name: String,
    server: String,
    priority: u8,
}

impl Components {
    /// Checks a file and makes it ready.
    ///
    /// # Errors
    /// Every problem, each as a sentence: an id or a name that is listed twice, a server that is not listed.
    pub fn new(file: ComponentFile) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut names: HashMap<&str, i32> = HashMap::new();
        let mut by_id = HashMap::new();
        for component in &file.components {
            if let Some(other) = names.insert(&component.name, component.id) {
                problems
                    .push(format!("component {}: the name {} belongs to {other} too", component.id, component.name));
            }
            let known = Known {
                name: component.name.clone(),
                server: component.server.clone().unwrap_or_else(|| component.name.clone()),
                priority: component.priority.unwrap_or(DEFAULT_PRIORITY),
            };
            if by_id.insert(component.id, known).is_some() {
                problems.push(format!("component {}: listed twice", component.id));
            }
        }
        for component in &file.components {
            if let Some(server) = component.server.as_deref().filter(|server| !names.contains_key(server)) {
                problems.push(format!("component {}: its server {server} is not listed", component.id));
            }
        }
        if problems.is_empty() { Ok(Self { by_id }) } else { Err(problems) }
    }

    /// What a component is called; one that is not listed goes by the name of id 0.
    #[must_use]
    pub fn name(&self, id: i32) -> &str {
        self.known(id).map_or(NOBODY, |known| &known.name)
    }

    /// What the node at the other end of a call through this component is called.
    #[must_use]
    pub fn server(&self, id: i32) -> &str {
        self.known(id).map_or(NOBODY, |known| &known.server)
    }

    /// Whether `other` says more about a node than `id` does.
    #[must_use]
    pub fn is_higher(&self, id: i32, other: i32) -> bool {
        let priority = |id| self.known(id).map_or(0, |known| known.priority);
        priority(id) < priority(other)
    }

    fn known(&self, id: i32) -> Option<&Known> {
        self.by_id.get(&id).or_else(|| self.by_id.get(&0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> ComponentFile {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn the_shipped_library_names_and_ranks_components() {
        let text = include_str!("../../../config/component-libraries.yml");
        let components = Components::new(file(text)).unwrap();
        assert_eq!(components.name(32), "h2-jdbc-driver");
        assert_eq!(components.server(32), "H2");
        assert_eq!(components.server(1), "Tomcat");
        assert_eq!(
            (components.name(0), components.name(-5), components.server(987_654)),
            ("Unknown", "Unknown", "Unknown")
        );
        // 49 is plain HTTP, 14 SpringMVC, 1 Tomcat, 2 HttpClient.
        assert!(components.is_higher(49, 14) && !components.is_higher(14, 49) && !components.is_higher(1, 2));
    }

    #[test]
    fn every_problem_of_a_library_is_named() {
        let problems = Components::new(file(
            "components: [{id: 1, name: a}, {id: 1, name: b, server: c}, {id: 2, name: a, priority: 3}]",
        ))
        .unwrap_err();
        assert_eq!(
            problems,
            [
                "component 1: listed twice",
                "component 2: the name a belongs to 1 too",
                "component 1: its server c is not listed"
            ]
        );
    }
}
