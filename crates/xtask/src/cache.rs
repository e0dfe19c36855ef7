//! The folder of what is fetched for servers of other projects, kept between runs.
//!
//! It lies outside the tree, because those servers refuse to run as root: where this program is root, another user runs them,
//! who must be able to reach every folder on the way.

use std::env;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Makes a folder whole or not at all, whoever else makes the same one meanwhile.
pub(crate) fn making(folder: &Path, make: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let draft = folder.with_added_extension(format!("draft-{}", std::process::id()));
    fs::create_dir(&draft).with_context(|| format!("cannot make {}", draft.display()))?;
    let made = make(&draft).and_then(|()| match fs::rename(&draft, folder) {
        Err(_) if folder.is_dir() => Ok(()),
        renamed => renamed.with_context(|| format!("cannot make {}", folder.display())),
    });
    // What is left of it after a failure, or because somebody else was faster.
    fs::remove_dir_all(&draft).unwrap_or_default();
    made
}

/// The folder that is kept between runs: the user's own cache, or a place that every user reaches.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let of_user = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let of_user = of_user.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cache")));
    let of_all = PathBuf::from("/var/tmp").join(format!("skylark-cache-{}", own_uid()));
    let folder = of_user.map(|path| path.join("skylark")).filter(|path| reachable(path)).unwrap_or(of_all);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let owner = fs::metadata(&folder)?.uid();
    if owner != own_uid() {
        // Somebody else could put other programs there.
        bail!("{} belongs to user {owner}", folder.display());
    }
    Ok(folder)
}

/// Whether the user that runs servers gets there: this one, or any at all where this one is root.
pub(crate) fn reachable(path: &Path) -> bool {
    let open = |folder: &Path| fs::metadata(folder).map_or(true, |found| found.mode() & 0o001 != 0);
    own_uid() != 0 || path.ancestors().all(open)
}

/// The user of this process.
pub(crate) fn own_uid() -> u32 {
    // Without /proc there is no setpriv either, and whoever is root there is told by the servers themselves.
    fs::metadata("/proc/self").map_or(u32::MAX, |own| own.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_whole_or_not_at_all() {
        let parent = env::temp_dir().join(format!("skylark-xtask-making-{}", std::process::id()));
        fs::create_dir_all(&parent).unwrap();
        let folder = parent.join("opensearch-3.6.0");
        let written = |text: &'static str| move |draft: &Path| Ok(fs::write(draft.join("file"), text)?);

        making(&folder, |draft| {
            written("half")(draft)?;
            bail!("no network")
        })
        .unwrap_err();
        assert_eq!(fs::read_dir(&parent).unwrap().count(), 0);
        making(&folder, written("first")).unwrap();
        making(&folder, written("second")).unwrap();
        assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "first");
        assert_eq!(fs::read_dir(&parent).unwrap().count(), 1, "no draft is left");
        fs::remove_dir_all(&parent).unwrap();
    }
}
