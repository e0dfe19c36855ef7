//! Files of the operator's that take effect when they change, without a restart.
//!
//! A [`Watched`] value is parsed from one or more files at the start. Then [`Watched::run`] looks at them every [`LOOK`]; what
//! changed and can be read replaces the value, what cannot be read leaves the last good one in use, says why in the log, and is
//! counted ([`Reloads`]). A change is taken up when two looks in a row see the same, so that a file that is being written, or
//! replaced by being deleted first, is not read half.
//!
//! To watch another kind of file: [`Watched::open`] it in `app::Files::load`, give [`Watched::current`] to whoever uses the
//! value (loading it takes no lock; take it once for a handful of elements), add [`Watched::reloads`] to `scrape::Sources`, and
//! spawn [`Watched::run`] among the background tasks.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

/// How often the files are looked at. A change takes effect within two looks.
pub const LOOK: Duration = Duration::from_secs(2);
/// The most bytes that all files of one value may have.
pub const MAX_BYTES: u64 = 32 << 20;
/// The most files of one value.
pub const MAX_FILES: usize = 2_000;

/// The files of one value: names for people and texts, in the order of the names.
pub type Texts = Vec<(String, String)>;

type Look = Arc<dyn Fn() -> anyhow::Result<Texts> + Send + Sync>;
type Parse<T> = Arc<dyn Fn(&Texts) -> anyhow::Result<T> + Send + Sync>;

/// What became of the looks at one kind of files. Shared with own telemetry.
#[derive(Debug)]
pub struct Reloads {
    /// What kind of files, as own telemetry labels it: `sampling`, `naming`.
    pub what: &'static str,
    taken: AtomicU64,
    failed: AtomicU64,
    problem: ArcSwap<Option<String>>,
}

impl Reloads {
    /// Changes that took effect.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Changes that could not be read.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Why the files as they are now are not in use; `None` while they are.
    pub fn problem(&self) -> Option<String> {
        self.problem.load().as_ref().clone()
    }
}

/// A value that follows its files.
pub struct Watched<T> {
    look: Look,
    parse: Parse<T>,
    current: Arc<ArcSwap<T>>,
    reloads: Arc<Reloads>,
    /// What the value was parsed from, or what could not be parsed: the same is not tried twice.
    known: Result<Texts, String>,
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("reloads", &self.reloads).finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Looks at the files and parses them. `look` answers their texts ([`file()`] and [`folder`] help; it may block, and is called
    /// beside the threads that serve), `parse` makes the value, and its errors should name file, line and column. `Err`: the files
    /// as they are now cannot be used, which is for the operator to mend before the start.
    pub fn open(
        what: &'static str,
        look: impl Fn() -> anyhow::Result<Texts> + Send + Sync + 'static,
        parse: impl Fn(&Texts) -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Watched<T>> {
        let texts = look()?;
        let value = parse(&texts)?;
        let reloads =
            Reloads { what, taken: AtomicU64::new(0), failed: AtomicU64::new(0), problem: ArcSwap::from_pointee(None) };
        Ok(Watched {
            look: Arc::new(look),
            parse: Arc::new(parse),
            current: Arc::new(ArcSwap::from_pointee(value)),
            reloads: Arc::new(reloads),
            known: Ok(texts),
        })
    }

    /// Where the value is, whichever it is at the time.
    pub fn current(&self) -> Arc<ArcSwap<T>> {
        Arc::clone(&self.current)
    }

    /// What own telemetry tells.
    pub fn reloads(&self) -> Arc<Reloads> {
        Arc::clone(&self.reloads)
    }

    /// Follows the files until `stopped`.
    pub async fn run(mut self, stopped: impl Future<Output = ()>) {
        let mut stopped = std::pin::pin!(stopped);
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = self.known.clone();
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => return,
                _ = ticks.tick() => {}
            }
            let look = Arc::clone(&self.look);
            let seen = tokio::task::spawn_blocking(move || look().map_err(|error| format!("{error:#}"))).await;
            // A look that panics is a bug of whoever wrote it, and no reason to end the server.
            let seen = seen.unwrap_or_else(|error| Err(error.to_string()));
            if seen != self.known && seen == before {
                self.take(seen.clone()).await;
            }
            before = seen;
        }
    }

