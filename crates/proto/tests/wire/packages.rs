//! Fetches two agents' packages through their registries' own clients and reads the descriptors inside.
//!
//! Both are pinned by checksum (`agents-crate/Cargo.lock`, `requirements.txt`). A missing tool or registry is a failure
//! everywhere, with one line that says which: a contract that was not checked is not kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost_reflect::DescriptorPool;

/// What the build of crate `skywalking` 0.10 would compile: every .proto file in it.
pub(crate) fn rust_agent() -> DescriptorPool {
    let metadata = run(Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1"])
        .current_dir(here().join("agents-crate")));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    let agent = packages.iter().find(|package| package["name"] == "skywalking").expect("the agent is a dependency");
    let manifest = Path::new(agent["manifest_path"].as_str().expect("a package has a manifest"));
    let root = manifest.with_file_name("skywalking-data-collect-protocol");

    let mut files = Vec::new();
    proto_files(&root, &mut files);
    assert!(!files.is_empty(), "no .proto file in {}", root.display());
    let set = protox::compile(&files, [&root]).expect("the agent's own files compile");
    DescriptorPool::from_file_descriptor_set(set).expect("the compiler has checked them")
}

/// The descriptors in the generated modules of `apache-skywalking` 1.2.0.
pub(crate) fn python_agent() -> DescriptorPool {
    let wheel = wheel();
    let set = run(Command::new("python3").arg(here().join("descriptors.py")).arg(&wheel));
    assert!(!set.is_empty(), "no descriptor in {}", wheel.display());
    DescriptorPool::decode(set.as_slice()).expect("the agent itself loads these descriptors")
}

/// Path of the wheel, downloaded when it is not there yet.
fn wheel() -> PathBuf {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wire");
    fs::create_dir_all(&cache).expect("the target folder is writable");
    let cached = cache.join("apache_skywalking-1.2.0-py3-none-any.whl");
    if !cached.exists() {
        // A folder of our own and a rename: two runs at once never see half a file.
        let fresh = tempfile::tempdir_in(&cache).expect("the target folder is writable");
        run(Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"])
            .arg("--requirement")
            .arg(here().join("requirements.txt"))
            .arg("--dest")
            .arg(fresh.path()));
        let name = cached.file_name().expect("joined just above");
        fs::rename(fresh.path().join(name), &cached).expect("pip names a wheel after its release");
    }
    cached
}

fn proto_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder of the package").map(|entry| entry.expect("readable").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            proto_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire")
}

/// Standard output of `command`; panics with one line about what is missing when it cannot deliver.
fn run(command: &mut Command) -> Vec<u8> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("the wire test needs `{program}`: {error}"),
    };
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        panic!("the wire test needs `{program}` and its registry: {}: {}", output.status, said.join(" | "));
    }
    output.stdout
}
