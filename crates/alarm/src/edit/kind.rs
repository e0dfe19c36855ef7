//! What is the same and what differs between the kinds of documents that operators edit.

use std::collections::BTreeMap;

use model::UnixMillis;
use serde_json::Value;

use crate::check::{self, Checked, Level, Problem, Surroundings};
use crate::doc::Doc;
use crate::notify;
use crate::notify::settings::join;
use crate::receiver::Receiver;
use crate::route::Routing;
use crate::rule::{Provenance, Rule};
use crate::seal::{Key, SealError};
use crate::settings::secrets::{self, Draft};
use crate::silence::Silence;

use super::{By, EditError};

/// What a document is prepared with before it is checked and written.
pub struct Prepared<'a, T> {
    /// The one that it replaces.
    pub present: Option<&'a T>,
    /// An id that nobody has, for one that has none.
    pub id: String,
    /// Now.
    pub now: UnixMillis,
    /// Who writes it.
    pub by: &'a By,
    /// Seals its secrets.
    pub key: Option<&'a Key>,
}

impl<T> std::fmt::Debug for Prepared<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A document that operators edit.
pub trait Edited: Doc + Clone {
    /// How many there may be.
    const MOST: usize;

    /// Its name, which no other living one has.
    fn name(&self) -> &str;

    /// The change that it names.
    fn change(&self) -> &str;

    /// Names a change.
    fn set_change(&mut self, change: String);

    /// Sets what is not the operator's to set, the change apart.
    fn prepare(&mut self, _: &Prepared<'_, Self>) -> Result<(), EditError> {
        Ok(())
    }

    /// Whether it may be saved.
    fn check(&self, around: &Surroundings<'_>, now: UnixMillis) -> Checked;

    /// Whether it says the same as another one of its id.
    fn same(&self, other: &Self) -> bool {
        let bare = |doc: &Self| {
            let mut doc = doc.clone();
            doc.set_change(String::new());
            serde_json::to_value(doc).expect("documents have texts as keys")
        };
        bare(self) == bare(other)
    }

    /// As it is shown: its JSON without secrets.
    fn shown(&self) -> Value {
        serde_json::to_value(self).expect("documents have texts as keys")
    }
}

impl Edited for Rule {
    const MOST: usize = check::MAX_RULES;

    fn name(&self) -> &str {
        &self.name
    }

    fn change(&self) -> &str {
        &self.change
    }

    fn set_change(&mut self, change: String) {
        self.change = change;
    }

    fn prepare(&mut self, with: &Prepared<'_, Self>) -> Result<(), EditError> {
        if self.id.is_empty() {
            self.id.clone_from(&with.id);
        }
        self.created = with.present.map_or(with.now, |present| present.created);
        // Whoever changes a rule of the file has made it one of the interface. The file's own import says otherwise itself.
        if with.by.source != "file" && self.provenance == Provenance::File {
            self.provenance = Provenance::Api;
        }
        Ok(())
    }

    fn check(&self, around: &Surroundings<'_>, _: UnixMillis) -> Checked {
        check::rule(self, around)
    }
}

impl Edited for Receiver {
    const MOST: usize = check::MAX_RECEIVERS;

    fn name(&self) -> &str {
        &self.id
    }

    fn change(&self) -> &str {
        &self.change
    }

    fn set_change(&mut self, change: String) {
        self.change = change;
    }

    /// Seals the secrets that were written, keeps those that are masked, and asks the kind what it says of all of it. Nobody writes
    /// sealed ones.
    fn prepare(&mut self, with: &Prepared<'_, Self>) -> Result<(), EditError> {
        self.secrets.clear();
        let Draft { receiver, secrets } = Draft::new(self.clone());
        *self = receiver;
        let mut open = BTreeMap::new();
        for path in secrets::places(&self.settings) {
            let wrong =
                |error: SealError| EditError::invalid("not_sealed", &format!("settings.{path}"), error.to_string());
            let kept = with.present.and_then(|present| present.secrets.get(&path));
            let (secret, sealed) = match (secrets.get(&path), kept) {
                (Some(secret), _) => {
                    let key = with.key.ok_or(SealError::NoKey).map_err(wrong)?;
                    (secret.reveal().to_owned(), key.seal(&self.id, secret.reveal()).map_err(wrong)?)
                }
                (None, Some(sealed)) => {
                    let key = with.key.ok_or(SealError::NoKey).map_err(wrong)?;
                    (key.open(&self.id, sealed).map_err(wrong)?, sealed.clone())
                }
                // The check says so, together with all else.
                (None, None) => continue,
            };
            open.insert(path.clone(), secret);
            self.secrets.insert(path, sealed);
        }
        if open.len() < secrets::places(&self.settings).len() {
            return Ok(());
        }
        notify::check(self.kind, &join(&self.settings, &open)).map(drop).map_err(|problems| {
            let problem = |problem: notify::settings::Problem| Problem {
                level: Level::Error,
                code: "bad_settings",
                path: format!("settings.{}", problem.path),
                at: None,
                message: problem.what,
            };
            EditError::Invalid(Checked { problems: problems.into_iter().map(problem).collect() })
        })
    }

    fn check(&self, _: &Surroundings<'_>, _: UnixMillis) -> Checked {
        check::receiver(self)
    }

    fn shown(&self) -> Value {
        let bare = Receiver { secrets: BTreeMap::new(), ..self.clone() };
        serde_json::to_value(bare).expect("documents have texts as keys")
    }
}

impl Edited for Routing {
    const MOST: usize = 1;

    fn name(&self) -> &str {
        &self.id
    }

    fn change(&self) -> &str {
        &self.change
    }

    fn set_change(&mut self, change: String) {
        self.change = change;
    }

    fn check(&self, around: &Surroundings<'_>, _: UnixMillis) -> Checked {
        check::routing(self, around)
    }
}

impl Edited for Silence {
    const MOST: usize = check::MAX_SILENCES;

    fn name(&self) -> &str {
        &self.id
    }

    fn change(&self) -> &str {
        &self.change
    }

    fn set_change(&mut self, change: String) {
        self.change = change;
    }

    fn prepare(&mut self, with: &Prepared<'_, Self>) -> Result<(), EditError> {
        if self.id.is_empty() {
            self.id.clone_from(&with.id);
        }
        self.author = with.present.map_or(with.by.actor.clone(), |present| present.author.clone());
        Ok(())
    }

    fn check(&self, _: &Surroundings<'_>, now: UnixMillis) -> Checked {
        check::silence(self, now)
    }
}
