//! Rules, definitions and graphs by tables.

use std::collections::BTreeMap;

use model::layer::{self, Layer, Layers};

use super::{
    graph::{Graph, MAX_RELATIONS, Seen},
    matching::{Names, Pair},
    parse,
    rule::{Rule, Side},
    *,
};

/// The shipped file.
const SHIPPED: &str = include_str!("../../../../config/hierarchy-definition.yml");

fn file(text: &str) -> HierarchyFile {
    serde_saphyr::from_str(text).unwrap()
}

fn shipped() -> Hierarchy {
    Hierarchy::new(&file(SHIPPED), &Layers::default()).unwrap()
}

fn names(name: &str) -> Names<'_> {
    Names { name, short_name: name.split_once("::").map_or(name, |(_, short)| short) }
}

/// Whether a rule matches, found both ways: by comparing, and by the texts of look-ups.
fn matches(rule: &Rule, upper: &str, lower: &str) -> bool {
    let compared = rule.matches(&Pair { upper: names(upper), lower: names(lower) });
    if let Some(keys) = rule.keys() {
        let (above, below) = (keys.of(Side::Upper, names(upper)), keys.of(Side::Lower, names(lower)));
        assert_eq!(compared, above.is_some() && above == below, "{rule:?} {upper} {lower}");
    }
    compared
}

#[test]
fn the_published_rules_match_as_they_say_and_allow_look_ups() {
    let rules = file(SHIPPED).rules;
    for (rule, upper, lower, expected) in [
        ("name", "my-service", "my-service", true),
        ("name", "a::same", "b::same", false),
        ("name", "", "", true),
        ("short-name", "a::svc", "b::svc", true),
        ("short-name", "svc", "b::svc", true),
        ("short-name", "svc-1", "svc-2", false),
        ("lower-short-name-remove-ns", "a::svc", "b::svc.namespace", true),
        ("lower-short-name-remove-ns", "svc", "svc", false),
        ("lower-short-name-remove-ns", "other", "svc.namespace", false),
        // A dot that comes first divides nothing.
        ("lower-short-name-remove-ns", "", ".namespace", false),
        ("lower-short-name-remove-ns", "svc.ns1", "svc.ns1.ns2", true),
        ("lower-short-name-remove-ns", "svc", "", false),
        ("lower-short-name-remove-ns", "каталог", "каталог.магазин", true),
        ("lower-short-name-with-fqdn", "db.shop.svc.cluster.local:3306", "db.shop", true),
        ("lower-short-name-with-fqdn", "db", "db", false),
        ("lower-short-name-with-fqdn", "db:3306", "db", false),
        ("lower-short-name-with-fqdn", "db.svc.cluster.local:", "db", true),
        ("lower-short-name-with-fqdn", "", "db", false),
    ] {
        let read = parse::rule(&rules[rule]).unwrap();
        assert!(read.keys().is_some(), "{rule}");
        assert_eq!(matches(&read, upper, lower), expected, "{rule}: {upper} {lower}");
    }
}

