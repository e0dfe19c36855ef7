//! The sidebar of the UI: which pages there are, and which of them have something to show.

use std::collections::BTreeSet;

use crate::schema::configuration::MenuItem;

/// A page of the sidebar and the layer whose services it shows.
struct Leaf {
    title: &'static str,
    layer: &'static str,
    description: &'static str,
    /// The key under which the UI has the title in other languages.
    key: &'static str,
    /// The page of SkyWalking's documentation, below its set-up guide; empty for none.
    link: &'static str,
}

/// A group of pages. One without pages is a page itself.
struct Group {
    title: &'static str,
    icon: &'static str,
    layer: &'static str,
    description: &'static str,
    link: &'static str,
    leaves: &'static [Leaf],
}

/// Where the links of [`Leaf`] and [`Group`] begin.
const DOCS: &str = "https://skywalking.apache.org/docs/main/next/en/setup/";

const fn leaf(
    title: &'static str,
    layer: &'static str,
    key: &'static str,
    description: &'static str,
    link: &'static str,
) -> Leaf {
    Leaf { title, layer, description, key, link }
}

const fn group(title: &'static str, icon: &'static str, description: &'static str, leaves: &'static [Leaf]) -> Group {
    Group { title, icon, layer: "", description, link: "", leaves }
}

/// The sidebar for these layers, which are those that have services. A page is active when its layer is one of them, a group
/// when one of its pages is. The UI builds its routes from the titles, so titles are those that it knows.
pub(crate) fn items(layers: &BTreeSet<&str>) -> Vec<MenuItem> {
    GROUPS.iter().map(|group| group_item(group, layers)).collect()
}

fn group_item(group: &Group, layers: &BTreeSet<&str>) -> MenuItem {
    let key = group.icon;
    let sub_items: Vec<MenuItem> = group.leaves.iter().map(|leaf| leaf_item(leaf, key, layers)).collect();
    MenuItem {
        title: group.title.to_owned(),
        icon: Some(group.icon.to_owned()),
        layer: group.layer.to_owned(),
        activate: layers.contains(group.layer) || sub_items.iter().any(|item| item.activate),
        description: Some(group.description.to_owned()),
        document_link: link(group.link),
        i18n_key: Some(key.to_owned()),
        sub_items,
    }
}

fn leaf_item(leaf: &Leaf, group_key: &str, layers: &BTreeSet<&str>) -> MenuItem {
    MenuItem {
        title: leaf.title.to_owned(),
        icon: None,
        layer: leaf.layer.to_owned(),
        activate: layers.contains(leaf.layer),
        description: Some(leaf.description.to_owned()),
        document_link: link(leaf.link),
        i18n_key: Some(format!("{group_key}_{}", leaf.key)),
        sub_items: Vec::new(),
    }
}

fn link(page: &str) -> Option<String> {
    (!page.is_empty()).then(|| format!("{DOCS}{page}/"))
}

