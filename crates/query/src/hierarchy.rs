//! Layers that see the same things from different heights.

/// Layers that take part in the hierarchy, and how high each is: a service of a higher layer runs on one of a lower layer.
pub(crate) const LEVELS: [(&str, i32); 20] = [
    ("MESH", 3),
    ("GENERAL", 3),
    ("SO11Y_OAP", 3),
    ("VIRTUAL_DATABASE", 3),
    ("VIRTUAL_MQ", 3),
    ("MYSQL", 2),
    ("POSTGRESQL", 2),
    ("APISIX", 2),
    ("NGINX", 2),
    ("ROCKETMQ", 2),
    ("CLICKHOUSE", 2),
    ("RABBITMQ", 2),
    ("KAFKA", 2),
    ("PULSAR", 2),
    ("ACTIVEMQ", 2),
    ("KONG", 2),
    ("AIRFLOW", 2),
    ("MESH_DP", 1),
    ("CILIUM_SERVICE", 1),
    ("K8S_SERVICE", 0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_of_the_hierarchy_exists() {
        for (layer, _) in LEVELS {
            assert!(model::layer::by_name(layer).is_some(), "{layer}");
        }
    }
}
