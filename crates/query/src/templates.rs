//! Dashboard templates: files of the operator's, and what was changed through the API, which lies in the store and wins.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
};

use model::{
    item::{Item, Revision},
    kinds::ItemKind,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::{ItemQuery, Swapped};

use crate::{
    Actor, Error, Role,
    app::App,
    random,
    schema::configuration::{DashboardConfiguration, TemplateChangeStatus},
};

/// Most templates that a folder may hold.
const MAX_FILES: usize = 5_000;
/// Longest file and longest configuration, in bytes.
const MAX_BYTES: usize = 4 << 20;
/// How deep folders may nest.
const MAX_FOLDERS: usize = 8;

/// Why the templates of a folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file is no template, or contradicts another one.
    #[error("{path}: {problem}")]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// The templates of a folder: configuration, as JSON text, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    by_id: BTreeMap<String, String>,
}

impl Templates {
    /// Reads every `.json` file below a folder. An empty path means no templates.
    ///
    /// A file holds `[{"id", "configuration"}]` with exactly one element, or that element alone; `configuration` is an object,
    /// or one as text. Comments before the value are passed over, and a file with nothing else is no template.
    ///
    /// # Errors
    /// When something cannot be read, a file is no template, or two templates share an id or a layer, entity and name: the UI
    /// finds templates by these three.
    pub fn load(folder: &Path) -> Result<Self, TemplateError> {
        let mut templates = Self::default();
        if folder.as_os_str().is_empty() {
            return Ok(templates);
        }
        let mut files = Vec::new();
        list(folder, 0, &mut files)?;
        files.sort();
        let mut names: HashMap<String, String> = HashMap::new();
        for path in files {
            let bad = |problem: String| TemplateError::Bad { path: path.clone(), problem };
            let text = fs::read_to_string(&path).map_err(|error| TemplateError::Read { path: path.clone(), error })?;
            let Some(template) = parse(&text).map_err(bad)? else { continue };
            if let Some(name) = name_of(&template.configuration)
                && let Some(other) = names.insert(name.clone(), template.id.clone())
            {
                return Err(bad(format!("{name} is template {other} already")));
            }
            if templates.by_id.insert(template.id.clone(), template.configuration.to_string()).is_some() {
                return Err(bad(format!("the id {} is there already", template.id)));
            }
        }
        Ok(templates)
    }
}

fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), TemplateError> {
    let unreadable = |error| TemplateError::Read { path: folder.to_owned(), error };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() && depth < MAX_FOLDERS {
            list(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let bytes = fs::metadata(&path).map_err(|error| TemplateError::Read { path: path.clone(), error })?.len();
            let problem = match () {
                () if bytes > MAX_BYTES as u64 => format!("longer than {MAX_BYTES} bytes"),
                () if files.len() == MAX_FILES => format!("more than {MAX_FILES} templates"),
                () => {
                    files.push(path);
                    continue;
                }
            };
            return Err(TemplateError::Bad { path, problem });
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct FileTemplate {
    id: String,
    configuration: Value,
}

fn parse(text: &str) -> Result<Option<FileTemplate>, String> {
    let text = without_comments(text)?;
    if text.is_empty() {
        return Ok(None);
    }
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let element = match value {
        Value::Array(elements) => {
            let [element]: [Value; 1] =
                elements.try_into().map_err(|all: Vec<Value>| format!("one template expected, {} found", all.len()))?;
            element
        }
        other => other,
    };
    let mut template: FileTemplate = serde_json::from_value(element).map_err(|error| error.to_string())?;
    if let Value::String(text) = &template.configuration {
        template.configuration = serde_json::from_str(text).map_err(|error| format!("configuration: {error}"))?;
    }
    if template.id.is_empty() {
        return Err("the id is empty".to_owned());
    }
    if !template.configuration.is_object() {
        return Err("the configuration is no object".to_owned());
    }
    Ok(Some(template))
}

/// What follows the comments at the beginning.
fn without_comments(text: &str) -> Result<&str, String> {
    let mut rest = text.trim_start_matches('\u{feff}').trim();
    loop {
        rest = if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").ok_or("a comment never ends")?.1.trim_start()
        } else if let Some(comment) = rest.strip_prefix("//") {
            comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start()
        } else {
            return Ok(rest);
        };
    }
}

/// Layer, entity and name, by which the UI finds a template.
fn name_of(configuration: &Value) -> Option<String> {
    let part = |key: &str| configuration.get(key).and_then(Value::as_str);
    Some(format!("{}_{}_{}", part("layer")?, part("entity")?, part("name")?))
}

/// What lies in the store for a template that was added, changed or disabled.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    configuration: String,
    #[serde(default)]
    disabled: bool,
}

async fn stored(app: &App, ids: Vec<String>) -> Result<Vec<(Item, Stored)>, Error> {
    let query = ItemQuery { kind: ItemKind::Template, ids, tombstones: false };
    let read = |item: Item| match serde_json::from_str(&item.body) {
        Ok(stored) => Some((item, stored)),
        Err(error) => {
            tracing::warn!(%error, id = item.id, "stored template is unreadable");
            None
        }
    };
    Ok(app.read().await.items(&query).await?.into_iter().filter_map(read).collect())
}

/// Every template that is not disabled, by id.
pub(crate) async fn all(app: &App) -> Result<Vec<DashboardConfiguration>, Error> {
    let mut by_id = app.templates.by_id.clone();
    for (item, stored) in self::stored(app, Vec::new()).await? {
        if stored.disabled {
            by_id.remove(&item.id);
        } else {
            by_id.insert(item.id, stored.configuration);
        }
    }
    Ok(by_id.into_iter().map(|(id, configuration)| DashboardConfiguration { id, configuration }).collect())
}

/// The template of an id; nothing when it is unknown or disabled.
pub(crate) async fn one(app: &App, id: &str) -> Result<Option<DashboardConfiguration>, Error> {
    let configuration = match stored(app, vec![id.to_owned()]).await?.pop() {
        Some((_, stored)) => (!stored.disabled).then_some(stored.configuration),
        None => app.templates.by_id.get(id).cloned(),
    };
    Ok(configuration.map(|configuration| DashboardConfiguration { id: id.to_owned(), configuration }))
}

/// Adds a template under an id of its own.
pub(crate) async fn add(app: &App, who: &Actor, configuration: String) -> Result<TemplateChangeStatus, Error> {
    if let Some(refusal) = refusal(app, who, "", Some(&configuration)) {
        return Ok(refusal);
    }
    let id = random::uuid();
    write(app, &id, Revision(0), Stored { configuration, disabled: false }).await
}

/// Replaces the content of a template, byte for byte.
pub(crate) async fn change(
    app: &App,
    who: &Actor,
    id: &str,
    configuration: String,
) -> Result<TemplateChangeStatus, Error> {
    if let Some(refusal) = refusal(app, who, id, Some(&configuration)) {
        return Ok(refusal);
    }
    let revision = match stored(app, vec![id.to_owned()]).await?.pop() {
        Some((item, _)) => item.revision,
        None if app.templates.by_id.contains_key(id) => Revision(0),
        None => return Ok(status(id, Some("there is no such template"))),
    };
    write(app, id, revision, Stored { configuration, disabled: false }).await
}

/// Disables a template: it is no longer shown, and its content is kept.
pub(crate) async fn disable(app: &App, who: &Actor, id: &str) -> Result<TemplateChangeStatus, Error> {
    if let Some(refusal) = refusal(app, who, id, None) {
        return Ok(refusal);
    }
    let (revision, configuration) = match stored(app, vec![id.to_owned()]).await?.pop() {
        Some((item, stored)) => (item.revision, stored.configuration),
        None => match app.templates.by_id.get(id) {
            Some(configuration) => (Revision(0), configuration.clone()),
            None => return Ok(status(id, Some("there is no such template"))),
        },
    };
    write(app, id, revision, Stored { configuration, disabled: true }).await
}

fn refusal(app: &App, who: &Actor, id: &str, configuration: Option<&str>) -> Option<TemplateChangeStatus> {
    let refused = who.may(Role::Editor).err().filter(|_| !app.config.templates_editable);
    if let Some(refused) = refused {
        let problem = format!("{refused}; or query.templates_editable lets everybody change templates");
        return Some(status(id, Some(&problem)));
    }
    let configuration = configuration?;
    let is_object = serde_json::from_str::<Value>(configuration).is_ok_and(|value| value.is_object());
    if !is_object || configuration.len() > MAX_BYTES {
        return Some(status(id, Some("the configuration must be a JSON object of at most 4 MiB, as text")));
    }
    None
}

async fn write(app: &App, id: &str, expected: Revision, stored: Stored) -> Result<TemplateChangeStatus, Error> {
    let item = Item {
        kind: ItemKind::Template,
        id: id.to_owned(),
        revision: expected,
        nonce: storage::chance::random(),
        tombstone: false,
        updated: app.sources.clock.now(),
        body: serde_json::to_string(&stored).expect("a text and a flag are JSON"),
    };
    let swapped = app.store().swap_many(&[(item, expected)]).await?;
    Ok(match swapped.first() {
        Some(Swapped::Done(_)) => status(id, None),
        Some(Swapped::Conflict(_)) | None => status(id, Some("somebody else changed it at the same moment: try again")),
    })
}

fn status(id: &str, problem: Option<&str>) -> TemplateChangeStatus {
    TemplateChangeStatus {
        id: id.to_owned(),
        status: problem.is_none(),
        message: Some(problem.unwrap_or("").to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)]) -> Result<Templates, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Templates::load(folder.path()).map_err(|error| match error {
            TemplateError::Bad { path, problem } => format!("{}: {problem}", path.file_name().unwrap().display()),
            TemplateError::Read { error, .. } => error.to_string(),
        })
    }

    #[test]
    fn files_in_both_forms_and_with_comments_are_read() {
        let templates = load(&[
            ("general/a.json", "/* words */\n[{\"id\": \"a\", \"configuration\": {\"entity\": \"All\", \"layer\": \"GENERAL\", \"name\": \"x\"}}]"),
            ("b.json", r#"{"id": "b", "configuration": "{\"name\": 1}"}"#),
            ("empty.json", "/* nothing else */"),
            ("menu.yaml", "menus: []"),
        ])
        .unwrap();
        let expected = [("a", r#"{"entity":"All","layer":"GENERAL","name":"x"}"#), ("b", r#"{"name":1}"#)];
        assert_eq!(templates.by_id, expected.map(|(id, text)| (id.to_owned(), text.to_owned())).into());
        assert_eq!(Templates::load(Path::new("")).unwrap(), Templates::default());
        assert!(Templates::load(Path::new("/nowhere/at/all")).is_err());
    }

    #[test]
    fn what_is_no_template_or_contradicts_another_one_is_named() {
        let named =
            |id: &str| format!(r#"{{"id": "{id}", "configuration": {{"layer": "L", "entity": "E", "name": "N"}}}}"#);
        for (files, problem) in [
            (vec![("a.json", "[]".to_owned())], "a.json: one template expected, 0 found"),
            (vec![("a.json", "/* open".to_owned())], "a.json: a comment never ends"),
            (vec![("a.json", r#"{"id": "", "configuration": {}}"#.to_owned())], "a.json: the id is empty"),
            (
                vec![("a.json", r#"{"id": "a", "configuration": 3}"#.to_owned())],
                "a.json: the configuration is no object",
            ),
            (vec![("a.json", named("a")), ("b.json", named("b"))], "b.json: L_E_N is template a already"),
            (
                vec![("a.json", r#"{"id": "a", "configuration": {}}"#.to_owned()), ("b.json", named("a"))],
                "b.json: the id a is there already",
            ),
        ] {
            let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
            assert_eq!(load(&files).unwrap_err(), problem);
        }
    }
}
