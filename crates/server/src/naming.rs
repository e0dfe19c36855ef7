//! The files of rules for endpoints' names, followed while the server runs.

use std::path::{Path, PathBuf};

use analysis::naming::{DefinitionFile, GroupingFile, NamingConfig, Rules};
use anyhow::{anyhow, bail};
use serde::de::DeserializeOwned;

use crate::watch::{self, Texts, Watched};

/// Custom rules, in SkyWalking's form.
const GROUPING: &str = "endpoint-name-grouping.yml";
const SHIPPED: &str = include_str!("../../../config/endpoint-name-grouping.yml");
/// The folder of OpenAPI definitions: beside each other, or in a folder for each service.
const DEFINITIONS: &str = "openapi-definitions";
/// What their names end in.
const ENDINGS: [&str; 3] = [".yaml", ".yml", ".json"];

/// Reads the rules in `dir`. They are followed as one: a definition that cannot be read holds up the others, so that a name is never
/// grouped by half of them.
pub(crate) fn open(dir: Option<&Path>, config: &NamingConfig) -> anyhow::Result<Watched<Rules>> {
    let (dir, openapi, lengths) = (dir.map(PathBuf::from), config.openapi, config.lengths());
    let look = move || {
        let mut texts = watch::file(dir.as_deref(), GROUPING, SHIPPED)?;
        if openapi {
            texts.extend(watch::folder(dir.as_deref(), DEFINITIONS, &ENDINGS, 1)?);
        }
        Ok(texts)
    };
    Watched::open("naming", look, move |texts| {
        let (grouping, definitions) = read(texts)?;
        Rules::new(&grouping, &definitions, lengths).map_err(|problems| anyhow!(problems.join("\n  ")))
    })
}

fn read(texts: &Texts) -> anyhow::Result<(GroupingFile, Vec<DefinitionFile>)> {
    let (mut grouping, mut definitions, mut problems) = (GroupingFile::default(), Vec::new(), Vec::new());
    for (name, text) in texts {
        let read = match name.as_str() {
            GROUPING => parse(text).map(|file| grouping = file),
            _ => parse(text).map(|definition| definitions.push((name.clone(), definition))),
        };
        problems.extend(read.err().map(|error| format!("{name}: {error}")));
    }
    if !problems.is_empty() {
        bail!(problems.join("\n  "));
    }
    Ok((grouping, definitions))
}

/// A document; the default where there is nothing but comments.
fn parse<T: DeserializeOwned + Default>(text: &str) -> Result<T, serde_saphyr::Error> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(T::default());
    }
    serde_saphyr::from_str(text)
}

#[cfg(test)]
mod tests {
    use analysis::naming::Grouped;
    use expect_test::expect;

    use super::*;

    /// A folder of these files.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn rules_are_found_where_skywalking_has_them() {
        let dir = folder(&[
            (GROUPING, "grouping:\n  - service-name: shop\n    rules:\n      - /prod/{var}\n"),
            ("openapi-definitions/shop/orders.yaml", "openapi: 3.0.0\npaths:\n  /orders/{id}:\n    get: {}\n"),
            ("openapi-definitions/stock.json", r#"{"x-sw-service-name":"stock","paths":{"/items/{id}":{"get":{}}}}"#),
            ("openapi-definitions/README.md", "not: [a definition"),
        ]);
        let config = NamingConfig::default();
        let rules = open(Some(dir.path()), &config).unwrap().current().load_full();
        let group = |service: &str, name: &str| match rules.group(service, name) {
            Grouped::As(group) => group.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(group("shop", "/prod/17"), "/prod/{var}");
        assert_eq!(group("shop", "GET:/orders/17"), "GET:/orders/{id}");
        assert_eq!(group("stock", "GET:/items/17"), "GET:/items/{id}");
        let without = NamingConfig { openapi: false, ..config.clone() };
        assert_eq!(open(Some(dir.path()), &without).unwrap().current().load().len(), 1);
        assert!(open(None, &config).unwrap().current().load().is_empty());
    }

    #[test]
    fn a_broken_file_says_where_it_is_broken() {
        let dir = folder(&[
            (GROUPING, "grouping:\n  - service-name: shop\n    rules:\n      - endpoint-name: x\n"),
            ("openapi-definitions/a.yaml", "paths: ["),
        ]);
        let error = format!("{:#}", open(Some(dir.path()), &NamingConfig::default()).unwrap_err());
        let lines: Vec<&str> = error.lines().filter(|line| line.contains(':') && !line.contains('|')).collect();
        expect![[r#"
            endpoint-name-grouping.yml: error: line 4 column 9: expected string scalar
             --> <input>:4:9
              openapi-definitions/a.yaml: error: line 1 column 8: expected mapping start
             --> <input>:1:8"#]]
        .assert_eq(&lines.join("\n"));
    }
}