    /// Takes over what the files say now.
    async fn take(&mut self, seen: Result<Texts, String>) {
        self.known = seen.clone();
        let parse = Arc::clone(&self.parse);
        let parsed = match seen {
            Err(problem) => Err(problem),
            Ok(texts) => {
                let parsed = tokio::task::spawn_blocking(move || parse(&texts).map_err(|error| format!("{error:#}")));
                parsed.await.unwrap_or_else(|error| Err(error.to_string()))
            }
        };
        let what = self.reloads.what;
        match parsed {
            Ok(value) => {
                self.current.store(Arc::new(value));
                self.reloads.problem.store(Arc::new(None));
                self.reloads.taken.fetch_add(1, Ordering::Relaxed);
                info!(what, "changed files took effect");
            }
            Err(error) => {
                warn!(what, error, "changed files are unusable, the last good ones stay in use");
                self.reloads.problem.store(Arc::new(Some(error)));
                self.reloads.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The text of `name` in `dir`, or `shipped` where there is no folder or no such file.
pub fn file(dir: Option<&Path>, name: &str, shipped: &str) -> anyhow::Result<Texts> {
    let path = dir.map(|dir| dir.join(name)).filter(|path| path.is_file());
    let text = match path {
        None => shipped.to_owned(),
        Some(path) => read(&path, MAX_BYTES)?,
    };
    Ok(vec![(name.to_owned(), text)])
}

/// The texts of all files below `name` in `dir` whose names end in one of `endings`, named by their path from `dir` with `/`
/// between the parts; none where there is no such folder. At most `depth` folders deep.
pub fn folder(dir: Option<&Path>, name: &str, endings: &[&str], depth: usize) -> anyhow::Result<Texts> {
    let mut texts = Vec::new();
    if let Some(path) = dir.map(|dir| dir.join(name)).filter(|path| path.is_dir()) {
        let mut left = MAX_BYTES;
        collect(&path, name, endings, depth, (&mut left, &mut texts))?;
    }
    texts.sort();
    Ok(texts)
}

fn collect(
    folder: &Path,
    name: &str,
    endings: &[&str],
    depth: usize,
    (left, texts): (&mut u64, &mut Texts),
) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        let Some(own) = path.file_name().and_then(|own| own.to_str()) else { continue };
        // Kubernetes keeps what a mounted folder's links point at in hidden folders; editors their copies in hidden files.
        if own.starts_with('.') {
            continue;
        }
        let name = format!("{name}/{own}");
        if path.is_dir() {
            if depth > 0 {
                collect(&path, &name, endings, depth - 1, (left, texts))?;
            }
        } else if endings.iter().any(|ending| own.ends_with(ending)) {
            if texts.len() >= MAX_FILES {
                bail!("{}: more than {MAX_FILES} files", folder.display());
            }
            let text = read(&path, *left)?;
            *left -= u64::try_from(text.len()).unwrap_or(u64::MAX).min(*left);
            texts.push((name, text));
        }
    }
    Ok(())
}

/// A text of at most `most` bytes.
fn read(path: &Path, most: u64) -> anyhow::Result<String> {
    let cannot = || format!("cannot read {}", path.display());
    let mut text = String::new();
    let opened = std::fs::File::open(path).with_context(cannot)?;
    let length = opened.take(most.saturating_add(1)).read_to_string(&mut text).with_context(cannot)?;
    if u64::try_from(length).unwrap_or(u64::MAX) > most {
        bail!("{}: it and the files beside it are larger than {MAX_BYTES} bytes", path.display());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use anyhow::anyhow;
    use tokio::sync::watch;
    use tokio::time::sleep;

    use super::*;

    /// What a disk would hold.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<String>>);

    impl Disk {
        fn put(&self, text: &str) {
            text.clone_into(&mut self.0.lock().unwrap());
        }

        fn watched(&self) -> anyhow::Result<Watched<u32>> {
            let disk = self.clone();
            let look = move || match &**disk.0.lock().unwrap() {
                "away" => Err(anyhow!("no such file")),
                text => Ok(vec![("number.yml".to_owned(), text.to_owned())]),
            };
            Watched::open("number", look, |texts| texts[0].1.parse().context("number.yml"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_takes_effect_and_a_broken_file_keeps_the_last_good_one() {
        let disk = Disk::default();
        disk.put("1");
        let watched = disk.watched().unwrap();
        let (current, reloads) = (watched.current(), watched.reloads());
        let (stop, mut told) = watch::channel(false);
        let task = tokio::spawn(watched.run(async move { drop(told.wait_for(|stop| *stop).await) }));
        let state = || (**current.load(), reloads.taken(), reloads.failed(), reloads.problem());

        sleep(LOOK * 3).await;
        assert_eq!(state(), (1, 0, 0, None));
        disk.put("2");
        sleep(LOOK * 2).await;
        assert_eq!(state(), (2, 1, 0, None));
        disk.put("two");
        sleep(LOOK * 5).await;
        assert_eq!(state(), (2, 1, 1, Some("number.yml: invalid digit found in string".to_owned())));
        disk.put("away");
        sleep(LOOK * 2).await;
        assert_eq!(state(), (2, 1, 2, Some("no such file".to_owned())));
        // Also what was in use before is taken up again: the problem is over.
        disk.put("2");
        sleep(LOOK * 2).await;
        assert_eq!(state(), (2, 2, 2, None));
        stop.send_replace(true);
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_still_being_written_is_not_read() {
        let disk = Disk::default();
        disk.put("1");
        let watched = disk.watched().unwrap();
        let (current, reloads) = (watched.current(), watched.reloads());
        let task = tokio::spawn(watched.run(std::future::pending()));
        sleep(LOOK / 2).await;
        for n in 10..20 {
            disk.put(&n.to_string());
            sleep(LOOK).await;
            assert_eq!((**current.load(), reloads.taken()), (1, 0));
        }
        sleep(LOOK).await;
        assert_eq!((**current.load(), reloads.taken()), (19, 1));
        task.abort();
    }

    #[test]
    fn a_start_with_a_broken_file_fails() {
        let disk = Disk::default();
        disk.put("one");
        assert_eq!(format!("{:#}", disk.watched().unwrap_err()), "number.yml: invalid digit found in string");
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_names_and_not_beyond_its_limits() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("d/b/two.yml", "2");
        put("d/a.yaml", "1");
        put("d/readme.md", "no");
        put("d/..data/a.yaml", "hidden");
        put("d/b/c/three.yml", "too deep");
        let look = |name| folder(Some(dir.path()), name, &[".yml", ".yaml"], 1);
        let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(look("d").unwrap(), [text("d/a.yaml", "1"), text("d/b/two.yml", "2")]);
        assert_eq!(look("nowhere").unwrap(), []);
        assert_eq!(folder(None, "d", &[".yml"], 1).unwrap(), []);

        let one = |name| file(Some(dir.path()), name, "shipped");
        assert_eq!(one("d/a.yaml").unwrap(), [text("d/a.yaml", "1")]);
        assert_eq!(one("x.yml").unwrap(), [text("x.yml", "shipped")]);
        let large = std::fs::File::create(dir.path().join("large.yml")).unwrap();
        large.set_len(MAX_BYTES + 1).unwrap();
        assert!(format!("{:#}", one("large.yml").unwrap_err()).ends_with("are larger than 33554432 bytes"));
    }
}
