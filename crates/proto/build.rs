//! Turns `proto/*.proto` into Rust types, gRPC clients and one encoded descriptor set, without `protoc`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    // The folder too, so that a new file is noticed.
    println!("cargo::rerun-if-changed={}", sources.display());

    let mut files: Vec<PathBuf> =
        fs::read_dir(&sources)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "proto"));
    // The order of a folder is the file system's whim; the output must not depend on it.
    files.sort();

    let mut compiler = protox::Compiler::new([&sources])?;
    compiler.include_imports(true).open_files(&files)?;

    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR for build scripts")?);
    compiler.include_source_info(false);
    fs::write(out_dir.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    // Source information is what carries the comments into the generated types.
    compiler.include_source_info(true);
    tonic_prost_build::configure()
        // The receiver serves every method under two paths, which a generated server cannot.
        .build_server(false)
        // Profiles are megabytes: a slice of the received buffer, not a copy.
        .bytes(".")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
