//! The crate graph is the one that ARCHITECTURE.md draws: edges go down, siblings never meet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;

use super::Findings;
use crate::shell::Shell;

/// The document whose table is the rule.
pub(super) const TABLE: &str = "docs/ARCHITECTURE.md";
/// Stands in a row of a crate that is decided and not yet there.
const LATER: &str = "(later)";
/// May be a dev-dependency of every crate and a real one of none.
const FOR_TESTS: &str = "testkit";

/// Crates that must not leak out of where their kind of code lives, and the crates that may use them (invariants 1 and 6).
const KEPT: &[(&str, &[&str])] = &[
    ("tokio", &["storage", "receiver", "analysis", "alarm", "query", "server", "testkit", "loadgen", "e2e"]),
    ("prost", &["proto", "receiver", "query", "alarm", "testkit", "loadgen", "e2e"]),
    ("tonic", &["proto", "receiver", "alarm", "server", "loadgen", "e2e"]),
    ("axum", &["receiver", "query", "server"]),
    ("async-graphql", &["query"]),
    ("opensearch", &["storage"]),
    ("redb", &["storage"]),
    ("tantivy", &["storage"]),
];

/// What cargo says about the workspace.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// Where cargo puts what it builds.
    pub(crate) target_directory: PathBuf,
    /// The workspace's crates by name.
    pub(crate) packages: BTreeMap<String, Package>,
}

/// One crate of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Package {
    /// Normal and build dependencies by name, workspace or not.
    pub(crate) uses: BTreeSet<String>,
    /// Dependencies of its tests alone.
    pub(crate) tests_use: BTreeSet<String>,
    /// Names of its benchmark targets.
    pub(crate) benches: Vec<String>,
}

impl Metadata {
    /// Asks cargo.
    pub(crate) fn read(shell: &Shell) -> anyhow::Result<Self> {
        let json = shell.cargo("metadata").args(["--format-version", "1", "--no-deps", "--locked"]).read()?;
        Self::parse(&serde_json::from_str(&json)?).context("`cargo metadata` has another shape than expected")
    }

    fn parse(json: &Value) -> Option<Self> {
        let packages = json["packages"].as_array()?.iter().map(|package| {
            let mut parsed = Package::default();
            for dependency in package["dependencies"].as_array()? {
                let name = dependency["name"].as_str()?.to_owned();
                let for_tests = dependency["kind"].as_str() == Some("dev");
                if for_tests { &mut parsed.tests_use } else { &mut parsed.uses }.insert(name);
            }
            for target in package["targets"].as_array()? {
                if target["kind"][0].as_str() == Some("bench") {
                    parsed.benches.push(target["name"].as_str()?.to_owned());
                }
            }
            Some((package["name"].as_str()?.to_owned(), parsed))
        });
        let packages = packages.collect::<Option<_>>()?;
        Some(Self { target_directory: json["target_directory"].as_str()?.into(), packages })
    }
}

/// A row of the table: the crate may use these and no other crates of the workspace.
#[derive(Debug)]
struct Row<'a> {
    name: &'a str,
    may_use: BTreeSet<&'a str>,
    later: bool,
}

pub(super) fn check(metadata: &Metadata, document: &str, findings: &mut Findings) {
    let rows = rows(document);
    let known: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
    for name in metadata.packages.keys().filter(|name| !known.contains(name.as_str())) {
        findings.problem(format!("{TABLE}: the crate `{name}` has no row in the table of crates"));
    }
    for row in &rows {
        match (metadata.packages.get(row.name), row.later) {
            (Some(package), false) => edges(row, package, &known, findings),
            (None, true) => {}
            (Some(_), true) => findings.problem(format!("{TABLE}: `{}` is there: take {LATER} from its row", row.name)),
            (None, false) => findings.problem(format!("{TABLE}: there is no crate `{}`", row.name)),
        }
    }
}

fn edges(row: &Row<'_>, package: &Package, workspace: &BTreeSet<&str>, findings: &mut Findings) {
    let name = row.name;
    let forbidden = |used: &&String| workspace.contains(used.as_str()) && !row.may_use.contains(used.as_str());
    for used in package.uses.iter().filter(forbidden) {
        findings.problem(format!("crates: `{name}` uses `{used}`, which its row in {TABLE} does not allow"));
    }
    for used in package.tests_use.iter().filter(forbidden).filter(|used| *used != FOR_TESTS) {
        findings
            .problem(format!("crates: the tests of `{name}` use `{used}`, which its row in {TABLE} does not allow"));
    }
    for (kept, by) in KEPT.iter().filter(|(kept, by)| package.uses.contains(*kept) && !by.contains(&name)) {
        findings.problem(format!("crates: `{name}` uses `{kept}`, which belongs to {}", by.join(", ")));
    }
}

/// The rows of the table that follows the line `| crate | …`: first cell the name, last cell what it may use, both backquoted.
fn rows(document: &str) -> Vec<Row<'_>> {
    let table = document.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|')).filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        let (first, last) = (cells.first()?, cells.last()?);
        Some(Row { name: quoted(first).next()?, may_use: quoted(last).collect(), later: first.contains(LATER) })
    });
    rows.collect()
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
text

| crate | what | may use |
|---|---|---|
| `model` | vocabulary | std |
| `storage` | the store | `model` |
| `alarm` (later) | alarms | `model`, `storage` |
| `testkit` | for tests | `model` |

| another | table |
";

    #[track_caller]
    fn finds(packages: &[(&str, &[&str], &[&str])], expected: &[&str]) {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let packages = packages
            .iter()
            .map(|(name, uses, tests)| {
                let package = Package { uses: set(uses), tests_use: set(tests), benches: Vec::new() };
                ((*name).to_owned(), package)
            })
            .collect();
        let mut findings = Findings::default();
        check(&Metadata { target_directory: PathBuf::new(), packages }, DOCUMENT, &mut findings);
        assert_eq!(findings.problems.len(), expected.len(), "{:?}", findings.problems);
        for (found, expected) in findings.problems.iter().zip(expected) {
            assert!(found.contains(expected), "{found:?} does not say {expected:?}");
        }
    }

    #[test]
    fn edges_go_down_as_the_table_says() {
        let model = ("model", &["bytes"][..], &["testkit"][..]);
        let storage = ("storage", &["model", "redb", "tokio"][..], &[][..]);
        let testkit = ("testkit", &["model"][..], &[][..]);
        finds(&[model, storage, testkit], &[]);
        finds(&[("model", &["storage"], &[]), storage, testkit], &["`model` uses `storage`"]);
        finds(&[("model", &["testkit"], &[]), storage, testkit], &["`model` uses `testkit`"]);
        finds(&[("model", &[], &["storage"]), storage, testkit], &["tests of `model` use `storage`"]);
    }

    #[test]
    fn wire_and_store_crates_stay_at_their_edge() {
        let (storage, testkit) = (("storage", &[][..], &[][..]), ("testkit", &[][..], &[][..]));
        finds(&[("model", &["tokio"], &[]), storage, testkit], &["`model` uses `tokio`"]);
        finds(&[("model", &[], &["tokio"]), storage, testkit], &[]);
    }

    #[test]
    fn the_table_lists_the_crates_there_are() {
        let model = ("model", &[][..], &[][..]);
        let (storage, testkit) = (("storage", &[][..], &[][..]), ("testkit", &[][..], &[][..]));
        finds(&[model, testkit], &["no crate `storage`"]);
        finds(&[model, storage, testkit, ("extra", &[], &[])], &["`extra` has no row"]);
        finds(&[model, storage, testkit, ("alarm", &[], &[])], &["`alarm` is there"]);
    }
}
