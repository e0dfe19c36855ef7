//! What goes to the builder of the server's image: all that is compiled, and none of the rest.

use std::fs;
use std::path::Path;

use super::{repository, text};

/// Whether `.dockerignore` keeps a path from the builder: the last pattern that fits the path or a folder above it decides.
fn is_ignored(patterns: &str, path: &str) -> bool {
    let rules = patterns.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    rules.fold(false, |ignored, rule| {
        let (pattern, ignores) = rule.strip_prefix('!').map_or((rule, true), |pattern| (pattern, false));
        if fits(pattern, path) { ignores } else { ignored }
    })
}

/// The forms that the file has: `*`, a path, and `**/name`.
fn fits(pattern: &str, path: &str) -> bool {
    match (pattern, pattern.strip_prefix("**/")) {
        ("*", _) => true,
        (_, Some(name)) => path.split('/').any(|part| part == name),
        (own, None) => path == own || path.strip_prefix(own).is_some_and(|rest| rest.starts_with('/')),
    }
}

fn files_below(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            let path = path.strip_prefix(repository("")).unwrap();
            found.push(path.to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn the_builder_gets_every_member_of_the_workspace_and_what_is_compiled_in() {
    let patterns = text(".dockerignore");
    let workspace = text("Cargo.toml");
    assert!(workspace.contains(r#"members = ["crates/*", "tests"]"#), "members lie elsewhere than this test looks");
    let mut needed = vec!["Cargo.toml".to_owned(), "Cargo.lock".to_owned(), "tests/Cargo.toml".to_owned()];
    for folder in ["crates", "config", "proto", "tests/src"] {
        files_below(&repository(folder), &mut needed);
    }
    assert!(needed.contains(&"crates/server/src/main.rs".to_owned()), "{needed:?}");
    let missing: Vec<&String> = needed.iter().filter(|path| is_ignored(&patterns, path)).collect();
    assert!(missing.is_empty(), "the builder does not get {missing:?}");
}

#[test]
fn the_builder_gets_nothing_that_changes_without_the_server() {
    let patterns = text(".dockerignore");
    for path in [
        ".git/HEAD",
        ".cache/agents/python/bin/python",
        "target/debug/skylark",
        "data/store",
        "docs/api.md",
        "docker-compose.yml",
        "rust-toolchain.toml",
        "tests/tests/deploy/main.rs",
        "tests/agents/node/app.js",
        "tests/agents/rust/target/debug/agent",
    ] {
        assert!(is_ignored(&patterns, path), "{path} goes to the builder");
    }
}

#[test]
fn the_image_is_built_with_the_compiler_of_the_workspace() {
    let toolchain = text("rust-toolchain.toml");
    let version = toolchain.lines().find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"')).unwrap();
    let dockerfile = text("deploy/skylark/Dockerfile");
    assert!(dockerfile.contains(&format!("FROM rust:{version}-")), "{version}:\n{dockerfile}");
    let command = "cargo build --release --locked -p server";
    assert!(dockerfile.contains(command) && dockerfile.contains("\nCOPY . .\n"), "{dockerfile}");
}
