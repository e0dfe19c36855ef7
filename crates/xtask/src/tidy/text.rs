//! Rules for single files: what a module begins with, how long it is, what must not be left in it.

use super::Findings;

/// Lines of code, tests left out, above which a file is probably two ideas.
const CODE_LINES_ADVISED: usize = 400;
/// Lines of a Rust file that are never exceeded, tests included.
const LINES_MAX: usize = 600;

/// Joined at compile time, so that this file does not find itself.
const LEFTOVERS: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "do it, or file an issue"),
    (concat!("FIX", "ME"), "fix it"),
    (concat!("#[", "ignore"), "a test that does not run is no test"),
    (concat!("todo", "!("), "do it, or file an issue"),
    (concat!("unimplemented", "!("), "do it, or file an issue"),
];

/// Files whose text is an interface or a recording, where only what is not ours would be found.
const NOT_OURS: &[&str] = &["Cargo.lock", "LICENSE", "tests/golden/"];

pub(super) fn check(path: &str, text: &str, findings: &mut Findings) {
    if NOT_OURS.iter().any(|prefix| path.starts_with(prefix)) || path.ends_with("package-lock.json") {
        return;
    }
    if !text.is_empty() && !text.ends_with('\n') {
        findings.problem(format!("{path}: the last line does not end"));
    }
    for (index, line) in text.lines().enumerate() {
        if line.ends_with([' ', '\t', '\r']) {
            findings.problem(format!("{path}:{}: white space at the end of the line", index + 1));
        }
        // The documents speak about the rules.
        if !path.ends_with(".md") {
            for (leftover, advice) in LEFTOVERS.iter().filter(|(leftover, _)| stands_alone(line, leftover)) {
                findings.problem(format!("{path}:{}: `{leftover}`: {advice}", index + 1));
            }
        }
    }
    if path.ends_with(".rs") {
        rust(path, text, findings);
    }
}

fn rust(path: &str, text: &str, findings: &mut Findings) {
    if !text.starts_with("//!") {
        findings.problem(format!("{path}:1: a module begins with `//!` and says what it is for"));
    }
    let n_lines = text.lines().count();
    let n_code = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    if n_lines > LINES_MAX {
        findings.problem(format!("{path}: {n_lines} lines, {LINES_MAX} are the wall: split it by idea"));
    } else if n_code > CODE_LINES_ADVISED {
        findings.advice.push(format!("{path}: {n_code} lines of code, over {CODE_LINES_ADVISED}: is it one idea?"));
    }
}

/// Whether `word` is in the line and not a part of a longer word.
fn stands_alone(line: &str, word: &str) -> bool {
    let inside = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    line.match_indices(word).any(|(start, _)| {
        let (before, rest) = line.split_at(start);
        let after = rest.strip_prefix(word).unwrap_or_default();
        !inside(before.chars().next_back()) && (!word.ends_with(char::is_alphanumeric) || !inside(after.chars().next()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn finds(path: &str, text: &str, expected: &[&str]) {
        let mut findings = Findings::default();
        check(path, text, &mut findings);
        let found: Vec<String> = findings.problems.into_iter().chain(findings.advice).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found:?} does not say {expected:?}");
        }
    }

    #[test]
    fn a_module_says_what_it_is_for() {
        finds("a.rs", "//! What it is.\nfn main() {}\n", &[]);
        finds("a.rs", "fn main() {}\n", &["begins with `//!`"]);
        finds("a.yml", "a: 1\n", &[]);
    }

    #[test]
    fn nothing_is_left_for_later() {
        let later = LEFTOVERS[0].0;
        finds("a.rs", &format!("//! A.\n// {later}: more\n"), &["a.rs:2"]);
        finds("a.rs", &format!("//! A.\n{}(\"net\")]\n", LEFTOVERS[2].0), &["a.rs:2"]);
        finds("a.oal", &format!("// {later}\n"), &["a.oal:1"]);
        finds("a.rs", &format!("//! A.\nconst MAS{later}_X: u8 = 1;\n"), &[]);
        finds("docs/a.md", &format!("Never merge a `{later}`.\n"), &[]);
    }

    #[test]
    fn lines_end_where_their_text_ends() {
        finds("a.yml", "a: 1 \nb: 2\n", &["a.yml:1"]);
        finds("a.yml", "a: 1\nb: 2", &["last line"]);
        finds("tests/golden/a.json", "{} ", &[]);
    }

    #[test]
    fn a_file_is_one_idea() {
        let of = |n_code: usize, n_tests: usize| {
            format!("//! A.\n{}#[cfg(test)]\n{}", "// code\n".repeat(n_code - 1), "// test\n".repeat(n_tests))
        };
        finds("a.rs", &of(400, 199), &[]);
        finds("a.rs", &of(401, 0), &["401 lines of code"]);
        finds("a.rs", &of(400, 200), &["601 lines"]);
    }
}