#[test]
fn rules_of_every_form_are_understood() {
    for (rule, looked_up, upper, lower, expected) in [
        // As SkyWalking 10.0 had it: a position that is not there matches nothing.
        ("{ (u, l) -> u.shortName == l.shortName.substring(0, l.shortName.lastIndexOf('.')) }", true, "a", "a.b", true),
        ("{ (u, l) -> u.shortName == l.shortName.substring(0, l.shortName.lastIndexOf('.')) }", true, "a", "a", false),
        ("{(up,low)->low.name==up.name}", true, "a", "a", true),
        ("{ (u, l) -> return u.name == l.name; }", true, "a", "a", true),
        (
            "{ (u, l) -> { if (u.name.length() > 1 && l.name != '') { return u.name == l.name } else return false } }",
            true,
            "aa",
            "aa",
            true,
        ),
        (
            "{ (u, l) -> { if (u.name.length() > 1 && l.name != '') { return u.name == l.name } else return false } }",
            true,
            "a",
            "a",
            false,
        ),
        ("{ (u, l) -> u.name != l.name }", false, "a", "b", true),
        ("{ (u, l) -> u.name.startsWith(l.name) }", false, "cart-1", "cart", true),
        (
            "{ (u, l) -> u.name.contains(l.name) && !(l.name.isEmpty() || l.name.equals('x')) }",
            false,
            "axb",
            "x",
            false,
        ),
        ("{ (u, l) -> u.name.endsWith(l.name) }", false, "cart-1", "cart", false),
        ("{ (u, l) -> u.name.equalsIgnoreCase(l.name) }", false, "CART", "cart", true),
        (
            "{ (u, l) -> u.name.toLowerCase().trim() == l.name.toUpperCase().toLowerCase() }",
            true,
            " Cart",
            "cART",
            true,
        ),
        ("{ (u, l) -> u.name.replace('-', '.') + '!' == 'x' + l.name }", true, "x-a", "x.a", false),
        (
            "{ (u, l) -> u.name.substring(1) == l.name.substring(l.name.indexOf(\"-\") + 1, l.name.length() - 1) }",
            true,
            "xa",
            "b-ac",
            true,
        ),
        (
            "{ (u, l) -> { if (u.name.indexOf('-') == -1) return true; else if (l.name == 'b') { return false; } return u.name == l.name; } }",
            false,
            "a-",
            "a-",
            true,
        ),
        ("{ (u, l) -> { if (u.name == 'a') return true; } // nothing else\n }", false, "b", "b", false),
        ("{ (u, l) -> u.name.length() >= l.name.length() }", false, "ab", "ab", true),
        ("{ (u, l) -> u.name.length() <= l.name.length() }", false, "abc", "ab", false),
        ("{ (u, l) -> u.name.length() < l.name.length() }", false, "a", "ab", true),
        ("{ (u, l) -> u.name == 'it\\'s' }", false, "it's", "b", true),
        ("{ (u, l) -> u.name.concat(l.name) == 'ab' }", false, "a", "b", true),
    ] {
        let read = parse::rule(rule).unwrap_or_else(|problem| panic!("{rule}: {problem}"));
        assert_eq!(read.keys().is_some(), looked_up, "{rule}");
        assert_eq!(matches(&read, upper, lower), expected, "{rule}: {upper} {lower}");
    }
}

#[test]
fn a_rule_that_cannot_be_read_says_where_and_what_was_expected() {
    for (rule, problem) in [
        ("", "column 1: expected `{`, found the end"),
        ("{ u, l -> u.name == l.name }", "column 3: expected `(`, found `u`"),
        ("{ (u, u) -> u.name == u.name }", "column 8: the two services have the same name"),
        ("{ (u, l) -> u.name }", "column 13: a text is no condition"),
        ("{ (u, l) -> u.name = l.name }", "column 13: a text is no condition"),
        ("{ (u, l) -> x.name == l.name }", "column 13: expected a text, a number, `u.…` or `l.…`, found `x`"),
        ("{ (u, l) -> u.group == l.group }", "column 15: services have a `name` and a `shortName`, no `group`"),
        ("{ (u, l) -> u.name.tokenize('.') == l.name }", "column 20: texts have no method `tokenize`"),
        ("{ (u, l) -> u.name.concat(1) == l.name }", "column 20: `concat` takes a text"),
        ("{ (u, l) -> u.name.substring() == l.name }", "column 20: `substring` takes a number and a number"),
        ("{ (u, l) -> u.name.trim('x') == l.name }", "column 20: `trim` takes nothing"),
        ("{ (u, l) -> u.name.length().trim() == l.name }", "column 29: `trim` is a method of texts, not of a number"),
        ("{ (u, l) -> u.name == l.name.length() }", "column 13: a text and a number cannot be compared this way"),
        ("{ (u, l) -> u.name > l.name }", "column 13: a text and a text cannot be compared this way"),
        ("{ (u, l) -> u.name - l.name == '' }", "column 13: a text and a text cannot be added or subtracted"),
        ("{ (u, l) -> { if (u.name == 'a') } }", "column 34: expected `if` or `return`, found `}`"),
        ("{ (u, l) -> { } }", "column 15: expected `if` or `return`, found `}`"),
        ("{ (u, l) -> u.name == l.name } }", "column 32: expected the end, found `}`"),
        ("{ (u, l) -> u.name == l.name", "column 29: expected `}`, found the end"),
        ("{ (u, l) -> u.name == 'a }", "column 23: a text without end"),
        ("{ (u, l) -> u.name =~ l.name }", "column 21: `~` has no meaning here"),
        ("{ (u, l) -> u.name.length() > 99999999999 }", "column 31: `99999999999` is too large"),
        ("{ (u, l) -> u.name.indexOf('a') == - }", "column 36: `-` without a number"),
    ] {
        assert_eq!(parse::rule(rule).unwrap_err(), problem, "{rule}");
    }
    let deep = format!("{{ (u, l) -> {}u.name == l.name{} }}", "(".repeat(50_000), ")".repeat(50_000));
    assert_eq!(parse::rule(&deep).unwrap_err(), "column 45: nested deeper than 32");
    let deep = format!("{{ (u, l) -> {}u.name == l.name }}", "!".repeat(50_000));
    assert_eq!(parse::rule(&deep).unwrap_err(), "column 45: nested deeper than 32");
}

