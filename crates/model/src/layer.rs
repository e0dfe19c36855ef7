//! Layers: the kinds of platform a service belongs to. Names and ordinals are those of SkyWalking's `Layer`.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_positions() {
        for (i, layer) in LAYERS.iter().enumerate() {
            assert_eq!(usize::try_from(layer.ordinal).unwrap(), i, "{}", layer.name);
        }
    }
}
