//! The texts of transitions: what rules say, filled in.

use std::collections::BTreeMap;

use minijinja::Value;
use tracing::warn;

use crate::dispatch::labels;
use crate::incident::{Incident, Transition, What};
use crate::notify::told::About;
use crate::pass::{Telling, Texts};
use crate::rule::{Profile, Rule};
use crate::template;

/// Fills in the texts of a transition. A recovery says what its firing said, but for the message where the rule has one for it; so
/// routes see the same labels from first to last. What cannot be filled in is said in plain words.
pub fn render(telling: &Telling<'_>, about: &About) -> Texts {
    let fired = telling.incident.transitions.iter().rev().find(|t| t.what != What::Recovered);
    if let (What::Recovered, Some(fired)) = (telling.what, fired) {
        let said = telling.rule.map(|rule| &rule.recovery_message).filter(|message| !message.is_empty());
        let message = said.zip(telling.rule).map(|(source, rule)| Filling { telling, rule, about }.text(source));
        return Texts {
            message: message.unwrap_or_else(|| fired.message.clone()),
            tags: fired.tags.clone(),
            annotations: fired.annotations.clone(),
        };
    }
    let Some(rule) = telling.rule else {
        return Texts { message: plain(telling.incident), ..Texts::default() };
    };
    let filling = Filling { telling, rule, about };
    let all = |texts: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        texts.iter().map(|(key, source)| (key.clone(), filling.text(source))).collect()
    };
    let message = match telling.n_more {
        0 if rule.message.is_empty() => plain(telling.incident),
        0 => filling.text(&rule.message),
        n => format!("{n} more alarms of {}: beyond its limit they are not told one by one", rule.name),
    };
    let mut tags = all(&rule.tags);
    if rule.profile == Profile::Native {
        // SkyWalking's rules show the tags that they have and no other.
        let level = labels::severity(rule.severity).to_ascii_uppercase();
        tags.entry("level".to_owned()).or_insert(level);
    }
    Texts { message, tags, annotations: all(&rule.annotations) }
}

fn plain(incident: &Incident) -> String {
    format!("{}: {}", incident.rule_name, incident.entity.name)
}

struct Filling<'a> {
    telling: &'a Telling<'a>,
    rule: &'a Rule,
    about: &'a About,
}

impl Filling<'_> {
    fn text(&self, source: &str) -> String {
        let entity = &self.telling.incident.entity;
        let text = template::rule_text(source, &entity.name, &entity.ids().0, || self.context());
        text.unwrap_or_else(|error| {
            warn!(rule = self.rule.name, %error, "a text of a rule cannot be filled in");
            plain(self.telling.incident)
        })
    }

    fn context(&self) -> Value {
        let Telling { incident, what, reason, minute, evidence, own, .. } = *self.telling;
        let seq = incident.transitions.last().map_or(1, |last| last.seq.saturating_add(1));
        let at = minute.start().plus(60_000);
        let transition = Transition { evidence: evidence.to_vec(), reason, ..Transition::bare(seq, what, minute, at) };
        let alarm = template::alarm_of(incident, &transition, self.about);
        let mut variables = self.rule.variables.clone();
        variables.extend(own.into_iter().flat_map(|own| own.variables.clone()));
        template::rule_context(&alarm, &variables)
    }
}
