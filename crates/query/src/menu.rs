//! The sidebar of the UI: which pages there are, and which of them have something to show.

use std::collections::BTreeSet;

use crate::schema::configuration::MenuItem;

/// A page of the sidebar and the layer whose services it shows.
struct Leaf {
    title: &'static str,
    layer: &'static str,
    description: &'static str,
    /// The key under which the UI has the title in other languages; a key that it does not know it shows as it
    /// is, so of a page that only Skylark has the key is the title.
    key: &'static str,
    /// The page of SkyWalking's documentation; empty for none.
    link: &'static str,
}

/// A group of pages. One without pages is a page itself.
struct Group {
    title: &'static str,
    icon: &'static str,
    key: &'static str,
    layer: &'static str,
    description: &'static str,
    link: &'static str,
    leaves: &'static [Leaf],
}

/// Where the links of [`Leaf`] and [`Group`] begin.
const DOCS: &str = "https://skywalking.apache.org/docs/main/next/en/";

const fn leaf(
    title: &'static str,
    layer: &'static str,
    key: &'static str,
    description: &'static str,
    link: &'static str,
) -> Leaf {
    Leaf { title, layer, description, key, link }
}

/// A group whose title has the name of its icon as key.
const fn group(title: &'static str, icon: &'static str, description: &'static str, leaves: &'static [Leaf]) -> Group {
    Group { title, icon, key: icon, layer: "", description, link: "", leaves }
}

/// The sidebar for these layers, which are those that have services. A page is active when its layer is one of them, a group
/// when one of its pages is. The UI builds its routes from the titles, so titles are those that it knows.
pub(crate) fn items(layers: &BTreeSet<&str>) -> Vec<MenuItem> {
    GROUPS.iter().map(|group| group_item(group, layers)).collect()
}

fn group_item(group: &Group, layers: &BTreeSet<&str>) -> MenuItem {
    let sub_items: Vec<MenuItem> = group.leaves.iter().map(|leaf| leaf_item(leaf, layers)).collect();
    MenuItem {
        title: group.title.to_owned(),
        icon: Some(group.icon.to_owned()),
        layer: group.layer.to_owned(),
        activate: layers.contains(group.layer) || sub_items.iter().any(|item| item.activate),
        description: Some(group.description.to_owned()),
        document_link: link(group.link),
        i18n_key: Some(group.key.to_owned()),
        sub_items,
    }
}