static GROUPS: [Group; 13] = [
    group(
        "General Service",
        "general_service",
        "Services that report through a language agent, and what they call.",
        &[
            leaf("Services", "GENERAL", "services", "Services with an agent.", "service-agent/server-agents"),
            leaf(
                "Virtual Database",
                "VIRTUAL_DATABASE",
                "virtual_database",
                "Databases, seen by the services that use them.",
                "service-agent/virtual-database",
            ),
            leaf(
                "Virtual Cache",
                "VIRTUAL_CACHE",
                "virtual_cache",
                "Caches, seen by the services that use them.",
                "service-agent/virtual-cache",
            ),
            leaf(
                "Virtual MQ",
                "VIRTUAL_MQ",
                "virtual_mq",
                "Message brokers, seen by the services that use them.",
                "service-agent/virtual-mq",
            ),
        ],
    ),
    group(
        "Service Mesh",
        "service_mesh",
        "An Istio mesh and what runs in it.",
        &[
            leaf("Services", "MESH", "service", "Services, seen by Envoy's access logs.", "envoy/als_setting"),
            leaf("Control Plane", "MESH_CP", "control_plane", "Istio's own metrics.", "istio/readme"),
            leaf("Data Plane", "MESH_DP", "data_plane", "Envoy's own metrics.", "envoy/metrics_service_setting"),
        ],
    ),
    group(
        "Kubernetes",
        "kubernetes",
        "Kubernetes clusters and their services.",
        &[
            leaf(
                "Cluster",
                "K8S",
                "cluster",
                "Nodes, workloads and resources of a cluster.",
                "backend/backend-k8s-monitoring",
            ),
            leaf("Service", "K8S_SERVICE", "service", "Services of a cluster.", "backend/backend-k8s-monitoring"),
        ],
    ),
    group(
        "Cilium",
        "cilium",
        "A network of Cilium.",
        &[leaf(
            "Cilium Service",
            "CILIUM_SERVICE",
            "service",
            "Services, seen by Hubble.",
            "backend/backend-cilium-monitoring",
        )],
    ),
    group(
        "Infrastructure",
        "infrastructure",
        "Machines and their operating systems.",
        &[
            leaf("Linux", "OS_LINUX", "linux", "Machines with Linux.", "backend/backend-vm-monitoring"),
            leaf("Windows", "OS_WINDOWS", "windows", "Machines with Windows.", "backend/backend-win-monitoring"),
        ],
    ),
    group(
        "AWS Cloud",
        "aws_cloud",
        "Services of Amazon's cloud.",
        &[
            leaf("EKS", "AWS_EKS", "eks", "Clusters of EKS.", "backend/backend-aws-eks-monitoring"),
            leaf("S3", "AWS_S3", "s3", "Buckets of S3.", "backend/backend-aws-s3-monitoring"),
            leaf(
                "DynamoDB",
                "AWS_DYNAMODB",
                "dynamodb",
                "Tables of DynamoDB.",
                "backend/backend-aws-dynamodb-monitoring",
            ),
            leaf(
                "API Gateway",
                "AWS_GATEWAY",
                "api_gateway",
                "Gateways of Amazon.",
                "backend/backend-aws-api-gateway-monitoring",
            ),
        ],
    ),
    Group {
        title: "Browser",
        icon: "browser",
        layer: "BROWSER",
        description: "Web applications, seen by their users' browsers.",
        link: "service-agent/browser-agent",
        leaves: &[],
    },
    group(
        "Gateway",
        "gateway",
        "Gateways in front of services.",
        &[
            leaf("Nginx", "NGINX", "nginx", "Nginx.", "backend/backend-nginx-monitoring"),
            leaf("APISIX", "APISIX", "apisix", "Apache APISIX.", "backend/backend-apisix-monitoring"),
            leaf(
                "AWS API Gateway",
                "AWS_GATEWAY",
                "aws_api_gateway",
                "Gateways of Amazon.",
                "backend/backend-aws-api-gateway-monitoring",
            ),
            leaf("Kong", "KONG", "kong", "Kong.", "backend/backend-kong-monitoring"),
        ],
    ),
    group(
        "Database",
        "database",
        "Databases, seen by themselves.",
        &[
            leaf("MySQL/MariaDB", "MYSQL", "mysql_mariadb", "MySQL and MariaDB.", "backend/backend-mysql-monitoring"),
            leaf("PostgreSQL", "POSTGRESQL", "postgresql", "PostgreSQL.", "backend/backend-postgresql-monitoring"),
            leaf(
                "DynamoDB",
                "AWS_DYNAMODB",
                "dynamodb",
                "Tables of DynamoDB.",
                "backend/backend-aws-dynamodb-monitoring",
            ),
            leaf("Redis", "REDIS", "redis", "Redis.", "backend/backend-redis-monitoring"),
            leaf(
                "Elasticsearch",
                "ELASTICSEARCH",
                "elasticsearch",
                "Elasticsearch.",
                "backend/backend-elasticsearch-monitoring",
            ),
            leaf("MongoDB", "MONGODB", "mongodb", "MongoDB.", "backend/backend-mongodb-monitoring"),
            leaf(
                "BookKeeper",
                "BOOKKEEPER",
                "bookkeeper",
                "Apache BookKeeper.",
                "backend/backend-bookkeeper-monitoring",
            ),
            leaf("ClickHouse", "CLICKHOUSE", "clickhouse", "ClickHouse.", "backend/backend-clickhouse-monitoring"),
        ],
    ),
    group(
        "Message Queue",
        "mq",
        "Message brokers, seen by themselves.",
        &[
            leaf("RabbitMQ", "RABBITMQ", "rabbitmq", "RabbitMQ.", "backend/backend-rabbitmq-monitoring"),
            leaf("Kafka", "KAFKA", "kafka", "Apache Kafka.", "backend/backend-kafka-monitoring"),
            leaf("Pulsar", "PULSAR", "pulsar", "Apache Pulsar.", "backend/backend-pulsar-monitoring"),
            leaf("RocketMQ", "ROCKETMQ", "rocketmq", "Apache RocketMQ.", "backend/backend-rocketmq-monitoring"),
            leaf("ActiveMQ", "ACTIVEMQ", "activemq", "Apache ActiveMQ.", "backend/backend-activemq-monitoring"),
        ],
    ),
    group(
        "Data Processing Engine",
        "data_processing_engine",
        "Engines that process streams and batches.",
        &[
            leaf("Flink", "FLINK", "flink", "Apache Flink.", "backend/backend-flink-monitoring"),
            leaf("Airflow", "AIRFLOW", "airflow", "Apache Airflow.", "backend/backend-airflow-monitoring"),
        ],
    ),
    group(
        "GenAI",
        "gen_ai",
        "Models, and what is asked of them.",
        &[
            leaf(
                "Virtual GenAI",
                "VIRTUAL_GENAI",
                "virtual_gen_ai",
                "Model providers, seen by the services that use them.",
                "service-agent/virtual-genai",
            ),
            leaf(
                "Envoy AI Gateway",
                "ENVOY_AI_GATEWAY",
                "envoy_ai_gateway",
                "Gateways to model providers.",
                "backend/backend-envoy-ai-gateway-monitoring",
            ),
        ],
    ),
    group(
        "Self Observability",
        "self_observability",
        "What observes, observed.",
        &[
            leaf("SkyWalking Server", "SO11Y_OAP", "oap", "The server itself.", "backend/backend-telemetry"),
            leaf(
                "Satellite",
                "SO11Y_SATELLITE",
                "satellite",
                "Satellites between agents and server.",
                "backend/backend-load-balancer",
            ),
            leaf("BanyanDB", "BANYANDB", "banyandb", "BanyanDB.", ""),
            leaf("Java Agent", "SO11Y_JAVA_AGENT", "java_agent", "Java agents.", ""),
            leaf("Go Agent", "SO11Y_GO_AGENT", "go_agent", "Go agents.", ""),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_active_while_its_layer_has_services_and_a_group_while_a_page_is() {
        let active = |layers: &[&str]| -> Vec<String> {
            let items = items(&layers.iter().copied().collect());
            let name = |item: &MenuItem, sub: &MenuItem| format!("{}/{}", item.title, sub.title);
            items
                .iter()
                .filter(|item| item.activate)
                .flat_map(|item| {
                    let subs = item.sub_items.iter().filter(|sub| sub.activate).map(|sub| name(item, sub));
                    std::iter::once(item.title.clone()).chain(subs)
                })
                .collect()
        };
        assert_eq!(active(&[]), Vec::<String>::new());
        assert_eq!(active(&["GENERAL", "BROWSER"]), ["General Service", "General Service/Services", "Browser"]);
        assert_eq!(
            active(&["AWS_GATEWAY"]),
            ["AWS Cloud", "AWS Cloud/API Gateway", "Gateway", "Gateway/AWS API Gateway"]
        );
    }

    #[test]
    fn every_page_shows_a_layer_that_exists() {
        for group in &GROUPS {
            let layers =
                group.leaves.iter().map(|leaf| leaf.layer).chain((!group.layer.is_empty()).then_some(group.layer));
            for layer in layers {
                assert!(model::layer::by_name(layer).is_some(), "{layer}");
            }
        }
    }
}
