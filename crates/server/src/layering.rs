//! The files that say which layers there are, and which lie above which.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use model::layer::{LayerFile, Layers};
use query::{Hierarchy, HierarchyFile};
use serde::de::DeserializeOwned;

use crate::assets;

/// Layers and hierarchy. Both are read at the start alone: what is stored names layers by number.
#[derive(Clone, Debug)]
pub(crate) struct Layering {
    pub(crate) layers: Layers,
    pub(crate) hierarchy: Arc<Hierarchy>,
}

impl Layering {
    /// Reads the files that are compiled in or in `dir`.
    pub(crate) fn load(dir: Option<&Path>) -> anyhow::Result<Self> {
        let layers: LayerFile = read(assets::layers(dir)?, "layer-extensions.yml")?;
        let layers = Layers::with(layers).map_err(|problems| told("layer-extensions.yml", &problems))?;
        let hierarchy: HierarchyFile = read(assets::hierarchy(dir)?, "hierarchy-definition.yml")?;
        let hierarchy =
            Hierarchy::new(&hierarchy, &layers).map_err(|problems| told("hierarchy-definition.yml", &problems))?;
        Ok(Layering { layers, hierarchy: Arc::new(hierarchy) })
    }
}

/// A file that holds nothing says nothing.
fn read<T: DeserializeOwned + Default>(text: String, name: &str) -> anyhow::Result<T> {
    let is_empty = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    if is_empty { Ok(T::default()) } else { serde_saphyr::from_str(&text).with_context(|| name.to_owned()) }
}

fn told(name: &str, problems: &[String]) -> anyhow::Error {
    anyhow!("{name}: {}", problems.join(&format!("\n  {name}: ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)]) -> anyhow::Result<Layering> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Layering::load(Some(folder.path()))
    }

    #[test]
    fn the_operators_files_take_the_place_of_the_shipped_ones() {
        assert_eq!(Layering::load(None).unwrap().layers, Layers::default());
        assert_eq!(load(&[("layer-extensions.yml", "# none\n")]).unwrap().layers, Layers::default());
        let own = load(&[
            ("layer-extensions.yml", "layers:\n  - name: IOT_FLEET\n    ordinal: 10000\n"),
            ("hierarchy-definition.yml", "layer-levels: {IOT_FLEET: 1}\n"),
        ]);
        assert!(own.unwrap().layers.by_name("IOT_FLEET").unwrap().normal);
    }

    #[test]
    fn what_is_wrong_is_told_with_the_name_of_the_file() {
        let problem = |files: &[(&str, &str)]| format!("{:#}", load(files).unwrap_err());
        let layers = "layers: [{name: GENERAL, ordinal: 10000}, {name: a, ordinal: 10001}]\n";
        assert_eq!(
            problem(&[("layer-extensions.yml", layers)]),
            "layer-extensions.yml: layer GENERAL: there is one with the ordinal 2, normal\n  \
             layer-extensions.yml: layer \"a\": a name is of capital letters, digits and _, a letter first"
        );
        let hierarchy = problem(&[("hierarchy-definition.yml", "layer-levels: {IOT_FLEET: 1}\n")]);
        assert_eq!(hierarchy, "hierarchy-definition.yml: layer-levels: there is no layer IOT_FLEET");
        let broken = problem(&[("hierarchy-definition.yml", "hierarchy:\n  GENERAL: [a]\n")]);
        assert!(broken.starts_with("hierarchy-definition.yml: ") && broken.contains("line 2"), "{broken}");
    }
}
