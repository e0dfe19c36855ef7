//! Silences, made with a look at what they would hit.

use model::UnixMillis;
use model::item::Revision;
use serde::Serialize;

use crate::dispatch::silence::Compiled;
use crate::doc::Stored;
use crate::edit::{By, Done};
use crate::silence::Silence;

use super::{Desk, DeskError, Listed, Page};

/// A silence as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SilenceView {
    /// The silence.
    #[serde(flatten)]
    pub silence: Silence,
    /// `PENDING`, `ACTIVE` or `EXPIRED`: where the moment stands between its start and its end.
    pub status: &'static str,
    /// Whether it holds at this moment: of one that comes back, not always while it is active.
    pub holds: bool,
    /// The version of it.
    pub revision: u64,
    /// When it was written.
    pub updated: UnixMillis,
}

impl SilenceView {
    fn new(stored: Stored<Silence>, now: UnixMillis) -> Self {
        let silence = stored.doc;
        SilenceView {
            status: if silence.ends <= now {
                "EXPIRED"
            } else if silence.starts > now {
                "PENDING"
            } else {
                "ACTIVE"
            },
            holds: Compiled::new(&silence).is_ok_and(|compiled| compiled.holds(now)),
            revision: stored.revision.0,
            updated: stored.updated,
            silence,
        }
    }
}

impl Desk {
    /// Silences, those that end last first; `over`: also those that are over.
    pub async fn silences(&self, over: bool, page: Page) -> Result<Listed<SilenceView>, DeskError> {
        let now = self.now();
        let mut all = self.all::<Silence>().await?;
        all.retain(|stored| over || stored.doc.ends > now);
        all.sort_by(|a, b| (b.doc.ends, &a.doc.id).cmp(&(a.doc.ends, &b.doc.id)));
        let Listed { total, items } = page.of(all);
        Ok(Listed { total, items: items.into_iter().map(|stored| SilenceView::new(stored, now)).collect() })
    }

    /// Makes a silence. One that would hit more than the limit is refused, unless `insist`.
    pub async fn create_silence(&self, silence: Silence, insist: bool, by: &By) -> Result<Done<Silence>, DeskError> {
        self.guard(&silence, insist).await?;
        Ok(self.edits.create(silence, by).await?)
    }

    /// Changes a silence; as [`Self::create_silence`].
    pub async fn update_silence(
        &self,
        silence: Silence,
        expected: Option<Revision>,
        insist: bool,
        by: &By,
    ) -> Result<Done<Silence>, DeskError> {
        self.guard(&silence, insist).await?;
        Ok(self.edits.update(silence, expected, by).await?)
    }

    /// Ends a silence now.
    pub async fn expire_silence(&self, id: &str, by: &By) -> Result<SilenceView, DeskError> {
        let done = self.edits.expire_silence(id, by).await?;
        Ok(self.silence_view(done.stored))
    }

    /// A silence as it is shown now.
    pub fn silence_view(&self, stored: Stored<Silence>) -> SilenceView {
        SilenceView::new(stored, self.now())
    }

    async fn guard(&self, silence: &Silence, insist: bool) -> Result<(), DeskError> {
        let limit = self.config.silence_limit;
        // What cannot be read is refused by the check, with its place.
        if insist || limit == 0 || !crate::check::silence(silence, self.now()).is_valid() {
            return Ok(());
        }
        let preview = self.preview_silence(&silence.matchers).await?;
        if preview.n_alarms.saturating_add(preview.n_entities) > limit {
            return Err(DeskError::TooBroad { limit, preview: Box::new(preview) });
        }
        Ok(())
    }
}
