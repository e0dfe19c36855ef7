//! The component library: what the numbers of components in spans are called.

mod file;

use std::collections::HashMap;

use self::file::File;

/// The priority of a component that names none, or that is not listed at all.
const DEFAULT_PRIORITY: u8 = 50;
/// What an id is called that nobody lists, where even id 0 is not listed.
const NOBODY: &str = "N/A";

/// The component library, ready to be asked. [`Components::default`] knows nobody.
#[derive(Clone, Debug, Default)]
pub struct Components {
    by_id: HashMap<i32, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    name: String,
    /// The component at the other end of a call, where it is another one.
    server: Option<i32>,
    priority: u8,
}

impl Components {
    /// Reads a library from files, names and texts, of which the later go over the earlier: a component takes the place of the
    /// one with its id, a server that of the one named before. A file is in our form or in SkyWalking's, which its content tells.
    ///
    /// # Errors
    /// Every problem of the first file that has any, each as `name:line:column: what is wrong`: what cannot be read, an id or a
    /// name that is listed twice in the file, a priority above 100, a server or its client that no file lists.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<String>> {
        let mut components = Components::default();
        let mut names = HashMap::new();
        for (name, text) in files {
            components.put(name, &File::read(name, text)?, &mut names)?;
        }
        Ok(components)
    }

    /// Lays a file over what is known. `names` are those of the files so far.
    fn put(&mut self, file_name: &str, file: &File, names: &mut HashMap<String, i32>) -> Result<(), Vec<String>> {
        for component in &file.components {
            let known = Known {
                name: component.name.clone(),
                server: None,
                priority: component.priority.unwrap_or(DEFAULT_PRIORITY),
            };
            if let Some(before) = self.by_id.insert(component.id, known) {
                names.remove(&before.name);
            }
        }
        names.extend(file.components.iter().map(|component| (component.name.clone(), component.id)));
        let mut problems = Vec::new();
        for (client, server) in &file.servers {
            let missing = [client, server].into_iter().find(|name| !names.contains_key(&name.value));
            if let Some(missing) = missing {
                problems.push(file::problem(
                    file_name,
                    missing,
                    format_args!("no component is named {}", missing.value),
                ));
            } else if let Some(known) = self.by_id.get_mut(&names[&client.value]) {
                known.server = Some(names[&server.value]);
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// What a component is called; one that is not listed goes by the name of id 0.
    #[must_use]
    pub fn name(&self, id: i32) -> &str {
        self.by_id.get(&id).or_else(|| self.by_id.get(&0)).map_or(NOBODY, |known| &known.name)
    }

    /// What the node at the other end of a call through this component is called.
    #[must_use]
    pub fn server(&self, id: i32) -> &str {
        self.name(self.by_id.get(&id).and_then(|known| known.server).unwrap_or(id))
    }

    /// Whether `other` says more about a node than `id` does. One that is not listed says as much as one that names no priority.
    #[must_use]
    pub fn is_higher(&self, id: i32, other: i32) -> bool {
        let priority = |id| self.by_id.get(&id).map_or(DEFAULT_PRIORITY, |known| known.priority);
        priority(id) < priority(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: (&str, &str) = ("component-libraries.yml", include_str!("../../../config/component-libraries.yml"));

    /// The names of components, and of those at the other end.
    fn names<const N: usize>(components: &Components, ids: [i32; N]) -> [(&str, &str); N] {
        ids.map(|id| (components.name(id), components.server(id)))
    }

    #[test]
    fn the_shipped_library_names_and_ranks_components() {
        let components = Components::read([OURS]).unwrap();
        assert_eq!(components.by_id.len(), 265);
        assert_eq!(components.by_id.values().filter(|known| known.server.is_some()).count(), 69);
        assert_eq!(names(&components, [32, 1]), [("h2-jdbc-driver", "H2"), ("Tomcat", "Tomcat")]);
        // One step only.
        assert_eq!(names(&components, [95]), [("spring-kafka-consumer", "kafka-consumer")]);
        // Numbers that nobody lists, as a real OAP answers.
        assert_eq!(names(&components, [0, -5, 987_654]), [("Unknown", "Unknown"); 3]);
        // 49 is plain HTTP, 14 SpringMVC, 1 Tomcat, 2 HttpClient.
        assert!(components.is_higher(49, 14) && !components.is_higher(14, 49) && !components.is_higher(1, 2));
        // Not listed: as one without a priority, and so above id 0, whose name it has.
        assert!(components.is_higher(0, 987_654) && components.is_higher(49, 987_654));
        assert!(!components.is_higher(1, 987_654) && !components.is_higher(987_654, 1));
    }

    #[test]
    fn without_a_library_nobody_has_a_name() {
        assert_eq!(names(&Components::default(), [0, 1]), [("N/A", "N/A"); 2]);
    }

    /// The same in our form and in SkyWalking's.
    #[test]
    fn a_file_of_the_operator_goes_over_the_library() {
        let forms = [
            "components:
  - { id: 7, name: Valkey }
  - { id: 120001, name: warehouse-client, server: Warehouse, priority: 100 }
  - { id: 120002, name: Warehouse, priority: 0 }
  - { id: 33, name: MySQL Connector/J, server: Mysql }
",
            "# Ours.
warehouse-client:
  id: 120001
  languages: Java,Golang
  priority: 100
Component-Server-Mappings:
  warehouse-client: Warehouse
  MySQL Connector/J: Mysql
Warehouse:
  id: 120002
  language: All
  priority: 0
Valkey: { id: 7 }
MySQL Connector/J: { id: 33 }
",
        ];
        for text in forms {
            let components = Components::read([OURS, ("own.yml", text)]).unwrap();
            assert_eq!(
                names(&components, [120_001, 120_002, 33, 7, 30, 1, 99_999]),
                [
                    ("warehouse-client", "Warehouse"),
                    ("Warehouse", "Warehouse"),
                    ("MySQL Connector/J", "Mysql"),
                    ("Valkey", "Valkey"),
                    // A server is told by its number: Jedis ends at whatever 7 is called.
                    ("Jedis", "Valkey"),
                    ("Tomcat", "Tomcat"),
                    ("Unknown", "Unknown"),
                ],
                "{text}"
            );
            assert!(components.is_higher(1, 120_001) && components.is_higher(120_002, 1), "{text}");
        }
    }

    #[test]
    fn servers_alone_may_be_given_for_what_is_listed_already() {
        let text = "Component-Server-Mappings:\n  Jedis: Memcached\n  Tomcat: JettyServer\n";
        let components = Components::read([OURS, ("own.yml", text)]).unwrap();
        assert_eq!(
            names(&components, [30, 1, 57]),
            [("Jedis", "Memcached"), ("Tomcat", "JettyServer"), ("Lettuce", "Redis")]
        );
        for nothing in ["", "# nothing\n", "components: []\n", "Component-Server-Mappings:\n"] {
            let components = Components::read([OURS, ("own.yml", nothing)]).unwrap();
            assert_eq!(components.by_id.len(), 265, "{nothing}");
        }
    }

    #[test]
    fn a_component_may_be_called_as_our_form_is() {
        let components = Components::read([("own.yml", "components: { id: 3 }\n")]).unwrap();
        assert_eq!(components.name(3), "components");
    }

    #[test]
    fn every_problem_has_its_place() {
        let check = |text: &str, expected: &[&str]| {
            let problems = Components::read([OURS, ("own.yml", text)]).unwrap_err();
            assert_eq!(problems, expected, "{text}");
        };
        check(
            "components:\n  - { id: 1, name: a }\n  - { id: 1, name: b, server: c }\n  - { id: 2, name: a, priority: 101 }\n",
            &[
                "own.yml:3:11: the id 1 stands here a second time",
                "own.yml:4:20: the name a stands here a second time",
                "own.yml:4:33: priority must be between 0 and 100, is 101",
            ],
        );
        check(
            "a:\n  id: 1\nb:\n  id: 1\n  priority: -1\n",
            &[
                "own.yml:4:7: the id 1 stands here a second time",
                "own.yml:5:13: priority must be between 0 and 100, is -1",
            ],
        );
        check(
            "a: { id: 120001 }\nComponent-Server-Mappings:\n  a: nobody\n  nowhere: a\n",
            &["own.yml:3:6: no component is named nobody", "own.yml:4:3: no component is named nowhere"],
        );
        // The name of 7 was Redis until this file took its number.
        check(
            "Valkey: { id: 7 }\nComponent-Server-Mappings: { Valkey: Redis }\n",
            &["own.yml:2:38: no component is named Redis"],
        );
        check("components: [{ id: 3, name: a, server: b }]\n", &["own.yml:1:40: no component is named b"]);
        check("components: [{ id: 3, name: ' ' }]\n", &["own.yml:1:29: a component has no name"]);
        for other in ["5", "-5", "1.5", "text", "", "true", "[]"] {
            check(&format!("b: {{ id: 4 }}\na: {other}\n"), &["own.yml:2:1: a is no component with an id"]);
        }
        check("a: {}\n", &["own.yml:1:4: missing field `id`"]);
        for (text, place) in [
            ("a:\n  identity: 1\n", "own.yml:2:3: "),
            ("a:\n  id: one\n", "own.yml:2:7: "),
            ("a:\n  priority: 1\n", "own.yml:2:3: "),
            ("a: { id: 1 }\na: { id: 2 }\n", "own.yml:2:1: "),
            ("components:\n  - { name: a }\n", "own.yml:2:7: "),
            ("- a\n", "own.yml:1:1: "),
            ("a: [\n", "own.yml:"),
        ] {
            let problems = Components::read([("own.yml", text)]).unwrap_err();
            assert!(problems.len() == 1 && problems[0].starts_with(place), "{text}: {problems:?}");
        }
    }
}
