//! The data folder itself: whose it is, which layout it has, under which zone it was filled.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use model::item::Revision;
use model::kinds::ItemKind;
use model::{Clock, Zone};

use super::faults::Faults;
use super::items;
use super::rows::{DbFile, io_failure, sync_parent};
use crate::{ItemQuery, StoreError, Swapped, about};

/// What the file `format` says. Raise the number with every change that an older or newer version could not read.
const FORMAT: &str = "skylark embedded store, format 2\n";

/// The folder is ours while this lives and until it is released.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Lets others in.
    pub(super) fn release(&self) -> Result<(), StoreError> {
        self.0.unlock().map_err(|e| StoreError::Unavailable(format!("the folder's lock: {e}")))
    }
}

/// Makes the folder if need be, takes it for this process and checks its format.
pub(super) fn prepare(folder: &Path) -> Result<Lock, StoreError> {
    fs::create_dir_all(folder).map_err(|e| io_failure(folder, &e))?;
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(|e| io_failure(&path, &e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::Unavailable(format!("{} is in use by another process", folder.display())));
        }
        Err(TryLockError::Error(e)) => return Err(io_failure(&path, &e)),
    }
    check_format(folder)?;
    Ok(Lock(file))
}

fn check_format(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join("format");
    match fs::read_to_string(&path) {
        Ok(format) if format == FORMAT => Ok(()),
        Ok(format) => Err(StoreError::Damaged(format!(
            "{} has the format {:?}, this version reads {:?}: start the version that wrote it, or move the folder away",
            folder.display(),
            format.trim().chars().take(80).collect::<String>(),
            FORMAT.trim()
        ))),
        Err(e) if e.kind() == ErrorKind::InvalidData => {
            Err(StoreError::Damaged(format!("{} is not a text: this is no data folder of ours", path.display())))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            if ["meta.redb", "rows", "records"].iter().any(|name| folder.join(name).exists()) {
                return Err(StoreError::Damaged(format!(
                    "{} holds data but does not say its format",
                    folder.display()
                )));
            }
            write_format(folder, &path).map_err(|e| io_failure(&path, &e))?;
            sync_parent(&path)
        }
        Err(e) => Err(io_failure(&path, &e)),
    }
}

fn write_format(folder: &Path, path: &Path) -> std::io::Result<()> {
    let new = folder.join("format.new");
    let mut file = File::create(&new)?;
    file.write_all(FORMAT.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, path)
}

/// Records the zone at the first start and refuses another one later: hours and days that were counted in one zone cannot be
/// read in another.
pub(super) fn check_zone(meta: &DbFile, zone: &Zone, clock: &Clock, faults: &Faults) -> Result<(), StoreError> {
    let ids = vec![about::STORE.to_owned()];
    let stored = items::query(meta, &ItemQuery { kind: ItemKind::Meta, ids, tombstones: false })?;
    let stored = match stored.into_iter().next() {
        Some(item) => item,
        None => {
            let item = about::item(zone, clock.now(), 0);
            match items::swap_many(meta, &[(item.clone(), Revision(0))], faults)?.pop() {
                Some(Swapped::Conflict(Some(stored))) => stored,
                _ => item,
            }
        }
    };
    about::check_zone(&stored, zone, "use another folder")
}
