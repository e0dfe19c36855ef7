//! What people do with incidents.

use model::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::change::Op;
use crate::edit::{By, EditError, Next};
use crate::incident::{Acknowledged, Comment, Incident, MAX_COMMENTS, Reason, What};
use crate::pass::{Telling, close};
use crate::rule::Rule;

use super::{Desk, DeskError, IncidentView};

/// Characters of a comment.
pub const MAX_COMMENT: usize = 4_096;
/// Characters of the name of an assignee.
const MAX_ASSIGNEE: usize = 200;

/// What is done with an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Act {
    /// Somebody takes care of it: it is not told again.
    Acknowledge {
        /// Until when; `None`: until it is over.
        #[serde(default)]
        until: Option<UnixMillis>,
    },
    /// Nobody takes care of it any more.
    Unacknowledge,
    /// It is given to somebody.
    Assign {
        /// To whom; empty: to nobody.
        assignee: String,
    },
    /// Something is said of it.
    Comment {
        /// What.
        text: String,
    },
    /// It is over, whatever its condition says. A condition that is true still opens another one, in the next minute at the earliest.
    Close,
}

impl Act {
    fn op(&self) -> Op {
        match self {
            Act::Acknowledge { .. } => Op::Acknowledge,
            Act::Unacknowledge => Op::Unacknowledge,
            Act::Assign { .. } => Op::Assign,
            Act::Comment { .. } => Op::Comment,
            Act::Close => Op::Close,
        }
    }

    /// The incident after it; `None`: it is so already.
    fn apply(
        &self,
        incident: &Incident,
        desk: &Desk,
        rule: Option<&Rule>,
        by: &By,
    ) -> Result<Option<Incident>, EditError> {
        let now = desk.now();
        let is_over = || EditError::invalid("over", "", "the incident is over");
        let mut next = incident.clone();
        match self {
            Act::Acknowledge { .. } | Act::Close if incident.closed.is_some() => return Err(is_over()),
            Act::Acknowledge { until: Some(until) } if *until <= now => {
                return Err(EditError::invalid("out_of_range", "until", "that time is over"));
            }
            Act::Acknowledge { until } => {
                next.acknowledged = Some(Acknowledged { by: by.actor.clone(), at: now, until: *until });
            }
            Act::Unacknowledge => next.acknowledged = None,
            Act::Assign { assignee } => next.assignee.clone_from(assignee),
            Act::Comment { text } => {
                if incident.comments.len() >= MAX_COMMENTS {
                    let what = format!("it has {MAX_COMMENTS} comments, which is the most");
                    return Err(EditError::invalid("too_many", "text", what));
                }
                next.comments.push(Comment { author: by.actor.clone(), at: now, text: text.clone() });
            }
            Act::Close => {
                let minute = now.minute().unwrap_or(incident.entered).max(incident.entered);
                let reason = Some(Reason::Operator);
                let telling = Telling { reason, ..Telling::of(rule, incident, What::Recovered, minute) };
                next = close(incident, minute, now, crate::engine::render(&telling, &desk.ground.about));
            }
        }
        Ok((next != *incident).then_some(next))
    }

    fn check(&self) -> Result<(), DeskError> {
        let (path, text, most) = match self {
            Act::Assign { assignee } => ("assignee", assignee, MAX_ASSIGNEE),
            Act::Comment { text } if text.trim().is_empty() => {
                return Err(DeskError::refused("missing", "text", "a comment says something"));
            }
            Act::Comment { text } => ("text", text, MAX_COMMENT),
            _ => return Ok(()),
        };
        let n = text.chars().count();
        if n > most {
            let what = format!("it has {n} characters, at most {most} are allowed");
            return Err(DeskError::refused("too_long", path, what));
        }
        Ok(())
    }
}

impl Desk {
    /// Does something with an incident, whatever the engine does with it meanwhile. What is so already is not done again.
    pub async fn act(&self, id: &str, act: &Act, by: &By) -> Result<IncidentView, DeskError> {
        act.check()?;
        let rule = match act {
            Act::Close => self.rule_of(id).await?,
            _ => None,
        };
        let next = |incident: &Incident, _: UnixMillis| {
            let next = act.apply(incident, self, rule.as_ref(), by)?;
            Ok(next.map_or(Next::Unchanged, Next::Write))
        };
        Ok(IncidentView::new(self.edits.act::<Incident>(id, act.op(), by, next).await?))
    }

    /// The rule of an incident, where it is still there.
    async fn rule_of(&self, id: &str) -> Result<Option<Rule>, DeskError> {
        let incident = self.get::<Incident>(id).await?.doc;
        match self.edits.get::<Rule>(&incident.rule).await {
            Ok(stored) => Ok(Some(stored.doc)),
            Err(EditError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
