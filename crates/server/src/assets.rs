//! The files of `config/`, compiled in, and replaced one by one by those of a folder of the operator's.

use std::path::Path;

use anyhow::Context as _;

/// The shipped metric definitions by file name.
const OAL: [(&str, &str); 4] = [
    ("core.oal", include_str!("../../../config/oal/core.oal")),
    ("dotnet-agent.oal", include_str!("../../../config/oal/dotnet-agent.oal")),
    ("java-agent.oal", include_str!("../../../config/oal/java-agent.oal")),
    ("virtual-gen-ai.oal", include_str!("../../../config/oal/virtual-gen-ai.oal")),
];
const COMPONENTS: (&str, &str) = ("component-libraries.yml", include_str!("../../../config/component-libraries.yml"));

const HIERARCHY: (&str, &str) = ("hierarchy-definition.yml", include_str!("../../../config/hierarchy-definition.yml"));
const LAYERS: (&str, &str) = ("layer-extensions.yml", include_str!("../../../config/layer-extensions.yml"));
const PRICES: (&str, &str) = ("gen-ai-config.yml", include_str!("../../../config/gen-ai-config.yml"));

/// SkyWalking's default rules.
pub(crate) const ALARMS: &str = include_str!("../../../config/alarm-settings.yml");

/// Files of metric definitions, each by name and in the order of the names.
#[derive(Debug)]
pub struct Oal {
    /// The shipped ones; those of the operator's that bear the name of a shipped one stand in its place.
    pub shipped: Vec<(String, String)>,
    /// The operator's own, which go over them.
    pub own: Vec<(String, String)>,
}

/// The metric definitions: the shipped ones, and the `*.oal` files in the folder `oal` of the operator's folder.
pub fn oal(dir: Option<&Path>) -> anyhow::Result<Oal> {
    let mut shipped: Vec<(String, String)> = OAL.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
    let mut own = Vec::new();
    let folder = dir.map(|d| d.join("oal")).filter(|d| d.is_dir());
    let found = folder.map_or(Ok(Vec::new()), |folder| read_folder(&folder))?;
    for entry in found {
        match shipped.iter_mut().find(|(name, _)| *name == entry.0) {
            Some(replaced) => *replaced = entry,
            None => own.push(entry),
        }
    }
    own.sort();
    Ok(Oal { shipped, own })
}

fn read_folder(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if path.extension().is_some_and(|e| e == "oal") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push((name, text));
        }
    }
    Ok(files)
}

/// The component library, and the operator's own, which goes over it.
pub fn components(dir: Option<&Path>) -> anyhow::Result<Vec<(&'static str, String)>> {
    let (name, shipped) = COMPONENTS;
    Ok(std::iter::once((name, shipped.to_owned())).chain(own(dir, name)?.map(|text| (name, text))).collect())
}

/// The providers and prices of language models.
pub fn prices(dir: Option<&Path>) -> anyhow::Result<String> {
    one(dir, PRICES)
}

/// The layers that are added to those that are built in.
pub fn layers(dir: Option<&Path>) -> anyhow::Result<String> {
    one(dir, LAYERS)
}

/// Which layer lies above which.
pub fn hierarchy(dir: Option<&Path>) -> anyhow::Result<String> {
    one(dir, HIERARCHY)
}

fn one(dir: Option<&Path>, (name, shipped): (&str, &str)) -> anyhow::Result<String> {
    Ok(own(dir, name)?.unwrap_or_else(|| shipped.to_owned()))
}

/// The operator's file of a name, where there is one.
fn own(dir: Option<&Path>, name: &str) -> anyhow::Result<Option<String>> {
    let path = dir.map(|d| d.join(name)).filter(|p| p.is_file());
    let read = |path: std::path::PathBuf| {
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    path.map(read).transpose()
}
