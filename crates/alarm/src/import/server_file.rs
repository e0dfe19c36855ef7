//! The settings file of the server: read again and again, imported by the holder of the lease where it is another than last time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::UnixMillis;
use storage::lease::{Tenure, Term};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{Imported, hash};
use crate::edit::{Edits, Step};
use crate::settings::report::{Report, Verdict};

/// How often the file is read.
const LOOK: Duration = Duration::from_secs(5);
/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// The settings file as this node knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileView {
    /// Where it lies; empty: it is the one that is compiled in.
    pub path: PathBuf,
    /// Of its text ([`hash`]); empty: it was not read.
    pub hash: String,
    /// Why it cannot be read.
    pub error: Option<String>,
    /// What became of each part of it: as this node reads it, and, where this node imported it, as it was imported.
    pub report: Report,
    /// What its import wrote, where this node did that.
    pub steps: Vec<Step>,
    /// When this node imported it.
    pub imported: Option<UnixMillis>,
}

/// Tells how the settings file stands. Clones tell the same.
#[derive(Clone, Debug)]
pub struct FileViews(watch::Receiver<Arc<FileView>>);

impl FileViews {
    /// As it stands.
    pub fn now(&self) -> Arc<FileView> {
        Arc::clone(&self.0.borrow())
    }
}

/// The task that looks after the settings file.
#[derive(Debug)]
pub struct ServerFile {
    path: PathBuf,
    shipped: &'static str,
    node: String,
    edits: Arc<Edits>,
    tenure: Tenure,
    told: watch::Sender<Arc<FileView>>,
    text: String,
    /// In which term which text was imported.
    done: Option<(Term, String)>,
}

impl ServerFile {
    /// The file at a path, where that is empty the text `shipped`, and where that is empty none; `node` is what this node is called.
    /// It is read once, so that it is known from the start.
    pub async fn open(
        path: PathBuf,
        shipped: &'static str,
        node: String,
        edits: Arc<Edits>,
        tenure: Tenure,
    ) -> (ServerFile, FileViews) {
        let (told, views) = watch::channel(Arc::new(FileView { path: path.clone(), ..FileView::default() }));
        let mut file = ServerFile { path, shipped, node, edits, tenure, told, text: String::new(), done: None };
        file.read().await;
        (file, FileViews(views))
    }

    /// Looks until `stop` is done.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        if self.is_none() {
            return stop.await;
        }
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let look = async {
                tokio::select! {
                    _ = looks.tick() => {}
                    // A new holder imports at once: its rules shall not wait.
                    _ = self.tenure.held(), if self.tenure.term().is_none() => {}
                }
                self.read().await;
                self.import().await;
            };
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = look => {}
            }
        }
    }

    fn is_none(&self) -> bool {
        self.path.as_os_str().is_empty() && self.shipped.is_empty()
    }

    async fn read(&mut self) {
        if self.is_none() {
            return;
        }
        let text = match self.path.as_os_str().is_empty() {
            true => Ok(self.shipped.to_owned()),
            false => text_of(&self.path).await,
        };
        match text {
            Ok(text) => {
                let hash = hash(&text);
                let known = self.told.borrow().hash == hash;
                if known && self.told.borrow().error.is_none() {
                    return;
                }
                let report = self.edits.report(&text);
                self.text = text;
                self.tell(|view| *view = FileView { path: view.path.clone(), hash, report, ..FileView::default() });
            }
            Err(error) => {
                if self.told.borrow().error.as_ref() != Some(&error) {
                    warn!(file = %self.path.display(), error, "the settings file cannot be read; what was imported stays");
                    self.tell(|view| view.error = Some(error));
                }
            }
        }
    }

    async fn import(&mut self) {
        let Some(term) = self.tenure.term() else { return };
        let hash = self.told.borrow().hash.clone();
        let done = Some((term, hash.clone()));
        if hash.is_empty() || self.done == done {
            return;
        }
        match self.edits.import_file(&self.text, &self.node).await {
            Ok(imported) => {
                let whole = imported.iter().flat_map(|imported| &imported.steps).all(|step| step.failed.is_empty());
                if whole {
                    self.done = done;
                }
                if let Some(Imported { report, steps }) = imported {
                    say(&report, &steps);
                    let at = self.edits.now();
                    self.tell(|view| {
                        (view.report, view.steps) = (report, steps);
                        view.imported = Some(at);
                    });
                }
            }
            Err(error) => warn!(%error, "the settings file cannot be imported yet"),
        }
    }

    fn tell(&self, change: impl FnOnce(&mut FileView)) {
        self.told.send_modify(|view| change(Arc::make_mut(view)));
    }
}

async fn text_of(path: &std::path::Path) -> Result<String, String> {
    let size = tokio::fs::metadata(path).await.map_err(|error| error.to_string())?.len();
    if size > MAX_BYTES {
        return Err(format!("it has {size} bytes, at most {MAX_BYTES} are read"));
    }
    tokio::fs::read_to_string(path).await.map_err(|error| error.to_string())
}

fn say(report: &Report, steps: &[Step]) {
    let n_failed = steps.iter().filter(|step| !step.failed.is_empty()).count();
    info!(n_changes = steps.len(), n_failed, "the settings file was imported");
    if report.verdict() != Verdict::Ok {
        let text = report.to_string();
        text.lines().filter(|line| !line.ends_with(": ok")).for_each(|line| warn!("alarm settings file: {line}"));
    }
}
