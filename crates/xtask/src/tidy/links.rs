//! Links between the repository's documents, and the paths that ARCHITECTURE.md names, lead somewhere.

use super::Findings;

/// The only document whose backquoted paths are promises; others may speak of files that a reader has elsewhere.
const MAP: &str = "docs/ARCHITECTURE.md";

/// Checks the links of one document. `exists` tells whether a path from the root is there.
pub(super) fn check(path: &str, text: &str, exists: impl Fn(&str) -> bool, findings: &mut Findings) {
    if !path.ends_with(".md") {
        return;
    }
    for (index, line) in text.lines().enumerate() {
        let linked = linked(line).map(|target| resolve(path, target));
        let named = if path == MAP { named(line) } else { Vec::new() };
        for target in linked.chain(named) {
            if !exists(&target) {
                findings.problem(format!("{path}:{}: {target} is not there", index + 1));
            }
        }
    }
}

/// Targets of `[text](target)` within the repository, without their anchors.
fn linked(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter_map(|target| {
        let path = target.split('#').next().unwrap_or_default();
        (!path.is_empty() && !path.contains("://") && !path.starts_with("mailto:")).then_some(path)
    })
}

/// Backquoted words that are paths below the folders of this repository.
fn named(line: &str) -> Vec<String> {
    const FOLDERS: &[&str] = &["crates/", "config/", "docs/", "proto/", "tests/", "ui-api/"];
    let quoted = line.split('`').skip(1).step_by(2);
    quoted
        .filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)))
        .filter(|word| !word.contains(['*', '{', '<', ' ']))
        .map(str::to_owned)
        .collect()
}

/// `target` as seen from the document at `path`, from the root.
fn resolve(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn missing(path: &str, line: &str, there: &[&str], expected: &[&str]) {
        let mut findings = Findings::default();
        check(path, line, |target| there.contains(&target), &mut findings);
        let expected: Vec<String> = expected.iter().map(|target| format!("{path}:1: {target} is not there")).collect();
        assert_eq!(findings.problems, expected);
    }

    #[test]
    fn links_lead_to_files_of_the_repository() {
        missing("README.md", "[a](docs/A.md) and [b](docs/B.md#x)", &["docs/A.md"], &["docs/B.md"]);
        missing("docs/adr/README.md", "[up](../../config/x.yml)", &[], &["config/x.yml"]);
        missing("README.md", "[out](https://example.org/a) [here](#a)", &[], &[]);
        missing("a.yml", "[a](b)", &[], &[]);
    }

    #[test]
    fn paths_in_the_map_are_there() {
        missing(
            MAP,
            "`crates/model/src` and `config/oal/*.oal`, `config/gone.yml`",
            &["crates/model/src"],
            &["config/gone.yml"],
        );
        missing("docs/STYLE.md", "`crates/gone`", &[], &[]);
    }
}