#[test]
fn the_shipped_hierarchy_has_the_pairs_and_levels_of_skywalking() {
    let hierarchy = shipped();
    let mut below: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for step in &hierarchy.steps {
        below.entry(step.upper.name).or_default().push(step.lower.name);
    }
    assert_eq!(below["MESH"], ["K8S_SERVICE", "MESH_DP"]);
    assert_eq!(below["GENERAL"], ["APISIX", "K8S_SERVICE", "KONG"]);
    assert_eq!(below["VIRTUAL_DATABASE"], ["CLICKHOUSE", "MYSQL", "POSTGRESQL"]);
    assert_eq!(below["VIRTUAL_MQ"], ["KAFKA", "PULSAR", "RABBITMQ", "ROCKETMQ"]);
    let on_kubernetes = below.iter().filter(|(_, below)| **below == ["K8S_SERVICE"]).map(|(upper, _)| *upper);
    assert_eq!(
        on_kubernetes.collect::<Vec<_>>().join(" "),
        "ACTIVEMQ AIRFLOW APISIX CILIUM_SERVICE CLICKHOUSE KAFKA KONG MESH_DP MYSQL NGINX POSTGRESQL PULSAR RABBITMQ \
         ROCKETMQ SO11Y_OAP"
    );
    let levels: Vec<i32> = hierarchy.levels.iter().map(|(_, level)| *level).collect();
    assert_eq!(levels, [[3; 5].as_slice(), &[2; 12], &[1; 2], &[0]].concat());
}

#[test]
fn every_problem_of_a_definition_is_named() {
    let problems = |text: &str| Hierarchy::new(&file(text), &Layers::default()).unwrap_err();
    assert_eq!(
        problems(
            "hierarchy: {GENERAL: {K8S_SERVICE: nobody, MESH: name, KONG: name, MYSQL: broken, APISIX: }, NGINX: {APISIX: name}, MYSQL: }\n\
             auto-matching-rules: {name: '{ (u, l) -> u.name == l.name }', broken: '{ (u, l) -> u.name }'}\n\
             layer-levels: {GENERAL: 3, K8S_SERVICE: 0, MESH: 3, MYSQL: 2, APISIX: 1, NOWHERE: 1, UNDEFINED: 0}\n"
        ),
        [
            "rule broken: column 13: a text is no condition",
            "layer-levels: there is no layer NOWHERE",
            "layer-levels: there is no layer UNDEFINED",
            "hierarchy: GENERAL and K8S_SERVICE: there is no rule nobody",
            "hierarchy: GENERAL and KONG: KONG is not among layer-levels",
            "hierarchy: GENERAL and MESH: the upper layer must be higher, their levels are 3 and 3",
            "hierarchy: NGINX and APISIX: NGINX is not among layer-levels",
        ]
    );
    // A layer of the operator's takes part like any other; a pair without a rule is allowed and matches nothing.
    let layers = model::layer::LayerFile {
        layers: Some(vec![model::layer::Extension { name: "IOT".to_owned(), ordinal: 10_000, normal: true }]),
    };
    let own = file("hierarchy: {IOT: {MESH: }}\nlayer-levels: {IOT: 1, MESH: 0}\n");
    assert_eq!(Hierarchy::new(&own, &Layers::with(layers).unwrap()).unwrap().steps.len(), 0);
    assert!(Hierarchy::new(&HierarchyFile::default(), &Layers::default()).is_ok());
}

fn layer(name: &str) -> Layer {
    layer::by_name(name).unwrap()
}

fn seen(name: &str, layer_name: &str) -> Seen {
    let layer = layer(layer_name);
    Seen {
        service_id: id::service(name, layer.normal),
        name: name.to_owned(),
        short_name: names(name).short_name.to_owned(),
        layer,
    }
}

/// Relations around a service, as `UPPER layer > LOWER layer`, in their order.
fn around(graph: &Graph, name: &str, layer_name: &str) -> Vec<String> {
    let show = |seen: &Seen| format!("{} {}", seen.name, seen.layer.name);
    let found = graph.around(&id::service(name, layer(layer_name).normal), layer(layer_name));
    found.into_iter().map(|(upper, lower)| format!("{} > {}", show(upper), show(lower))).collect()
}

