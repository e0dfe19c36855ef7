//! What the chats of SkyWalking's file have in common: a template for firings and one for recoveries, each making JSON of a message.

use serde_json::Value;

use super::Out;
use super::plain;
use super::settings::Keys;
use super::told::{Alarm, Shown};
use crate::template::{Escape, Template, TemplateError};

/// The two templates. One that is not there is ours; a blank one sends nothing.
#[derive(Clone, Debug)]
pub(super) struct Templates {
    firing: Option<Template>,
    recovery: Option<Template>,
}

impl Templates {
    pub(super) fn read(keys: &Keys<'_>) -> Templates {
        let templates = Templates {
            firing: keys.template("text-template", Escape::Json),
            recovery: keys.template("recovery-text-template", Escape::Json),
        };
        for (key, template) in [("text-template", &templates.firing), ("recovery-text-template", &templates.recovery)] {
            if template.as_ref().is_some_and(Template::is_blank) {
                let what = if key == "text-template" { "firings" } else { "recoveries" };
                keys.warning(key, format!("is blank: {what} are not told"));
            }
        }
        templates
    }

    /// The JSON for an alarm: the template's, or `own` of its text where there is no template, or it makes no JSON. `None`: it is
    /// not told.
    pub(super) fn json(
        &self,
        alarm: &Alarm,
        shown: &Shown,
        out: &mut Out<'_>,
        own: fn(&str) -> Value,
    ) -> Option<Value> {
        let template = if alarm.is_firing() { &self.firing } else { &self.recovery };
        let Some(template) = template else {
            let sign = if alarm.is_firing() { "" } else { "[RESOLVED] " };
            return Some(own(&format!("{sign}{}", plain(alarm, shown))));
        };
        if template.is_blank() {
            return None;
        }
        let json = template.alarm(alarm, shown).and_then(|text| {
            serde_json::from_str(&text)
                .map_err(|error| TemplateError { line: error.line(), what: format!("it makes no JSON: {error}") })
        });
        Some(out.or_plain(json, || own(&plain(alarm, shown))))
    }
}
