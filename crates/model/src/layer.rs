//! Layers: the kinds of platform a service belongs to. Names and ordinals are those of SkyWalking's `Layer`; operators may add their
//! own.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use serde::Deserialize;

/// One layer: what clients see as `GENERAL`, with its stored number and whether its services are seen by an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The name in queries and reports.
    pub name: &'static str,
    /// The number in rows.
    pub ordinal: i32,
    /// `false`: conjectured from the other side of a call; such a service's id ends in `.0`.
    pub normal: bool,
}

const fn seen(name: &'static str, ordinal: i32) -> Layer {
    Layer { name, ordinal, normal: true }
}

const fn conjectured(name: &'static str, ordinal: i32) -> Layer {
    Layer { name, ordinal, normal: false }
}

/// No layer known.
pub const UNDEFINED: Layer = conjectured("UNDEFINED", 0);
/// Services seen by language agents.
pub const GENERAL: Layer = seen("GENERAL", 2);
/// Functions as a service.
pub const FAAS: Layer = seen("FAAS", 5);
/// Databases seen by their clients.
pub const VIRTUAL_DATABASE: Layer = conjectured("VIRTUAL_DATABASE", 14);
/// Message brokers seen by their clients.
pub const VIRTUAL_MQ: Layer = conjectured("VIRTUAL_MQ", 15);
/// Gateways seen by their clients.
pub const VIRTUAL_GATEWAY: Layer = conjectured("VIRTUAL_GATEWAY", 16);
/// Caches seen by their clients.
pub const VIRTUAL_CACHE: Layer = conjectured("VIRTUAL_CACHE", 19);
/// Model providers seen by their clients.
pub const VIRTUAL_GENAI: Layer = conjectured("VIRTUAL_GENAI", 45);
/// Browser applications.
pub const BROWSER: Layer = seen("BROWSER", 10);

/// Every layer by ordinal.
pub static LAYERS: [Layer; 51] = [
    UNDEFINED,
    seen("MESH", 1),
    GENERAL,
    seen("OS_LINUX", 3),
    seen("K8S", 4),
    FAAS,
    seen("MESH_CP", 6),
    seen("MESH_DP", 7),
    seen("DATABASE", 8),
    seen("CACHE", 9),
    BROWSER,
    seen("SO11Y_OAP", 11),
    seen("SO11Y_SATELLITE", 12),
    seen("MQ", 13),
    VIRTUAL_DATABASE,
    VIRTUAL_MQ,
    VIRTUAL_GATEWAY,
    seen("K8S_SERVICE", 17),
    seen("MYSQL", 18),
    VIRTUAL_CACHE,
    seen("POSTGRESQL", 20),
    seen("APISIX", 21),
    seen("AWS_EKS", 22),
    seen("OS_WINDOWS", 23),
    seen("AWS_S3", 24),
    seen("AWS_DYNAMODB", 25),
    seen("AWS_GATEWAY", 26),
    seen("REDIS", 27),
    seen("ELASTICSEARCH", 28),
    seen("RABBITMQ", 29),
    seen("MONGODB", 30),
    seen("KAFKA", 31),
    seen("PULSAR", 32),
    seen("BOOKKEEPER", 33),
    seen("NGINX", 34),
    seen("ROCKETMQ", 35),
    seen("CLICKHOUSE", 36),
    seen("ACTIVEMQ", 37),
    seen("CILIUM_SERVICE", 38),
    seen("SO11Y_JAVA_AGENT", 39),
    seen("KONG", 40),
    seen("SO11Y_GO_AGENT", 41),
    seen("FLINK", 42),
    seen("BANYANDB", 43),
    seen("GENAI", 44),
    VIRTUAL_GENAI,
    seen("ENVOY_AI_GATEWAY", 46),
    seen("IOS", 47),
    seen("WECHAT_MINI_PROGRAM", 48),
    seen("ALIPAY_MINI_PROGRAM", 49),
    seen("AIRFLOW", 50),
];

/// The layer of a name, `None` where there is none of that name.
pub fn by_name(name: &str) -> Option<Layer> {
    LAYERS.iter().find(|l| l.name == name).copied()
}

/// The layer of an ordinal, `None` where there is none.
pub fn by_ordinal(ordinal: i32) -> Option<Layer> {
    usize::try_from(ordinal).ok().and_then(|i| LAYERS.get(i)).copied()
}

/// Most layers that an operator may add. A service may be in [`crate::agg::MAX_IDS`] of them.
pub const MAX_EXTENSIONS: usize = 1_000;

/// The file in which operators add layers (`layer-extensions.yml`, in SkyWalking's form).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LayerFile {
    /// The layers to add; none where it is missing or null.
    pub layers: Option<Vec<Extension>>,
}

/// A layer of an operator's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// Its name: capital letters, digits and `_`, a letter first.
    pub name: String,
    /// The number in rows. It stays what it is for as long as there are rows; SkyWalking recommends 10,000 to 99,999.
    pub ordinal: i32,
    /// Whether its services are seen by an agent.
    #[serde(default = "yes")]
    pub normal: bool,
}

fn yes() -> bool {
    true
}

/// The layers there are: the built-in ones and those of the operator. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers(Arc<Registry>);

#[derive(Debug, PartialEq, Eq)]
struct Registry {
    by_ordinal: BTreeMap<i32, Layer>,
    by_name: HashMap<&'static str, Layer>,
}

impl Default for Layers {
    /// The built-in layers.
    fn default() -> Self {
        Layers(Arc::new(Registry {
            by_ordinal: LAYERS.iter().map(|l| (l.ordinal, *l)).collect(),
            by_name: LAYERS.iter().map(|l| (l.name, *l)).collect(),
        }))
    }
}

