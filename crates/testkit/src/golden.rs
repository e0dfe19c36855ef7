//! Golden files: what a test expects, in a file of its own because it is long.
//!
//! With `UPDATE_EXPECT=1` in the environment (`cargo xtask golden`) the file takes over what the test saw; read the difference
//! before it is committed.

use std::path::Path;

use serde::Serialize;

/// Compares a text with the file `name` in `folder`. `folder` is absolute: `concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")`.
///
/// Panics with the difference when they are not equal; a missing file counts as empty.
pub fn check_text(folder: impl AsRef<Path>, name: &str, actual: &str) {
    let path = folder.as_ref().join(name);
    expect_test::expect_file![path].assert_eq(actual);
}

/// Compares a value with a JSON file as [`check_text`] does, indented and with object keys in the order of the value.
pub fn check_json(folder: impl AsRef<Path>, name: &str, actual: &impl Serialize) {
    let mut text = serde_json::to_string_pretty(actual).expect("values of tests have text keys");
    text.push('\n');
    check_text(folder, name, &text);
}
