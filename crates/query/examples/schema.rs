//! Writes the schema's files into the directory given as the argument; files that are no longer part of it are removed.

use std::{error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let dir: PathBuf = std::env::args_os().nth(1).ok_or("usage: schema DIR")?.into();
    let files = query::schema::sdl_files();
    fs::create_dir_all(&dir)?;
    for entry in fs::read_dir(&dir)? {
        let path = entry?.path();
        let is_ours = path.extension().is_some_and(|extension| extension == "graphqls");
        let is_current = path.file_name().is_some_and(|name| files.iter().any(|(current, _)| name == current.as_str()));
        if is_ours && !is_current {
            fs::remove_file(&path)?;
        }
    }
    for (name, text) in files {
        fs::write(dir.join(name), text)?;
    }
    Ok(())
}