#[test]
fn what_follows_from_other_relations_is_left_out() {
    let services =
        [("shop", "MESH"), ("shop", "MESH_DP"), ("shop", "K8S_SERVICE"), ("other", "MESH"), ("a::shop", "GENERAL")];
    let services = services.map(|(name, layer)| seen(name, layer)).to_vec();
    let graph = Graph::new(&shipped(), services).unwrap();
    // MESH lies above K8S_SERVICE too, but through MESH_DP.
    let all = ["shop MESH > shop MESH_DP", "shop MESH_DP > shop K8S_SERVICE"];
    assert_eq!(around(&graph, "shop", "MESH"), all);
    let mut from_below = around(&graph, "shop", "K8S_SERVICE");
    from_below.sort();
    assert_eq!(from_below, all);
    assert_eq!(around(&graph, "other", "MESH"), Vec::<String>::new());
    assert_eq!(around(&graph, "nobody", "MESH"), Vec::<String>::new());
    // Seen in that layer, but with an id of the other kind.
    assert_eq!(around(&graph, "shop", "VIRTUAL_MQ"), Vec::<String>::new());
}

#[test]
fn relations_are_followed_down_and_up_and_down_again() {
    let services = [
        ("pg.shop.svc.cluster.local:5432", "VIRTUAL_DATABASE"),
        ("pg.shop.svc.cluster.local:5433", "VIRTUAL_DATABASE"),
        ("postgresql::pg.shop", "POSTGRESQL"),
        ("cluster::pg.shop", "K8S_SERVICE"),
        ("nginx::pg.shop", "NGINX"),
        ("agent::pg", "GENERAL"),
    ];
    let graph = Graph::new(&shipped(), services.map(|(name, layer)| seen(name, layer)).to_vec()).unwrap();
    let mut found = around(&graph, "pg.shop.svc.cluster.local:5432", "VIRTUAL_DATABASE");
    assert_eq!(found[0], "pg.shop.svc.cluster.local:5432 VIRTUAL_DATABASE > postgresql::pg.shop POSTGRESQL");
    found.sort();
    assert_eq!(
        found,
        [
            "agent::pg GENERAL > cluster::pg.shop K8S_SERVICE",
            "nginx::pg.shop NGINX > cluster::pg.shop K8S_SERVICE",
            "pg.shop.svc.cluster.local:5432 VIRTUAL_DATABASE > postgresql::pg.shop POSTGRESQL",
            "pg.shop.svc.cluster.local:5433 VIRTUAL_DATABASE > postgresql::pg.shop POSTGRESQL",
            "postgresql::pg.shop POSTGRESQL > cluster::pg.shop K8S_SERVICE",
        ]
    );
}

#[test]
fn ten_relations_away_is_the_end() {
    // A chain that goes down and up by turns: each lower service matches its own number and the next.
    let rule = "{ (u, l) -> u.name == l.name || u.name == l.name.concat('x') }";
    let text = format!(
        "hierarchy: {{MESH: {{MESH_DP: r}}}}\nauto-matching-rules: {{r: \"{rule}\"}}\nlayer-levels: {{MESH: 1, MESH_DP: 0}}\n"
    );
    let hierarchy = Hierarchy::new(&file(&text), &Layers::default()).unwrap();
    let link = |n: usize| ["MESH", "MESH_DP"].map(|layer| seen(&format!("s{}", "x".repeat(n)), layer));
    let graph = Graph::new(&hierarchy, (0..20).flat_map(link).collect()).unwrap();
    assert_eq!(around(&graph, "s", "MESH").len(), 10);
}

#[test]
fn more_relations_than_one_request_may_find_are_an_error() {
    let many = |layer: &str, n: usize| (0..n).map(|i| seen(&format!("{i}::same"), layer)).collect::<Vec<_>>();
    let services = [many("APISIX", 500), many("K8S_SERVICE", 500)].concat();
    assert_eq!(
        Graph::new(&shipped(), services).unwrap_err().to_string(),
        format!("more than {MAX_RELATIONS} relations between services, last of the layers APISIX and K8S_SERVICE")
    );
    let text = "hierarchy: {MESH: {MESH_DP: r}}\nauto-matching-rules: {r: \"{ (u, l) -> u.name.contains(l.name) }\"}\nlayer-levels: {MESH: 1, MESH_DP: 0}\n";
    let slow = Hierarchy::new(&file(text), &Layers::default()).unwrap();
    let services = [many("MESH", 2_500), many("MESH_DP", 2_500)].concat();
    assert_eq!(
        Graph::new(&slow, services).unwrap_err().to_string(),
        "more than 5000000 comparisons between services, last of the layers MESH and MESH_DP"
    );
}