fn leaf_item(leaf: &Leaf, layers: &BTreeSet<&str>) -> MenuItem {
    MenuItem {
        title: leaf.title.to_owned(),
        icon: None,
        layer: leaf.layer.to_owned(),
        activate: layers.contains(leaf.layer),
        description: Some(leaf.description.to_owned()),
        document_link: link(leaf.link),
        i18n_key: Some(leaf.key.to_owned()),
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
            leaf(
                "Services",
                "GENERAL",
                "general_service_services",
                "Services with an agent.",
                "setup/service-agent/server-agents",
            ),
            leaf(
                "Virtual Database",
                "VIRTUAL_DATABASE",
                "general_service_virtual_database",
                "Databases, seen by the services that use them.",
                "setup/service-agent/virtual-database",
            ),
            leaf(
                "Virtual Cache",
                "VIRTUAL_CACHE",
                "general_service_virtual_cache",
                "Caches, seen by the services that use them.",
                "setup/service-agent/virtual-cache",
            ),
            leaf(
                "Virtual MQ",
                "VIRTUAL_MQ",
                "general_service_virtual_mq",
                "Message brokers, seen by the services that use them.",
                "setup/service-agent/virtual-mq",
            ),
        ],
    ),
    group(
        "Service Mesh",
        "service_mesh",
        "An Istio mesh and what runs in it.",
        &[
            leaf(
                "Services",
                "MESH",
                "service_mesh_service",
                "Services, seen by Envoy's access logs.",
                "setup/envoy/als_setting",
            ),
            leaf(
                "Control Plane",
                "MESH_CP",
                "service_mesh_control_plane",
                "Istio's own metrics.",
                "setup/istio/readme",
            ),
            leaf(
                "Data Plane",
                "MESH_DP",
                "service_mesh_data_plane",
                "Envoy's own metrics.",
                "setup/envoy/metrics_service_setting",
            ),
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
                "kubernetes_cluster",
                "Nodes, workloads and resources of a cluster.",
                "setup/backend/backend-k8s-monitoring",
            ),
            leaf(
                "Service",
                "K8S_SERVICE",
                "kubernetes_service",
                "Services of a cluster.",
                "setup/backend/backend-k8s-monitoring",
            ),
        ],
    ),
    group(
        "Cilium",
        "cilium",
        "A network of Cilium.",
        &[leaf("Service", "CILIUM_SERVICE", "cilium_service", "Services, seen by Hubble.", "")],
    ),
    group(
        "Infrastructure",
        "infrastructure",
        "Machines and their operating systems.",
        &[
            leaf(
                "Linux",
                "OS_LINUX",
                "infrastructure_linux",
                "Machines with Linux.",
                "setup/backend/backend-vm-monitoring",
            ),
            leaf(
                "Windows",
                "OS_WINDOWS",
                "infrastructure_windows",
                "Machines with Windows.",
                "setup/backend/backend-win-monitoring",
            ),
        ],
    ),
    group(
        "AWS Cloud",
        "aws_cloud",
        "Services of Amazon's cloud.",
        &[
            leaf("EKS", "AWS_EKS", "aws_cloud_eks", "Clusters of EKS.", "setup/backend/backend-aws-eks-monitoring"),
            leaf("S3", "AWS_S3", "aws_cloud_s3", "Buckets of S3.", "setup/backend/backend-aws-s3-monitoring"),
            leaf(
                "DynamoDB",
                "AWS_DYNAMODB",
                "aws_cloud_dynamodb",
                "Tables of DynamoDB.",
                "setup/backend/backend-aws-dynamodb-monitoring",
            ),
            leaf(
                "API Gateway",
                "AWS_GATEWAY",
                "aws_cloud_api_gateway",
                "Gateways of Amazon.",
                "setup/backend/backend-aws-api-gateway-monitoring",
            ),
        ],
    ),
    Group {
        title: "Browser",
        icon: "browser",
        key: "browser",
        layer: "BROWSER",
        description: "Web applications, seen by their users' browsers.",
        link: "setup/service-agent/browser-agent",
        leaves: &[],
    },
    group(
        "Gateway",
        "gateway",
        "Gateways in front of services.",
        &[
            leaf("Nginx", "NGINX", "gateway_nginx", "Nginx.", "setup/backend/backend-nginx-monitoring"),
            leaf("APISIX", "APISIX", "gateway_apisix", "Apache APISIX.", "setup/backend/backend-apisix-monitoring"),
            leaf(
                "AWS API Gateway",
                "AWS_GATEWAY",
                "gateway_aws_api_gateway",
                "Gateways of Amazon.",
                "setup/backend/backend-aws-api-gateway-monitoring",
            ),
            leaf("Kong", "KONG", "Kong", "Kong.", "setup/backend/backend-kong-monitoring"),
        ],
    ),
    group(
        "Database",
        "database",
        "Databases, seen by themselves.",
        &[
            leaf(
                "MySQL/MariaDB",
                "MYSQL",
                "database_mysql_mariadb",
                "MySQL and MariaDB.",
                "setup/backend/backend-mysql-monitoring",
            ),
            leaf(
                "PostgreSQL",
                "POSTGRESQL",
                "database_postgresql",
                "PostgreSQL.",
                "setup/backend/backend-postgresql-monitoring",
            ),
            leaf(
                "DynamoDB",
                "AWS_DYNAMODB",
                "database_dynamodb",
                "Tables of DynamoDB.",
                "setup/backend/backend-aws-dynamodb-monitoring",
            ),
            leaf("Redis", "REDIS", "database_redis", "Redis.", "setup/backend/backend-redis-monitoring"),
            leaf(
                "Elasticsearch",
                "ELASTICSEARCH",
                "database_elasticsearch",
                "Elasticsearch.",
                "setup/backend/backend-elasticsearch-monitoring",
            ),
            leaf("MongoDB", "MONGODB", "database_mongodb", "MongoDB.", "setup/backend/backend-mongodb-monitoring"),
            leaf(
                "BookKeeper",
                "BOOKKEEPER",
                "database_bookkeeper",
                "Apache BookKeeper.",
                "setup/backend/backend-bookkeeper-monitoring",
            ),
            leaf(
                "ClickHouse",
                "CLICKHOUSE",
                "database_clickhouse",
                "ClickHouse.",
                "setup/backend/backend-clickhouse-monitoring",
            ),
        ],
    ),
    group(
        "Message Queue",
        "mq",
        "Message brokers, seen by themselves.",
        &[
            leaf("RabbitMQ", "RABBITMQ", "mq_rabbitmq", "RabbitMQ.", "setup/backend/backend-rabbitmq-monitoring"),
            leaf("Kafka", "KAFKA", "mq_kafka", "Apache Kafka.", "setup/backend/backend-kafka-monitoring"),
            leaf("Pulsar", "PULSAR", "mq_pulsar", "Apache Pulsar.", "setup/backend/backend-pulsar-monitoring"),
            leaf(
                "RocketMQ",
                "ROCKETMQ",
                "mq_rocketmq",
                "Apache RocketMQ.",
                "setup/backend/backend-rocketmq-monitoring",
            ),
            leaf(
                "ActiveMQ",
                "ACTIVEMQ",
                "mq_activemq",
                "Apache ActiveMQ.",
                "setup/backend/backend-activemq-monitoring",
            ),
        ],
    ),
    group(
        "Data Processing Engine",
        "data_processing_engine",
        "Engines that process streams and batches.",
        &[
            leaf(
                "Flink",
                "FLINK",
                "data_processing_engine_flink",
                "Apache Flink.",
                "setup/backend/backend-flink-monitoring",
            ),
            leaf("Airflow", "AIRFLOW", "Airflow", "Apache Airflow.", "setup/backend/backend-airflow-monitoring"),
        ],
    ),
    Group {
        title: "GenAI",
        icon: "gen_ai",
        key: "virtual_genai",
        layer: "",
        description: "Models, and what is asked of them.",
        link: "",
        leaves: &[
            leaf(
                "Virtual GenAI",
                "VIRTUAL_GENAI",
                "virtual_gen_ai",
                "Model providers, seen by the services that use them.",
                "setup/service-agent/virtual-genai",
            ),
            leaf(
                "Envoy AI Gateway",
                "ENVOY_AI_GATEWAY",
                "envoy_ai_gateway",
                "Gateways to model providers.",
                "setup/backend/backend-envoy-ai-gateway-monitoring",
            ),
        ],
    },
    group(
        "Self Observability",
        "self_observability",
        "What observes, observed.",
        &[
            leaf(
                "SkyWalking Server",
                "SO11Y_OAP",
                "self_observability_oap",
                "The server itself.",
                "setup/backend/backend-telemetry",
            ),
            leaf(
                "Satellite",
                "SO11Y_SATELLITE",
                "self_observability_satellite",
                "Satellites between agents and server.",
                "setup/backend/backend-load-balancer",
            ),
            leaf(
                "BanyanDB Server",
                "BANYANDB",
                "self_observability_banyandb",
                "BanyanDB.",
                "banyandb/dashboards-banyandb",
            ),
            leaf(
                "SkyWalking Java Agent",
                "SO11Y_JAVA_AGENT",
                "self_observability_java_agent",
                "Java agents.",
                "setup/backend/dashboards-so11y-java-agent",
            ),
            leaf(
                "SkyWalking Go Agent",
                "SO11Y_GO_AGENT",
                "self_observability_go_agent",
                "Go agents.",
                "setup/backend/dashboards-so11y-go-agent",
            ),
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
    fn titles_are_found_in_other_languages_under_the_keys_that_the_ui_knows() {
        let items = items(&BTreeSet::new());
        let mut keys: Vec<_> = items.iter().flat_map(|item| item.sub_items.iter().chain([item])).collect();
        // Most are the group's icon and the title; these are not.
        keys.retain(|item| {
            let key = item.i18n_key.as_deref().unwrap_or_default();
            let title: String = item.title.to_lowercase().replace([' ', '/'], "_");
            !key.ends_with(&title)
        });
        assert_eq!(items[11].i18n_key.as_deref(), Some("virtual_genai"), "{}", items[11].title);
        let keys: Vec<_> = keys.iter().map(|item| (item.title.as_str(), item.i18n_key.as_deref().unwrap())).collect();
        assert_eq!(
            keys,
            [
                ("Services", "service_mesh_service"),
                ("Kong", "Kong"),
                ("Message Queue", "mq"),
                ("Airflow", "Airflow"),
                ("Virtual GenAI", "virtual_gen_ai"),
                ("SkyWalking Server", "self_observability_oap"),
                ("BanyanDB Server", "self_observability_banyandb"),
                ("SkyWalking Java Agent", "self_observability_java_agent"),
                ("SkyWalking Go Agent", "self_observability_go_agent"),
            ]
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
