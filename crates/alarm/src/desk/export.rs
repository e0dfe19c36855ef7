//! Rules and receivers as files: SkyWalking's, ours, Prometheus'.

use serde::{Deserialize, Serialize};

use crate::edit::{Bundle, Edited as _};
use crate::receiver::Receiver;
use crate::route::Routing;
use crate::rule::Rule;
use crate::settings;
use crate::silence::Silence;

use super::{Desk, DeskError, prometheus};

/// The form of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Format {
    /// `alarm-settings.yml`.
    #[default]
    SkywalkingYaml,
    /// A bundle of documents: what [`crate::edit::Edits::apply`] takes.
    Json,
    /// Rules of Prometheus, over the metrics as PromQL names them.
    PrometheusRules,
}

/// Something that a file does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The rule or receiver.
    pub name: String,
    /// What.
    pub message: String,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// Its form.
    pub format: Format,
    /// Its media type.
    pub content_type: &'static str,
    /// The file. Secrets are `***`.
    pub text: String,
    /// What it does not say.
    pub remarks: Vec<Remark>,
}

impl Desk {
    /// Writes the rules of these ids, or all, with what belongs to them: of all also receivers, routes and silences, as far as the form
    /// has words for them.
    pub async fn export(&self, format: Format, ids: &[String]) -> Result<Export, DeskError> {
        let mut rules: Vec<Rule> = self.all::<Rule>().await?.into_iter().map(|stored| stored.doc).collect();
        if let Some(id) = ids.iter().find(|id| rules.iter().all(|rule| rule.id != **id)) {
            return Err(crate::edit::EditError::NotFound(format!("alarm_rule {id}")).into());
        }
        rules.retain(|rule| ids.is_empty() || ids.contains(&rule.id));
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        let mut receivers: Vec<Receiver> = self.all::<Receiver>().await?.into_iter().map(|stored| stored.doc).collect();
        receivers.retain(|receiver| ids.is_empty() || rules.iter().any(|rule| rule.hooks.contains(&receiver.id)));
        let remark = |(name, message): (String, String)| Remark { name, message };
        Ok(match format {
            Format::SkywalkingYaml => {
                let written = settings::write(&rules, &receivers);
                Export {
                    format,
                    content_type: "application/yaml",
                    text: written.text,
                    remarks: written.warnings.into_iter().map(remark).collect(),
                }
            }
            Format::PrometheusRules => {
                let (text, remarks) = prometheus::write(&rules, &self.ground.catalogue);
                Export { format, content_type: "application/yaml", text, remarks }
            }
            Format::Json => self.bundle(rules, &receivers, ids.is_empty()).await?,
        })
    }

    async fn bundle(&self, rules: Vec<Rule>, receivers: &[Receiver], whole: bool) -> Result<Export, DeskError> {
        let mut bundle = Bundle { rules, ..Bundle::default() };
        if whole {
            bundle.routing = self.all::<Routing>().await?.into_iter().next().map(|stored| stored.doc);
            bundle.silences = self.all::<Silence>().await?.into_iter().map(|stored| stored.doc).collect();
        }
        let mut json = serde_json::to_value(&bundle).expect("documents have texts as keys");
        json["receivers"] = receivers.iter().map(|receiver| receiver.shown()).collect();
        let remarks = receivers.iter().filter(|receiver| !receiver.secrets.is_empty()).map(|receiver| Remark {
            name: receiver.id.clone(),
            message:
                "its secrets are not in the file: where they are not known already, write them in the places of ***"
                    .to_owned(),
        });
        Ok(Export {
            format: Format::Json,
            content_type: "application/json",
            remarks: remarks.collect(),
            text: serde_json::to_string_pretty(&json).expect("documents have texts as keys"),
        })
    }
}