impl Layers {
    /// The built-in layers and these. Call it once at the start: the names live as long as the process does, so that a [`Layer`] is a
    /// number and a pointer wherever it goes. One that is there already, with the same number and kind, may be named again.
    ///
    /// # Errors
    /// Every problem, each as a sentence: a name of another shape, a name or number that is taken, a number that rows cannot have,
    /// too many layers.
    pub fn with(file: LayerFile) -> Result<Self, Vec<String>> {
        let Layers(built_in) = Layers::default();
        let mut all = Registry { by_ordinal: built_in.by_ordinal.clone(), by_name: built_in.by_name.clone() };
        let extensions = file.layers.unwrap_or_default();
        if extensions.len() > MAX_EXTENSIONS {
            return Err(vec![format!("more than {MAX_EXTENSIONS} layers")]);
        }
        let problems: Vec<String> = extensions.into_iter().filter_map(|extension| all.add(extension).err()).collect();
        if problems.is_empty() { Ok(Layers(Arc::new(all))) } else { Err(problems) }
    }

    /// The layer of a name, `None` where there is none of that name.
    pub fn by_name(&self, name: &str) -> Option<Layer> {
        self.0.by_name.get(name).copied()
    }

    /// The layer of an ordinal, `None` where there is none.
    pub fn by_ordinal(&self, ordinal: i32) -> Option<Layer> {
        self.0.by_ordinal.get(&ordinal).copied()
    }

    /// Every layer by ordinal, [`UNDEFINED`] first.
    pub fn iter(&self) -> impl Iterator<Item = Layer> {
        self.0.by_ordinal.values().copied()
    }
}

impl Registry {
    fn add(&mut self, extension: Extension) -> Result<(), String> {
        let Extension { name, ordinal, normal } = extension;
        let is_capital = |c: char| c.is_ascii_uppercase();
        if !name.starts_with(is_capital) || !name.chars().all(|c| is_capital(c) || c.is_ascii_digit() || c == '_') {
            return Err(format!("layer {name:?}: a name is of capital letters, digits and _, a letter first"));
        }
        if let Some(known) = self.by_name.get(&*name) {
            if (known.ordinal, known.normal) == (ordinal, normal) {
                return Ok(());
            }
            let kind = if known.normal { "normal" } else { "not normal" };
            return Err(format!("layer {name}: there is one with the ordinal {}, {kind}", known.ordinal));
        }
        if let Some(known) = self.by_ordinal.get(&ordinal) {
            return Err(format!("layer {name}: the ordinal {ordinal} is that of {}", known.name));
        }
        // The highest number stands for all those that a full cell could not keep.
        if !(1..crate::agg::OVERFLOW_ID).contains(&ordinal) {
            return Err(format!("layer {name}: the ordinal must be between 1 and {}, is {ordinal}", i32::MAX - 1));
        }
        let layer = Layer { name: Box::leak(name.into_boxed_str()), ordinal, normal };
        self.by_ordinal.insert(ordinal, layer);
        self.by_name.insert(layer.name, layer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_positions() {
        for (i, layer) in LAYERS.iter().enumerate() {
            assert_eq!(usize::try_from(layer.ordinal).unwrap(), i, "{}", layer.name);
        }
    }

    fn with(layers: &[(&str, i32, bool)]) -> Result<Layers, Vec<String>> {
        let extension =
            |&(name, ordinal, normal): &(&str, i32, bool)| Extension { name: name.to_owned(), ordinal, normal };
        Layers::with(LayerFile { layers: Some(layers.iter().map(extension).collect()) })
    }

    #[test]
    fn layers_of_an_operator_stand_beside_the_built_in_ones() {
        let layers = with(&[("IOT_FLEET", 10_000, true), ("VIRTUAL_IOT_2", 10_001, false), ("MESH", 1, true)]).unwrap();
        let fleet = layers.by_name("IOT_FLEET").unwrap();
        assert_eq!((fleet.ordinal, fleet.normal, layers.by_ordinal(10_000)), (10_000, true, Some(fleet)));
        assert!(!layers.by_name("VIRTUAL_IOT_2").unwrap().normal);
        assert_eq!(layers.by_name("GENERAL"), Some(GENERAL));
        assert_eq!((layers.iter().count(), layers.iter().next()), (LAYERS.len() + 2, Some(UNDEFINED)));
        assert_eq!((layers.by_name("IOT"), layers.by_ordinal(99)), (None, None));
        assert_eq!(Layers::with(LayerFile::default()).unwrap(), Layers::default());
    }

    #[test]
    fn every_problem_with_a_layer_is_told() {
        let bad = [
            ("iot", 10_000, true),
            ("", 10_000, true),
            ("9IOT", 10_000, true),
            ("GENERAL", 10_000, true),
            ("MESH", 1, false),
            ("IOT", 50, true),
            ("A", -1, true),
            ("B", i32::MAX, true),
            ("C", 10_000, true),
            ("D", 10_000, true),
        ];
        assert_eq!(
            with(&bad).unwrap_err(),
            [
                "layer \"iot\": a name is of capital letters, digits and _, a letter first",
                "layer \"\": a name is of capital letters, digits and _, a letter first",
                "layer \"9IOT\": a name is of capital letters, digits and _, a letter first",
                "layer GENERAL: there is one with the ordinal 2, normal",
                "layer MESH: there is one with the ordinal 1, normal",
                "layer IOT: the ordinal 50 is that of AIRFLOW",
                "layer A: the ordinal must be between 1 and 2147483646, is -1",
                "layer B: the ordinal must be between 1 and 2147483646, is 2147483647",
                "layer D: the ordinal 10000 is that of C",
            ]
        );
        assert_eq!(with(&vec![("A", 10_000, true); MAX_EXTENSIONS + 1]).unwrap_err(), ["more than 1000 layers"]);
    }
}
